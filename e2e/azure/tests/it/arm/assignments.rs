//! Role assignments and definitions, and the vaults they open.

use serde_json::{Value, json};
use vaultbind_azure::Seed;

use super::{
    ASSIGNMENTS, Client, GROUP, IDENTITIES, OPERATOR, OWNER, SECRETS_USER, SHOP_OBJECT, STRANGER,
    access_token, code, managed, message, read_secret,
};
use crate::client::{get, text};
use crate::{SCOPE, TENANT, VAULT};

const NAME: &str = "11111111-2222-4333-8444-555555555555";
const OTHER: &str = "11111111-2222-4333-8444-666666666666";

fn vault() -> String {
    format!("{GROUP}/providers/Microsoft.KeyVault/vaults/myvault")
}

fn at(scope: &str, name: &str) -> String {
    format!("{scope}/{ASSIGNMENTS}/{name}")
}

fn role(id: &str) -> String {
    format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/providers/\
         Microsoft.Authorization/roleDefinitions/{id}"
    )
}

fn given(principal: &str) -> Value {
    json!({"properties": {
        "roleDefinitionId": role(SECRETS_USER),
        "principalId": principal,
        "principalType": "ServicePrincipal",
    }})
}

/// The object id of an application of the seed.
async fn object_id(client: &Client<'_>) -> String {
    let claims = client.token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    text(&serde_json::from_slice::<Value>(&claims.unwrap()).unwrap()["oid"])
}

#[tokio::test]
async fn a_role_opens_a_vault_some_time_after_it_was_given_and_taken() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let stranger = object_id(&Client::of(&azure, STRANGER).await).await;
    let token = access_token(&azure, STRANGER, SCOPE).await;
    let target = at(&vault(), NAME);

    let made = owner.put(&target, &given(&stranger)).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(made["id"], target);
    assert_eq!(made["type"], "Microsoft.Authorization/roleAssignments");
    let properties = &made["properties"];
    assert_eq!(properties["roleDefinitionId"], role(SECRETS_USER));
    assert_eq!(properties["scope"], vault());
    assert_eq!(properties["createdBy"], object_id(&owner).await);
    assert_eq!(properties["condition"], Value::Null);
    assert_eq!(owner.get(&target).await.json(), made);
    assert_eq!(read_secret(&azure, &token, "db-password").await, 403);
    azure.advance_clock(60);
    assert_eq!(read_secret(&azure, &token, "db-password").await, 200);

    let gone = owner.delete(&target).await;
    assert_eq!((gone.status, gone.json()), (200, made));
    assert_eq!(owner.delete(&target).await.status, 204);
    let missing = owner.get(&target).await;
    assert_eq!(code(&missing), (404, "RoleAssignmentNotFound".into()));
    assert_eq!(read_secret(&azure, &token, "db-password").await, 200);
    azure.advance_clock(60);
    assert_eq!(read_secret(&azure, &token, "db-password").await, 403);
}

#[tokio::test]
async fn a_role_reaches_as_far_as_its_scope() {
    let more = "arm: {settings: {rolePropagation: 0}}";
    let azure = managed(more).await;
    let owner = Client::of(&azure, OWNER).await;
    let stranger = object_id(&Client::of(&azure, STRANGER).await).await;
    let token = access_token(&azure, STRANGER, SCOPE).await;
    let subscription = "/subscriptions/00000000-0000-0000-0000-000000000000";
    let elsewhere = format!("{GROUP}/{IDENTITIES}/shop");
    for (scope, expected) in [
        (format!("{}/secrets/db-password", vault()), [200, 403]),
        (format!("{}/secrets/DB-Password", vault()), [200, 403]),
        (format!("{}/keys/db-password", vault()), [403, 403]),
        (vault(), [200, 200]),
        (
            vault()
                .to_ascii_uppercase()
                .replace("/SUBSCRIPTIONS", "/subscriptions"),
            [200, 200],
        ),
        (GROUP.to_owned(), [200, 200]),
        (subscription.to_owned(), [200, 200]),
        (elsewhere, [403, 403]),
    ] {
        let target = at(&scope, NAME);
        assert_eq!(
            owner.put(&target, &given(&stranger)).await.status,
            201,
            "{scope}"
        );
        let mut found = Vec::new();
        for secret in ["db-password", "api-key"] {
            found.push(read_secret(&azure, &token, secret).await);
        }
        assert_eq!(found, expected, "{scope}");
        assert_eq!(owner.delete(&target).await.status, 200, "{scope}");
    }
}

#[tokio::test]
async fn a_role_with_a_condition_opens_what_it_lets_pass() {
    let azure = managed("arm: {settings: {rolePropagation: 0}}").await;
    let owner = Client::of(&azure, OWNER).await;
    let stranger = object_id(&Client::of(&azure, STRANGER).await).await;
    let token = access_token(&azure, STRANGER, SCOPE).await;
    let mut body = given(&stranger);
    assert_eq!(owner.put(&at(&vault(), NAME), &body).await.status, 201);
    assert_eq!(read_secret(&azure, &token, "db-password").await, 200);
    // Condition and description are all that can change.
    body["properties"]["condition"] =
        json!("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringStartsWith 'db-'");
    body["properties"]["conditionVersion"] = json!("2.0");
    body["properties"]["description"] = json!("for the shop");
    let changed = owner.put(&at(&vault(), NAME), &body).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["properties"]["conditionVersion"], "2.0");
    let kept = owner.get(&at(&vault(), NAME)).await.json();
    assert_eq!(kept["properties"]["description"], "for the shop");
    assert_eq!(read_secret(&azure, &token, "db-password").await, 200);
    assert_eq!(read_secret(&azure, &token, "api-key").await, 403);
    // A list has no name that the condition could look at.
    let list = get(&azure, VAULT, "/secrets?api-version=7.4", Some(&token)).await;
    assert_eq!(list.status, 403);
    body["properties"]["condition"] = json!("not understood");
    assert_eq!(owner.put(&at(&vault(), NAME), &body).await.status, 200);
    assert_eq!(read_secret(&azure, &token, "db-password").await, 403);
}

#[tokio::test]
async fn a_delegate_gives_and_takes_only_the_roles_of_its_condition() {
    let more = format!(
        "
arm:
  settings: {{rolePropagation: 0}}
  roleAssignments:
  - principal: {STRANGER}
    role: Role Based Access Control Administrator
    scope: {GROUP}
    condition: >-
      ((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})) OR
      (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{SECRETS_USER}}}
      AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {{'ServicePrincipal'}}))
      AND ((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/delete'}})) OR
      (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{SECRETS_USER}}}))
"
    );
    let azure = managed(&more).await;
    let owner = Client::of(&azure, OWNER).await;
    let delegate = Client::of(&azure, STRANGER).await;
    let target = at(&vault(), NAME);
    let mut reader = given(SHOP_OBJECT);
    reader["properties"]["roleDefinitionId"] = json!(role("21090545-7ca7-4776-b22c-e363652d74d2"));
    let mut untyped = given(SHOP_OBJECT);
    untyped["properties"]["principalType"] = Value::Null;
    for body in [&reader, &untyped, &Value::Null] {
        let refused = delegate.put(&target, body).await;
        assert_eq!(
            code(&refused),
            (403, "AuthorizationFailed".into()),
            "{body}"
        );
    }
    assert_eq!(delegate.put(&target, &given(SHOP_OBJECT)).await.status, 201);
    assert_eq!(delegate.delete(&target).await.status, 200);
    assert_eq!(owner.put(&target, &reader).await.status, 201);
    let refused = delegate.delete(&target).await;
    assert_eq!(code(&refused), (403, "AuthorizationFailed".into()));
    assert_eq!(delegate.get(&target).await.status, 200);
}

#[tokio::test]
async fn role_assignments_never_change_and_are_there_once() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let body = given(SHOP_OBJECT);
    assert_eq!(owner.put(&at(&vault(), NAME), &body).await.status, 201);
    assert_eq!(owner.put(&at(&vault(), NAME), &body).await.status, 200);

    let exists = owner.put(&at(&vault(), OTHER), &body).await;
    assert_eq!(code(&exists), (409, "RoleAssignmentExists".into()));
    let mut reader = body.clone();
    reader["properties"]["roleDefinitionId"] = json!(role("21090545-7ca7-4776-b22c-e363652d74d2"));
    for (scope, body) in [
        (vault(), given("72f988bf-0000-4000-8000-0000000000b1")),
        (vault(), reader),
        (GROUP.to_owned(), body.clone()),
    ] {
        let reply = owner.put(&at(&scope, NAME), &body).await;
        let expected = "RoleAssignmentUpdateNotPermitted";
        assert_eq!(code(&reply), (400, expected.into()), "{scope} {body}");
    }
    let mut unknown = body.clone();
    unknown["properties"]["roleDefinitionId"] = json!(role(NAME));
    let nowhere = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/nowhere");
    for (target, body, expected) in [
        (
            at(&vault(), "not-a-guid"),
            body.clone(),
            (400, "InvalidRoleAssignmentId"),
        ),
        (
            at(&vault(), OTHER),
            unknown,
            (404, "RoleDefinitionDoesNotExist"),
        ),
        (
            at(&vault(), OTHER),
            json!({}),
            (400, "InvalidRequestContent"),
        ),
        (at(&nowhere, OTHER), body, (404, "ResourceNotFound")),
    ] {
        let (status, name) = expected;
        let reply = owner.put(&target, &body).await;
        assert_eq!(code(&reply), (status, name.into()), "{target}");
    }
}

#[tokio::test]
async fn a_new_principal_is_not_found_at_first_unless_its_type_is_said() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let target = format!("{GROUP}/{IDENTITIES}/fresh");
    let made = owner.put(&target, &json!({"location": "westeurope"})).await;
    let principal = text(&made.json()["properties"]["principalId"]);
    let typed = given(&principal);
    let mut untyped = typed.clone();
    untyped["properties"]["principalType"] = Value::Null;

    let refused = owner.put(&at(&vault(), NAME), &untyped).await;
    assert_eq!(code(&refused), (400, "PrincipalNotFound".into()));
    let begin = format!(
        "Principal {} does not exist in the directory {TENANT}.",
        principal.replace('-', "")
    );
    assert!(
        message(&refused).starts_with(&begin),
        "{}",
        message(&refused)
    );
    let at_secret = format!("{}/secrets/api-key", vault());
    assert_eq!(owner.put(&at(&at_secret, OTHER), &typed).await.status, 201);
    azure.advance_clock(20);
    assert_eq!(owner.put(&at(&vault(), NAME), &untyped).await.status, 201);
}

#[tokio::test]
async fn what_seeds_gave_is_listed_and_can_be_taken() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let list = |filter: &str| format!("{}/{ASSIGNMENTS}?$filter={filter}", vault());
    let principals = async |target: String| -> Vec<String> {
        let found = owner.get(&target).await.json();
        let all = found["value"].as_array().unwrap().iter();
        let principal = |one: &Value| text(&one["properties"]["principalId"]);
        let mut all: Vec<_> = all.map(principal).collect();
        all.sort();
        all
    };
    let (backup, web, nodes) = (
        "72f988bf-0000-4000-8000-0000000000b1",
        "72f988bf-0000-4000-8000-0000000000b2",
        "72f988bf-0000-4000-8000-0000000000b4",
    );
    let owners = object_id(&owner).await;
    let operator = object_id(&Client::of(&azure, OPERATOR).await).await;
    let sorted = |mut all: Vec<&str>| {
        all.sort_unstable();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        principals(list("")).await,
        sorted(vec![backup, web, nodes, &owners, &operator])
    );
    // Those on objects of the vault are below it.
    assert_eq!(
        principals(list("atScope()")).await,
        sorted(vec![backup, web, &owners, &operator])
    );
    assert_eq!(
        principals(list(&format!("principalId%20eq%20'{nodes}'"))).await,
        [nodes]
    );
    let above = list(&format!("atScope()%20and%20assignedTo('{nodes}')"));
    assert_eq!(principals(above).await, [""; 0]);
    let strange = owner.get(&list("createdBy%20eq%20'x'")).await;
    assert_eq!(code(&strange), (400, "BadRequest".into()));

    // The one of a seed is in the way of another one that says the same.
    let exists = owner.put(&at(&vault(), NAME), &given(web)).await;
    assert_eq!(code(&exists), (409, "RoleAssignmentExists".into()));
    let of_web = list(&format!("assignedTo('{web}')"));
    let id = text(&owner.get(&of_web).await.json()["value"][0]["id"]);
    assert_eq!(owner.delete(&id).await.status, 200);
    assert_eq!(principals(of_web).await, [""; 0]);
    assert_eq!(
        owner.put(&at(&vault(), NAME), &given(web)).await.status,
        201
    );
}

#[tokio::test]
async fn what_was_given_on_a_vault_goes_with_it() {
    let azure = managed("arm: {settings: {rolePropagation: 0}}").await;
    let owner = Client::of(&azure, OWNER).await;
    let stranger = object_id(&Client::of(&azure, STRANGER).await).await;
    let token = access_token(&azure, STRANGER, SCOPE).await;
    assert_eq!(
        owner
            .put(&at(&vault(), NAME), &given(&stranger))
            .await
            .status,
        201
    );
    assert_eq!(read_secret(&azure, &token, "db-password").await, 200);
    assert!(azure.vaults().remove("myvault"));
    let missing = owner.get(&at(&vault(), NAME)).await;
    assert_eq!(code(&missing), (404, "ResourceNotFound".into()));
    assert_eq!(owner.delete(&at(&vault(), NAME)).await.status, 204);

    let again = format!(
        "vaults: [{{name: myvault, tenantID: {TENANT}, secrets: [{{name: db-password, value: x}}]}}]"
    );
    azure
        .seed(&Seed::from_yaml("again", &again).unwrap())
        .unwrap();
    assert_eq!(read_secret(&azure, &token, "db-password").await, 403);
}

#[tokio::test]
async fn a_vault_with_access_policies_heeds_no_role() {
    let more = "
arm: {settings: {rolePropagation: 0}}
vaults:
- name: policies
  tenantID: 72f988bf-0000-4000-8000-000000000001
  authorization: AccessPolicies
  accessPolicies: [{principal: 72f988bf-0000-4000-8000-0000000000b2, secrets: [get]}]
  secrets: [{name: a, value: x}]
";
    let azure = managed(more).await;
    let owner = Client::of(&azure, OWNER).await;
    let stranger = object_id(&Client::of(&azure, STRANGER).await).await;
    let token = access_token(&azure, STRANGER, SCOPE).await;
    let policies = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/policies");
    let given = owner.put(&at(&policies, NAME), &given(&stranger)).await;
    assert_eq!(given.status, 201);
    let host = "policies.vault.azure.net";
    let reply = get(&azure, host, "/secrets/a?api-version=7.4", Some(&token)).await;
    assert_eq!(reply.status, 403);
    let described = owner.get(&policies).await.json();
    let properties = &described["properties"];
    assert_eq!(properties["enableRbacAuthorization"], false);
    let policy = &properties["accessPolicies"][0];
    assert_eq!(policy["permissions"]["secrets"], json!(["get"]));
}

#[tokio::test]
async fn roles_are_found_by_name_and_id() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let definitions = "providers/Microsoft.Authorization/roleDefinitions";
    let named = |name: &str| {
        let name = name.replace(' ', "%20");
        format!("{}/{definitions}?$filter=roleName%20eq%20'{name}'", vault())
    };
    let found = owner.get(&named("Key Vault Secrets User")).await.json();
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    let definition = &found["value"][0];
    assert_eq!(
        (&definition["name"], &definition["id"]),
        (&json!(SECRETS_USER), &json!(role(SECRETS_USER)))
    );
    assert_eq!(
        definition["properties"]["permissions"][0]["dataActions"],
        json!([
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ])
    );
    assert_eq!(owner.get(&role(SECRETS_USER)).await.json(), *definition);
    let own = owner.get(&named("Identity operator")).await.json();
    assert_eq!(own["value"][0]["properties"]["type"], "CustomRole");
    let missing = owner.get(&role(NAME)).await;
    assert_eq!(code(&missing), (404, "RoleDefinitionDoesNotExist".into()));
    let none = owner.get(&named("Nobody")).await.json();
    assert_eq!(none, json!({"value": []}));
}
