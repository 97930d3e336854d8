use vaultbind_azure::Action;
use vaultbind_operator::azure::actions::{CREDENTIAL_READ, CREDENTIAL_WRITE, IDENTITY_READ};
use vaultbind_operator::observed::{AzureCause, Credential, ManagedIdentity};

use super::*;

/// Large enough for what a test writes at once.
const MANY_WRITES: &str = "
    credentialReads: {size: 1000, perSecond: 1000}
    credentialLists: {size: 1000, perSecond: 1000}
    credentialWrites: {size: 1000, perSecond: 1000}
";

fn with_settings(settings: &str) -> Setting {
    Setting {
        arm: format!("  settings:\n    credentialWriteMillis: 0\n    {settings}{MANY_WRITES}"),
        ..Setting::default()
    }
}

#[tokio::test]
async fn an_identity_tells_its_ids() {
    let stage = Stage::start().await;
    let expected = ManagedIdentity {
        client_id: SHOP_CLIENT.to_owned(),
        principal_id: SHOP.to_owned(),
        tenant_id: TENANT.to_owned(),
    };
    let shouted = id(&shop().as_str().to_uppercase());
    for id in [shop(), shouted] {
        let found = stage.client.identity(CLOUD, &id).await.unwrap();
        assert_eq!(found, expected, "{id}");
    }
}

#[tokio::test]
async fn a_credential_is_made_changed_and_deleted() {
    let stage = Stage::start_with(with_settings("")).await;
    let (client, id) = (&stage.client, credential("shop-web"));
    assert_eq!(client.credential(CLOUD, &id).await.unwrap(), None);
    assert!(client.credentials(CLOUD, &shop()).await.unwrap().is_empty());

    for name in ["web", "api"] {
        let made = client
            .put_credential(CLOUD, &id, ISSUER, &subject(name), AUDIENCE)
            .await;
        let expected = Credential {
            name: "shop-web".to_owned(),
            issuer: ISSUER.to_owned(),
            subject: Some(subject(name)),
            audiences: vec![AUDIENCE.to_owned()],
        };
        assert_eq!(made.unwrap(), expected);
        let found = client.credential(CLOUD, &id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&expected));
        let all = client.credentials(CLOUD, &shop()).await.unwrap();
        assert_eq!(all, [expected]);
    }

    assert!(client.delete_credential(CLOUD, &id).await.unwrap());
    assert!(!client.delete_credential(CLOUD, &id).await.unwrap());
    assert_eq!(client.credential(CLOUD, &id).await.unwrap(), None);
}

#[tokio::test]
async fn all_pages_are_read_and_there_is_no_room_for_a_21st() {
    let stage = Stage::start_with(with_settings("pageSize: 6")).await;
    for n in 0..20 {
        stage
            .put(&format!("c{n:02}"), &subject(&format!("s{n:02}")))
            .await
            .unwrap();
    }
    stage.calls();
    let all = stage.client.credentials(CLOUD, &shop()).await.unwrap();
    let names: std::collections::BTreeSet<String> = all.into_iter().map(|one| one.name).collect();
    assert_eq!(names, (0..20).map(|n| format!("c{n:02}")).collect());
    assert_eq!(stage.calls(), 4);

    let (action, id, cause) = failure(stage.put("c20", &subject("s20")).await);
    assert_eq!(action, CREDENTIAL_WRITE);
    assert_eq!(id, credential("c20").as_str());
    assert_eq!(cause, AzureCause::LimitReached);
    // What is there can change.
    stage.put("c19", &subject("s20")).await.unwrap();
}

#[tokio::test]
async fn the_same_under_another_name_is_told() {
    let stage = Stage::start_with(with_settings("")).await;
    stage.put("one", &subject("web")).await.unwrap();
    let code = "BadRequest".to_owned();
    let cause = cause(stage.put("two", &subject("web")).await);
    assert_eq!(cause, AzureCause::Exists { status: 400, code });
}

#[tokio::test]
async fn of_two_writers_one_is_asked_to_wait() {
    let slow = Setting {
        arm: "  settings: {credentialWriteMillis: 2000}\n".to_owned(),
        ..Setting::default()
    };
    let stage = Stage::start_with(slow).await;
    // Both are under way before either is let through.
    let barrier = Action::Barrier {
        count: 2,
        timeout_millis: 10_000,
    };
    stage.strike("PUT", barrier);
    let (one, two) = (subject("one"), subject("two"));
    let (one, two) = tokio::join!(stage.put("one", &one), stage.put("two", &two));
    let mut failed = [one, two].into_iter().filter_map(Result::err);
    let cause = failed.next().expect("one fails").cause.clone();
    assert!(failed.next().is_none(), "the other does not");
    let AzureCause::Busy { status, code, .. } = &cause else {
        panic!("{cause}");
    };
    assert_eq!(*status, 409);
    assert_eq!(
        code,
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
    );
    assert!(cause.is_passing());
}

#[tokio::test]
async fn what_is_under_an_identity_that_is_gone_is_gone() {
    let stage = Stage::start_with(with_settings("")).await;
    let (client, gone) = (&stage.client, identity("gone"));
    let id = gone.child("federatedIdentityCredentials", "web").unwrap();
    assert_eq!(client.credential(CLOUD, &id).await.unwrap(), None);
    assert!(!client.delete_credential(CLOUD, &id).await.unwrap());

    let missing = |code: &str| AzureCause::NotFound {
        code: code.to_owned(),
    };
    let found = failure(client.identity(CLOUD, &gone).await);
    let expected = (IDENTITY_READ, gone.to_string(), missing("ResourceNotFound"));
    assert_eq!(found, expected);
    let (action, _, cause) = failure(client.credentials(CLOUD, &gone).await);
    assert_eq!(
        (action, cause),
        (CREDENTIAL_READ, missing("ResourceNotFound"))
    );
    let web = subject("web");
    let put = client.put_credential(CLOUD, &id, ISSUER, &web, AUDIENCE);
    let (action, at, cause) = failure(put.await);
    assert_eq!((action, at.as_str()), (CREDENTIAL_WRITE, id.as_str()));
    assert_eq!(cause, missing("ParentResourceNotFound"));
}

#[tokio::test]
async fn azure_tells_what_is_wrong_with_a_credential() {
    let stage = Stage::start_with(with_settings("")).await;
    let AzureCause::Refused {
        status,
        code,
        message,
    } = cause(stage.put("web", "").await)
    else {
        panic!("not refused");
    };
    assert_eq!((status, code.as_str()), (400, "BadRequest"));
    assert!(
        message.contains("must specify 'issuer', 'subject' and 'audience'"),
        "{message}"
    );
}
