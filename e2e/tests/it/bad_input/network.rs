//! Endpoints that cannot be reached, or answer with an outage.

use tonic::Code;
use vaultbind_azure::{Action, Azure, Fault, Match, Options, Service};
use vaultbind_e2e::driver;
use vaultbind_e2e::stage::{Stage, class, config};
use vaultbind_provider::server::Provider;

use super::{Case, refused_class};
use crate::support::{secret, seed};

const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";

/// Long enough for the refusals, short enough for what hangs.
const TIMEOUT: &str = "--mount-timeout=2s";

pub(super) async fn cases() -> Vec<Case> {
    let value = secret("value");
    let seed = seed(&format!("  secrets:\n  - {{name: db, value: {value}}}\n"));
    let mut cases = vec![untrusted(&seed).await];

    let vault = |path: Option<&str>| Match {
        service: Some(Service::Vault),
        path: path.map(str::to_owned),
        ..Match::default()
    };
    let entra = Match {
        service: Some(Service::Entra),
        ..Match::default()
    };
    let host = |host: &str| Match {
        host: Some(host.to_owned()),
        ..Match::default()
    };
    let status = |code| Action::Status {
        code,
        retry_after: None,
        retry_after_millis: None,
    };
    let throttled = Action::Status {
        code: 429,
        retry_after: Some(600),
        retry_after_millis: None,
    };
    let list = [
        (
            "the proxy refuses the vault's host",
            host("*.vault.azure.net"),
            Action::Refuse { code: 403 },
            "NO_PROXY",
        ),
        (
            "the proxy refuses Entra's host",
            host("login.*"),
            Action::Refuse { code: 403 },
            "login.microsoftonline.com",
        ),
        (
            "the proxy wants a password",
            Match::default(),
            Action::Refuse { code: 407 },
            "user and password",
        ),
        (
            "the vault throttles",
            vault(None),
            throttled.clone(),
            "tried again",
        ),
        ("the vault fails", vault(None), status(500), "HTTP 500"),
        (
            "the vault never answers",
            vault(None),
            Action::Hang,
            "did not answer in time",
        ),
        (
            "the vault breaks the connection",
            vault(None),
            Action::Drop,
            "broke before it answered",
        ),
        (
            "something else answers for the vault",
            vault(None),
            Action::Garbage,
            "a proxy that answers in its place",
        ),
        (
            "Entra throttles",
            entra.clone(),
            throttled,
            "login.microsoftonline.com throttles",
        ),
        ("Entra fails", entra.clone(), status(503), "HTTP 503"),
        (
            "Entra never answers",
            entra,
            Action::Hang,
            "login.microsoftonline.com did not answer",
        ),
    ];
    let runs = list.map(|(what, matches, action, remedy)| {
        let seed = seed.clone();
        async move {
            let stage = Stage::start_with(&seed, &[TIMEOUT], |_| {}).await.unwrap();
            stage.azure.add_fault(Fault::new(matches, action)).unwrap();
            let driver = stage.driver().unwrap();
            let code = if what == "something else answers for the vault" {
                Code::Internal
            } else {
                Code::Unknown
            };
            let pod = stage.pod().unwrap();
            refused_class(what, &driver, &class(DB), &pod, code, remedy).await
        }
    });
    cases.extend(futures::future::join_all(runs).await);

    let stage = Stage::start_with(&seed, &[TIMEOUT], |_| {}).await.unwrap();
    let nowhere = class(DB).with("keyvaultName", "kv-nowhere");
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let what = "the vault does not exist (through a proxy)";
    let remedy = "check that the host exists";
    cases.push(refused_class(what, &driver, &nowhere, &pod, Code::Unknown, remedy).await);
    cases
}

/// A provider that trusts another authority than the one that signed the vault's certificate.
async fn untrusted(seed: &str) -> Case {
    let start = async |seed: &str| {
        let seed = serde_yaml::from_str(seed).unwrap();
        Azure::start(Options {
            seed,
            ..Options::default()
        })
        .await
        .unwrap()
    };
    let (azure, other) = (start(seed).await, start(seed).await);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vaultbind.sock");
    let mut config = config(&azure, &socket, &[TIMEOUT]).unwrap();
    config.roots = vaultbind_e2e::stage::config(&other, &socket, &[])
        .unwrap()
        .roots;
    let provider = Provider::start(config).await.unwrap();
    let driver = driver::Provider::connect(provider.socket()).unwrap();
    let pod = vaultbind_e2e::stage::pod(&azure).unwrap();
    let what = "the certificate is not trusted";
    refused_class(
        what,
        &driver,
        &class(DB),
        &pod,
        Code::Unknown,
        "SSL_CERT_FILE",
    )
    .await
}
