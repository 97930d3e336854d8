//! Tokens for Resource Manager.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use vaultbind_azure::{Fault, Match, Service};
use vaultbind_keyvault::ManagementError;
use vaultbind_keyvault::management::Call;

use crate::stage::*;

#[tokio::test]
async fn one_token_serves_all_calls() {
    let stage = Stage::start().await;
    let get = Call::get(&web(), VERSION);
    for answer in join_all((0..8).map(|_| stage.call(&get))).await {
        answer.unwrap();
    }
    stage.get(&identity(OTHER_SUBSCRIPTION, "web")).await;
    assert_eq!((stage.tokens(), stage.calls()), (1, 9));
    assert_eq!(stage.application.asked.load(Ordering::Relaxed), 1);
    let tally = stage.management.tally();
    assert_eq!((tally.token_calls(), tally.management_calls()), (1, 9));
    assert_eq!(tally.vault_calls(), 0);
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_replaced_once() {
    let stage = Stage::start().await;
    stage.get(&web()).await;
    stage.azure.clear_calls();
    // Ended for Azure, and not for us.
    stage.azure.advance_clock(4 * 3600);
    stage.get(&web()).await;
    assert_eq!((stage.tokens(), stage.calls()), (1, 2));
}

#[tokio::test]
async fn when_no_token_is_taken_it_is_told() {
    let stage = Stage::start().await;
    stage.fault("GET", status(401, None), 9);
    let error = stage.call(&Call::get(&web(), VERSION)).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(!error.is_passing());
    assert_eq!((stage.tokens(), stage.calls()), (2, 2));
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    let stage = Stage::start().await;
    let matches = Match {
        service: Some(Service::Entra),
        ..Match::default()
    };
    let fault = Fault::new(matches, status(400, None)).times(1);
    stage.azure.add_fault(fault).unwrap();
    let error = stage.call(&Call::get(&web(), VERSION)).await.unwrap_err();
    assert!(matches!(error, ManagementError::NoToken(_)), "{error}");
    assert_eq!(stage.calls(), 0);
}
