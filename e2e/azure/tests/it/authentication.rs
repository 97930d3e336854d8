//! What a vault says to tokens.

use serde_json::json;
use vaultbind_azure::{Action, Fault, Match, Service};

use crate::client::{access_token, get, text, token};
use crate::{BACKUP, TENANT, VAULT, azure};

const TARGET: &str = "/secrets?api-version=7.4";

#[tokio::test]
async fn without_a_token_the_challenge_names_tenant_and_resource() {
    let azure = azure().await;
    let reply = get(&azure, VAULT, TARGET, None).await;
    assert_eq!(reply.status, 401);
    let expected = format!(
        "Bearer authorization=\"https://login.microsoftonline.com/{TENANT}\", \
         resource=\"https://vault.azure.net\""
    );
    assert_eq!(reply.header("www-authenticate"), Some(expected.as_str()));
    assert_eq!(reply.json()["error"]["code"], "Unauthorized");
    for header in [
        "x-ms-keyvault-region",
        "x-ms-request-id",
        "x-ms-keyvault-network-info",
    ] {
        assert!(reply.header(header).is_some(), "{header}");
    }
}

#[tokio::test]
async fn a_token_of_entra_reaches_the_vault() {
    let azure = azure().await;
    let token = access_token(&azure).await;
    let target = "/secrets/db-password?api-version=7.4";
    let reply = get(&azure, VAULT, target, Some(&token)).await;
    assert_eq!(
        (reply.status, &reply.json()["value"]),
        (200, &"correct horse".into())
    );
    let calls = azure.calls();
    let last = calls.last().unwrap();
    assert_eq!((last.service, last.authenticated), (Service::Vault, true));
    assert_eq!(last.client_id.as_deref(), Some(BACKUP));
    let log = serde_json::to_string(&calls).unwrap();
    for secret in [token.as_str(), "backup-secret", "correct horse"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn other_tokens_are_refused_with_their_reason() {
    let azure = azure().await;
    let good = access_token(&azure).await;
    let other_audience = token(
        &azure,
        TENANT,
        &[
            ("grant_type", "client_credentials"),
            ("client_id", BACKUP),
            ("client_secret", "backup-secret"),
            ("scope", "https://management.azure.com/.default"),
        ],
    );
    let other_tenant = token(
        &azure,
        "72f988bf-0000-4000-8000-000000000002",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "72f988bf-0000-4000-8000-0000000000c1"),
            ("client_secret", "other-secret"),
            ("scope", "https://vault.azure.net/.default"),
        ],
    );
    let other_audience = text(&other_audience.await.json()["access_token"]);
    let other_tenant = text(&other_tenant.await.json()["access_token"]);
    let mut parts: Vec<_> = good.split('.').collect();
    let foreign_claims: Vec<_> = other_tenant.split('.').collect();
    parts[1] = foreign_claims[1];
    let forged = parts.join(".");
    for (token, reason) in [
        (
            other_audience.as_str(),
            "AKV10022: Invalid audience. Expected https://vault.azure.net",
        ),
        (other_tenant.as_str(), "AKV10032: Invalid issuer."),
        (forged.as_str(), "AKV10046"),
        ("nonsense", "[InvalidToken]"),
    ] {
        let reply = get(&azure, VAULT, TARGET, Some(token)).await;
        assert_eq!(reply.status, 401, "{reason}");
        let message = text(&reply.json()["error"]["message"]);
        assert!(message.starts_with(reason), "{message}");
        assert!(reply.header("www-authenticate").is_some());
    }
}

#[tokio::test]
async fn the_clock_of_tokens_can_be_moved() {
    let azure = azure().await;
    let fresh = access_token(&azure).await;
    let of_vault = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    for (seconds, reason) in [(4000, "[TokenExpired]"), (-400, "[TokenNotYetValid]")] {
        let skew = Action::Skew { seconds };
        let id = azure.add_fault(Fault::new(of_vault.clone(), skew)).unwrap();
        let reply = get(&azure, VAULT, TARGET, Some(&fresh)).await;
        assert!(text(&reply.json()["error"]["message"]).starts_with(reason));
        azure.remove_fault(id);
    }
    assert_eq!(get(&azure, VAULT, TARGET, Some(&fresh)).await.status, 200);
}

#[tokio::test]
async fn health_needs_no_token() {
    let azure = azure().await;
    let reply = get(&azure, VAULT, "/healthstatus", None).await;
    assert_eq!((reply.status, reply.json()), (200, json!("OK")));
}
