//! Refusals, silence and broken connections: what is sent again and what is told.

use std::time::Duration;

use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_keyvault::management::Call;
use vaultbind_keyvault::transport::Unreachable;
use vaultbind_keyvault::{Limits, ManagementError, ManagementOptions};

use crate::stage::*;

/// A second beginning of a slow call would come at once, and a try has all the time there is.
fn eager() -> Limits {
    Limits {
        hedge_after: Some(Duration::from_millis(1)),
        try_timeout: Duration::from_secs(60),
        ..Limits::default()
    }
}

fn soon() -> ManagementOptions {
    ManagementOptions {
        request_timeout: Duration::from_secs(2),
        ..ManagementOptions::default()
    }
}

fn unreachable(error: &ManagementError) -> &Unreachable {
    match error {
        ManagementError::Unreachable { cause } => cause,
        other => panic!("reached: {other:?}"),
    }
}

#[tokio::test]
async fn a_missing_right_is_told_with_the_action() {
    let setting = Setting {
        client: STRANGER,
        ..Setting::default()
    };
    let stage = Stage::start_with(setting).await;
    let refused = stage.refused(&Call::get(&web(), VERSION)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.code, "AuthorizationFailed");
    let action = "Microsoft.ManagedIdentity/userAssignedIdentities/read";
    assert!(refused.message.contains(action), "{refused}");
    assert!(refused.request_id.is_some());
    let again = stage.refused(&Call::get(&web(), VERSION)).await;
    assert_eq!(refused.to_string(), again.to_string());
}

#[tokio::test]
async fn of_two_writes_at_once_one_is_refused_with_azures_code() {
    let setting = Setting {
        more: "arm: {settings: {credentialWriteMillis: 1000}}".to_owned(),
        ..Setting::default()
    };
    let stage = Stage::start_with(setting).await;
    // Both arrive before either begins.
    let barrier = Action::Barrier {
        count: 2,
        timeout_millis: 30_000,
    };
    stage.fault("PUT", barrier, 2);
    let (one, two) = (credential("one"), credential("two"));
    let (one, two) = tokio::join!(stage.call(&one), stage.call(&two));
    let errors: Vec<ManagementError> = [one, two].into_iter().filter_map(Result::err).collect();
    let [error] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    assert_eq!(error.status(), Some(409));
    assert_eq!(
        error.code(),
        Some("ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity")
    );
    assert!(error.is_passing());
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn a_slow_call_is_sent_once() {
    let setting = Setting {
        limits: eager(),
        ..Setting::default()
    };
    let stage = Stage::start_with(setting).await;
    // There is a connection, and credit for second sends if any were made.
    for _ in 0..50 {
        stage.get(&web()).await;
    }
    stage.azure.clear_calls();
    for method in ["PUT", "GET"] {
        stage.fault(method, Action::Delay { millis: 500 }, 1);
    }
    assert_eq!(stage.call(&credential("web")).await.unwrap().status, 201);
    assert_eq!(stage.calls(), 1);
    stage.get(&web()).await;
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn without_an_answer_the_call_ends() {
    let setting = Setting {
        options: soon(),
        ..Setting::default()
    };
    let stage = Stage::start_with(setting).await;
    stage.get(&web()).await;
    stage.azure.clear_calls();
    let web = web();
    let path = format!("{web}/federatedIdentityCredentials/web");
    let calls = [
        ("GET", Call::get(&web, VERSION)),
        ("PUT", credential("web")),
        ("DELETE", Call::delete(&path, VERSION)),
    ];
    for (n, (method, call)) in calls.into_iter().enumerate() {
        stage.fault(method, Action::Hang, 1);
        let error = stage.call(&call).await.unwrap_err();
        assert!(unreachable(&error).to_string().contains(HOST), "{error}");
        assert!(error.is_passing());
        assert_eq!(stage.calls(), n + 1);
    }
}

#[tokio::test]
async fn a_broken_read_is_sent_again_and_a_broken_write_is_not() {
    let stage = Stage::start().await;
    stage.get(&web()).await;
    stage.azure.clear_calls();
    stage.fault("GET", Action::Drop, 1);
    stage.get(&web()).await;
    assert_eq!(stage.calls(), 2);
    stage.azure.clear_calls();
    stage.fault("PUT", Action::Drop, 1);
    let error = stage.call(&credential("web")).await.unwrap_err();
    assert!(
        matches!(unreachable(&error), Unreachable::Broken { .. }),
        "{error}"
    );
    assert_eq!(stage.calls(), 1);
    // Nothing holds the next one back.
    stage.call(&credential("web")).await.unwrap();
}

#[tokio::test]
async fn a_failure_of_azure_is_asked_again_for_reads_and_told_of_writes() {
    let stage = Stage::start().await;
    for code in [500, 503] {
        stage.azure.clear_calls();
        stage.fault("GET", status(code, None), 1);
        stage.get(&web()).await;
        assert_eq!(stage.calls(), 2);
        stage.azure.clear_calls();
        stage.fault("PUT", status(code, None), 1);
        let error = stage.call(&credential("web")).await.unwrap_err();
        assert_eq!(error.status(), Some(code));
        assert!(error.is_passing());
        assert_eq!(stage.calls(), 1);
    }
}

#[tokio::test]
async fn a_write_that_never_left_is_tried_again() {
    let stage = Stage::start().await;
    let matches = Match {
        service: Some(Service::Proxy),
        host: Some(HOST.to_owned()),
        ..Match::default()
    };
    let fault = Fault::new(matches, Action::Refuse { code: 502 }).times(2);
    stage.azure.add_fault(fault).unwrap();
    assert_eq!(stage.call(&credential("web")).await.unwrap().status, 201);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn an_answer_that_is_none_is_told() {
    let stage = Stage::start().await;
    stage.fault("GET", Action::Garbage, 1);
    let error = stage.call(&Call::get(&web(), VERSION)).await.unwrap_err();
    assert!(
        matches!(error, ManagementError::BadAnswer { .. }),
        "{error}"
    );
}
