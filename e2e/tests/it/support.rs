//! What the tests share: logging to the folder that is searched for leaks, and seeds.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use vaultbind_azure::{Call, Match, Service};
use vaultbind_e2e::leaks::LogFolder;
use vaultbind_e2e::stage::{
    CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, Stage, TENANT, VAULT, random,
};
use vaultbind_telemetry::logs;

/// The folder of this run; the logs of the run before are removed.
pub(crate) fn logs() -> &'static LogFolder {
    static LOGS: OnceLock<LogFolder> = OnceLock::new();
    LOGS.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("logs");
        let _ = std::fs::remove_dir_all(&path);
        let logs = LogFolder::new(&path).unwrap();
        let file = File::create(path.join("in-process.log")).unwrap();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(Arc::new(file))
            .with_ansi(false);
        tracing_subscriber::registry()
            .with(logs::filter(5))
            .with(lines)
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

/// Flags with which every mount asks Azure anew.
pub(crate) const FORGETFUL: [&str; 4] = [
    "--cache-ttl=0s",
    "--reauthorize-after=0s",
    "--serve-stale-for=0s",
    "--refusal-ttl=0s",
];

/// Starts a stage from a whole seed with more arguments for the provider.
pub(crate) async fn stage_with(seed: &str, arguments: &[&str]) -> Stage {
    logs();
    Stage::start_with(seed, arguments, |_| {}).await.unwrap()
}

/// As many secrets `s0`, `s1` and so on, indented for [`seed`]; all have one value.
pub(crate) fn many_secrets(count: usize, value: &str) -> String {
    let secrets: String = (0..count)
        .map(|n| format!("  - {{name: s{n}, value: {value}}}\n"))
        .collect();
    format!("  secrets:\n{secrets}")
}

/// The `objects` of a class with all of [`many_secrets`].
pub(crate) fn many_objects(count: usize) -> String {
    let objects: String = (0..count)
        .map(|n| format!("- |\n  objectName: s{n}\n  objectType: secret\n"))
        .collect();
    format!("array:\n{objects}")
}

/// A stage whose vault holds these secrets.
pub(crate) async fn stage_with_secrets(secrets: &[(&str, &str)]) -> Stage {
    stage(&secrets_of(secrets)).await
}

/// The same with a provider that asks Azure anew for every mount.
pub(crate) async fn forgetful(secrets: &[(&str, &str)]) -> Stage {
    stage_with(&seed(&secrets_of(secrets)), &FORGETFUL).await
}

fn secrets_of(secrets: &[(&str, &str)]) -> String {
    let secrets: String = secrets
        .iter()
        .map(|(name, value)| format!("  - {{name: {name}, value: {value}}}\n"))
        .collect();
    format!("  secrets:\n{secrets}")
}

/// The calls to a service so far.
pub(crate) fn calls_to(stage: &Stage, service: Service) -> Vec<Call> {
    let calls = stage.azure.calls().into_iter();
    calls.filter(|call| call.service == service).collect()
}

/// All calls of a service.
pub(crate) fn of(service: Service) -> Match {
    Match {
        service: Some(service),
        ..Match::default()
    }
}

/// The value of one of the provider's series; 0 while it is not shown.
pub(crate) fn metric(stage: &Stage, series: &str) -> u64 {
    let text = stage.provider.metrics().render().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
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

/// Polls until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), poll)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
