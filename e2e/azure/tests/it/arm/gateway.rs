//! What stands before every resource: tokens, tenants, versions, roles, counts; and what is written
//! down of it.

use serde_json::{Value, json};
use vaultbind_azure::{Action, Fault, Match, Service};

use super::{
    Client, GROUP, HOST, IDENTITIES, OPERATOR, OWNER, SHOP, STRANGER, access_token, code,
    credential, managed, message, shop, terms,
};
use crate::admin::ask;
use crate::client::{Connection, get, text, token};
use crate::{SCOPE, TENANT, VAULT};

#[tokio::test]
async fn tokens_must_be_there_and_for_resource_manager() {
    let azure = managed("").await;
    let target = format!("{}?api-version=2024-11-30", shop());
    let vault_token = access_token(&azure, OWNER, SCOPE).await;
    for (token, expected) in [
        (None, "AuthenticationFailed"),
        (Some("a.b.c"), "InvalidAuthenticationToken"),
        (
            Some(vault_token.as_str()),
            "InvalidAuthenticationTokenAudience",
        ),
    ] {
        let reply = get(&azure, HOST, &target, token).await;
        assert_eq!(code(&reply), (401, expected.into()));
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer authorization_uri=\"https://login.microsoftonline.com/")
        );
        assert_eq!(reply.header("x-ms-failure-cause"), Some("gateway"));
    }
    for audience in [
        "https://management.azure.com/.default",
        "https://management.azure.com//.default",
        "https://management.core.windows.net//.default",
    ] {
        let token = access_token(&azure, OWNER, audience).await;
        assert_eq!(
            get(&azure, HOST, &target, Some(&token)).await.status,
            200,
            "{audience}"
        );
    }
    azure.advance_clock(4 * 3600);
    let owner = Client {
        azure: &azure,
        token: access_token(&azure, OWNER, super::ARM).await,
    };
    azure.advance_clock(4 * 3600);
    let reply = owner.get(&shop()).await;
    assert_eq!(code(&reply), (401, "ExpiredAuthenticationToken".into()));
}

#[tokio::test]
async fn a_subscription_is_in_its_tenant_and_cloud() {
    let azure = managed("").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "72f988bf-0000-4000-8000-0000000000c1"),
        ("client_secret", "other-secret"),
        ("scope", super::ARM),
    ];
    let other = token(&azure, "72f988bf-0000-4000-8000-000000000002", &form).await;
    let other = Client {
        azure: &azure,
        token: text(&other.json()["access_token"]),
    };
    let reply = other.get(&shop()).await;
    assert_eq!(
        code(&reply),
        (401, "InvalidAuthenticationTokenTenant".into())
    );
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains(TENANT), "{challenge}");

    let owner = Client::of(&azure, OWNER).await;
    let target = format!("/subscriptions/{SHOP}/resourceGroups/a/{IDENTITIES}/shop");
    let reply = owner.get(&target).await;
    assert_eq!(code(&reply), (404, "SubscriptionNotFound".into()));
    let china = "management.chinacloudapi.cn";
    let scope = "https://management.chinacloudapi.cn/.default";
    let token = access_token(&azure, OWNER, scope).await;
    let target = format!("{}?api-version=2024-11-30", shop());
    let reply = get(&azure, china, &target, Some(&token)).await;
    assert_eq!(code(&reply), (404, "SubscriptionNotFound".into()));
}

#[tokio::test]
async fn paths_methods_and_versions_are_checked() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let vault = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/myvault");
    let group = GROUP.replace("vaultbind", "nowhere");
    for (method, target, expected) in [
        (
            "GET",
            "/subscriptions".to_owned(),
            (404, "InvalidResourceType"),
        ),
        ("DELETE", vault, (405, "HttpMethodNotAllowed")),
        (
            "GET",
            format!("{}?api-version=2015-08-31", shop()),
            (400, "InvalidApiVersionParameter"),
        ),
        (
            "GET",
            format!("{group}/{IDENTITIES}/shop"),
            (404, "ResourceGroupNotFound"),
        ),
    ] {
        let (status, name) = expected;
        let reply = owner.ask(method, &target, &Value::Null).await;
        assert_eq!(code(&reply), (status, name.into()), "{method} {target}");
    }
    let reply = get(&azure, HOST, &shop(), Some(&owner.token)).await;
    assert_eq!(code(&reply), (400, "MissingApiVersionParameter".into()));
    let reply = owner
        .get(&format!("{}?api-version=2015-08-31", shop()))
        .await;
    assert!(
        message(&reply).contains("2024-11-30"),
        "{}",
        message(&reply)
    );
}

#[tokio::test]
async fn roles_say_who_may_do_what_and_what_was_done_is_written_down() {
    let azure = managed("").await;
    let operator = Client::of(&azure, OPERATOR).await;
    let stranger = Client::of(&azure, STRANGER).await;
    assert_eq!(
        operator.put(&credential("web"), &terms("a")).await.status,
        201
    );
    assert_eq!(operator.get(&shop()).await.status, 200);
    let refused = operator.delete(&shop()).await;
    assert_eq!(code(&refused), (403, "AuthorizationFailed".into()));
    // Also of what is not there.
    let missing = format!("{GROUP}/{IDENTITIES}/nobody");
    let refused = stranger.get(&missing).await;
    assert_eq!(code(&refused), (403, "AuthorizationFailed".into()));
    let object = text(
        &ask(&azure, "GET", "/arm/activities", &Value::Null)
            .await
            .json()[3]["objectID"],
    );
    let text = format!(
        "The client '{STRANGER}' with object id '{object}' does not have authorization to perform \
         action 'Microsoft.ManagedIdentity/userAssignedIdentities/read' over scope '{missing}' or \
         the scope is invalid."
    );
    assert!(
        message(&refused).starts_with(&text),
        "{}",
        message(&refused)
    );

    let activities = azure.activities();
    let seen: Vec<_> = activities
        .iter()
        .map(|one| {
            let action = one.action.rsplit_once("userAssignedIdentities/").unwrap().1;
            (one.client_id.as_str(), action, one.authorized, one.status)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (OPERATOR, "federatedIdentityCredentials/write", true, 201),
            (OPERATOR, "read", true, 200),
            (OPERATOR, "delete", false, 403),
            (STRANGER, "read", false, 403),
        ]
    );
    assert_eq!(activities[0].resource, credential("web"));
    assert_eq!(activities[2].code.as_deref(), Some("AuthorizationFailed"));

    let used = ask(&azure, "GET", "/arm/actions", &Value::Null)
        .await
        .json();
    let of_operator = json!([
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
        "Microsoft.ManagedIdentity/userAssignedIdentities/read",
    ]);
    assert_eq!(used[&activities[0].object_id], of_operator);
    assert_eq!(used.as_object().unwrap().len(), 1);
    let target = format!("/arm/managed?below={GROUP}");
    let listed = ask(&azure, "GET", &target, &Value::Null).await.json();
    assert_eq!(listed, json!(azure.managed_below(GROUP)));
    assert!(
        listed
            .as_array()
            .unwrap()
            .contains(&credential("web").into())
    );
    for target in ["/arm/managed", "/arm/managed?below=shop"] {
        let refused = ask(&azure, "GET", target, &Value::Null).await;
        assert_eq!(refused.status, 400, "{target}");
    }
    let cleared = ask(&azure, "DELETE", "/arm/activities", &Value::Null).await;
    assert_eq!(cleared.status, 204);
    assert_eq!(
        (azure.activities().len(), azure.used_actions().len()),
        (0, 0)
    );
}

#[tokio::test]
async fn requests_of_a_principal_are_counted() {
    let azure = managed("arm: {settings: {reads: {size: 2, perSecond: 0.001}}}").await;
    let operator = Client::of(&azure, OPERATOR).await;
    let header = "x-ms-ratelimit-remaining-subscription-reads";
    let mut left = Vec::new();
    for _ in 0..2 {
        left.push(
            operator
                .get(&shop())
                .await
                .header(header)
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(left, ["1", "0"]);
    let reply = operator.get(&shop()).await;
    assert_eq!(code(&reply), (429, "SubscriptionRequestsThrottled".into()));
    let wait: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=1000).contains(&wait), "{wait}");
    // Nobody else is held up, nor are writes.
    assert_eq!(
        Client::of(&azure, OWNER).await.get(&shop()).await.status,
        200
    );
    let write = operator.put(&credential("web"), &terms("a")).await;
    assert_eq!(write.status, 201);
    assert_eq!(
        write.header("x-ms-ratelimit-remaining-subscription-writes"),
        Some("199")
    );
    azure.advance_clock(wait);
    assert_eq!(operator.get(&shop()).await.status, 200);
}

#[tokio::test]
async fn faults_speak_as_resource_manager_does() {
    let azure = managed("").await;
    let operator = Client::of(&azure, OPERATOR).await;
    for (target, status, expected) in [
        (shop(), 429, "TooManyRequests"),
        (shop(), 503, "ServiceUnavailable"),
        (shop(), 404, "ResourceNotFound"),
        (
            credential("web"),
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        ),
    ] {
        let matches = Match {
            service: Some(Service::Arm),
            ..Match::default()
        };
        let action = Action::Status {
            code: status,
            retry_after: Some(7),
            retry_after_millis: None,
        };
        azure
            .add_fault(Fault::new(matches, action).times(1))
            .unwrap();
        let reply = operator.get(&target).await;
        assert_eq!(code(&reply), (status, expected.into()));
        assert_eq!(reply.header("retry-after"), Some("7"));
    }
    let call = azure
        .calls()
        .into_iter()
        .rev()
        .find(|call| call.service == Service::Arm);
    let call = call.unwrap();
    assert_eq!(
        (call.status, call.client_id.as_deref()),
        (Some(409), Some(OPERATOR))
    );
}

#[tokio::test]
async fn it_is_reached_through_the_proxy() {
    let azure = managed("").await;
    let operator = Client::of(&azure, OPERATOR).await;
    let mut connection = Connection::proxied(&azure, HOST).await.unwrap();
    let bearer = format!("Bearer {}", operator.token);
    let target = format!("{}?api-version=2024-11-30", shop());
    let reply = connection
        .send("GET", HOST, &target, &[("authorization", &bearer)], "")
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn vaults_and_clusters_are_described() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let vaults = format!("{GROUP}/providers/Microsoft.KeyVault/vaults");
    let vault = owner.get(&format!("{vaults}/MyVault")).await.json();
    let properties = &vault["properties"];
    assert_eq!(properties["enableRbacAuthorization"], true);
    assert_eq!(properties["vaultUri"], format!("https://{VAULT}/"));
    assert_eq!(properties["tenantId"], TENANT);
    assert_eq!(properties["publicNetworkAccess"], "Enabled");
    assert_eq!(owner.get(&vaults).await.json(), json!({"value": [vault]}));

    let change = json!({"network": "Firewall", "allowedAddresses": ["203.0.113.7"]});
    let changed = ask(&azure, "PUT", "/vaults/myvault/network", &change).await;
    assert_eq!(changed.status, 204);
    let vault = owner.get(&format!("{vaults}/myvault")).await.json();
    let acls = &vault["properties"]["networkAcls"];
    assert_eq!(
        (&acls["defaultAction"], &acls["ipRules"]),
        (&json!("Deny"), &json!([{"value": "203.0.113.7/32"}]))
    );
    let missing = owner.get(&format!("{vaults}/nowhere")).await;
    assert_eq!(code(&missing), (404, "ResourceNotFound".into()));

    let clusters = format!("{GROUP}/providers/Microsoft.ContainerService/managedClusters");
    let cluster = owner.get(&format!("{clusters}/blue")).await.json();
    assert_eq!(
        cluster["properties"]["oidcIssuerProfile"]["issuerURL"],
        super::ISSUER
    );
    assert_eq!(owner.get(&format!("{clusters}/red")).await.status, 404);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let azure = managed("arm: {settings: {pageSize: 7}}").await;
    let owner = Client::of(&azure, OWNER).await;
    let definitions = format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions");
    let mut target = format!("{definitions}?$filter=type%20eq%20'BuiltInRole'");
    let mut pages = Vec::new();
    loop {
        let page = owner.get(&target).await.json();
        pages.push(page["value"].as_array().unwrap().clone());
        let Some(next) = page["nextLink"].as_str() else {
            break;
        };
        target = next
            .strip_prefix("https://management.azure.com")
            .unwrap()
            .to_owned();
    }
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [7, 7, 2]);
    let mut names: Vec<_> = pages
        .concat()
        .iter()
        .map(|role| text(&role["name"]))
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 16);
    let strange = owner.get(&format!("{definitions}?$skiptoken=x")).await;
    assert_eq!(code(&strange), (400, "BadRequest".into()));
}

#[tokio::test]
async fn the_administration_tells_the_clock_and_moves_it() {
    let azure = managed("").await;
    let time = |reply: &Value| text(&reply["time"]).parse::<jiff::Timestamp>().unwrap();
    let before = time(&ask(&azure, "GET", "/clock", &Value::Null).await.json());
    let moved = ask(
        &azure,
        "POST",
        "/clock/advance",
        &json!({"seconds": 86_400}),
    )
    .await;
    let passed = time(&moved.json()).duration_since(before).as_secs();
    assert!(passed >= 86_400, "{passed}");
    let wrong = ask(&azure, "POST", "/clock/advance", &json!({"seconds": -1})).await;
    assert_eq!(wrong.status, 400);
}
