//! HTTP 429: who waits, who is told, and who is not concerned.

use std::time::Duration;

use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_keyvault::management::Call;

use crate::stage::*;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_short_wait_is_waited_for_by_reads_and_writes() {
    let stage = Stage::start().await;
    for (method, call) in [
        ("GET", Call::get(&web(), VERSION)),
        ("PUT", credential("web")),
    ] {
        stage.azure.clear_calls();
        stage.fault(method, status(429, Some(Duration::from_millis(20))), 1);
        stage.call(&call).await.unwrap();
        assert_eq!(stage.calls(), 2, "{method}");
    }
}

#[tokio::test]
async fn a_long_wait_is_told_and_holds_its_subscription_only() {
    let stage = Stage::start().await;
    let matches = Match {
        service: Some(Service::Arm),
        path: Some(SUBSCRIPTION.to_owned()),
        ..Match::default()
    };
    let throttle = Action::Status {
        code: 429,
        retry_after: Some(HOUR.as_secs()),
        retry_after_millis: None,
    };
    stage
        .azure
        .add_fault(Fault::new(matches, throttle))
        .unwrap();
    let refused = stage.refused(&credential("web")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.code, "TooManyRequests");
    assert_eq!(refused.retry_after, Some(HOUR));
    assert_eq!(stage.calls(), 1);
    // Nobody is sent to hear the same again.
    let held = stage.refused(&Call::get(&web(), VERSION)).await;
    assert_eq!(held.status, 429);
    assert!(held.is_passing());
    let wait = held.retry_after.unwrap();
    assert!(Duration::ZERO < wait && wait <= HOUR, "{wait:?}");
    assert_eq!(refused.to_string(), held.to_string());
    assert_eq!(stage.calls(), 1);

    let other = stage.get(&identity(OTHER_SUBSCRIPTION, "web")).await;
    assert_eq!(other["name"], "web");
    assert_eq!(stage.calls(), 2);
}
