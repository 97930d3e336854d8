//! Good and bad examples of what the operator is to make in Azure, and of what a class admits of it.

use serde_json::{Value, json};

use super::rows as of;
use crate::fixture::Kind;
use crate::rules::Row;

const SUBSCRIPTION: &str = "/subscriptions/11111111-2222-3333-4444-555555555555";

/// Below a resource group.
fn resource(group: &str, provider: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/{group}/providers/{provider}")
}

fn identity(name: &str) -> String {
    resource(
        "payments",
        &format!("Microsoft.ManagedIdentity/userAssignedIdentities/{name}"),
    )
}

fn vault(name: &str) -> String {
    resource("payments", &format!("Microsoft.KeyVault/vaults/{name}"))
}

/// A binding with both blocks and one identity.
fn both(credential: &Value, roles: &Value) -> Value {
    json!({
        "identity": {"federatedCredential": credential},
        "access": {"roleAssignment": roles},
    })
}

/// A binding with roles alone, and a change of what it says of them.
pub(crate) fn roles(change: &Value) -> Value {
    let mut roles = json!({
        "vaultResourceID": vault("kv-payments-prod"),
        "identityResourceID": identity("payments"),
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        roles[name] = value.clone();
    }
    json!({"access": {"roleAssignment": roles}})
}

fn texts(ids: Vec<String>, patch: impl Fn(&str) -> Value) -> Vec<Value> {
    ids.iter().map(|id| patch(id)).collect()
}

/// The rows of VaultBinding.
pub(super) fn binding() -> Vec<Row> {
    [identities(), bound(), vaults(), together()].concat()
}

/// Resource ids that are an identity's, in any case and script, and such as are not.
fn ids_of_identities() -> (Vec<String>, Vec<String>) {
    let in_group = |group: &str| {
        resource(
            group,
            "Microsoft.ManagedIdentity/userAssignedIdentities/payments",
        )
    };
    let good = vec![
        identity("abc"),
        identity("9-a_B"),
        identity(&"a".repeat(128)),
        identity("payments").to_lowercase(),
        identity("payments").to_uppercase(),
        in_group("MC_Payments.(EU)-1_aks"),
        in_group("zahlungen-käse"),
        in_group(&"g".repeat(90)),
    ];
    let bad = vec![
        String::new(),
        "payments".to_owned(),
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".to_owned(),
        vault("kv-payments-prod"),
        resource("payments", "Microsoft.Compute/virtualMachines/payments"),
        // A system assigned identity, and what lies below an identity.
        format!("{SUBSCRIPTION}/providers/Microsoft.ManagedIdentity/identities/payments"),
        identity("payments/federatedIdentityCredentials/a"),
        identity("payments/"),
        identity("ab"),
        identity("-abc"),
        identity("a.bc"),
        identity("payments*"),
        identity("{namespace}-app"),
        identity(&"a".repeat(129)),
        in_group(""),
        in_group("a/b"),
        in_group("a b"),
        in_group(&"g".repeat(91)),
        identity("payments").replace("11111111-", "1-"),
        identity("payments").replacen('/', "", 1),
        format!("https://management.azure.com{}", identity("payments")),
        format!("{}\n", identity("payments")),
    ];
    (good, bad)
}

fn identities() -> Vec<Row> {
    const REMEDY: &str = "must be the resource id of a user assigned managed identity";
    let (good, bad) = ids_of_identities();
    let credential =
        |id: &str| json!({"identity": {"federatedCredential": {"identityResourceID": id}}});
    let assignment = |id: &str| roles(&json!({"identityResourceID": id}));
    [
        of(
            Kind::Binding,
            "spec.identity.federatedCredential.identityResourceID",
            REMEDY,
            &texts(good.clone(), credential),
            &texts(bad.clone(), credential),
        ),
        of(
            Kind::Binding,
            "spec.access.roleAssignment.identityResourceID",
            REMEDY,
            &texts(good, assignment),
            &texts(bad, assignment),
        ),
    ]
    .concat()
}

fn vaults() -> Vec<Row> {
    // With a URI no name is compared, so that each mistake has one message.
    let of_uri = |id: &str| {
        let mut binding = roles(&json!({"vaultResourceID": id}));
        binding["vault"] = json!({"name": null, "uri": "https://kv.example.com"});
        binding
    };
    let named = |name: &str, id: &str| {
        let mut binding = roles(&json!({"vaultResourceID": id}));
        binding["vault"] = json!({"name": name});
        binding
    };
    [
        of(
            Kind::Binding,
            "spec.access.roleAssignment.vaultResourceID",
            "must be the resource id of a vault: az keyvault show",
            &texts(
                vec![
                    vault("abc"),
                    vault("A-b-1"),
                    vault("a23456789012345678901234"),
                    vault("kv-a").to_uppercase(),
                    vault("kv-a").to_lowercase(),
                ],
                of_uri,
            ),
            &texts(
                vec![
                    String::new(),
                    "kv-payments-prod".to_owned(),
                    "https://kv-payments-prod.vault.azure.net".to_owned(),
                    identity("payments"),
                    resource("payments", "Microsoft.KeyVault/managedHSMs/kv-a"),
                    vault("kv-a/secrets/db-password"),
                    vault("kv-a/"),
                    vault("ab"),
                    vault("1ab"),
                    vault("ab-"),
                    vault("kv_a"),
                    vault("a234567890123456789012345"),
                    vault("kv-*"),
                    SUBSCRIPTION.to_owned(),
                ],
                of_uri,
            ),
        ),
        of(
            Kind::Binding,
            "spec.access.roleAssignment.vaultResourceID",
            "must be the resource id of the vault that spec.vault names",
            &[
                named("kv-a", &vault("kv-a")),
                named("KV-a", &vault("kv-A")),
                named("kv-a", &vault("kv-a").to_uppercase()),
            ],
            &[
                named("kv-a", &vault("kv-b")),
                // Neither the end nor the beginning of a name is the name.
                named("a-prod", &vault("kv-a-prod")),
                named("kv-a", &vault("kv-a-prod")),
            ],
        ),
    ]
    .concat()
}

/// What goes with how the workload proves who it is.
fn bound() -> Vec<Row> {
    let credential = json!({"identityResourceID": identity("payments")});
    let of_type = |type_: &str, field: &str, value: Value| {
        let mut identity = json!({"type": type_});
        identity[field] = value;
        json!({"identity": identity})
    };
    let (plain, bound) = ("WorkloadIdentity", "AKSIdentityBinding");
    let audience = || json!("api://AzureADTokenExchange");
    [
        of(
            Kind::Binding,
            "spec.identity.audience",
            "must be absent with type AKSIdentityBinding",
            &[
                of_type(plain, "audience", audience()),
                of_type(bound, "audience", Value::Null),
            ],
            &[of_type(bound, "audience", audience())],
        ),
        of(
            Kind::Binding,
            "spec.identity.federatedCredential",
            "must be absent with type AKSIdentityBinding",
            &[of_type(plain, "federatedCredential", credential.clone())],
            &[of_type(bound, "federatedCredential", credential)],
        ),
    ]
    .concat()
}

fn together() -> Vec<Row> {
    const ONCE: &str =
        "identityResourceID must be set where identity.federatedCredential is not, and only there";
    let credential = json!({"identityResourceID": identity("payments")});
    let vault_alone = json!({"vaultResourceID": vault("kv-payments-prod")});
    let mut twice = vault_alone.clone();
    twice["identityResourceID"] = json!(identity("payments"));
    let scoped = |scope: &str, objects: Value| {
        let mut binding = roles(&json!({"scope": scope}));
        binding["objects"] = objects;
        binding
    };
    let named = json!([{"name": "a"}, {"name": "b", "type": "Key"}]);
    let selected = json!([{"name": "a"}, {"name": "b", "select": {"prefix": "b-"}}]);
    [
        of(
            Kind::Binding,
            "spec.access.roleAssignment",
            ONCE,
            &[
                both(&credential, &vault_alone),
                both(&Value::Null, &twice),
                both(&credential, &Value::Null),
                json!({"access": {}}),
            ],
            &[both(&credential, &twice), both(&Value::Null, &vault_alone)],
        ),
        of(
            Kind::Binding,
            "spec.access.roleAssignment.scope",
            "must be Vault with a selection among the objects",
            &[
                scoped("Object", named.clone()),
                scoped("Vault", selected.clone()),
                scoped("Vault", named),
            ],
            &[
                scoped("Object", selected),
                scoped(
                    "Object",
                    json!([{"name": "a", "select": {"tags": {"team": "pay"}}}]),
                ),
            ],
        ),
    ]
    .concat()
}

/// The rows of VaultClass.
pub(super) fn class() -> Vec<Row> {
    let identities = |pattern: &str| json!({"identities": [identity("exact"), pattern]});
    let any = |group: &str, name: &str| {
        format!(
            "/subscriptions/*/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        )
    };
    [of(
        Kind::Class,
        "spec.identities",
        "must be resource ids of user assigned managed identities, or patterns for them",
        &[
            texts(
                vec![
                    identity("{namespace}-*"),
                    identity("*"),
                    any("*", "*"),
                    any("rg-{namespace}", "*-app-*"),
                    any("MC_(käse).x", "*"),
                    identity("payments").to_lowercase(),
                    identity("payments").to_uppercase(),
                ],
                identities,
            ),
            // Nothing may be provisioned, and that may be said.
            vec![json!({"identities": []})],
        ]
        .concat(),
        &texts(
            vec![
                "*".to_owned(),
                "payments".to_owned(),
                "{namespace}-*".to_owned(),
                vault("kv-*"),
                format!("{SUBSCRIPTION}/*"),
                identity(""),
                identity("*/federatedIdentityCredentials/*"),
                any("", "*"),
                any("a/b", "*"),
                resource("*", "Microsoft.ManagedIdentity/*/payments"),
                resource("*", "*/userAssignedIdentities/payments"),
                identity("{ns}-*"),
                identity("{Namespace}-*"),
                identity("{namespace"),
                identity("a|b"),
                identity("[ab]"),
                identity("a+"),
                identity("a?"),
                identity("a\\E"),
                identity("*").replacen('/', "", 1),
            ],
            identities,
        ),
    )]
    .concat()
}

#[test]
fn no_id_is_refused_for_its_length_alone() {
    let (good, bad) = ids_of_identities();
    let longest = good.iter().chain(&bad).map(String::len).max();
    // A longer one would be refused for its length, and no rule be tried.
    assert!(longest.is_some_and(|longest| longest <= 400), "{longest:?}");
}
