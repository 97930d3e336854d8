//! An emulated Azure and a provider in one process, over real sockets.

mod names;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::Context as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;
use url::Url;
use vaultbind_azure::{Azure, Options, Seed, TokenRequest};
use vaultbind_keyvault::transport::{Proxy, Roots};
use vaultbind_provider::args::Args;
use vaultbind_provider::server::{Config, Provider};

use crate::driver::{self, Pod, SecretProviderClass};

pub use names::{AUDIENCE, CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, TENANT, VAULT, random};

/// An emulated Azure with a provider that reaches it as its CONNECT proxy, under the real host names.
#[derive(Debug)]
pub struct Stage {
    /// The emulated Azure.
    pub azure: Azure,
    /// The provider.
    pub provider: Provider,
    folder: TempDir,
}

impl Stage {
    /// Starts both; `seed` is YAML.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(seed: &str) -> anyhow::Result<Self> {
        Self::start_with(seed, &[], |_| {}).await
    }

    /// Starts both, with arguments for the provider and options for Azure.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start_with(
        seed: &str,
        arguments: &[&str],
        adjust: impl FnOnce(&mut Options),
    ) -> anyhow::Result<Self> {
        let seed: Seed = serde_yaml::from_str(seed).context("seed")?;
        let mut options = Options {
            seed,
            ..Options::default()
        };
        adjust(&mut options);
        let azure = Azure::start(options).await?;
        let folder = tempfile::tempdir()?;
        let config = config(&azure, &folder.path().join("vaultbind.sock"), arguments)?;
        let provider = Provider::start(config).await?;
        Ok(Self {
            azure,
            provider,
            folder,
        })
    }

    /// A folder that goes with the stage.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The driver's connection to the provider.
    ///
    /// # Errors
    /// Never before the first call.
    pub fn driver(&self) -> anyhow::Result<driver::Provider> {
        driver::Provider::connect(self.provider.socket())
    }

    /// The usual pod, with a token of the seeded issuer.
    ///
    /// # Errors
    /// When the seed has no issuer.
    pub fn pod(&self) -> anyhow::Result<Pod> {
        pod(&self.azure)
    }
}

/// The usual pod, with a token of the seeded issuer.
///
/// # Errors
/// When the seed has no issuer.
pub fn pod(azure: &Azure) -> anyhow::Result<Pod> {
    let token = azure.service_account_token(&TokenRequest {
        namespace: NAMESPACE.to_owned(),
        service_account_name: SERVICE_ACCOUNT.to_owned(),
        audience: AUDIENCE.to_owned(),
        ..TokenRequest::default()
    })?;
    Ok(Pod::new(NAMESPACE, "payments-api-0", SERVICE_ACCOUNT).with_token(AUDIENCE, token.token))
}

/// The configuration of a provider that reaches `azure` as its proxy; without second tries, unless
/// the arguments say after how long.
///
/// # Errors
/// When an argument is wrong.
pub fn config(azure: &Azure, socket: &Path, arguments: &[&str]) -> anyhow::Result<Config> {
    let own = [
        "vaultbind-provider".to_owned(),
        format!("--endpoint=unix://{}", socket.display()),
        format!("--http-address={}", IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "--healthz-port=0".to_owned(),
        "--prometheus-port=0".to_owned(),
    ];
    // Tests count calls, and how many there are must not depend on how busy the machine is.
    let hedge = "--hedge-after";
    let unhedged = (!arguments.iter().any(|argument| argument.starts_with(hedge)))
        .then(|| format!("{hedge}=0s"));
    let arguments = own
        .into_iter()
        .chain(unhedged)
        .chain(arguments.iter().map(|&argument| argument.to_owned()));
    Ok(Config {
        args: Args::read(arguments.map(Into::into))?,
        proxy: Proxy::Fixed(format!("http://{}", azure.proxy_addr())),
        roots: Roots::Fixed(vec![CertificateDer::from_pem_slice(
            azure.ca_pem().as_bytes(),
        )?]),
        imds: Some(Url::parse(&format!("http://{}", azure.imds_addr()))?),
    })
}

/// A class of the usual vault, read by workload identity.
pub fn class(objects: &str) -> SecretProviderClass {
    SecretProviderClass::new(
        "payments",
        &[
            ("keyvaultName", VAULT),
            ("tenantID", TENANT),
            ("clientID", CLIENT),
            ("objects", objects),
        ],
    )
}
