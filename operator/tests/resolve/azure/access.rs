use std::collections::BTreeSet;

use vaultbind_operator::azure::actions::{
    ASSIGNMENT_READ, ASSIGNMENT_WRITE, ROLE_READ, VAULT_READ,
};
use vaultbind_operator::azure::names;
use vaultbind_operator::observed::{Assignment, AzureCause};

use super::*;

/// Only of secrets whose names begin so.
const CONDITION: &str =
    "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringStartsWith 'shop-'";

fn missing(code: &str) -> AzureCause {
    AzureCause::NotFound {
        code: code.to_owned(),
    }
}

#[tokio::test]
async fn a_vault_tells_whether_it_goes_by_roles() {
    let stage = Stage::start().await;
    for (name, uses_roles) in [("kv-shop", true), ("kv-old", false)] {
        let found = stage.client.vault(CLOUD, &vault(name)).await.unwrap();
        assert_eq!(found.uri, format!("https://{name}.vault.azure.net/"));
        assert_eq!(
            (found.tenant_id.as_str(), found.uses_roles),
            (TENANT, uses_roles)
        );
    }
    let gone = vault("kv-gone");
    let found = failure(stage.client.vault(CLOUD, &gone).await);
    assert_eq!(
        found,
        (VAULT_READ, gone.to_string(), missing("ResourceNotFound"))
    );
}

#[tokio::test]
async fn a_role_is_assigned_found_and_taken_away() {
    let stage = Stage::start().await;
    let (client, vault) = (&stage.client, vault("kv-shop"));
    let secret = vault.child("secrets", "db").unwrap();
    for scope in [&vault, &secret] {
        let name = names::assignment_name(ISSUER, "shop", scope.as_str(), SECRETS_USER, SHOP);
        let id = scope
            .extension("Microsoft.Authorization/roleAssignments", &name.to_string())
            .unwrap();
        let expected = Assignment {
            id: id.to_string(),
            role: SECRETS_USER.to_owned(),
            principal: SHOP.to_owned(),
            scope: scope.to_string(),
            conditional: false,
            description: Some("for shop".to_owned()),
        };
        assert_eq!(client.assignment(CLOUD, &id).await.unwrap(), None);
        // The second time changes nothing.
        for _ in 0..2 {
            let made = client
                .put_assignment(CLOUD, &id, SECRETS_USER, SHOP, "for shop")
                .await;
            assert_eq!(made.unwrap(), expected);
        }
        let found = client.assignment(CLOUD, &id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&expected));
        assert!(names::is_our_assignment(&expected, ISSUER, "shop"));
        let all = client.assignments(CLOUD, &vault, SHOP).await.unwrap();
        assert_eq!(all, std::slice::from_ref(&expected), "{scope}");
        let all = client.all_assignments(CLOUD, scope).await.unwrap();
        assert!(all.contains(&expected), "{scope}");

        assert!(client.delete_assignment(CLOUD, &id).await.unwrap());
        assert!(
            client
                .assignments(CLOUD, &vault, SHOP)
                .await
                .unwrap()
                .is_empty()
        );
        // It is there until its end has spread.
        stage.azure.advance_clock(3600);
        assert!(!client.delete_assignment(CLOUD, &id).await.unwrap());
        assert_eq!(client.assignment(CLOUD, &id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn assignments_above_and_below_are_found_on_all_pages_and_those_of_others_are_not() {
    let more = format!(
        "  - {{principal: {SHOP}, role: Key Vault Reader, scope: {GROUP}, condition: \"{CONDITION}\"}}
  - {{principal: {SHOP}, role: Key Vault Reader, scope: {}}}
  settings: {{pageSize: 2}}
",
        vault("kv-old")
    );
    let stage = Stage::start_with(Setting {
        arm: more,
        ..Setting::default()
    })
    .await;
    let vault = vault("kv-shop");
    for n in 0..4 {
        let secret = vault.child("secrets", &format!("s{n}")).unwrap();
        stage
            .assign(&assignment(&secret, n), SECRETS_USER, SHOP)
            .await
            .unwrap();
        stage
            .assign(&assignment(&secret, 10 + n), SECRETS_USER, CLIENT)
            .await
            .unwrap();
    }
    stage.calls();
    let all = stage.client.assignments(CLOUD, &vault, SHOP).await.unwrap();
    let below = (0..4).map(|n| format!("{vault}/secrets/s{n}"));
    let expected: BTreeSet<String> = below.chain([GROUP.to_owned()]).collect();
    let found: BTreeSet<String> = all.iter().map(|given| given.scope.clone()).collect();
    assert_eq!(found, expected);
    assert_eq!((all.len(), stage.calls()), (5, 3));
    for given in all {
        let is_above = given.scope == GROUP;
        assert_eq!(given.conditional, is_above, "{given:?}");
        assert_eq!(given.role, if is_above { READER } else { SECRETS_USER });
    }
}

#[tokio::test]
async fn the_same_assignment_under_another_name_is_told() {
    let stage = Stage::start().await;
    let vault = vault("kv-shop");
    stage
        .assign(&assignment(&vault, 1), SECRETS_USER, SHOP)
        .await
        .unwrap();
    let code = "RoleAssignmentExists".to_owned();
    let id = assignment(&vault, 2);
    let found = failure(stage.assign(&id, SECRETS_USER, SHOP).await);
    let expected = AzureCause::Exists { status: 409, code };
    assert_eq!(found, (ASSIGNMENT_WRITE, id.to_string(), expected));
}

#[tokio::test]
async fn an_assignment_never_becomes_another_one() {
    let stage = Stage::start().await;
    let id = assignment(&vault("kv-shop"), 1);
    stage.assign(&id, SECRETS_USER, SHOP).await.unwrap();
    for (role, principal) in [(READER, SHOP), (SECRETS_USER, CLIENT)] {
        let cause = cause(stage.assign(&id, role, principal).await);
        let AzureCause::Refused { status, code, .. } = &cause else {
            panic!("{cause}");
        };
        assert_eq!(
            (*status, code.as_str()),
            (400, "RoleAssignmentUpdateNotPermitted")
        );
    }
}

#[tokio::test]
async fn a_principal_that_is_not_everywhere_yet_gets_its_role() {
    let stage = Stage::start().await;
    let unknown = "cccccccc-0000-4000-8000-000000000001";
    let id = assignment(&vault("kv-shop"), 1);
    stage.assign(&id, SECRETS_USER, unknown).await.unwrap();
}

#[tokio::test]
async fn what_is_on_a_vault_that_is_gone_is_gone() {
    let stage = Stage::start().await;
    let (client, vault) = (&stage.client, vault("kv-shop"));
    let secret = vault.child("secrets", "db").unwrap();
    let ids = [assignment(&vault, 1), assignment(&secret, 2)];
    for id in &ids {
        stage.assign(id, SECRETS_USER, SHOP).await.unwrap();
    }
    assert!(stage.azure.vaults().remove("kv-shop"));
    for id in &ids {
        assert_eq!(client.assignment(CLOUD, id).await.unwrap(), None);
        assert!(!client.delete_assignment(CLOUD, id).await.unwrap());
        let put = stage.assign(id, SECRETS_USER, SHOP).await;
        assert_eq!(cause(put), missing("ResourceNotFound"));
    }
    let (action, _, cause) = failure(client.assignments(CLOUD, &vault, SHOP).await);
    assert_eq!(
        (action, cause),
        (ASSIGNMENT_READ, missing("ResourceNotFound"))
    );
}

#[tokio::test]
async fn roles_are_found_by_name_and_built_in_ones_are_known() {
    let stage = Stage::start().await;
    let vault = vault("kv-shop");
    let role = |name| stage.client.role(CLOUD, &vault, name);
    assert_eq!(role("key vault secrets user").await.unwrap(), SECRETS_USER);
    assert_eq!(stage.calls(), 0);
    assert_eq!(role("Bob's role").await.unwrap(), SHOP_CLIENT);
    assert_eq!(
        role("Managed Identity Operator").await.unwrap(),
        "f1a07417-d97a-45cb-824c-7a7467783830"
    );
    assert_eq!(stage.calls(), 2);

    let (action, id, cause) = failure(role("Alice' or roleName eq 'Operator").await);
    assert_eq!(
        (action, cause),
        (ROLE_READ, missing("RoleDefinitionDoesNotExist"))
    );
    assert!(id.starts_with(vault.as_str()), "{id}");
    assert!(id.ends_with("'Alice'' or roleName eq ''Operator'"), "{id}");

    let unknown = "cccccccc-0000-4000-8000-000000000001";
    let put = stage.assign(&assignment(&vault, 1), unknown, SHOP).await;
    assert_eq!(super::cause(put), missing("RoleDefinitionDoesNotExist"));
}
