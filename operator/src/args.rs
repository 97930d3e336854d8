//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use vaultbind_keyvault::transport::{TokenProxy, TokenProxyName, TokenProxyUrl};
use vaultbind_keyvault::{AllowedHost, ClientId, NameError, TenantId};
use vaultbind_telemetry::values::{self, boolean};

use crate::lease::Timing;
use crate::resolve::OwnIdentity;

#[cfg(test)]
mod tests;

/// Keeps a SecretProviderClass with exact versions for every VaultBinding.
///
/// The cluster is that of the pod's ServiceAccount, else that of KUBECONFIG. Proxies and trust for Azure are taken
/// from the environment: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR;
/// the cluster is never asked through a proxy.
#[derive(Debug, Clone, Parser)]
#[command(name = "vaultbind-operator", disable_version_flag = true)]
pub struct Args {
    /// Address of the HTTP servers for health and metrics
    #[arg(long, env = "VAULTBIND_HTTP_ADDRESS", default_value = "0.0.0.0")]
    pub http_address: IpAddr,

    /// Port of the health endpoints: liveness under /healthz, readiness under /readyz
    #[arg(long, env = "VAULTBIND_HEALTHZ_PORT", default_value_t = 8989)]
    pub healthz_port: u16,

    /// Port of /metrics; may be the same as --healthz-port
    #[arg(long, env = "VAULTBIND_PROMETHEUS_PORT", default_value_t = 8898)]
    pub prometheus_port: u16,

    /// Write logs as JSON
    #[arg(long, env = "VAULTBIND_LOG_FORMAT_JSON", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = boolean)]
    pub log_format_json: bool,

    /// Verbosity of logs: 0 informational, 2 debugging, 5 everything
    #[arg(
        short = 'v',
        long = "v",
        env = "VAULTBIND_VERBOSITY",
        value_name = "N",
        default_value_t = 0
    )]
    pub verbosity: u8,

    /// Namespace whose bindings are looked after; repeatable, all if it is not given
    #[arg(
        long = "watch-namespaces",
        alias = "watch-namespace",
        env = "VAULTBIND_WATCH_NAMESPACES",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    pub watch_namespaces: Vec<String>,

    /// Bindings that are worked on at a time
    #[arg(long, env = "VAULTBIND_WORKERS", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// Requests at a time to each vault
    #[arg(long, env = "VAULTBIND_VAULT_CONCURRENCY", value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub vault_concurrency: u16,

    /// How long a request to Azure may take before it counts as lost and is sent again
    #[arg(long, env = "VAULTBIND_TRY_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub try_timeout: Duration,

    /// Further host that a binding may name in vault.uri, exactly so; repeatable. Tokens for the cloud's
    /// vaults are sent there: name hosts that lead to your own vaults, and no others
    #[arg(long = "allow-vault-host", env = "VAULTBIND_ALLOW_VAULT_HOST", value_name = "HOST",
          value_delimiter = ',', value_parser = allowed_host)]
    pub allow_vault_hosts: Vec<AllowedHost>,

    /// Client id of the operator's own identity, for classes that say detection Operator
    #[arg(long, env = "AZURE_CLIENT_ID", value_name = "ID", value_parser = client)]
    pub azure_client_id: Option<ClientId>,

    /// Tenant of the operator's own identity
    #[arg(long, env = "AZURE_TENANT_ID", value_name = "ID", value_parser = tenant)]
    pub azure_tenant_id: Option<TenantId>,

    /// File with the token that proves the operator's own identity; without it, --azure-client-id is
    /// that of a managed identity of the node
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE", value_name = "PATH")]
    pub azure_token_file: Option<PathBuf>,

    /// URL of the token proxy of the AKS cluster, for bindings with the identity type AKSIdentityBinding. It
    /// is never reached through a proxy; without it no vault is asked for them
    #[arg(long, env = "VAULTBIND_TOKEN_PROXY_URL", value_name = "URL")]
    pub token_proxy_url: Option<TokenProxyUrl>,

    /// Server name of the token proxy in TLS; derived from the API server's certificate at
    /// --token-proxy-url if it is not given
    #[arg(
        long,
        env = "VAULTBIND_SNI_NAME",
        value_name = "NAME",
        requires = "token_proxy_url"
    )]
    pub sni_name: Option<TokenProxyName>,

    /// PEM file with the authorities that are trusted at the token proxy, and no others are; read for
    /// each request there
    #[arg(
        long,
        env = "VAULTBIND_TOKEN_PROXY_CA_FILE",
        value_name = "FILE",
        requires = "token_proxy_url",
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    )]
    pub token_proxy_ca_file: PathBuf,

    /// How long a deleted binding waits for what it made in Azure to be removed; then it goes all the same, and
    /// what is left is in the ConfigMap vaultbind-orphans
    #[arg(long, env = "VAULTBIND_AZURE_DELETION_TIMEOUT", default_value = "10m", value_parser = deletion_timeout)]
    pub azure_deletion_timeout: Duration,

    /// Make the Kubernetes Secrets of bindings that have spec.secrets and whose class admits them
    #[arg(long, env = "VAULTBIND_KUBERNETES_SECRETS", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "true", default_missing_value = "true",
          value_parser = boolean)]
    pub kubernetes_secrets: bool,

    /// Show conditions and expiry of every binding in /metrics; without it only their numbers
    #[arg(long, env = "VAULTBIND_BINDING_METRICS", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "true", default_missing_value = "true",
          value_parser = boolean)]
    pub binding_metrics: bool,

    /// Work only while holding a Lease; needed with more than one replica
    #[arg(long, env = "VAULTBIND_LEADER_ELECT", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "true", default_missing_value = "true",
          value_parser = boolean)]
    pub leader_elect: bool,

    /// Name of the Lease
    #[arg(
        long,
        env = "VAULTBIND_LEASE_NAME",
        value_name = "NAME",
        default_value = "vaultbind-operator"
    )]
    pub lease_name: String,

    /// Namespace of the Lease; that of the pod, or of the kubeconfig's context, if it is not given
    #[arg(long, env = "VAULTBIND_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// How long other replicas wait for a leader that shows no sign of life
    #[arg(long, env = "VAULTBIND_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,

    /// How long a leader that cannot renew its Lease goes on before it ends itself
    #[arg(long, env = "VAULTBIND_LEASE_RENEW_DEADLINE", default_value = "10s",
          value_parser = duration)]
    pub lease_renew_deadline: Duration,

    /// Time between two tries to get or renew the Lease
    #[arg(long, env = "VAULTBIND_LEASE_RETRY_PERIOD", default_value = "2s",
          value_parser = duration)]
    pub lease_retry_period: Duration,

    /// Print version and build date as JSON and exit
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_value = "false", default_missing_value = "true", value_parser = boolean)]
    pub version: bool,
}

impl Args {
    /// As whom the operator asks vaults itself, if it has an identity.
    ///
    /// # Errors
    /// With what is missing.
    pub fn own_identity(&self) -> Result<Option<OwnIdentity>, String> {
        let Some(client) = self.azure_client_id.clone() else {
            return Ok(None);
        };
        Ok(Some(match &self.azure_token_file {
            None => OwnIdentity::Managed {
                client: Some(client),
            },
            Some(token_file) => OwnIdentity::Workload {
                tenant: (self.azure_tenant_id.clone())
                    .ok_or("--azure-token-file needs --azure-tenant-id")?,
                client,
                token_file: token_file.clone(),
            },
        }))
    }

    /// Where tokens of identities that are bound to the cluster are asked for, if anywhere.
    pub fn token_proxy(&self) -> Option<TokenProxy> {
        Some(TokenProxy {
            url: self.token_proxy_url.clone()?,
            server_name: self.sni_name.clone(),
            ca_file: self.token_proxy_ca_file.clone(),
        })
    }

    /// The times of the election.
    ///
    /// # Errors
    /// With what does not go together.
    pub fn timing(&self) -> Result<Timing, String> {
        Timing {
            duration: self.lease_duration,
            renew_deadline: self.lease_renew_deadline,
            retry_period: self.lease_retry_period,
        }
        .check()
    }
}

/// Nothing here is worth waiting for longer, and what is added to a time must not overflow.
const LONGEST: Duration = Duration::from_secs(3600);

/// A duration as Go writes them, such as `5s` or `1m30s`.
fn duration(text: &str) -> Result<Duration, String> {
    values::duration(text)
        .filter(|duration| !duration.is_zero() && *duration <= LONGEST)
        .ok_or_else(|| "use a duration such as 30s or 1m30s, at most 1h".to_owned())
}

/// From one minute to a day.
fn deletion_timeout(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
    values::duration(text)
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "use a duration such as 10m, from 1m to 24h".to_owned())
}

fn allowed_host(text: &str) -> Result<AllowedHost, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}

fn client(text: &str) -> Result<ClientId, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}

fn tenant(text: &str) -> Result<TenantId, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}
