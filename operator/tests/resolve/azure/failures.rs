use std::collections::BTreeSet;

use serde_json::json;
use vaultbind_azure::Action;
use vaultbind_operator::azure::actions::*;
use vaultbind_operator::observed::AzureCause;

use super::*;

/// Asks for everything there is to ask for, and says which permission each call took and why it failed.
async fn everything(stage: &Stage) -> Vec<(&'static str, Option<AzureCause>)> {
    let client = &stage.client;
    let (vault, fic) = (vault("kv-shop"), credential("web"));
    let assignment = assignment(&vault, 1);
    let made = client.put_credential(
        CLOUD,
        &fic,
        ISSUER,
        "system:serviceaccount:shop:web",
        AUDIENCE,
    );
    let assigned = client.put_assignment(CLOUD, &assignment, SECRETS_USER, SHOP, "for shop");
    let mut all = Vec::new();
    let mut note = |action, error: Option<Arc<vaultbind_operator::observed::AzureError>>| {
        if let Some(error) = &error {
            assert_eq!(error.action, action, "{error}");
        }
        all.push((action, error.map(|error| error.cause.clone())));
    };
    note(CREDENTIAL_WRITE, made.await.err());
    note(ASSIGNMENT_WRITE, assigned.await.err());
    note(IDENTITY_READ, client.identity(CLOUD, &shop()).await.err());
    note(
        CREDENTIAL_READ,
        client.credentials(CLOUD, &shop()).await.err(),
    );
    note(CREDENTIAL_READ, client.credential(CLOUD, &fic).await.err());
    note(VAULT_READ, client.vault(CLOUD, &vault).await.err());
    note(
        ASSIGNMENT_READ,
        client.assignments(CLOUD, &vault, SHOP).await.err(),
    );
    note(
        ASSIGNMENT_READ,
        client.assignment(CLOUD, &assignment).await.err(),
    );
    note(
        ROLE_READ,
        client.role(CLOUD, &vault, "Bob's role").await.err(),
    );
    note(
        CREDENTIAL_DELETE,
        client.delete_credential(CLOUD, &fic).await.err(),
    );
    note(
        ASSIGNMENT_DELETE,
        client.delete_assignment(CLOUD, &assignment).await.err(),
    );
    all
}

#[tokio::test]
async fn the_documented_permissions_are_enough_and_none_is_too_many() {
    let stage = Stage::start().await;
    for (action, cause) in everything(&stage).await {
        assert_eq!(cause, None, "{action}");
    }
    let documented: BTreeSet<String> = IDENTITIES
        .iter()
        .chain(&ACCESS)
        .map(|action| (*action).to_owned())
        .collect();
    assert_eq!(stage.azure.used_actions()[OPERATOR], documented);
}

#[tokio::test]
async fn without_a_role_every_call_names_the_permission_it_takes() {
    let setting = Setting {
        without_roles: true,
        ..Setting::default()
    };
    let stage = Stage::start_with(setting).await;
    let code = "AuthorizationFailed".to_owned();
    let forbidden = AzureCause::Forbidden { code };
    let all = everything(&stage).await;
    for (action, cause) in &all {
        assert_eq!(cause.as_ref(), Some(&forbidden), "{action}");
    }
    let refused: Vec<String> = (stage.azure.activities().into_iter())
        .map(|activity| activity.action)
        .collect();
    let named: Vec<&str> = all.iter().map(|(action, _)| *action).collect();
    assert_eq!(refused, named);
    assert!(!forbidden.is_passing());
}

#[tokio::test]
async fn throttling_says_until_when() {
    let stage = Stage::start().await;
    let wait = Duration::from_secs(300);
    stage.strike("PUT", status(429, Some(wait)));
    let AzureCause::Busy {
        status,
        retry_after,
        ..
    } = cause(stage.put("web", &subject("web")).await)
    else {
        panic!("not busy");
    };
    assert_eq!((status, retry_after), (429, Some(wait)));
}

#[tokio::test]
async fn azures_own_failures_pass() {
    let stage = Stage::start().await;
    stage.strike("PUT", status(500, None));
    let cause = cause(stage.put("web", &subject("web")).await);
    let told = matches!(&cause, AzureCause::Refused { status: 500, .. });
    assert!(told && cause.is_passing(), "{cause}");
}

#[tokio::test]
async fn answers_of_another_shape_are_told() {
    for action in [
        Action::Garbage,
        Action::Json { body: json!(null) },
        Action::Json { body: json!([1]) },
        Action::Json {
            body: json!({"value": [{"properties": {"clientId": "\u{1b}[31m"}}]}),
        },
    ] {
        let stage = Stage::start().await;
        for method in ["GET", "PUT"] {
            stage.strike(method, action.clone());
        }
        for (permission, cause) in everything(&stage).await {
            let is_delete = [CREDENTIAL_DELETE, ASSIGNMENT_DELETE].contains(&permission);
            match cause {
                Some(AzureCause::Silent { text }) => {
                    assert!(text.contains("proxy"), "{text}");
                    assert!(!text.contains('\u{1b}'), "{text}");
                }
                other => assert!(is_delete && other.is_none(), "{permission}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_list_without_end_and_one_that_leads_elsewhere_are_given_up() {
    let here = "https://management.azure.com/subscriptions/x";
    for (link, told, calls) in [
        (here, "has no end", 100),
        (
            "https://management.example/subscriptions/x",
            "management.example",
            1,
        ),
        (
            "http://management.azure.com/subscriptions/x",
            "https://management.azure.com",
            1,
        ),
    ] {
        let stage = Stage::start().await;
        let body = json!({"value": [], "nextLink": link});
        stage.strike("GET", Action::Json { body });
        let AzureCause::Silent { text } = cause(stage.client.credentials(CLOUD, &shop()).await)
        else {
            panic!("an answer: {link}");
        };
        assert!(text.contains(told), "{text}");
        assert_eq!(stage.calls(), calls, "{link}");
    }
}

#[tokio::test]
async fn without_a_token_the_reason_is_told() {
    let none = NoProof::lasting("the operator has no identity for Azure");
    for (secret, told) in [
        (Ok("wrong"), "secret"),
        (Err(none), "the operator has no identity for Azure"),
    ] {
        let setting = Setting {
            secret: Some(secret),
            ..Setting::default()
        };
        let stage = Stage::start_with(setting).await;
        let AzureCause::NoToken { text, lasting } =
            cause(stage.client.identity(CLOUD, &shop()).await)
        else {
            panic!("a token");
        };
        assert!(lasting && text.contains(told), "{text}");
        assert_eq!(stage.calls(), 0);
    }
}
