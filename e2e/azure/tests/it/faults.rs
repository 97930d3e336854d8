//! Faults as a client meets them.

use std::time::{Duration, Instant};

use vaultbind_azure::{Action, Fault, Match};

use crate::client::{Connection, connect, get};
use crate::{VAULT, azure};

const TARGET: &str = "/secrets/a?api-version=7.4";

fn on_secrets(action: Action) -> Fault {
    Fault::new(
        Match {
            path: Some("/secrets".into()),
            ..Match::default()
        },
        action,
    )
}

#[tokio::test]
async fn throttling_looks_like_key_vaults() {
    let azure = azure().await;
    for (retry_after, retry_after_millis) in [(None, None), (Some(3), None), (None, Some(250))] {
        let action = Action::Status {
            code: 429,
            retry_after,
            retry_after_millis,
        };
        azure.add_fault(on_secrets(action).times(1)).unwrap();
        let reply = get(&azure, VAULT, TARGET, None).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (429, &"Throttled".into())
        );
        let number = |name: &str| {
            reply
                .header(name)
                .map(|value| value.parse::<u64>().unwrap())
        };
        assert_eq!(number("retry-after"), retry_after);
        assert_eq!(number("retry-after-ms"), retry_after_millis);
        assert!(reply.header("x-ms-keyvault-service-version").is_some());
    }
    assert_eq!(get(&azure, VAULT, TARGET, None).await.status, 401);
}

#[tokio::test]
async fn a_hanging_call_holds_up_nothing_else() {
    let azure = azure().await;
    azure.add_fault(on_secrets(Action::Hang)).unwrap();
    let mut connection = Connection::direct(&azure, VAULT).await.unwrap();
    let hanging = connection.send("GET", VAULT, TARGET, &[], "");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), hanging)
            .await
            .is_err()
    );
    // The same HTTP/2 connection goes on.
    assert_eq!(
        connection
            .send("GET", VAULT, "/healthstatus", &[], "")
            .await
            .unwrap()
            .status,
        200
    );
    let calls = azure.calls();
    assert_eq!((calls[0].status, calls[1].status), (None, Some(200)));
    assert_eq!(calls[0].connection, calls[1].connection);
    azure.stop().await;
}

#[tokio::test]
async fn a_drop_takes_the_whole_connection() {
    let azure = azure().await;
    azure.add_fault(on_secrets(Action::Drop).times(1)).unwrap();
    let mut connection = Connection::direct(&azure, VAULT).await.unwrap();
    assert!(
        connection
            .send("GET", VAULT, TARGET, &[], "")
            .await
            .is_err()
    );
    assert!(
        connection
            .send("GET", VAULT, "/healthstatus", &[], "")
            .await
            .is_err()
    );
    assert_eq!(get(&azure, VAULT, TARGET, None).await.status, 401);
}

#[tokio::test]
async fn garbage_is_not_json() {
    let azure = azure().await;
    azure.add_fault(on_secrets(Action::Garbage)).unwrap();
    let reply = get(&azure, VAULT, TARGET, None).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
}

#[tokio::test]
async fn a_given_answer_comes_as_it_is() {
    let azure = azure().await;
    let fault =
        r#"{"match":{"path":"/secrets"},"action":{"json":{"body":{"value":[]}}},"times":1}"#;
    azure
        .add_fault(serde_json::from_str(fault).unwrap())
        .unwrap();
    let reply = get(&azure, VAULT, TARGET, None).await;
    assert_eq!(
        (reply.status, &reply.body[..]),
        (200, &br#"{"value":[]}"#[..])
    );
    assert_eq!(get(&azure, VAULT, TARGET, None).await.status, 401);
}

#[tokio::test]
async fn a_delay_holds_the_answer() {
    let azure = azure().await;
    azure
        .add_fault(on_secrets(Action::Delay { millis: 80 }))
        .unwrap();
    let started = Instant::now();
    assert_eq!(get(&azure, VAULT, TARGET, None).await.status, 401);
    assert!(started.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_barrier_shows_whether_calls_are_side_by_side() {
    let azure = azure().await;
    let barrier = |timeout_millis| {
        on_secrets(Action::Barrier {
            count: 3,
            timeout_millis,
        })
    };
    let id = azure.add_fault(barrier(5_000)).unwrap();
    let call = || get(&azure, VAULT, TARGET, None);
    let (first, second, third) = tokio::join!(call(), call(), call());
    assert_eq!([first.status, second.status, third.status], [401; 3]);
    azure.remove_fault(id);
    azure.add_fault(barrier(20)).unwrap();
    assert_eq!(call().await.status, 504);
}

#[tokio::test]
async fn the_proxy_can_hang_and_drop() {
    let azure = azure().await;
    let of_proxy = || Match {
        service: Some(vaultbind_azure::Service::Proxy),
        ..Match::default()
    };
    azure
        .add_fault(Fault::new(of_proxy(), Action::Drop).times(1))
        .unwrap();
    assert!(connect(azure.proxy_addr(), VAULT).await.is_err());
    azure
        .add_fault(Fault::new(of_proxy(), Action::Hang).times(1))
        .unwrap();
    let hanging = connect(azure.proxy_addr(), VAULT);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), hanging)
            .await
            .is_err()
    );
    assert!(connect(azure.proxy_addr(), VAULT).await.is_ok());
}
