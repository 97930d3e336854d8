//! Kubernetes Secrets without a pod: written from the vault, kept as wanted, and never read back.

mod content;
mod ownership;
mod refusals;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vaultbind_crds::status::{ConditionType, SecretState};
use vaultbind_crds::{VaultBinding, VaultClass};

use crate::scene::{Scene, condition, eventually, is_observed};
use crate::site::shared_with_secrets;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(25);

const READER: &str = "Key Vault Secrets User";

/// A scene with a class of its own name that admits these types.
async fn scene(prefix: &str, secrets: &[&str], types: &[&str]) -> Scene {
    scene_as(prefix, READER, secrets, types).await
}

async fn scene_as(prefix: &str, role: &str, secrets: &[&str], types: &[&str]) -> Scene {
    let scene = Scene::on(shared_with_secrets().await, prefix, role, secrets).await;
    class(&scene, &json!({"secretTypes": types})).await;
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
    api.patch(name, &params, &Patch::Apply(&class))
        .await
        .unwrap();
}

/// Creates a binding under the scene's class with these Secrets.
async fn bind(scene: &Scene, name: &str, objects: &[&str], secrets: &Value) -> VaultBinding {
    let patch = json!({"vaultClassName": scene.world.namespace, "secrets": secrets});
    scene.bind(name, objects, &patch).await
}

fn api(scene: &Scene) -> Api<Secret> {
    Api::namespaced(scene.client(), &scene.world.namespace)
}

async fn secret(scene: &Scene, name: &str) -> Secret {
    api(scene).get(name).await.unwrap()
}

/// What a Secret holds, as text.
fn data(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), String::from_utf8(value.0.clone()).unwrap()))
        .collect()
}

fn one(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

/// Makes a Secret that is nobody's but the test's.
async fn foreign(scene: &Scene, name: &str, labels: &Value) -> Secret {
    let secret = json!({
        "metadata": {"name": name, "labels": labels},
        "stringData": {"mine": "untouched"},
    });
    let secret = serde_json::from_value(secret).unwrap();
    let params = PostParams::default();
    api(scene).create(&params, &secret).await.unwrap()
}

/// Changes a Secret as somebody with an editor would.
async fn edit(scene: &Scene, name: &str, patch: &Value) {
    let params = PatchParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..PatchParams::default()
    };
    let patched = api(scene).patch(name, &params, &Patch::Merge(patch)).await;
    patched.unwrap();
}

fn is_synced(binding: &VaultBinding) -> bool {
    is_observed(binding)
        && condition(binding, ConditionType::SecretsSynced) == Some(("True", "Synced"))
}

/// Whether the Secrets are not as wanted, for this reason.
fn is_unsynced(reason: &'static str) -> impl Fn(&VaultBinding) -> bool {
    move |binding| {
        is_observed(binding)
            && condition(binding, ConditionType::SecretsSynced) == Some(("False", reason))
    }
}

fn states(binding: &VaultBinding) -> Vec<(&str, SecretState)> {
    let status = binding.status.as_ref().unwrap();
    let states = status.secrets.iter();
    states
        .map(|secret| (secret.name.as_str(), secret.state))
        .collect()
}

/// The Secret, once its content is this. Its check is asked for.
async fn until_data(
    scene: &Scene,
    binding: &str,
    name: &str,
    wanted: &BTreeMap<String, String>,
) -> Secret {
    scene.ask(binding).await;
    let api = api(scene);
    let api = &api;
    eventually(PATIENCE, "a Secret", || async move {
        match api.get_opt(name).await.unwrap() {
            Some(secret) if data(&secret) == *wanted => Ok(secret),
            Some(secret) => Err(data(&secret)),
            None => Err(BTreeMap::new()),
        }
    })
    .await
}

/// Asks for a check and waits until it is over.
async fn checked(scene: &Scene, name: &str) {
    let before = scene.lists();
    scene.ask(name).await;
    eventually(PATIENCE, "a check", || async {
        let now = scene.lists();
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
}

#[tokio::test]
async fn a_secret_comes_without_a_pod_and_follows_each_promotion() {
    let scene = scene("secret", &["db-password", "api-key"], &["Opaque"]).await;
    let secrets = json!([{"name": "env", "data": [
        {"key": "DB_PASSWORD", "from": "db-password"},
        {"key": "API_KEY", "from": "api-key"},
    ]}]);
    bind(&scene, "payments", &["db-password", "api-key"], &secrets).await;
    let binding = scene.until("payments", "the Secret", is_synced).await;
    let made = secret(&scene, "env").await;
    let values = &scene.world.values;
    let expected = BTreeMap::from([
        ("DB_PASSWORD".to_owned(), values["db-password"].clone()),
        ("API_KEY".to_owned(), values["api-key"].clone()),
    ]);
    assert_eq!(data(&made), expected);
    assert_eq!(made.type_.as_deref(), Some("Opaque"));
    assert_eq!(made.labels()["app.kubernetes.io/managed-by"], "vaultbind");
    assert_eq!(made.labels()["vaultbind.dev/binding"], "payments");
    let owner = &made.owner_references()[0];
    assert_eq!(Some(&owner.uid), binding.uid().as_ref());
    let from = &made.annotations()["vaultbind.dev/made-from"];
    let pins = crate::scene::pinned(&binding);
    assert!(
        pins.values().all(|version| from.contains(version.as_str())),
        "{from}"
    );
    // Read once each, the pinned version.
    let mut reads = scene.reads();
    reads.sort();
    let mut paths: Vec<String> = pins
        .iter()
        .map(|(name, version)| format!("/secrets/{name}/{version}"))
        .collect();
    paths.sort();
    assert_eq!(reads, paths);

    // What is as wanted is not written again, and no value is read for it.
    for _ in 0..10 {
        checked(&scene, "payments").await;
    }
    let same = secret(&scene, "env").await;
    assert_eq!(same.resource_version(), made.resource_version());
    assert_eq!(scene.reads().len(), 2);
    let after = scene.bindings().get("payments").await.unwrap();
    assert_eq!(after.status, binding.status);

    let (value, version) = scene.world.rotate(scene.azure(), "db-password");
    let mut moved = expected;
    moved.insert("DB_PASSWORD".to_owned(), value);
    let made = until_data(&scene, "payments", "env", &moved).await;
    let from = &made.annotations()["vaultbind.dev/made-from"];
    assert!(from.contains(&version), "{from}");
    assert_eq!(scene.reads().len(), 4);
    scene.finish().await;
}

#[tokio::test]
async fn what_somebody_changes_in_a_secret_is_repaired_and_what_they_add_stays() {
    let scene = scene("drift", &["db-password"], &["Opaque"]).await;
    let secrets = json!([{"name": "env", "data": [{"key": "K", "from": "db-password"}]}]);
    bind(&scene, "payments", &["db-password"], &secrets).await;
    scene.until("payments", "the Secret", is_synced).await;
    let wanted = one("K", &scene.world.values["db-password"]);

    edit(&scene, "env", &json!({"stringData": {"K": "changed"}})).await;
    until_data(&scene, "payments", "env", &wanted).await;
    edit(&scene, "env", &json!({"data": null})).await;
    until_data(&scene, "payments", "env", &wanted).await;
    api(&scene)
        .delete("env", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    until_data(&scene, "payments", "env", &wanted).await;

    edit(&scene, "env", &json!({"stringData": {"other": "theirs"}})).await;
    checked(&scene, "payments").await;
    edit(&scene, "env", &json!({"stringData": {"K": "again"}})).await;
    let mut both = wanted.clone();
    both.insert("other".to_owned(), "theirs".to_owned());
    until_data(&scene, "payments", "env", &both).await;
    scene.finish().await;
}
