//! The command line of `vaultbind-azure`.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Action, Azure, Fault, Match, Options, Seed};

const AFTER_HELP: &str = "\
Example:
  vaultbind-azure --seed seed.yaml --ca-file /tmp/azure-ca.pem
  export HTTPS_PROXY=http://127.0.0.1:8080 SSL_CERT_FILE=/tmp/azure-ca.pem
  curl https://myvault.vault.azure.net/secrets?api-version=2025-07-01

The seed file says which tenants, applications, issuers, managed identities and vaults
there are. docs/emulator.md describes it, the admin endpoints and the faults.";

/// An emulated Azure: Entra, managed identities and Key Vault under their real host names.
///
/// Clients reach it as a proxy (HTTPS_PROXY), or directly by sending the host names to the
/// HTTPS address. They must trust its certificate authority. It checks signatures, tokens
/// and permissions as Azure does, but protects nothing: keep it off untrusted networks.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Args {
    /// YAML file with tenants, applications, identities and vaults; several are merged
    #[arg(long, value_name = "FILE")]
    pub seed: Vec<PathBuf>,
    /// HTTPS address of Entra and the vaults, told apart by host name
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// Address of the HTTP CONNECT proxy
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub proxy: SocketAddr,
    /// HTTP address of the managed identity endpoint
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8081")]
    pub imds: SocketAddr,
    /// HTTP address of the administration; whoever reaches it may do everything
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8082")]
    pub admin: SocketAddr,
    /// UDP address of the DNS responder for the login hosts and the vaults; none without this
    #[arg(long, value_name = "ADDR:PORT")]
    pub dns: Option<SocketAddr>,
    /// The address DNS answers with; that of --listen without this
    #[arg(long, value_name = "ADDR", requires = "dns")]
    pub dns_answer: Option<Ipv4Addr>,
    /// Writes the certificate authority's certificate to a file
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Keeps the certificate authority in a folder, so that the next start uses the same
    #[arg(long, value_name = "FOLDER")]
    pub ca_dir: Option<PathBuf>,
    /// Writes addresses and environment variables to a file as JSON once all is listening
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Offers HTTP/1.1 only instead of HTTP/2 and HTTP/1.1
    #[arg(long)]
    pub http1_only: bool,
    /// Requests a client may have open on an HTTP/2 connection
    #[arg(long, value_name = "COUNT", default_value_t = 250)]
    pub max_concurrent_streams: u32,
    /// Lifetime of the tokens Entra gives
    #[arg(long, value_name = "SECONDS", default_value_t = 3599)]
    pub token_lifetime: u64,
    /// Lifetime of the tokens the managed identity endpoint gives
    #[arg(long, value_name = "SECONDS", default_value_t = 86_399)]
    pub managed_identity_token_lifetime: u64,
    /// Makes the proxy refuse every CONNECT with a status, such as 407 or 403
    #[arg(long, value_name = "STATUS")]
    pub proxy_refuse: Option<u16>,
    /// Seed of the random source that picks the calls a fault's share strikes
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub fault_seed: u64,
    /// What to log to standard error: error, warn, info, debug or trace, or a filter
    #[arg(
        long,
        value_name = "FILTER",
        env = "VAULTBIND_LOG",
        default_value = "info"
    )]
    pub log: String,
}

/// Runs until SIGTERM, SIGINT or a shutdown by the administration.
pub async fn run(args: Args) -> anyhow::Result<()> {
    // Before anything is announced, so that no signal is missed after it.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;

    let seed = Seed::load(&args.seed).context("cannot load the seed")?;
    let vaults: Vec<_> = seed.vaults.iter().map(|vault| vault.name.clone()).collect();
    let azure = Azure::start(Options {
        listen: args.listen,
        proxy: args.proxy,
        imds: args.imds,
        admin: args.admin,
        dns: args.dns,
        dns_answer: args.dns_answer,
        seed,
        http1_only: args.http1_only,
        max_concurrent_streams: args.max_concurrent_streams,
        token_lifetime: Duration::from_secs(args.token_lifetime),
        managed_identity_token_lifetime: Duration::from_secs(args.managed_identity_token_lifetime),
        ca_dir: args.ca_dir.clone(),
        fault_seed: args.fault_seed,
    })
    .await?;
    if let Some(code) = args.proxy_refuse {
        let refuse = Fault::new(Match::default(), Action::Refuse { code });
        azure.add_fault(refuse).context("--proxy-refuse")?;
    }
    let ca_file = write_ca(&azure, args.ca_file.as_deref(), args.ca_dir.as_deref())?;
    let environment = environment(&azure, ca_file.as_deref());
    announce(&azure, &vaults, &environment).context("cannot write to standard output")?;
    if let Some(path) = &args.ready_file {
        write_ready_file(path, &azure, ca_file.as_deref(), &environment)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }

    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping: SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopping: SIGINT"),
        () = azure.stop_requested() => tracing::info!("stopping: asked by the administration"),
    }
    azure.stop().await;
    Ok(())
}

/// Where clients find the certificate, as an absolute path.
fn write_ca(
    azure: &Azure,
    file: Option<&Path>,
    folder: Option<&Path>,
) -> anyhow::Result<Option<PathBuf>> {
    let path = match (file, folder) {
        (Some(path), _) => {
            fs::write(path, azure.ca_pem())
                .with_context(|| format!("cannot write {}", path.display()))?;
            path.to_owned()
        }
        (None, Some(folder)) => folder.join("ca.pem"),
        (None, None) => return Ok(None),
    };
    Ok(Some(std::path::absolute(path)?))
}

/// What a client on this machine sets.
fn environment(azure: &Azure, ca_file: Option<&Path>) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        (
            "HTTPS_PROXY",
            format!("http://{}", reachable(azure.proxy_addr())),
        ),
        (
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            format!("http://{}", reachable(azure.imds_addr())),
        ),
    ];
    if let Some(path) = ca_file {
        variables.push(("SSL_CERT_FILE", path.display().to_string()));
        variables.push(("REQUESTS_CA_BUNDLE", path.display().to_string()));
    }
    variables
}

/// An address to connect to: the loopback address where all are listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn announce(
    azure: &Azure,
    vaults: &[String],
    environment: &[(&'static str, String)],
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Entra and vaults    https://{}", azure.https_addr())?;
    writeln!(out, "Proxy               http://{}", azure.proxy_addr())?;
    writeln!(out, "Managed identities  http://{}", azure.imds_addr())?;
    writeln!(out, "Administration      http://{}", azure.admin_addr())?;
    if let Some(address) = azure.dns_addr() {
        writeln!(out, "DNS                 udp://{address}")?;
    }
    let vaults = match vaults {
        [] => "none; give a --seed file".to_owned(),
        names => names.join(", "),
    };
    writeln!(out, "Vaults              {vaults}\n")?;
    writeln!(out, "For clients:")?;
    for (name, value) in environment {
        writeln!(out, "  export {name}={value}")?;
    }
    if !environment.iter().any(|(name, _)| *name == "SSL_CERT_FILE") {
        let admin = reachable(azure.admin_addr());
        writeln!(out, "  curl -so azure-ca.pem http://{admin}/ca.pem")?;
        writeln!(
            out,
            "  export SSL_CERT_FILE=$PWD/azure-ca.pem REQUESTS_CA_BUNDLE=$PWD/azure-ca.pem"
        )?;
    }
    out.flush()
}

/// Written beside and renamed, so that whoever waits for the file never reads half of it.
fn write_ready_file(
    path: &Path,
    azure: &Azure,
    ca_file: Option<&Path>,
    environment: &[(&'static str, String)],
) -> io::Result<()> {
    let variables: Map<String, Value> = environment
        .iter()
        .map(|(name, value)| ((*name).into(), value.clone().into()))
        .collect();
    let ready = json!({
        "https": azure.https_addr(),
        "proxy": azure.proxy_addr(),
        "imds": azure.imds_addr(),
        "admin": azure.admin_addr(),
        "dns": azure.dns_addr(),
        "caFile": ca_file,
        "environment": variables,
    });
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    fs::write(&temporary, format!("{ready:#}\n"))?;
    fs::rename(&temporary, path)
}
