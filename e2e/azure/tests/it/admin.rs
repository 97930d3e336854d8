//! The administration.

use serde_json::{Value, json};
use vaultbind_azure::Azure;

use crate::client::{Connection, Reply, get, text};
use crate::{NODES, VAULT, azure};

pub(crate) async fn ask(azure: &Azure, method: &str, target: &str, body: &Value) -> Reply {
    let mut connection = Connection::plain(azure.admin_addr()).await.unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    connection
        .send(method, "localhost", target, &[], body)
        .await
        .unwrap()
}

#[tokio::test]
async fn it_is_healthy_and_hands_out_its_certificate() {
    let azure = azure().await;
    assert_eq!(
        ask(&azure, "GET", "/healthz", &Value::Null).await.status,
        200
    );
    let pem = ask(&azure, "GET", "/ca.pem", &Value::Null).await;
    assert_eq!(pem.body, azure.ca_pem().as_bytes());
}

#[tokio::test]
async fn calls_and_faults_are_listed_and_cleared() {
    let azure = azure().await;
    let fault = json!({"match": {"host": "my*"}, "times": 1, "action": {"status": {"code": 503}}});
    let added = ask(&azure, "POST", "/faults", &fault).await;
    assert_eq!(added.status, 201);
    assert_eq!(get(&azure, VAULT, "/secrets", None).await.status, 503);
    let faults = ask(&azure, "GET", "/faults", &Value::Null).await.json();
    assert_eq!(
        (&faults[0]["struck"], &faults[0]["times"]),
        (&1.into(), &0.into())
    );
    let calls = ask(&azure, "GET", "/calls", &Value::Null).await.json();
    assert_eq!(
        (&calls[0]["service"], &calls[0]["status"]),
        (&"vault".into(), &503.into())
    );
    let one = format!("/faults/{}", added.json()["id"]);
    for (target, status) in [
        (one.as_str(), 204),
        (&one, 404),
        ("/faults", 204),
        ("/calls", 204),
    ] {
        assert_eq!(
            ask(&azure, "DELETE", target, &Value::Null).await.status,
            status,
            "{target}"
        );
    }
    assert_eq!(
        ask(&azure, "GET", "/faults", &Value::Null).await.json(),
        json!([])
    );
    assert_eq!(
        ask(&azure, "GET", "/calls", &Value::Null).await.json(),
        json!([])
    );
}

#[tokio::test]
async fn errors_name_the_field() {
    let azure = azure().await;
    let account = json!({"namespace": "n", "serviceAccountName": "s"});
    let issuer = json!({
        "namespace": "n", "serviceAccountName": "s", "audience": "a", "issuer": "https://x"
    });
    for (method, target, body, status, part) in [
        (
            "POST",
            "/faults",
            json!({"action": {"delay": {"millis": -1}}}),
            400,
            "action.delay.millis",
        ),
        (
            "POST",
            "/faults",
            json!({"action": "hang", "share": 2}),
            400,
            "share",
        ),
        ("POST", "/service-account-token", account, 400, "`audience`"),
        ("POST", "/service-account-token", issuer, 400, "issuer"),
        (
            "PUT",
            "/vaults/myvault/secrets/a",
            json!({"value": 1}),
            400,
            "value",
        ),
        (
            "PUT",
            "/vaults/nope/secrets/a",
            json!({"value": "v"}),
            404,
            "nope",
        ),
        ("GET", "/nothing", Value::Null, 404, "nothing"),
        ("PATCH", "/faults", Value::Null, 405, "method"),
    ] {
        let reply = ask(&azure, method, target, &body).await;
        assert_eq!(reply.status, status, "{target} {body}");
        let message = text(&reply.json()["error"]);
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn it_makes_tokens_credentials_and_versions() {
    let azure = azure().await;
    let request = json!({
        "namespace": "shop", "serviceAccountName": "web",
        "audience": "api://AzureADTokenExchange", "expiresIn": 600
    });
    let token = ask(&azure, "POST", "/service-account-token", &request).await;
    assert_eq!(text(&token.json()["token"]).split('.').count(), 3);
    assert!(text(&token.json()["expirationTimestamp"]).ends_with('Z'));
    let keys = ask(&azure, "GET", "/jwks", &Value::Null).await.json();
    assert_eq!(
        keys["https://oidc.cluster.example/"]["keys"][0]["alg"],
        "RS256"
    );

    let credentials = format!("/applications/{NODES}/federated-credentials");
    let credential = json!({"name": "n", "issuer": "https://i", "subject": "s"});
    assert_eq!(
        ask(&azure, "PUT", &credentials, &credential).await.status,
        204
    );
    let one = format!("{credentials}/n");
    assert_eq!(ask(&azure, "DELETE", &one, &Value::Null).await.status, 204);
    let unknown = "/applications/nobody/federated-credentials/n";
    assert_eq!(
        ask(&azure, "DELETE", unknown, &Value::Null).await.status,
        404
    );

    let secret = json!({"value": "v", "expires": "2030-01-01T00:00:00Z", "tags": {"a": "b"}});
    let version = ask(&azure, "PUT", "/vaults/myvault/secrets/a", &secret).await;
    assert_eq!(
        (version.status, text(&version.json()["version"]).len()),
        (200, 32)
    );
}

#[tokio::test]
async fn shutdown_is_passed_on() {
    let azure = azure().await;
    assert_eq!(
        ask(&azure, "POST", "/shutdown", &Value::Null).await.status,
        202
    );
    azure.stop_requested().await;
    azure.stop().await;
}
