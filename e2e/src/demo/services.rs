//! What is started and how it is reached.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use vaultbind_azure::TokenRequest;
use vaultbind_proto::MountRequest;

use super::manifests::Manifests;
use super::programs::{Launch, Log, Programs};
use crate::admin::Admin;
use crate::driver::{Pod, Provider, SecretProviderClass, mount_request};
use crate::stage::AUDIENCE;

/// Everything that runs, and what is mounted.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) azure: Azure,
    pub(super) admin: Admin,
    pub(super) provider: Provider,
    pub(super) provider_version: String,
    pub(super) provider_log: Log,
    pub(super) socket: PathBuf,
    pub(super) manifests: Manifests,
}

/// Where the emulated Azure is, as it says itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Azure {
    pub(super) proxy: SocketAddr,
    pub(super) imds: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) ca_file: PathBuf,
}

impl Stage {
    /// Starts the emulated Azure and the provider.
    pub(super) async fn start(
        examples: &Path,
        folder: &Path,
        programs: &mut Programs,
    ) -> anyhow::Result<Self> {
        let manifests = Manifests::read(examples)?;
        let azure = start_azure(&examples.join("azure.yaml"), folder, programs).await?;
        let socket = folder.join("vaultbind.sock");
        let provider_log = programs.start(provider(&azure, &socket))?;
        let provider = Provider::connect(&socket)?;
        let version = programs
            .wait_until("the provider to answer Version", || async {
                Ok(provider.version().await?)
            })
            .await?;
        Ok(Self {
            admin: Admin::new(azure.admin),
            azure,
            provider_version: format!("{} {}", version.runtime_name, version.runtime_version),
            provider,
            provider_log,
            socket,
            manifests,
        })
    }

    /// What the driver asks for a volume of `class` in the example's pod, under a ServiceAccount.
    pub(super) async fn request(
        &self,
        class: &SecretProviderClass,
        service_account: &str,
    ) -> anyhow::Result<MountRequest> {
        let metadata = &self.manifests.pod.metadata;
        let token = self.token(service_account).await?;
        let pod = Pod::new(&metadata.namespace, &metadata.name, service_account)
            .with_token(AUDIENCE, token);
        Ok(mount_request(class, &pod))
    }

    /// A token that kubelet would give the driver for a ServiceAccount of the example's namespace.
    pub(super) async fn token(&self, service_account: &str) -> anyhow::Result<String> {
        let request = TokenRequest {
            namespace: self.manifests.pod.metadata.namespace.clone(),
            service_account_name: service_account.to_owned(),
            audience: AUDIENCE.to_owned(),
            ..TokenRequest::default()
        };
        Ok(self.admin.service_account_token(&request).await?.token)
    }

    /// What the driver asks for the example's pod.
    pub(super) async fn usual_request(&self) -> anyhow::Result<MountRequest> {
        let service_account = &self.manifests.pod.spec.service_account_name;
        self.request(&self.manifests.class, service_account).await
    }
}

async fn start_azure(seed: &Path, folder: &Path, programs: &mut Programs) -> anyhow::Result<Azure> {
    ensure!(
        seed.is_file(),
        "expected the seed {}; start this in the repository or give --examples",
        seed.display()
    );
    let ready = folder.join("azure.json");
    let mut arguments: Vec<OsString> = Vec::new();
    for listener in ["--listen", "--proxy", "--imds", "--admin"] {
        arguments.extend([listener.into(), "127.0.0.1:0".into()]);
    }
    arguments.extend(["--seed".into(), seed.into()]);
    arguments.extend(["--ca-file".into(), folder.join("ca.pem").into()]);
    arguments.extend(["--ready-file".into(), (&ready).into()]);
    programs.start(Launch {
        name: "vaultbind-azure",
        arguments,
        environment: Vec::new(),
    })?;
    let text = programs
        .wait_until("the emulated Azure to be ready", || async {
            Ok(tokio::fs::read(&ready).await?)
        })
        .await?;
    serde_json::from_slice(&text).context("the ready file of vaultbind-azure")
}

fn provider(azure: &Azure, socket: &Path) -> Launch {
    let mut endpoint = OsString::from("--endpoint=unix://");
    endpoint.push(socket);
    let mut arguments = vec![endpoint];
    arguments.extend(
        [
            "--http-address=127.0.0.1",
            // So that the second mount sees what was rotated a moment before it.
            "--cache-ttl=0s",
            "--healthz-port=0",
            "--prometheus-port=0",
        ]
        .map(OsString::from),
    );
    Launch {
        name: "vaultbind-provider",
        arguments,
        environment: vec![
            ("HTTPS_PROXY", format!("http://{}", azure.proxy).into()),
            ("SSL_CERT_FILE", (&azure.ca_file).into()),
            (
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                format!("http://{}", azure.imds).into(),
            ),
        ],
    }
}
