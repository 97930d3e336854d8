//! An AKS cluster with an identity that is bound to it, and its token proxy.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tonic::Status;
use vaultbind_azure::{Azure, Call, Options, Service, TokenRequest};
use vaultbind_e2e::driver::{self, Pod, SecretProviderClass, mount_request};
use vaultbind_e2e::stage::{
    AUDIENCE, CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, TENANT, VAULT, class, config,
};
use vaultbind_provider::server::Provider;

use super::DB;
use crate::support::{logs, secret};

pub(crate) const BINDING_AUDIENCE: &str = "api://AKSIdentityBinding";
/// Where tokens are asked for.
pub(crate) const PROXY: &str = "127.0.0.1";
pub(crate) const IMDS: &str = "imds";
pub(crate) const LOGIN: &str = "login.microsoftonline.com";
/// A ServiceAccount that may use the identity too.
pub(crate) const BATCH: &str = "batch";
/// A ServiceAccount that may not, and has a federated credential.
pub(crate) const FEDERATED: &str = "federated";
pub(crate) const APPLICATION: &str = "cccccccc-0000-0000-0000-00000000000d";
pub(crate) const NODE: &str = "cccccccc-0000-0000-0000-00000000000a";

/// An emulated Azure with a cluster that the identity [`CLIENT`] is bound to.
pub(crate) struct Cluster {
    pub(crate) azure: Azure,
    pub(super) value: String,
    pub(super) client_secret: String,
    folder: TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        logs();
        let (value, client_secret) = (secret("value"), secret("client-secret"));
        let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/payments";
        let seed = format!(
            "tenants:
- tenantID: {TENANT}
  applications: [{{clientID: {APPLICATION}, name: job, clientSecrets: [{{value: {client_secret}}}]}}]
issuers: [{{issuer: '{ISSUER}'}}]
managedIdentities:
  tenantID: {TENANT}
  systemAssigned: {{clientID: {NODE}, objectID: cccccccc-0000-0000-0000-0000000000aa}}
arm:
  identities:
  - resourceID: {group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/payments
    tenantID: {TENANT}
    clientID: {CLIENT}
    federatedCredentials:
    - {{name: one, issuer: '{ISSUER}', subject: 'system:serviceaccount:{NAMESPACE}:{FEDERATED}'}}
    - {{name: both, issuer: '{ISSUER}', subject: 'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}'}}
  clusters:
  - resourceID: {group}/providers/Microsoft.ContainerService/managedClusters/blue
    tenantID: {TENANT}
    issuer: {ISSUER}
    identityUsers:
    - {{clientID: {CLIENT}, subject: 'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}'}}
    - {{clientID: {CLIENT}, subject: 'system:serviceaccount:{NAMESPACE}:{BATCH}'}}
    identityBindings: [{{name: payments, clientID: {CLIENT}}}]
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments:
  - {{principal: {CLIENT}, role: Key Vault Secrets User}}
  - {{principal: {APPLICATION}, role: Key Vault Secrets User}}
  - {{principal: {NODE}, role: Key Vault Secrets User}}
  secrets: [{{name: db, value: {value}}}]
"
        );
        let azure = Azure::start(Options {
            seed: serde_yaml::from_str(&seed).unwrap(),
            ..Options::default()
        })
        .await
        .unwrap();
        let cluster = Self {
            azure,
            value,
            client_secret,
            folder: tempfile::tempdir().unwrap(),
        };
        cluster.trust(cluster.azure.ca_pem());
        cluster
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cluster-ca.crt")
    }

    /// Writes the cluster's CA as a volume does: the file is there as a whole.
    pub(crate) fn trust(&self, pem: &str) {
        let new = self.folder.path().join("new.crt");
        std::fs::write(&new, pem).unwrap();
        std::fs::rename(new, self.ca_file()).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Address, server name and CA of the token proxy.
    pub(crate) fn arguments(&self) -> [String; 3] {
        [
            format!("--token-proxy-url=https://{}", self.azure.https_addr()),
            "--sni-name=blue.ests.aks".to_owned(),
            format!("--token-proxy-ca-file={}", self.ca_file().display()),
        ]
    }

    /// A provider that reaches Azure as its proxy.
    pub(crate) async fn provider(&self) -> (Provider, driver::Provider) {
        self.provider_with(&self.arguments()).await
    }

    pub(crate) async fn provider_with(&self, arguments: &[String]) -> (Provider, driver::Provider) {
        let socket = self.folder.path().join("vaultbind.sock");
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let config = config(&self.azure, &socket, &arguments).unwrap();
        let provider = Provider::start(config).await.unwrap();
        let driver = driver::Provider::connect(provider.socket()).unwrap();
        (provider, driver)
    }

    pub(crate) fn pod(&self, service_account: &str) -> Pod {
        let pod = Pod::new(NAMESPACE, &format!("{service_account}-0"), service_account);
        [AUDIENCE, BINDING_AUDIENCE]
            .into_iter()
            .fold(pod, |pod, audience| {
                let request = TokenRequest {
                    namespace: NAMESPACE.to_owned(),
                    service_account_name: service_account.to_owned(),
                    audience: audience.to_owned(),
                    ..TokenRequest::default()
                };
                let token = self.azure.service_account_token(&request).unwrap().token;
                pod.with_token(audience, token)
            })
    }

    pub(crate) async fn mount(
        &self,
        driver: &driver::Provider,
        class: &SecretProviderClass,
        service_account: &str,
    ) -> Result<(), Status> {
        let request = mount_request(class, &self.pod(service_account));
        let response = driver.mount(request).await?;
        assert_eq!(&response.files[0].contents[..], self.value.as_bytes());
        Ok(())
    }

    pub(crate) async fn refused(
        &self,
        driver: &driver::Provider,
        class: &SecretProviderClass,
        service_account: &str,
    ) -> Status {
        let mounted = self.mount(driver, class, service_account).await;
        mounted.unwrap_err()
    }

    pub(crate) fn vault_calls(&self) -> usize {
        let calls = self.azure.calls();
        let of_vault = calls.iter().filter(|call| call.service == Service::Vault);
        of_vault.count()
    }

    /// The hosts that tokens were asked of since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        let calls = self.azure.calls();
        self.azure.clear_calls();
        let host = |call: Call| match call.service {
            Service::Entra => Some(call.host),
            Service::Imds => Some(IMDS.to_owned()),
            _ => None,
        };
        calls.into_iter().filter_map(host).collect()
    }
}

/// A class that is read with the identity binding.
pub(crate) fn bound() -> SecretProviderClass {
    class(DB).with("useAzureTokenProxy", "true")
}
