//! Secrets that may not be, or cannot be read.

use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use vaultbind_azure::{Action, Fault, Match};
use vaultbind_crds::status::{ConditionType, SecretState};

use super::*;
use crate::scene::{message, pinned, versions};

fn env(type_: &str) -> Value {
    json!([{
        "name": "env",
        "type": type_,
        "data": [{"key": "password", "from": "db-password"}],
    }])
}

async fn refused(scene: &Scene, remedy: &str) {
    let not_allowed = is_unsynced("SecretsNotAllowed");
    let binding = scene.until("payments", "a refusal", not_allowed).await;
    let text = message(&binding, ConditionType::SecretsSynced);
    assert!(text.contains(remedy), "{text}");
    assert_eq!(states(&binding), [("env", SecretState::NotAllowed)]);
    // Pods are served all the same.
    assert_eq!(
        versions(&scene.class("payments").await),
        pinned(&binding),
        "the class"
    );
    assert!(api(scene).get_opt("env").await.unwrap().is_none());
    assert_eq!(scene.reads(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_class_there_are_no_secrets() {
    let shared = shared_with_secrets().await;
    let scene = Scene::on(shared, "classless", READER, &["db-password"]).await;
    let patch = json!({"secrets": env("Opaque")});
    scene.bind("payments", &["db-password"], &patch).await;
    refused(
        &scene,
        "set spec.vaultClassName to a class with secretTypes",
    )
    .await;
    scene.finish().await;
}

#[tokio::test]
async fn a_class_admits_types_and_one_that_asks_as_the_operator_none() {
    let scene = scene("admits", &["db-password"], &["kubernetes.io/tls"]).await;
    bind(&scene, "payments", &["db-password"], &env("Opaque")).await;
    refused(&scene, "only kubernetes.io/tls").await;
    class(&scene, &json!({})).await;
    let none = |binding: &VaultBinding| {
        message(binding, ConditionType::SecretsSynced).contains("no Secrets: use another class")
    };
    scene.until("payments", "no type at all", none).await;
    class(&scene, &json!({"secretTypes": ["Opaque"]})).await;
    scene.until("payments", "the Secret", is_synced).await;
    scene.finish().await;
}

#[tokio::test]
async fn a_class_that_is_tightened_keeps_what_was_made_and_refreshes_nothing() {
    let scene = scene("tightened", &["db-password"], &["Opaque"]).await;
    bind(&scene, "payments", &["db-password"], &env("Opaque")).await;
    scene.until("payments", "the Secret", is_synced).await;
    let made = secret(&scene, "env").await;
    class(&scene, &json!({"secretTypes": ["kubernetes.io/tls"]})).await;
    let not_allowed = is_unsynced("SecretsNotAllowed");
    scene.until("payments", "a refusal", not_allowed).await;
    let (_, newer) = scene.world.rotate(scene.azure(), "db-password");
    let moved = |binding: &VaultBinding| pinned(binding)["db-password"] == newer;
    scene.asked_until("payments", "the pin moves", moved).await;
    assert_eq!(secret(&scene, "env").await, made);
    assert_eq!(scene.reads().len(), 1);
    scene.finish().await;
}

#[tokio::test]
async fn an_identity_that_may_list_but_not_get_says_so_and_pods_go_on() {
    let role = "Key Vault Reader";
    let scene = scene_as("lists", role, &["db-password"], &["Opaque"]).await;
    bind(&scene, "payments", &["db-password"], &env("Opaque")).await;
    let refused = is_unsynced("ValueRefused");
    let binding = scene.until("payments", "a refusal", refused).await;
    let text = message(&binding, ConditionType::SecretsSynced);
    assert!(text.contains("Key Vault Secrets User"), "{text}");
    assert_eq!(states(&binding), [("env", SecretState::Missing)]);
    assert_eq!(pinned(&binding), versions(&scene.class("payments").await));
    scene.finish().await;
}

#[tokio::test]
async fn what_the_api_server_refuses_is_told_with_its_words() {
    let scene = scene("immutable", &["db-password"], &["Opaque"]).await;
    bind(&scene, "payments", &["db-password"], &env("Opaque")).await;
    scene.until("payments", "the Secret", is_synced).await;
    edit(&scene, "env", &json!({"immutable": true})).await;
    scene.world.rotate(scene.azure(), "db-password");
    let refused = is_unsynced("SecretRefused");
    let binding = scene.asked_until("payments", "a refusal", refused).await;
    let text = message(&binding, ConditionType::SecretsSynced);
    assert!(text.contains("immutable"), "{text}");
    let wanted = one("password", &scene.world.values["db-password"]);
    assert_eq!(data(&secret(&scene, "env").await), wanted);
    scene.finish().await;
}

#[tokio::test]
async fn a_vault_that_hangs_is_told_of_all_secrets_in_one_turn() {
    let scene = scene("hangs", &["db-password"], &["Opaque"]).await;
    let names = ["first", "second", "third", "fourth"];
    let data = json!([{"key": "K", "from": "db-password"}]);
    let secrets: Vec<_> = (names.iter())
        .map(|name| json!({"name": name, "data": data}))
        .collect();
    bind(&scene, "payments", &["db-password"], &json!(secrets)).await;
    scene.until("payments", "the Secrets", is_synced).await;
    let host = format!("{}.vault.azure.net", scene.world.vault);
    let matches = Match {
        host: Some(host),
        ..Match::default()
    };
    let fault = Fault::new(matches, Action::Hang);
    let fault = scene.azure().add_fault(fault).unwrap();
    for name in names {
        let params = DeleteParams::default();
        api(&scene).delete(name, &params).await.unwrap();
    }
    scene.ask("payments").await;
    let told = |binding: &VaultBinding| {
        condition(binding, ConditionType::SecretsSynced) == Some(("Unknown", "Unreachable"))
    };
    let long = Duration::from_secs(100);
    let binding = scene
        .within(long, "payments", "the silence is told", told)
        .await;
    assert_eq!(
        states(&binding),
        names.map(|name| (name, SecretState::Missing))
    );
    assert!(scene.azure().remove_fault(fault));
    let long = Duration::from_secs(60);
    scene.ask("payments").await;
    scene
        .within(long, "payments", "the Secrets again", is_synced)
        .await;
    scene.finish().await;
}
