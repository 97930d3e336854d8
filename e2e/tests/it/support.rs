//! What the tests share: logging to the folder that is searched for leaks, and seeds.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vaultbind_e2e::leaks::LogFolder;
use vaultbind_e2e::stage::{
    CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, Stage, TENANT, VAULT, random,
};
use vaultbind_provider::telemetry;

/// The folder of this run; the logs of the run before are removed.
pub(crate) fn logs() -> &'static LogFolder {
    static LOGS: OnceLock<LogFolder> = OnceLock::new();
    LOGS.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("logs");
        let _ = std::fs::remove_dir_all(&path);
        let logs = LogFolder::new(&path).unwrap();
        let file = File::create(path.join("in-process.log")).unwrap();
        tracing_subscriber::fmt()
            .with_env_filter(telemetry::filter(5))
            .with_writer(Arc::new(file))
            .with_ansi(false)
            .init();
        logs
    })
}

/// A new secret value, noted as one that no log may hold.
pub(crate) fn secret(word: &str) -> String {
    let value = random(word);
    logs().forbid(value.as_bytes()).unwrap();
    value
}

/// Tenant, application with a federated credential for the usual ServiceAccount, and issuer; the
/// vault's contents are added by the test, indented by two.
pub(crate) fn seed(vault: &str) -> String {
    let client_secret = secret("client-secret");
    format!(
        "tenants:
- tenantID: {TENANT}
  applications:
  - clientID: {CLIENT}
    name: payments
    clientSecrets: [{{value: {client_secret}}}]
    federatedCredentials:
    - {{name: aks, issuer: '{ISSUER}', subject: 'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}'}}
issuers:
- issuer: {ISSUER}
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments:
  - {{principal: {CLIENT}, role: Key Vault Administrator}}
{vault}"
    )
}

/// Seeds a vault and starts a stage.
pub(crate) async fn stage(vault: &str) -> Stage {
    logs();
    Stage::start(&seed(vault)).await.unwrap()
}

/// Starts a stage from a whole seed.
pub(crate) async fn stage_of(seed: &str) -> Stage {
    logs();
    Stage::start(seed).await.unwrap()
}

/// A stage whose vault holds these secrets.
pub(crate) async fn stage_with_secrets(secrets: &[(&str, &str)]) -> Stage {
    let secrets: String = secrets
        .iter()
        .map(|(name, value)| format!("  - {{name: {name}, value: {value}}}\n"))
        .collect();
    stage(&format!("  secrets:\n{secrets}")).await
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Status and body of a GET.
pub(crate) async fn http_get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}
