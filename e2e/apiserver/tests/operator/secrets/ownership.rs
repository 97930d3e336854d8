//! Whose a Secret is, and what becomes of it.

use kube::ResourceExt as _;
use serde_json::{Value, json};
use vaultbind_crds::status::{ConditionType, PlannedAction, SecretState};

use super::*;
use crate::scene::{is_ready, message};

fn env(patch: &Value) -> Value {
    let mut secret = json!({"name": "env", "data": [{"key": "K", "from": "db-password"}]});
    for (key, value) in patch.as_object().into_iter().flatten() {
        secret[key] = value.clone();
    }
    json!([secret])
}

#[tokio::test]
async fn a_foreign_secret_is_left_alone_until_its_owner_hands_it_over() {
    let scene = scene("foreign", &["db-password"], &["Opaque"]).await;
    let theirs = foreign(&scene, "env", &Value::Null).await;
    bind(&scene, "payments", &["db-password"], &env(&Value::Null)).await;
    let conflict = is_unsynced("SecretConflict");
    let binding = scene.until("payments", "a conflict", &conflict).await;
    assert_eq!(states(&binding), [("env", SecretState::Conflict)]);
    assert_eq!(
        condition(&binding, ConditionType::Ready),
        Some(("False", "SecretConflict"))
    );
    // Pods are served all the same.
    scene.class("payments").await;
    assert_eq!(secret(&scene, "env").await, theirs);

    // To adopt takes the owner's labels as well.
    let adopt = json!({"spec": {"secrets": env(&json!({"onConflict": "Adopt"}))}});
    scene.patch("payments", &adopt).await;
    let binding = scene.until("payments", "a conflict", &conflict).await;
    let remedy = message(&binding, ConditionType::SecretsSynced);
    let namespace = &scene.world.namespace;
    let command = format!(
        "kubectl label secret env -n {namespace} --overwrite \
         app.kubernetes.io/managed-by=vaultbind vaultbind.dev/binding=payments"
    );
    assert!(remedy.contains(&command), "{remedy}");
    assert_eq!(secret(&scene, "env").await, theirs);
    assert_eq!(scene.reads(), Vec::<String>::new());

    let labels = json!({"metadata": {"labels": {
        "app.kubernetes.io/managed-by": "vaultbind",
        "vaultbind.dev/binding": "payments",
    }}});
    edit(&scene, "env", &labels).await;
    scene.ask("payments").await;
    scene.until("payments", "the Secret", is_synced).await;
    let taken = secret(&scene, "env").await;
    let mut both = one("K", &scene.world.values["db-password"]);
    both.insert("mine".to_owned(), "untouched".to_owned());
    assert_eq!(data(&taken), both);
    assert_eq!(taken.uid(), theirs.uid());
    scene.finish().await;
}

#[tokio::test]
async fn with_the_labels_alone_nothing_is_taken_over() {
    let scene = scene("labelled", &["db-password"], &["Opaque"]).await;
    let labels = json!({
        "app.kubernetes.io/managed-by": "vaultbind",
        "vaultbind.dev/binding": "payments",
    });
    let theirs = foreign(&scene, "env", &labels).await;
    bind(&scene, "payments", &["db-password"], &env(&Value::Null)).await;
    let conflict = is_unsynced("SecretConflict");
    let binding = scene.until("payments", "a conflict", conflict).await;
    let remedy = message(&binding, ConditionType::SecretsSynced);
    assert!(remedy.contains("set onConflict: Adopt"), "{remedy}");
    assert_eq!(secret(&scene, "env").await, theirs);
    scene.finish().await;
}

#[tokio::test]
async fn two_bindings_do_not_share_a_secret() {
    let scene = scene("shared", &["db-password"], &["Opaque"]).await;
    bind(&scene, "first", &["db-password"], &env(&Value::Null)).await;
    scene.until("first", "the Secret", is_synced).await;
    let made = secret(&scene, "env").await;
    let adopt = env(&json!({"onConflict": "Adopt"}));
    bind(&scene, "second", &["db-password"], &adopt).await;
    let conflict = is_unsynced("SecretConflict");
    scene.until("second", "a conflict", conflict).await;
    checked(&scene, "first").await;
    assert_eq!(secret(&scene, "env").await, made);
    scene.finish().await;
}

#[tokio::test]
async fn a_secret_goes_with_its_entry_or_stays_as_its_policy_says() {
    let scene = scene("entries", &["db-password"], &["Opaque"]).await;
    let entry = |name: &str, policy: &str| {
        let data = json!([{"key": "K", "from": "db-password"}]);
        json!({"name": name, "data": data, "deletionPolicy": policy})
    };
    let both = json!([entry("goes", "Delete"), entry("stays", "Retain")]);
    bind(&scene, "payments", &["db-password"], &both).await;
    scene.until("payments", "two Secrets", is_synced).await;
    assert_eq!(secret(&scene, "goes").await.owner_references().len(), 1);
    assert_eq!(secret(&scene, "stays").await.owner_references().len(), 0);

    let none = json!({"spec": {"secrets": null}});
    scene.patch("payments", &none).await;
    let gone = |binding: &VaultBinding| {
        is_ready(binding) && condition(binding, ConditionType::SecretsSynced).is_none()
    };
    let binding = scene.until("payments", "no Secrets", gone).await;
    assert_eq!(states(&binding), []);
    assert!(api(&scene).get_opt("goes").await.unwrap().is_none());
    let wanted = one("K", &scene.world.values["db-password"]);
    assert_eq!(data(&secret(&scene, "stays").await), wanted);
    scene.finish().await;
}

#[tokio::test]
async fn what_was_handed_to_somebody_else_is_not_deleted_with_the_entry() {
    let scene = scene("given", &["db-password"], &["Opaque"]).await;
    bind(&scene, "payments", &["db-password"], &env(&Value::Null)).await;
    scene.until("payments", "the Secret", is_synced).await;
    let labels = json!({"metadata": {"labels": {"vaultbind.dev/binding": "other"}}});
    edit(&scene, "env", &labels).await;
    scene
        .patch("payments", &json!({"spec": {"secrets": null}}))
        .await;
    let gone = |binding: &VaultBinding| {
        is_ready(binding) && condition(binding, ConditionType::SecretsSynced).is_none()
    };
    scene.until("payments", "no Secrets", gone).await;
    assert_eq!(
        secret(&scene, "env").await.labels()["vaultbind.dev/binding"],
        "other"
    );
    scene.finish().await;
}

#[tokio::test]
async fn another_type_makes_the_secret_anew_and_keys_come_and_go() {
    let types = ["Opaque", "kubernetes.io/basic-auth"];
    let scene = scene("types", &["db-password"], &types).await;
    let entry = |type_: &str, keys: &[&str]| {
        let data: Vec<Value> = keys
            .iter()
            .map(|key| json!({"key": key, "from": "db-password"}))
            .collect();
        json!([{"name": "env", "type": type_, "data": data}])
    };
    let first = entry("Opaque", &["password", "old"]);
    bind(&scene, "payments", &["db-password"], &first).await;
    scene.until("payments", "the Secret", is_synced).await;
    let before = secret(&scene, "env").await;

    let value = &scene.world.values["db-password"];
    let fewer = json!({"spec": {"secrets": entry("Opaque", &["password"])}});
    scene.patch("payments", &fewer).await;
    let after = until_data(&scene, "payments", "env", &one("password", value)).await;
    assert_eq!(after.uid(), before.uid());

    let other = entry("kubernetes.io/basic-auth", &["password"]);
    scene
        .patch("payments", &json!({"spec": {"secrets": other}}))
        .await;
    scene.until("payments", "another type", is_synced).await;
    let after = secret(&scene, "env").await;
    assert_eq!(after.type_.as_deref(), Some("kubernetes.io/basic-auth"));
    assert_ne!(after.uid(), before.uid());
    assert_eq!(data(&after), one("password", value));
    scene.finish().await;
}

#[tokio::test]
async fn a_plan_names_the_secret_and_reads_nothing() {
    let scene = scene("plan", &["db-password"], &["Opaque"]).await;
    let patch = json!({
        "vaultClassName": scene.world.namespace,
        "reconcilePolicy": "Plan",
        "secrets": env(&Value::Null),
    });
    scene.bind("payments", &["db-password"], &patch).await;
    let planned = is_unsynced("Planned");
    let binding = scene.until("payments", "a plan", planned).await;
    let status = binding.status.as_ref().unwrap();
    let found = status.plan.iter().any(|change| {
        change.action == PlannedAction::Create && change.kind == "Secret" && change.name == "env"
    });
    assert!(found, "{:#?}", status.plan);
    assert!(api(&scene).get_opt("env").await.unwrap().is_none());
    assert_eq!(scene.reads(), Vec::<String>::new());
    scene.finish().await;
}
