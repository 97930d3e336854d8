use std::time::Duration;

use tonic::Code;
use vaultbind_azure::vault::{Network, SetSecret};
use vaultbind_azure::{Action, Service};
use vaultbind_e2e::driver::mount_request;
use vaultbind_e2e::stage::{CLIENT, Stage, VAULT, class};

use super::{DB, calls, fault, mount, never_fresh};
use crate::support::{now, secret, seed, stage_with_secrets};

/// What is taken away, how, and what a mount is told then.
type Loss = (&'static str, fn(&Stage), Code);

/// Each takes the value away while the vault answers.
#[tokio::test]
async fn what_the_vault_refuses_is_gone_from_memory_even_when_the_vault_is() {
    let losses: [Loss; 4] = [
        (
            "role",
            |stage| stage.azure.vaults().revoke(VAULT, CLIENT).unwrap(),
            Code::PermissionDenied,
        ),
        (
            "disabled",
            |stage| {
                let vaults = stage.azure.vaults();
                vaults.disable_secret(VAULT, "db", now()).unwrap();
            },
            Code::FailedPrecondition,
        ),
        (
            "not found",
            |stage| {
                let gone = Action::Status {
                    code: 404,
                    retry_after: None,
                    retry_after_millis: None,
                };
                fault(stage, Service::Vault, gone);
            },
            Code::NotFound,
        ),
        (
            "token rejected",
            |stage| {
                let rejected = Action::Status {
                    code: 401,
                    retry_after: None,
                    retry_after_millis: None,
                };
                fault(stage, Service::Vault, rejected);
            },
            Code::Unauthenticated,
        ),
    ];
    for (what, take, code) in losses {
        let value = secret("value");
        let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
        let arguments = ["--refusal-ttl=0s", "--mount-timeout=3s"];
        let stage = Stage::start_with(&seed, &arguments, |_| {}).await.unwrap();
        let driver = stage.driver().unwrap();
        let pod = stage.pod().unwrap();
        let class = class(DB);
        mount(&driver, &class, &pod).await.unwrap();
        take(&stage);
        // Still fresh, so nobody has asked.
        mount(&driver, &class, &pod).await.unwrap();
        let status = mount(&driver, &never_fresh(&class), &pod)
            .await
            .unwrap_err();
        assert_eq!(status.code(), code, "{what}: {status}");
        // Neither as fresh nor, with the vault out of reach, as stale.
        stage.azure.clear_faults();
        fault(&stage, Service::Proxy, Action::Refuse { code: 502 });
        fault(&stage, Service::Vault, Action::Drop);
        let status = mount(&driver, &class, &pod).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{what}: {status}");
    }
}

#[tokio::test]
async fn a_firewall_that_closes_is_no_verdict_on_who_may_read() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let class = never_fresh(&class(DB));
    mount(&driver, &class, &pod).await.unwrap();
    let vaults = stage.azure.vaults();
    vaults.set_network(VAULT, Network::Firewall, &[]).unwrap();
    let response = mount(&driver, &class, &pod).await.unwrap();
    assert_eq!(response.files[0].contents, value.as_bytes());
    let metrics = stage.provider.metrics().render().unwrap();
    assert!(
        metrics.contains("vaultbind_stale_served_total 1"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_class_of_many_pods_costs_one_call_and_its_repair_is_seen() {
    let value = secret("value");
    let seed = seed(&format!("  secrets: [{{name: other, value: {value}}}]\n"));
    let stage = Stage::start_with(&seed, &["--refusal-ttl=10s"], |_| {})
        .await
        .unwrap();
    let driver = stage.driver().unwrap();
    let request = mount_request(&class(DB), &stage.pod().unwrap());
    let first = driver.mount(request.clone()).await.unwrap_err();
    let mounts = (0..500).map(|_| driver.mount(request.clone()));
    for result in futures::future::join_all(mounts).await {
        let status = result.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, first.message())
        );
    }
    let (_, reads) = calls(&stage);
    assert!(reads <= 2, "{reads} calls within, at most, two intervals");

    let set = SetSecret::new(&value);
    stage
        .azure
        .vaults()
        .set_secret(VAULT, "db", set, now())
        .unwrap();
    eventually_mounted(&stage, &request).await;
}

async fn eventually_mounted(stage: &Stage, request: &vaultbind_proto::MountRequest) {
    let driver = stage.driver().unwrap();
    let poll = async {
        while driver.mount(request.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), poll)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_identity_that_entra_refuses_loses_all_it_had() {
    let (one, two) = (secret("one"), secret("two"));
    let seed = seed(&format!(
        "  secrets: [{{name: db, value: {one}}}, {{name: other, value: {two}}}]\n"
    ));
    // Each token lives so short that the next mount asks for another.
    let short = |options: &mut vaultbind_azure::Options| {
        options.token_lifetime = Duration::from_secs(3);
    };
    let stage = Stage::start_with(&seed, &["--refusal-ttl=0s"], short)
        .await
        .unwrap();
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let other = class("array:\n- |\n  objectName: other\n  objectType: secret\n");
    mount(&driver, &class(DB), &pod).await.unwrap();
    mount(&driver, &other, &pod).await.unwrap();

    let refused = Action::Status {
        code: 400,
        retry_after: None,
        retry_after_millis: None,
    };
    fault(&stage, Service::Entra, refused);
    let asking = async {
        while mount(&driver, &never_fresh(&class(DB)), &pod).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .unwrap();
    // The other object would still be fresh.
    let status = mount(&driver, &other, &pod).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
}
