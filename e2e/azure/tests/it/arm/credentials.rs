//! Federated credentials.

use serde_json::{Value, json};
use vaultbind_azure::{Azure, Seed};

use super::{Client, OPERATOR, SHOP, code, credential, managed, message, shop, sign_in, terms};

const SUBJECT: &str = "system:serviceaccount:shop:web";

/// Nothing is counted, and writes take no time.
const FREE: &str = "arm: {settings: {credentialWriteMillis: 0, credentialWrites: {size: 1000, perSecond: 1}, credentialReads: {size: 1000, perSecond: 1}, credentialLists: {size: 1000, perSecond: 1}}}";

#[tokio::test]
async fn entra_goes_by_a_credential_some_time_after_it_was_written_and_removed() {
    let azure = managed("").await;
    let operator = Client::of(&azure, OPERATOR).await;
    assert_eq!(sign_in(&azure, SHOP, "shop/web").await, Err(70_025));

    let made = operator.put(&credential("web"), &terms(SUBJECT)).await;
    assert_eq!(made.status, 201);
    let id = credential("web").replace("resourceGroups", "resourcegroups");
    assert_eq!(made.header("location"), Some(id.as_str()));
    assert_eq!(
        made.json(),
        json!({
            "id": id,
            "name": "web",
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
            "properties": terms(SUBJECT)["properties"],
        })
    );
    // Resource Manager knows it at once, Entra does not.
    assert_eq!(operator.get(&credential("WEB")).await.json(), made.json());
    assert_eq!(sign_in(&azure, SHOP, "shop/web").await, Err(70_025));
    azure.advance_clock(30);
    assert!(sign_in(&azure, SHOP, "shop/web").await.is_ok());

    // The same once more changes nothing, not even for a while.
    let again = operator.put(&credential("web"), &terms(SUBJECT)).await;
    assert_eq!(again.status, 200);
    assert!(sign_in(&azure, SHOP, "shop/web").await.is_ok());

    // Another subject takes the place of the first one only then, too.
    let other = terms("system:serviceaccount:shop:job");
    assert_eq!(operator.put(&credential("web"), &other).await.status, 200);
    assert!(sign_in(&azure, SHOP, "shop/web").await.is_ok());
    assert_eq!(sign_in(&azure, SHOP, "shop/job").await, Err(700_213));
    azure.advance_clock(30);
    assert_eq!(sign_in(&azure, SHOP, "shop/web").await, Err(700_213));
    assert!(sign_in(&azure, SHOP, "shop/job").await.is_ok());

    let gone = operator.delete(&credential("web")).await;
    assert_eq!((gone.status, gone.body.len()), (200, 0));
    assert_eq!(operator.delete(&credential("web")).await.status, 204);
    let missing = operator.get(&credential("web")).await;
    assert_eq!(code(&missing), (404, "ResourceNotFound".into()));
    assert!(sign_in(&azure, SHOP, "shop/job").await.is_ok());
    azure.advance_clock(30);
    assert_eq!(sign_in(&azure, SHOP, "shop/job").await, Err(70_025));
}

#[tokio::test]
async fn the_subject_is_compared_to_the_case() {
    let azure = managed("").await;
    let operator = Client::of(&azure, OPERATOR).await;
    let upper = terms("system:serviceaccount:Shop:web");
    assert_eq!(operator.put(&credential("web"), &upper).await.status, 201);
    azure.advance_clock(30);
    assert_eq!(sign_in(&azure, SHOP, "shop/web").await, Err(7_002_138));
}

#[tokio::test]
async fn of_two_writes_at_once_one_is_refused() {
    // The first write takes for ever, so that the second one meets it.
    let azure = managed("arm: {settings: {credentialWriteMillis: 3600000}}").await;
    let operator = Client::of(&azure, OPERATOR).await;
    let (first, second) = (credential("first"), credential("second"));
    let refused = {
        let body = terms("a");
        let put = operator.put(&first, &body);
        let delete = operator.delete(&second);
        tokio::select! { reply = put => reply, reply = delete => reply }
    };
    let conflict = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity";
    assert_eq!(code(&refused), (409, conflict.into()));
    let identity = shop().to_ascii_lowercase();
    assert_eq!(
        message(&refused),
        format!(
            "Too many Federated Identity Credentials are written concurrently for the managed \
             identity '{identity}'. Concurrent Federated Identity Credentials writes under the \
             same managed identity are not supported."
        )
    );
    // Reads go on, and a write whose client has left holds up nobody.
    let list = format!("{}/federatedIdentityCredentials", shop());
    assert_eq!(operator.get(&list).await.json(), json!({"value": []}));
    add(&azure, FREE);
    while operator.put(&second, &terms("b")).await.status == 409 {
        tokio::task::yield_now().await;
    }
    let names = operator.get(&list).await.json();
    assert_eq!(names["value"][0]["name"], "second");
}

fn add(azure: &Azure, seed: &str) {
    let seed = Seed::from_yaml("more.yaml", seed).unwrap();
    azure.seed(&seed).unwrap();
}

#[tokio::test]
async fn writes_that_break_a_rule_are_refused() {
    let azure = managed(FREE).await;
    let operator = Client::of(&azure, OPERATOR).await;
    let web = terms(SUBJECT);
    assert_eq!(operator.put(&credential("web"), &web).await.status, 201);
    let changed = |name: &str, value: Value| {
        let mut body = terms("another");
        body["properties"][name] = value;
        body
    };
    let format = "The request format was unexpected. Federated Identity Credential must specify \
                  'issuer', 'subject' and 'audience'.";
    let audience = "Federated identity credentials must have exactly one audience.";
    for (name, body, expected) in [
        (
            "other",
            web.clone(),
            "Issuer and subject combination already exists for this Managed Identity.",
        ),
        ("other", json!({}), format),
        ("other", changed("issuer", Value::Null), format),
        ("other", changed("subject", json!("")), format),
        ("other", changed("audiences", Value::Null), format),
        ("other", changed("audiences", json!([])), audience),
        ("other", changed("audiences", json!(["a", "b"])), audience),
        (
            "-other",
            terms("another"),
            "Federated Identity Credential name '-other' is invalid.",
        ),
    ] {
        let reply = operator.put(&credential(name), &body).await;
        assert_eq!(code(&reply), (400, "BadRequest".into()), "{body}");
        assert_eq!(message(&reply), expected);
    }
    let reply = operator.put(&credential("other"), &json!("text")).await;
    assert_eq!(code(&reply), (400, "InvalidRequestContent".into()));
    // The same issuer with a subject in another case is another pair.
    let upper = terms(&SUBJECT.to_ascii_uppercase());
    assert_eq!(operator.put(&credential("other"), &upper).await.status, 201);

    let missing = credential("web").replace("/shop/", "/nobody/");
    let reply = operator.put(&missing, &terms("x")).await;
    assert_eq!(code(&reply), (404, "ParentResourceNotFound".into()));
    assert_eq!(
        code(&operator.get(&missing).await),
        (404, "ResourceNotFound".into())
    );
    assert_eq!(operator.delete(&missing).await.status, 204);
}

#[tokio::test]
async fn an_identity_has_twenty_at_most() {
    let azure = managed(FREE).await;
    let operator = Client::of(&azure, OPERATOR).await;
    for index in 0..20 {
        let (name, subject) = (format!("name-{index}"), format!("subject-{index}"));
        let reply = operator.put(&credential(&name), &terms(&subject)).await;
        assert_eq!(reply.status, 201, "{index}");
    }
    let reply = operator.put(&credential("one-more"), &terms("more")).await;
    assert_eq!(code(&reply), (400, "BadRequest".into()));
    assert!(message(&reply).contains("20"), "{}", message(&reply));
    // A change of one that is there, and one in the place of one that is gone.
    let reply = operator.put(&credential("name-0"), &terms("more")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(operator.delete(&credential("name-1")).await.status, 200);
    let reply = operator.put(&credential("one-more"), &terms("most")).await;
    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn an_identitys_requests_are_counted_apart_from_the_subscriptions() {
    let settings = "arm: {settings: {credentialWriteMillis: 0, credentialWrites: {size: 1, perSecond: 0.01}, credentialReads: {size: 1, perSecond: 0.01}, credentialLists: {size: 1, perSecond: 0.01}}}";
    let azure = managed(settings).await;
    let operator = Client::of(&azure, OPERATOR).await;
    let list = format!("{}/federatedIdentityCredentials", shop());
    let web = credential("web");
    assert_eq!(operator.put(&web, &terms("a")).await.status, 201);
    let all = [("GET", &web), ("GET", &list), ("DELETE", &web)];
    for (_, target) in &all[..2] {
        assert_eq!(operator.get(target).await.status, 200);
    }
    for (method, target) in all {
        let reply = operator.ask(method, target, &Value::Null).await;
        assert_eq!(
            code(&reply),
            (429, "TooManyRequests".into()),
            "{method} {target}"
        );
        let wait: u32 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=100).contains(&wait), "{wait}");
        let left = reply.header("x-ms-ratelimit-remaining-subscription-reads");
        assert_eq!(left.is_some(), method == "GET");
    }
    azure.advance_clock(100);
    for (method, target) in all {
        let reply = operator.ask(method, target, &Value::Null).await;
        assert_eq!(reply.status, 200, "{method} {target}");
    }
}
