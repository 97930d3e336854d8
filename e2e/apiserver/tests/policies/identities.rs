//! P2 for what is made in Azure: the identities and roles that the class of a binding admits.

use serde_json::{Value, json};

use crate::actor::{labels, refused, says, without_right};
use crate::limits::{class, refusing};
use crate::site::{Tenant, eventually};

const POLICY: &str = "class-limits";
const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";
const VAULT: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/payments/providers/Microsoft.KeyVault/vaults/kv-payments-prod";

/// The resource id of an identity, or a pattern for such.
fn identity(subscription: &str, group: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

fn mine(group: &str, name: &str) -> String {
    identity(SUBSCRIPTION, group, name)
}

/// A binding that wants a federated credential.
fn with_credential(tenant: &Tenant, class: &str, identity: &str) -> Value {
    let mut binding = tenant.binding("payments", &json!({"vaultClassName": class}));
    binding["spec"]["identity"]["federatedCredential"] = json!({"identityResourceID": identity});
    binding
}

/// A binding that wants roles.
fn with_roles(tenant: &Tenant, class: &str, identity: &str, names: &[&str]) -> Value {
    let mut roles = json!({"vaultResourceID": VAULT, "identityResourceID": identity});
    if !names.is_empty() {
        roles["roleNames"] = json!(names);
    }
    let spec = json!({"vaultClassName": class, "access": {"roleAssignment": roles}});
    tenant.binding("payments", &spec)
}

#[tokio::test]
async fn an_identity_is_admitted_by_patterns_for_its_resource_id() {
    let tenant = Tenant::new("identities").await;
    let name = tenant.namespace.clone();
    let limits = json!({"identities": [
        mine("exact", "payments"),
        mine("{namespace}", "*"),
        mine("shared", "{namespace}-*"),
        identity("*", "anywhere", "app-*"),
        mine("MC_(eu).*", "*-app-*"),
    ]});
    let bad = with_credential(&tenant, &name, &mine("other", "payments"));
    let said = refusing(&tenant, &class(&name, &limits), &bad).await;
    says(
        &said,
        &[
            "spec.identity.federatedCredential.identityResourceID:",
            &name,
            &mine("other", "payments"),
            "spec.identities",
            "have the platform team list it",
        ],
    );
    let elsewhere = "99999999-2222-3333-4444-555555555555";
    for (id, admitted) in [
        (mine("exact", "payments"), true),
        (mine("exact", "payments").to_uppercase(), true),
        (mine("exact", "payments").to_lowercase(), true),
        (mine("exact", "payments2"), false),
        (mine("exact2", "payments"), false),
        (identity(elsewhere, "exact", "payments"), false),
        (mine(&name, "anything"), true),
        (mine(&format!("{name}-2"), "anything"), false),
        (mine("shared", &format!("{name}-app")), true),
        (mine("shared", &format!("x-{name}-app")), false),
        (mine("shared", "namespace-app"), false),
        (identity(elsewhere, "anywhere", "app-1"), true),
        (identity(elsewhere, "anywhere", "ap-1"), false),
        // Dots and parentheses are themselves.
        (mine("mc_(EU).west", "my-app-1"), true),
        (mine("mc_(eu)xwest", "my-app-1"), false),
        (mine("mc_eu.west", "my-app-1"), false),
        (mine("mc_(eu).west", "my-app"), false),
    ] {
        for binding in [
            with_credential(&tenant, &name, &id),
            with_roles(&tenant, &name, &id, &[]),
        ] {
            let outcome = tenant.admin.try_create(&binding).await;
            match admitted {
                true => assert!(outcome.is_ok(), "{id}: {outcome:?}"),
                false => drop(refused(POLICY, outcome)),
            }
        }
    }
    let bad = with_roles(&tenant, &name, &mine("other", "payments"), &[]);
    let said = refused(POLICY, tenant.admin.try_create(&bad).await);
    says(
        &said,
        &["spec.access.roleAssignment.identityResourceID:", &name],
    );
}

#[tokio::test]
async fn a_class_that_lists_none_admits_none() {
    let tenant = Tenant::new("no-identities").await;
    for (number, limits) in [json!({}), json!({"identities": []})].iter().enumerate() {
        let name = format!("{}-{number}", tenant.namespace);
        let binding = with_credential(&tenant, &name, &mine("payments", "payments"));
        let said = refusing(&tenant, &class(&name, limits), &binding).await;
        says(&said, &["spec.identities lists, which is none"]);
        let plain = tenant.binding("payments", &json!({"vaultClassName": name}));
        tenant.admin.try_create(&plain).await.unwrap();
    }
}

#[tokio::test]
async fn only_roles_that_the_class_admits_are_named() {
    let tenant = Tenant::new("roles").await;
    let id = mine("payments", "payments");
    let usual = [
        "Key Vault Secrets User",
        "Key Vault Certificate User",
        "Key Vault Reader",
    ];
    for (number, limits, good, bad) in [
        (
            0,
            json!({}),
            vec![&usual[..], &["key vault READER"], &[]],
            vec![
                &["Key Vault Administrator"][..],
                &["Key Vault Reader", "Owner"],
                &["Key Vault Reader "],
            ],
        ),
        (
            1,
            json!({"roleNames": ["Vault readers", "Key Vault Crypto User"]}),
            vec![
                &["vault Readers"][..],
                &["Vault readers", "Key Vault Crypto User"],
                // Whether the least roles are admitted, the operator alone can tell.
                &[],
            ],
            vec![&["Key Vault Secrets User"][..], &["Owner"]],
        ),
        (
            2,
            json!({"roleNames": []}),
            vec![&[][..]],
            vec![&["Key Vault Secrets User"][..]],
        ),
    ] {
        let name = format!("{}-{number}", tenant.namespace);
        let mut limits = limits;
        limits["identities"] = json!([id]);
        let binding = |roles| with_roles(&tenant, &name, &id, roles);
        let said = refusing(&tenant, &class(&name, &limits), &binding(bad[0])).await;
        says(
            &said,
            &[
                "spec.access.roleAssignment.roleNames:",
                &name,
                bad[0][0],
                "spec.roleNames",
                "have the platform team list them",
            ],
        );
        for roles in bad {
            let said = refused(POLICY, tenant.admin.try_create(&binding(roles)).await);
            says(&said, &[&format!("not admit {},", roles.last().unwrap())]);
        }
        for roles in good {
            tenant.admin.try_create(&binding(roles)).await.unwrap();
        }
    }
}

/// Also of the default class nobody is asked whether the writer may use it, so it is not enough.
#[tokio::test]
async fn what_is_made_in_azure_takes_a_class_that_is_named_and_that_the_writer_may_use() {
    let tenant = Tenant::new("named").await;
    let name = tenant.namespace.clone();
    let id = mine("payments", "payments");
    let limits = class(&name, &json!({"identities": [id]}));
    let elsewhere = with_credential(&tenant, &name, &mine("other", "payments"));
    refusing(&tenant, &limits, &elsewhere).await;
    for mut binding in [
        with_credential(&tenant, &name, &id),
        with_roles(&tenant, &name, &id, &[]),
    ] {
        tenant.admin.try_create(&binding).await.unwrap();
        refused("class-use", tenant.editor.try_create(&binding).await);
        without_right(tenant.reader.try_create(&binding).await);
        let spec = binding["spec"].as_object_mut().unwrap();
        spec.remove("vaultClassName");
        for who in [&tenant.admin, &tenant.editor] {
            let said = refused("class-named", who.try_create(&binding).await);
            says(
                &said,
                &["spec.vaultClassName must be set", "spec.identities", "use"],
            );
        }
        // Nothing is made for it.
        binding["spec"]["reconcilePolicy"] = json!("Suspend");
        tenant.admin.try_create(&binding).await.unwrap();
    }
    // One without the blocks needs no class, nor does one whose block is empty.
    let mut plain = tenant.binding("payments", &json!({"access": {}}));
    tenant.editor.try_create(&plain).await.unwrap();
    plain["spec"].as_object_mut().unwrap().remove("access");
    tenant.editor.try_create(&plain).await.unwrap();

    let rules = json!([{
        "apiGroups": ["vaultbind.dev"], "resources": ["vaultclasses"], "resourceNames": [name],
        "verbs": ["use"],
    }]);
    tenant.allow("editor", "use-of-class", &rules).await;
    let binding = with_credential(&tenant, &name, &id);
    let (editor, binding) = (&tenant.editor, &binding);
    eventually("the right to use it is known", || async move {
        editor.create(binding).await.ok()
    })
    .await;
    // What it wants moves within the class only, and the class does not go.
    for change in [
        json!({"identity": {"federatedCredential": {"identityResourceID": mine("x", "payments")}}}),
        json!({"access": {"roleAssignment": {"vaultResourceID": VAULT, "roleNames": ["Owner"]}}}),
    ] {
        let change = json!({"spec": change});
        refused(POLICY, editor.patch(binding, &change).await);
    }
    let unnamed = json!({"spec": {"vaultClassName": null}});
    refused("class-named", editor.patch(binding, &unnamed).await);
    editor
        .patch(binding, &labels(&json!({"team": "pay"})))
        .await
        .unwrap();
    editor.delete(binding).await.unwrap();
}

#[tokio::test]
async fn the_example_is_admitted_in_its_namespace_and_in_no_other() {
    let example = vaultbind_apiserver::folder().join("../examples/provisioned.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let documents: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect();
    let [class, binding] = documents.as_slice() else {
        panic!("{documents:?}");
    };
    let tenant = Tenant::new("payments").await;
    let mut theirs = binding.clone();
    theirs["metadata"]["namespace"] = json!(tenant.namespace);
    theirs["spec"]["objects"] =
        json!([{"name": "a", "objectName": format!("{}-a", tenant.namespace)}]);
    let said = refusing(&tenant, class, &theirs).await;
    says(
        &said,
        &["federatedCredential.identityResourceID:", "provisioned"],
    );
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"},
    });
    tenant.admin.create(&namespace).await.unwrap();
    tenant.admin.try_create(binding).await.unwrap();
    let mut other = binding.clone();
    other["spec"]["access"]["roleAssignment"]["roleNames"] = json!(["Key Vault Reader"]);
    let said = refused(POLICY, tenant.admin.try_create(&other).await);
    says(&said, &["only what its spec.roleNames lists"]);
}

#[tokio::test]
async fn the_longest_ids_are_judged_by_a_hundred_of_the_longest_patterns() {
    let tenant = Tenant::new("long-ids").await;
    let name = tenant.namespace.clone();
    let group = "g".repeat(90);
    let id = mine(&group, &"i".repeat(128));
    // Each with two stars, and as long as an id can be.
    let pattern = |number: usize| {
        let text = format!("{}{number:03}*", "i".repeat(100));
        identity("*", &group, &text)
    };
    let patterns: Vec<String> = (0..100).map(pattern).collect();
    let limits = class(&name, &json!({"identities": patterns}));
    refusing(&tenant, &limits, &with_credential(&tenant, &name, &id)).await;
    let good = mine(&group, &format!("{}042-app", "i".repeat(100)));
    let good = with_credential(&tenant, &name, &good);
    tenant.admin.try_create(&good).await.unwrap();

    // So many stars that it would cost too much: it passes here, and is the operator's to judge.
    let name = format!("{name}-stars");
    let many = |number: usize| identity("*", &group, &format!("{}{number:03}", "*".repeat(200)));
    let patterns: Vec<String> = (0..100).map(many).collect();
    let limits = json!({"identities": patterns, "vaults": ["kv-other"]});
    let binding = with_credential(&tenant, &name, &id);
    let said = refusing(&tenant, &class(&name, &limits), &binding).await;
    says(&said, &["spec.vault:"]);
    let mut roles = with_roles(&tenant, &name, &id, &["Owner"]);
    roles["spec"]["vault"] = json!({"name": "kv-other", "tenantID": "contoso.example"});
    roles["spec"]["access"]["roleAssignment"]["vaultResourceID"] =
        json!(VAULT.replace("kv-payments-prod", "kv-other"));
    let said = refused(POLICY, tenant.admin.try_create(&roles).await);
    says(&said, &["spec.access.roleAssignment.roleNames:"]);
    let least = roles["spec"]["access"]["roleAssignment"].as_object_mut();
    least.unwrap().remove("roleNames");
    tenant.admin.try_create(&roles).await.unwrap();
}
