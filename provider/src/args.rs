//! The command line. Flags that mean the same as the Go provider's have its names, so that its
//! manifests start this program; those that have no meaning here are taken and reported.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use vaultbind_keyvault::transport::{TokenProxyName, TokenProxyUrl};
use vaultbind_keyvault::{AllowedHost, Cloud, NameError};
use vaultbind_telemetry::values::{self, boolean};

#[cfg(test)]
mod tests;

/// Azure Key Vault provider for the Secrets Store CSI driver.
///
/// Proxies and trust are taken from the environment: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE,
/// SSL_CERT_DIR; AZURE_POD_IDENTITY_AUTHORITY_HOST moves the managed identity endpoint.
#[derive(Debug, Clone, Parser)]
#[command(name = "vaultbind-provider", disable_version_flag = true)]
pub struct Args {
    /// Unix socket on which the driver finds this provider; its file name is the provider's name
    #[arg(
        long,
        env = "VAULTBIND_ENDPOINT",
        default_value = "unix:///provider/vaultbind.sock"
    )]
    pub endpoint: String,

    /// Address of the HTTP servers for health and metrics
    #[arg(long, env = "VAULTBIND_HTTP_ADDRESS", default_value = "0.0.0.0")]
    pub http_address: IpAddr,

    /// Port of the health endpoints: liveness under --healthz-path, readiness under /readyz
    #[arg(long, env = "VAULTBIND_HEALTHZ_PORT", default_value_t = 8989)]
    pub healthz_port: u16,

    /// Path of the liveness endpoint
    #[arg(long, env = "VAULTBIND_HEALTHZ_PATH", default_value = "/healthz")]
    pub healthz_path: String,

    /// How long the liveness endpoint waits for the provider's own answer
    #[arg(long, env = "VAULTBIND_HEALTHZ_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub healthz_timeout: Duration,

    /// Port of /metrics; may be the same as --healthz-port
    #[arg(long, env = "VAULTBIND_PROMETHEUS_PORT", default_value_t = 8898)]
    pub prometheus_port: u16,

    /// Port of 127.0.0.1 on which /debug/state shows what is in memory, how old it is, and what the
    /// budgets do, without values; not open if it is not given
    #[arg(long, env = "VAULTBIND_DEBUG_PORT", value_name = "PORT")]
    pub debug_port: Option<u16>,

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

    /// Cloud of classes that name none in cloudName
    #[arg(long, env = "VAULTBIND_CLOUD_NAME", default_value = "AzurePublicCloud",
          value_parser = cloud)]
    pub cloud_name: Cloud,

    /// Further host that a class may name in vaultURI, exactly so; repeatable. Tokens for the cloud's
    /// vaults are sent there: name hosts that lead to your own vaults, and no others
    #[arg(long = "allow-vault-host", env = "VAULTBIND_ALLOW_VAULT_HOST", value_name = "HOST",
          value_delimiter = ',', value_parser = allowed_host)]
    pub allow_vault_hosts: Vec<AllowedHost>,

    /// URL of the token proxy of the AKS cluster, for classes with useAzureTokenProxy. It is never
    /// reached through a proxy; without it there are no identity bindings
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

    /// Order the certificates of a PFX from leaf to root
    #[arg(long, env = "VAULTBIND_CONSTRUCT_PEM_CHAIN", value_name = "BOOL", num_args = 0..=1,
          require_equals = true, default_value = "true", default_missing_value = "true",
          value_parser = boolean)]
    pub construct_pem_chain: bool,

    /// Also write certificates and key of a certificate's secret to <file>.crt and <file>.key
    #[arg(long, env = "VAULTBIND_WRITE_CERT_AND_KEY_IN_SEPARATE_FILES", value_name = "BOOL",
          num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", value_parser = boolean)]
    pub write_cert_and_key_in_separate_files: bool,

    /// How long one mount may take; keep it well inside kubelet's two minutes
    #[arg(long, env = "VAULTBIND_MOUNT_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub mount_timeout: Duration,

    /// Requests per second to each vault; Azure allows 4,000 in ten seconds for all its clients
    #[arg(long, env = "VAULTBIND_VAULT_REQUESTS_PER_SECOND", value_name = "N", default_value_t = 400,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub vault_requests_per_second: u32,

    /// Requests at a time to each vault
    #[arg(long, env = "VAULTBIND_VAULT_CONCURRENCY", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub vault_concurrency: u16,

    /// How long a request to Azure may take before it counts as lost and is sent again
    #[arg(long, env = "VAULTBIND_TRY_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub try_timeout: Duration,

    /// How long at least to wait for an answer before the request is also sent on another
    /// connection; 0s for never
    #[arg(long, env = "VAULTBIND_HEDGE_AFTER", default_value = "300ms",
          value_parser = duration_or_none)]
    pub hedge_after: Duration,

    /// Largest answer to the driver in bytes; the driver's --max-call-recv-msg-size has to match
    #[arg(long, env = "VAULTBIND_MAX_MESSAGE_BYTES", default_value_t = 4 * 1024 * 1024)]
    pub max_message_bytes: usize,

    /// For how long the latest version of an object is served from memory before the vault is asked
    /// again; a class may set its own in cacheTTL
    #[arg(long, env = "VAULTBIND_CACHE_TTL", default_value = "60s", value_parser = duration_or_none)]
    pub cache_ttl: Duration,

    /// For how long an exact version is served from memory before it is checked with the vault that
    /// it may still be read; a class may set its own in reauthorizeAfter
    #[arg(long, env = "VAULTBIND_REAUTHORIZE_AFTER", default_value = "15m",
          value_parser = duration_or_none)]
    pub reauthorize_after: Duration,

    /// For how long since it was read an object is served from memory while the vault or Entra does
    /// not answer; 0s for not at all
    #[arg(long, env = "VAULTBIND_SERVE_STALE_FOR", default_value = "1h",
          value_parser = duration_or_none)]
    pub serve_stale_for: Duration,

    /// For how long a refusal by the vault or Entra is taken for granted before it is asked again,
    /// at most 10s
    #[arg(long, env = "VAULTBIND_REFUSAL_TTL", default_value = "10s", value_parser = refusal_ttl)]
    pub refusal_ttl: Duration,

    /// How many bytes of objects and tokens are kept in memory
    #[arg(long, env = "VAULTBIND_CACHE_MAX_BYTES", default_value_t = 32 * 1024 * 1024)]
    pub cache_max_bytes: usize,

    /// User id that may use the socket, besides root and the provider's own; repeatable
    #[arg(
        long = "allow-uid",
        env = "VAULTBIND_ALLOW_UIDS",
        value_name = "UID",
        value_delimiter = ','
    )]
    pub allow_uids: Vec<u32>,

    /// Print version and build date as JSON and exit
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL",
          default_value = "false", default_missing_value = "true", value_parser = boolean)]
    pub version: bool,

    /// Flags that were taken without effect
    #[arg(skip)]
    pub ignored: BTreeSet<String>,
}

/// Flags of the Go provider and of klog that have no meaning here. The first have a value only after
/// `=`; of the others it may also be the next argument.
pub(crate) const IGNORED_SWITCHES: [&str; 8] = [
    "logtostderr",
    "alsologtostderr",
    "add_dir_header",
    "skip_headers",
    "skip_log_headers",
    "one_output",
    "enable-pprof",
    "provider-health-check",
];
pub(crate) const IGNORED_VALUES: [&str; 9] = [
    "vmodule",
    "stderrthreshold",
    "log_dir",
    "log_file",
    "log_file_max_size",
    "log_backtrace_at",
    "pprof-port",
    "metrics-backend",
    "custom-user-agent",
];

impl Args {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// clap's, which also stand for `--help`.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let (arguments, ignored) = normalize(arguments);
        let matches = Self::command().try_get_matches_from(arguments)?;
        Ok(Self {
            ignored,
            ..Self::from_arg_matches(&matches)?
        })
    }
}

/// Go takes `-flag` for `--flag`; clap takes it for a row of short flags.
fn normalize(arguments: impl IntoIterator<Item = OsString>) -> (Vec<OsString>, BTreeSet<String>) {
    let mut kept = Vec::new();
    let mut ignored = BTreeSet::new();
    let mut arguments = arguments.into_iter();
    kept.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.to_str().and_then(|text| text.strip_prefix('-')) else {
            kept.push(argument);
            continue;
        };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let name = flag.split('=').next().unwrap_or(flag);
        if IGNORED_SWITCHES.contains(&name) {
            ignored.insert(name.to_owned());
        } else if IGNORED_VALUES.contains(&name) {
            ignored.insert(name.to_owned());
            if !flag.contains('=') {
                arguments.next();
            }
        } else if name.len() == 1 || name.is_empty() {
            kept.push(argument);
        } else {
            kept.push(format!("--{flag}").into());
        }
    }
    (kept, ignored)
}

/// Nothing here is worth waiting for longer, and what is added to a time must not overflow.
const LONGEST: Duration = Duration::from_secs(3600);
/// Nothing in memory is served for longer.
const LONGEST_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A duration as Go writes them, such as `5s` or `1m30s`.
fn duration(text: &str) -> Result<Duration, String> {
    duration_or_none(text)
        .ok()
        .filter(|duration| !duration.is_zero() && *duration <= LONGEST)
        .ok_or_else(|| "use a duration such as 30s or 1m30s, at most 1h".to_owned())
}

/// A duration that may be zero, for off.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    values::duration(text)
        .filter(|duration| *duration <= LONGEST_KEPT)
        .ok_or_else(|| "use a duration such as 0s, 30s or 1m30s, at most 24h".to_owned())
}

/// Longer, and a role that was assigned would seem to have no effect.
fn refusal_ttl(text: &str) -> Result<Duration, String> {
    duration_or_none(text)
        .ok()
        .filter(|duration| *duration <= Duration::from_secs(10))
        .ok_or_else(|| "use a duration from 0s to 10s".to_owned())
}

fn cloud(text: &str) -> Result<Cloud, String> {
    text.parse()
        .map_err(|error: vaultbind_keyvault::cloud::UnknownCloud| error.to_string())
}

fn allowed_host(text: &str) -> Result<AllowedHost, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}
