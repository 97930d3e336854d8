//! The ways to Azure: HTTP/1.1, broken and idle connections, direct and through the proxy.

use std::collections::BTreeSet;

use vaultbind_azure::{Action, Call, Fault, Match, Service};
use vaultbind_e2e::driver::mount_request;
use vaultbind_e2e::stage::{Stage, class};

use crate::support::{FORGETFUL, many_objects, many_secrets, secret, seed, stage_with_secrets};

const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";

fn vault_calls(stage: &Stage) -> Vec<Call> {
    stage
        .azure
        .calls()
        .into_iter()
        .filter(|call| call.service == Service::Vault)
        .collect()
}

fn connections(calls: &[Call]) -> BTreeSet<u64> {
    calls.iter().map(|call| call.connection).collect()
}

#[tokio::test]
async fn over_http1_a_vault_sees_at_most_24_connections() {
    let value = secret("value");
    let seed = seed(&many_secrets(60, &value));
    let stage = Stage::start_with(&seed, &FORGETFUL, |options| options.http1_only = true)
        .await
        .unwrap();
    let slow = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    stage
        .azure
        .add_fault(Fault::new(slow, Action::Delay { millis: 20 }))
        .unwrap();

    let class = class(&many_objects(60));
    let request = mount_request(&class, &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    let response = driver.mount(request.clone()).await.unwrap();
    assert_eq!(response.files.len(), 60);
    driver.mount(request).await.unwrap();

    let calls = vault_calls(&stage);
    assert_eq!(calls.len(), 120);
    assert!(
        calls.iter().all(|call| call.http_version == "HTTP/1.1"),
        "{calls:#?}"
    );
    assert!(
        connections(&calls).len() <= 24,
        "{}",
        connections(&calls).len()
    );
}

#[tokio::test]
async fn many_mounts_share_one_connection_for_each_host() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let request = mount_request(&class(DB), &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    let mounts = (0..50).map(|_| driver.mount(request.clone()));
    for response in futures::future::join_all(mounts).await {
        assert_eq!(&response.unwrap().files[0].contents[..], value.as_bytes());
    }
    let calls = stage.azure.calls();
    for service in [Service::Vault, Service::Entra] {
        let calls: Vec<_> = calls
            .iter()
            .filter(|call| call.service == service)
            .cloned()
            .collect();
        assert_eq!(connections(&calls).len(), 1, "{service:?}");
        assert!(
            calls.iter().all(|call| call.http_version == "HTTP/2.0"),
            "{calls:#?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced_within_the_mount() {
    for http1_only in [false, true] {
        let value = secret("value");
        let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
        let stage = Stage::start_with(&seed, &FORGETFUL, |options| options.http1_only = http1_only)
            .await
            .unwrap();
        let request = mount_request(&class(DB), &stage.pod().unwrap());
        let driver = stage.driver().unwrap();
        driver.mount(request.clone()).await.unwrap();

        let once = Match {
            service: Some(Service::Vault),
            ..Match::default()
        };
        stage
            .azure
            .add_fault(Fault::new(once, Action::Drop).times(1))
            .unwrap();
        stage.azure.clear_calls();
        let response = driver.mount(request).await.unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes());
        let calls = vault_calls(&stage);
        assert_eq!(calls.len(), 2, "{calls:#?}");
        assert_eq!(connections(&calls).len(), 2, "{calls:#?}");
    }
}

#[tokio::test]
async fn a_passing_throttle_or_failure_costs_time_and_no_mount() {
    let value = secret("value");
    for code in [429, 500, 503] {
        let stage = stage_with_secrets(&[("db", &value)]).await;
        let status = Action::Status {
            code,
            retry_after: None,
            retry_after_millis: None,
        };
        let vault = Match {
            service: Some(Service::Vault),
            ..Match::default()
        };
        let entra = Match {
            service: Some(Service::Entra),
            ..Match::default()
        };
        stage
            .azure
            .add_fault(Fault::new(vault, status.clone()).times(1))
            .unwrap();
        stage
            .azure
            .add_fault(Fault::new(entra, status).times(1))
            .unwrap();
        let request = mount_request(&class(DB), &stage.pod().unwrap());
        let response = stage.driver().unwrap().mount(request).await.unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes(), "{code}");
    }
}

#[tokio::test]
async fn a_vault_that_takes_few_requests_at_a_time_gets_them_one_after_the_other() {
    let value = secret("value");
    let seed = seed(&many_secrets(60, &value));
    let adjust = |options: &mut vaultbind_azure::Options| options.max_concurrent_streams = 4;
    let stage = Stage::start_with(&seed, &[], adjust).await.unwrap();
    let class = class(&many_objects(60));
    let request = mount_request(&class, &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    let (one, two) = tokio::join!(driver.mount(request.clone()), driver.mount(request));
    assert_eq!(
        (one.unwrap().files.len(), two.unwrap().files.len()),
        (60, 60)
    );
    let calls = vault_calls(&stage);
    assert_eq!(calls.len(), 60);
    assert_eq!(connections(&calls).len(), 1);
}

#[tokio::test]
async fn vaults_that_do_not_exist_are_forgotten() {
    let value = secret("value");
    let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
    let arguments = ["--mount-timeout=1s"];
    let stage = Stage::start_with(&seed, &arguments, |_| {}).await.unwrap();
    let (driver, pod) = (stage.driver().unwrap(), stage.pod().unwrap());
    let good = mount_request(&class(DB), &pod);
    driver.mount(good.clone()).await.unwrap();
    let before = connections(&vault_calls(&stage));

    let mounts = (0..600).map(|n| {
        let class = class(DB).with("keyvaultName", &format!("kv-nowhere-{n}"));
        driver.mount(mount_request(&class, &pod))
    });
    let results = futures::future::join_all(mounts).await;
    assert!(results.iter().all(Result::is_err));
    driver.mount(good).await.unwrap();
    assert_eq!(
        connections(&vault_calls(&stage)),
        before,
        "what is in use is kept"
    );
}
