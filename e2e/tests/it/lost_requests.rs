//! Requests that are never answered: a second try on another connection, or a time-out, saves the
//! mount; a vault that hangs altogether gets little more than what it was asked.

use std::collections::BTreeSet;
use std::time::Duration;

use vaultbind_azure::{Action, Fault, Service};
use vaultbind_e2e::driver::mount_request;
use vaultbind_e2e::stage::{Stage, class};
use vaultbind_proto::MountRequest;

use crate::support::{FORGETFUL, calls_to, many_objects, many_secrets, metric, of, secret, seed};

const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";
const HEDGED: &str = "--hedge-after=300ms";
const UNHEDGED: &[&str] = &["--hedge-after=0s", "--try-timeout=300ms"];
const SENT: &str = "vaultbind_hedged_requests_total{result=\"sent\"}";
const WON: &str = "vaultbind_hedged_requests_total{result=\"won\"}";
const OPEN: &str = "vaultbind_circuit_open{service=\"vault\"}";
const RETIRED: &str = "vaultbind_connections_total{event=\"retired\"}";

fn connections(stage: &Stage) -> Vec<u64> {
    let calls = calls_to(stage, Service::Vault);
    calls.iter().map(|call| call.connection).collect()
}

/// A stage of which every mount asks the vault; with the secrets `db` and fifty others.
async fn stage(arguments: &[&str], http1_only: bool, value: &str) -> Stage {
    let seed = seed(&format!(
        "{}  - {{name: db, value: {value}}}\n",
        many_secrets(50, value)
    ));
    let arguments = [arguments, &FORGETFUL].concat();
    let adjust = |options: &mut vaultbind_azure::Options| options.http1_only = http1_only;
    Stage::start_with(&seed, &arguments, adjust).await.unwrap()
}

/// A mount of an object that no other mount asks for.
fn one_of_many(stage: &Stage, n: usize) -> MountRequest {
    let object = format!("array:\n- |\n  objectName: s{n}\n  objectType: secret\n");
    mount_request(&class(&object), &stage.pod().unwrap())
}

/// Mounts, then mounts while one request is never answered, then mounts again; the connections of
/// the vault's calls.
async fn three_mounts(stage: &Stage, value: &str) -> Vec<u64> {
    let request = mount_request(&class(DB), &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    for hang in [false, true, false] {
        if hang {
            // The acknowledgement of settings may still be on its way.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let fault = Fault::new(of(Service::Vault), Action::Hang).times(1);
            stage.azure.add_fault(fault).unwrap();
        }
        let response = driver.mount(request.clone()).await.unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes());
    }
    connections(stage)
}

#[tokio::test]
async fn a_second_try_goes_out_on_another_connection_and_the_silent_one_is_retired() {
    let value = secret("value");
    let stage = stage(&[HEDGED], false, &value).await;
    let connections = three_mounts(&stage, &value).await;
    let [first, lost, hedge, last] = connections[..] else {
        panic!("{connections:?}");
    };
    assert_eq!(first, lost);
    assert_ne!(lost, hedge);
    assert_eq!(
        hedge, last,
        "the second connection takes the place of the first"
    );
    let counts = [SENT, WON, RETIRED].map(|series| metric(&stage, series));
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test]
async fn without_second_tries_a_time_out_leads_to_another_connection() {
    let value = secret("value");
    let stage = stage(UNHEDGED, false, &value).await;
    let connections = three_mounts(&stage, &value).await;
    let [first, lost, again, last] = connections[..] else {
        panic!("{connections:?}");
    };
    assert_eq!(first, lost);
    assert_ne!(lost, again);
    assert_eq!(again, last);
    let counts = [SENT, WON, RETIRED].map(|series| metric(&stage, series));
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test]
async fn over_http1_a_lost_request_takes_its_connection_with_it() {
    for arguments in [&[HEDGED][..], UNHEDGED] {
        let value = secret("value");
        let stage = stage(arguments, true, &value).await;
        let connections = three_mounts(&stage, &value).await;
        let [first, lost, again, last] = connections[..] else {
            panic!("{connections:?}");
        };
        assert_eq!(first, lost);
        assert_ne!(lost, again);
        assert_eq!(again, last);
    }
}

#[tokio::test]
async fn a_lost_token_request_is_sent_a_second_time() {
    let value = secret("value");
    let stage = stage(&[HEDGED], false, &value).await;
    let fault = Fault::new(of(Service::Entra), Action::Hang).times(1);
    stage.azure.add_fault(fault).unwrap();
    let request = mount_request(&class(DB), &stage.pod().unwrap());
    stage.driver().unwrap().mount(request).await.unwrap();
    let calls = calls_to(&stage, Service::Entra);
    let connections: BTreeSet<_> = calls.iter().map(|call| call.connection).collect();
    assert_eq!((calls.len(), connections.len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_of_a_hundred_lost_fails_no_mount() {
    let value = secret("value");
    let stage = stage(&[HEDGED], false, &value).await;
    let lost = Fault::new(of(Service::Vault), Action::Hang).share(0.01);
    stage.azure.add_fault(lost).unwrap();
    let request = mount_request(&class(&many_objects(10)), &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    for _ in 0..200 {
        let response = driver.mount(request.clone()).await.unwrap();
        assert_eq!(response.files.len(), 10);
        for file in &response.files {
            assert_eq!(&file.contents[..], value.as_bytes());
        }
    }
    let lost = stage.azure.faults()[0].struck;
    assert!(lost > 0, "nothing was lost");
    assert!(metric(&stage, WON) > 0, "no second try was answered");
}

#[tokio::test]
async fn a_vault_that_hangs_gets_few_second_tries() {
    let value = secret("value");
    let stage = stage(&[HEDGED, "--mount-timeout=2s"], false, &value).await;
    let fault = Fault::new(of(Service::Vault), Action::Hang);
    stage.azure.add_fault(fault).unwrap();
    let driver = stage.driver().unwrap();
    let mounts = (0..50).map(|n| driver.mount(one_of_many(&stage, n)));
    let failed = futures::future::join_all(mounts).await;
    assert!(failed.iter().all(Result::is_err));
    let (calls, hedges) = (connections(&stage), metric(&stage, SENT));
    assert!((1..=15).contains(&hedges), "{hedges}");
    assert!(calls.len() <= 50 + 15, "{}", calls.len());
    let connections: BTreeSet<_> = calls.iter().collect();
    assert!(connections.len() <= 3, "{connections:?}");
}

#[tokio::test]
async fn a_vault_without_answers_is_asked_by_one_at_a_time_and_serves_all_when_it_is_back() {
    let value = secret("value");
    let stage = stage(&[HEDGED], false, &value).await;
    let fault = Fault::new(of(Service::Vault), Action::Drop);
    let fault = stage.azure.add_fault(fault).unwrap();
    let driver = stage.driver().unwrap();
    let mounts: Vec<_> = (0..40)
        .map(|n| {
            let (driver, request) = (driver.clone(), one_of_many(&stage, n));
            tokio::spawn(async move { driver.mount(request).await })
        })
        .collect();
    while metric(&stage, OPEN) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // For those that were on their way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    stage.azure.clear_calls();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A probe, or two, each on two connections.
    let calls = connections(&stage);
    assert!(calls.len() <= 6, "{calls:?}");
    stage.azure.remove_fault(fault);
    for mounted in mounts {
        let files = mounted.await.unwrap().unwrap().files;
        assert_eq!(&files[0].contents[..], value.as_bytes());
    }
    assert_eq!(metric(&stage, OPEN), 0);
}
