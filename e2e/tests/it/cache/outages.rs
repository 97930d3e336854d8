use std::time::Duration;

use tonic::Code;
use vaultbind_azure::{Action, Azure, Options, Service};
use vaultbind_e2e::driver::{self, mount_request};
use vaultbind_e2e::stage::{self, Stage, class, config};
use vaultbind_keyvault::transport::Proxy;
use vaultbind_provider::server::Provider;

use super::gate::{Gate, Way};
use super::{DB, calls, fault, mount, never_fresh};
use crate::support::{secret, seed};

const OBJECTS: &str = "array:
- |
  objectName: db
  objectType: secret
- |
  objectName: other
  objectType: secret
";

/// A way for the vault to be out of reach.
struct Outage {
    what: &'static str,
    faults: fn() -> Vec<(Service, Action)>,
    /// What the sentence names.
    names: &'static str,
}

fn status(code: u16) -> Action {
    Action::Status {
        code,
        retry_after: None,
        retry_after_millis: None,
    }
}

const OUTAGES: [Outage; 6] = [
    Outage {
        what: "hangs",
        faults: || vec![(Service::Vault, Action::Hang)],
        names: ".vault.azure.net did not answer",
    },
    Outage {
        what: "fails",
        faults: || vec![(Service::Vault, status(500))],
        names: "HTTP 500",
    },
    Outage {
        what: "throttles",
        faults: || vec![(Service::Vault, status(429))],
        names: "HTTP 429",
    },
    Outage {
        what: "breaks connections",
        faults: || vec![(Service::Vault, Action::Drop)],
        names: ".vault.azure.net",
    },
    Outage {
        what: "cannot be connected to",
        faults: || {
            vec![
                (Service::Proxy, Action::Refuse { code: 502 }),
                (Service::Vault, Action::Drop),
            ]
        },
        names: ".vault.azure.net",
    },
    Outage {
        what: "is answered for by something else",
        faults: || vec![(Service::Vault, Action::Garbage)],
        names: ".vault.azure.net",
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_an_outage_known_pods_mount_and_unknown_ones_are_told_and_both_recover() {
    let cases = OUTAGES.iter().map(|outage| async move {
        let Outage {
            what,
            faults,
            names,
        } = outage;
        let (value, other) = (secret("value"), secret("other"));
        let seed = seed(&format!(
            "  secrets: [{{name: db, value: {value}}}, {{name: other, value: {other}}}]\n"
        ));
        let stage = Stage::start_with(&seed, &["--mount-timeout=4s"], |_| {})
            .await
            .unwrap();
        let driver = stage.driver().unwrap();
        let pod = stage.pod().unwrap();
        let known = never_fresh(&class(DB));
        let unknown = class(OBJECTS);
        mount(&driver, &known, &pod).await.unwrap();

        for (service, action) in faults() {
            fault(&stage, service, action);
        }
        for _ in 0..3 {
            let response = mount(&driver, &known, &pod).await;
            let response = response.unwrap_or_else(|status| panic!("{what}: {status}"));
            assert_eq!(response.files[0].contents, value.as_bytes(), "{what}");
        }
        let status = mount(&driver, &unknown, &pod).await.unwrap_err();
        assert!(
            matches!(status.code(), Code::Unknown | Code::Internal),
            "{what}: {status}"
        );
        assert!(status.message().contains(names), "{what}: {status}");
        let metrics = stage.provider.metrics().render().unwrap();
        assert!(
            !metrics.contains("vaultbind_stale_served_total 0"),
            "{what}"
        );

        stage.azure.clear_faults();
        let poll = async {
            while mount(&driver, &unknown, &pod).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), poll)
            .await
            .unwrap_or_else(|_| panic!("{what}: does not recover"));
        // What was stale is read again, too.
        stage.azure.clear_calls();
        mount(&driver, &known, &pod).await.unwrap();
        assert_eq!(calls(&stage), (0, 1), "{what}");
    });
    futures::future::join_all(cases).await;
}

/// The same with what happens before there is a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_connection_known_pods_mount_and_unknown_ones_are_told_and_both_recover() {
    let ways = [
        (Way::Refused, "HTTP 503"),
        (Way::Nameless, "HTTP 502"),
        (Way::NoTls, "no TLS connection to"),
        // While it waits for TLS, or when its time is over.
        (Way::Silent, "cannot be read"),
    ];
    let cases = ways.map(|(way, sentence)| async move {
        let (value, other) = (secret("value"), secret("other"));
        let seed = seed(&format!(
            "  secrets: [{{name: db, value: {value}}}, {{name: other, value: {other}}}]\n"
        ));
        let azure = Azure::start(Options {
            seed: serde_yaml::from_str(&seed).unwrap(),
            ..Options::default()
        })
        .await
        .unwrap();
        let gate = Gate::before(azure.https_addr()).await;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("vaultbind.sock");
        let mut config = config(&azure, &socket, &["--mount-timeout=4s"]).unwrap();
        config.proxy = Proxy::Fixed(format!("http://{}", gate.address));
        let _provider = Provider::start(config).await.unwrap();
        let driver = driver::Provider::connect(&socket).unwrap();
        let pod = stage::pod(&azure).unwrap();
        let (known, unknown) = (never_fresh(&class(DB)), class(OBJECTS));
        mount(&driver, &known, &pod).await.unwrap();

        gate.set(way);
        for _ in 0..3 {
            let response = mount(&driver, &known, &pod).await;
            let response = response.unwrap_or_else(|status| panic!("{way:?}: {status}"));
            assert_eq!(response.files[0].contents, value.as_bytes(), "{way:?}");
        }
        let status = mount(&driver, &unknown, &pod).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{way:?}: {status}");
        let message = status.message();
        assert!(message.contains(sentence), "{way:?}: {status}");
        assert!(message.contains("vault.azure.net"), "{way:?}: {status}");

        gate.set(Way::Open);
        let poll = async {
            while mount(&driver, &unknown, &pod).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), poll)
            .await
            .unwrap_or_else(|_| panic!("{way:?}: does not recover"));
    });
    futures::future::join_all(cases).await;
}

#[tokio::test]
async fn without_entra_an_identity_with_a_token_goes_on_and_one_without_is_told() {
    let (value, other) = (secret("value"), secret("other"));
    let seed = seed(&format!(
        "  secrets: [{{name: db, value: {value}}}, {{name: other, value: {other}}}]\n"
    ));
    for action in [status(503), Action::Hang, Action::Drop] {
        let stage = Stage::start_with(&seed, &["--mount-timeout=3s"], |_| {})
            .await
            .unwrap();
        let driver = stage.driver().unwrap();
        mount(&driver, &class(DB), &stage.pod().unwrap())
            .await
            .unwrap();
        fault(&stage, Service::Entra, action.clone());
        // Also what it has never read.
        let response = mount(&driver, &class(OBJECTS), &stage.pod().unwrap()).await;
        assert_eq!(response.unwrap().files[1].contents, other.as_bytes());

        let new = super::pod_of(&stage, "elsewhere", "default");
        let status = mount(&driver, &class(DB), &new).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{action:?}: {status}");
        assert!(
            status.message().contains("login.microsoftonline.com"),
            "{action:?}: {status}"
        );
    }
}

#[tokio::test]
async fn without_stale_service_an_outage_fails_the_mount() {
    let value = secret("value");
    let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
    let arguments = ["--serve-stale-for=0s", "--mount-timeout=2s"];
    let stage = Stage::start_with(&seed, &arguments, |_| {}).await.unwrap();
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    mount(&driver, &class(DB), &pod).await.unwrap();
    fault(&stage, Service::Vault, Action::Hang);
    mount(&driver, &class(DB), &pod).await.unwrap();
    let status = mount(&driver, &never_fresh(&class(DB)), &pod).await;
    assert_eq!(status.unwrap_err().code(), Code::Unknown);
}

/// Those who have nothing in memory wait for the vault; nobody else waits with them for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_hangs_is_waited_for_once_by_those_who_can_be_served() {
    let value = secret("value");
    let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
    let stage = Stage::start_with(&seed, &[], |_| {}).await.unwrap();
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let class = never_fresh(&class(DB));
    mount(&driver, &class, &pod).await.unwrap();
    fault(&stage, Service::Vault, Action::Hang);
    mount(&driver, &class, &pod).await.unwrap();
    // The read goes on; these are served beside it.
    stage.azure.clear_calls();
    let request = mount_request(&class, &pod);
    let mounts = (0..100).map(|_| driver.mount(request.clone()));
    for response in futures::future::join_all(mounts).await {
        assert_eq!(response.unwrap().files[0].contents, value.as_bytes());
    }
    let (_, reads) = calls(&stage);
    assert!(
        reads <= 2,
        "{reads} calls: a hundred mounts made calls of their own"
    );
}
