//! What the operator makes in Azure, on a real API server with the chart's rights and policies, against the
//! emulated Resource Manager, Entra and vaults.

mod crowd;
mod deputy;
mod gc;
mod path;
mod rights;
mod stops;
mod troubles;

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vaultbind_apiserver::ISSUER;
use vaultbind_azure::{Activity, Azure};
use vaultbind_crds::status::{AzureState, ConditionType};
use vaultbind_crds::{VaultBinding, VaultClass};
use vaultbind_e2e::stage::{AUDIENCE, TENANT};

use crate::policies::OPERATOR as ACCOUNT_OF_OPERATOR;
use crate::scene::{ACCOUNT, Scene, condition, eventually, is_ready, message};
use crate::site::{Shared, Site, shared_with_azure};

pub(crate) const SUBSCRIPTION: &str = crate::scene::SUBSCRIPTION;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Client id of the operator's own identity.
pub(crate) const OPERATOR: &str = "00000000-0000-4000-8000-00000000a001";

/// What Azure knows of the operator: its identity with the two documented roles in the subscription.
pub(crate) fn operator_seed(settings: &Value) -> Value {
    let (namespace, account) = ACCOUNT_OF_OPERATOR;
    let roles = ["identities", "access"].map(documented_role);
    let mut assignments = (roles.each_ref())
        .map(|role| json!({"principal": OPERATOR, "role": role["name"], "scope": SUBSCRIPTION}));
    assignments[1]["condition"] = json!(documented_condition());
    json!({
        "tenants": [{"tenantID": TENANT, "applications": [{
            "clientID": OPERATOR,
            "federatedCredentials": [{
                "name": "operator",
                "issuer": ISSUER,
                "subject": format!("system:serviceaccount:{namespace}:{account}"),
            }],
        }]}],
        "arm": {"settings": settings, "roleDefinitions": roles, "roleAssignments": assignments},
    })
}

/// A custom role as the documentation has it, in the form of a seed.
pub(crate) fn documented_role(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/azure")
        .join(format!("{name}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let role: Value = serde_json::from_str(&text).unwrap();
    let field = |names: [&str; 2]| {
        let mut found = names.iter().filter_map(|name| role.get(name));
        found.next().cloned().unwrap()
    };
    json!({"name": field(["Name", "name"]), "actions": field(["Actions", "actions"])})
}

/// Id of the role that a test has beside those of the documentation.
pub(crate) const CUSTOM_ROLE: &str = "00000000-0000-4000-8000-00000000a00f";

/// The condition of the documentation, with one more role in each of its lists.
fn documented_condition() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/azure/access-condition.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let reader = "21090545-7ca7-4776-b22c-e363652d74d2";
    assert_eq!(text.matches(reader).count(), 2, "{text}");
    text.replace(reader, &format!("{reader}, {CUSTOM_ROLE}"))
}

/// The flags that give the operator its identity, with a token that the API server signed.
pub(crate) async fn identity_flags(site: &Site, name: &str) -> Vec<String> {
    let (namespace, account) = ACCOUNT_OF_OPERATOR;
    // Makes the account, too.
    site.server.token(namespace, account).await.unwrap();
    let api: Api<ServiceAccount> = Api::namespaced(site.server.client().unwrap(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![AUDIENCE.to_owned()],
            expiration_seconds: Some(24 * 3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let params = PostParams::default();
    let token = api.create_token_request(account, &params, &request);
    let token = token.await.unwrap().status.unwrap().token;
    let file = site.stage.folder().join(format!("{name}-token"));
    std::fs::write(&file, token).unwrap();
    vec![
        format!("--azure-client-id={OPERATOR}"),
        format!("--azure-tenant-id={TENANT}"),
        format!("--azure-token-file={}", file.display()),
    ]
}

/// A scene with a class that lists its identities.
async fn scene(prefix: &str, secrets: &[&str]) -> Scene {
    scene_on(shared_with_azure().await, prefix, secrets).await
}

async fn scene_on(shared: &'static Shared, prefix: &str, secrets: &[&str]) -> Scene {
    let scene = Scene::unprovisioned(shared, prefix, secrets).await;
    class(
        &scene,
        &json!({"identities": [scene.world.identity_id("*")]}),
    )
    .await;
    scene
}

/// Writes the scene's class.
async fn class(scene: &Scene, spec: &Value) {
    let name = &scene.world.namespace;
    let class = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultClass",
        "metadata": {"name": name},
        "spec": spec,
    });
    let api: Api<VaultClass> = Api::all(scene.client());
    let params = PatchParams::apply("test").force();
    let written = api.patch(name, &params, &Patch::Apply(&class)).await;
    written.unwrap();
}

/// Creates a binding that wants both.
async fn bind(scene: &Scene, name: &str, objects: &[&str], more: &Value) -> VaultBinding {
    let mut patch = scene.world.provisioning();
    merge(&mut patch, more);
    let (name, patch) = (&name, &patch);
    // A class is known to policies after a moment.
    let binding = scene.world.binding(name, objects, patch);
    let binding: VaultBinding = serde_json::from_value(binding).unwrap();
    let (api, binding) = (scene.bindings(), &binding);
    let api = &api;
    eventually(PATIENCE, "the binding is taken", || async move {
        api.create(&PostParams::default(), binding).await
    })
    .await
}

fn merge(whole: &mut Value, patch: &Value) {
    match (whole, patch) {
        (Value::Object(whole), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    whole.remove(key);
                } else {
                    merge(whole.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        // Nothing to change.
        (_, Value::Null) => {}
        (whole, patch) => *whole = patch.clone(),
    }
}

/// Deletes a binding and waits until it is gone.
async fn delete(scene: &Scene, name: &str) {
    let api = scene.bindings();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    let api = &api;
    eventually(PATIENCE, "the binding goes", || async move {
        match api.get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(binding) => Err(binding.status),
        }
    })
    .await;
}

/// What there is in Azure of a scene: the names of credentials, and of assignments.
fn there(scene: &Scene) -> (Vec<String>, Vec<String>) {
    there_below(scene.azure(), &scene.world.namespace)
}

/// What there is in Azure below a resource group.
pub(crate) fn there_below(azure: &Azure, group: &str) -> (Vec<String>, Vec<String>) {
    let ids = azure.managed_below(&format!("{SUBSCRIPTION}/resourceGroups/{group}"));
    let of = |kind: &str| {
        let of_kind = ids.iter().filter(|id| id.contains(kind));
        of_kind
            .map(|id| id.rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    (
        of("/federatedIdentityCredentials/"),
        of("/roleAssignments/"),
    )
}

/// The writes that Resource Manager took from the operator below a resource group.
fn writes(azure: &Azure, group: &str) -> Vec<Activity> {
    let group = format!("/resourcegroups/{}/", group.to_ascii_lowercase());
    let mut all = azure.activities();
    all.retain(|one| {
        let writes = one.action.ends_with("/write") || one.action.ends_with("/delete");
        writes && one.client_id == OPERATOR && one.resource.to_ascii_lowercase().contains(&group)
    });
    all
}

/// `state` by the kind of what a binding keeps in Azure.
fn kept(binding: &VaultBinding) -> BTreeMap<String, AzureState> {
    let kept = binding.status.iter().flat_map(|status| &status.azure);
    kept.map(|one| (one.kind.as_str().to_owned(), one.state))
        .collect()
}

/// The reason of a condition.
fn reason(binding: &VaultBinding, type_: ConditionType) -> &str {
    condition(binding, type_).map_or("", |(_, reason)| reason)
}
