use std::time::Duration;

use tonic::Code;
use vaultbind_azure::{Action, Fault, Match, Options, Service};
use vaultbind_e2e::stage::{Stage, class};

use super::{DB, calls, fault, mount, never_fresh};
use crate::support::{eventually, secret, seed, stage_with_secrets};

fn rejected() -> Action {
    Action::Status {
        code: 401,
        retry_after: None,
        retry_after_millis: None,
    }
}

fn vault() -> Match {
    Match {
        service: Some(Service::Vault),
        ..Match::default()
    }
}

#[tokio::test]
async fn a_token_that_a_vault_rejects_is_dropped_once_and_the_mount_succeeds() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let class = never_fresh(&class(DB));
    mount(&driver, &class, &pod).await.unwrap();
    stage.azure.clear_calls();
    let once = Fault::new(vault(), rejected()).times(1);
    stage.azure.add_fault(once).unwrap();
    mount(&driver, &class, &pod).await.unwrap();
    assert_eq!(calls(&stage).0, 1, "one new token");
}

#[tokio::test]
async fn a_vault_that_rejects_every_token_does_not_have_us_ask_for_tokens_all_the_time() {
    let value = secret("value");
    let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
    let stage = Stage::start_with(&seed, &["--refusal-ttl=0s"], |_| {})
        .await
        .unwrap();
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    fault(&stage, Service::Vault, rejected());
    for _ in 0..5 {
        let status = mount(&driver, &class(DB), &pod).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    }
    assert_eq!(calls(&stage).0, 2, "the first token and one instead");
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_of_its_end_while_mounts_are_served_from_memory() {
    let value = secret("value");
    let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"));
    let short = |options: &mut Options| options.token_lifetime = Duration::from_secs(6);
    let stage = Stage::start_with(&seed, &[], short).await.unwrap();
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    mount(&driver, &class(DB), &pod).await.unwrap();
    stage.azure.clear_calls();
    let asking = async {
        while calls(&stage).0 == 0 {
            mount(&driver, &class(DB), &pod).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .unwrap();
    assert_eq!(calls(&stage).1, 0, "no mount needed the vault");
    eventually("it is told", || {
        let metrics = stage.provider.metrics().render().unwrap();
        metrics.contains("vaultbind_token_events_total{event=\"refreshed\"} 1")
    })
    .await;
}
