//! From a binding to bytes, and which version they are.

use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use vaultbind_crds::status::{ConditionType, PlannedAction};

use crate::scene::{Scene, condition, is_observed, is_ready, message, pinned, versions};

#[tokio::test]
async fn a_binding_becomes_a_class_with_exact_versions_and_the_provider_mounts_it() {
    let scene = Scene::new("apply", &["db-password", "api-key"]).await;
    scene
        .bind("payments", &["db-password", "api-key"], &Value::Null)
        .await;
    let binding = scene.ready("payments").await;
    let class = scene.class("payments").await;
    assert_eq!(class.spec.provider.as_deref(), Some("vaultbind"));
    assert_eq!(class.labels()["app.kubernetes.io/managed-by"], "vaultbind");
    assert_eq!(class.labels()["vaultbind.dev/binding"], "payments");
    let owner = &class.owner_references()[0];
    assert_eq!(
        (owner.kind.as_str(), Some(&owner.uid)),
        ("VaultBinding", binding.uid().as_ref())
    );

    let pinned = pinned(&binding);
    assert_eq!(pinned.len(), 2);
    assert!(
        pinned.values().all(|version| version.len() == 32),
        "{pinned:?}"
    );
    assert_eq!(versions(&class), pinned);
    let mounted = scene.mount("payments").await.unwrap();
    for (name, value) in &scene.world.values {
        assert_eq!(mounted.text(name), value);
        assert_eq!(mounted.versions[&format!("secret/{name}")], pinned[name]);
    }
    scene.finish().await;
}

#[tokio::test]
async fn suspended_pins_stay_when_the_vault_has_a_newer_version() {
    let scene = Scene::new("suspend", &["db-password"]).await;
    scene.bind("held", &["db-password"], &Value::Null).await;
    let before = pinned(&scene.ready("held").await);
    let suspend = json!({"spec": {"reconcilePolicy": "Suspend"}});
    scene.patch("held", &suspend).await;
    let held = scene
        .until("held", "Suspend is observed", is_observed)
        .await;
    assert_eq!(
        condition(&held, ConditionType::Ready),
        Some(("True", "Suspended"))
    );

    let (value, newer) = scene.world.rotate(scene.azure(), "db-password");
    scene.ask("held").await;
    // What moves after this shows that the operator has come by.
    scene.bind("moving", &["db-password"], &Value::Null).await;
    let moved = |binding: &_| is_ready(binding) && pinned(binding)["db-password"] == newer;
    scene
        .asked_until("moving", "another pin moves", moved)
        .await;
    let held = scene.bindings().get("held").await.unwrap();
    assert_eq!(pinned(&held), before);
    assert_eq!(versions(&scene.class("held").await), before);
    let mounted = scene.mount("held").await.unwrap();
    assert_eq!(
        mounted.text("db-password"),
        scene.world.values["db-password"]
    );
    assert_eq!(
        scene.mount("moving").await.unwrap().text("db-password"),
        value
    );

    scene
        .patch("held", &json!({"spec": {"reconcilePolicy": "Apply"}}))
        .await;
    let moved = |binding: &_| is_ready(binding) && pinned(binding)["db-password"] == newer;
    scene
        .until("held", "the pin moves when it may", moved)
        .await;
    assert_eq!(
        scene.mount("held").await.unwrap().text("db-password"),
        value
    );
    scene.finish().await;
}

#[tokio::test]
async fn a_check_that_is_asked_for_moves_the_pin_and_remembers_the_one_before() {
    let scene = Scene::new("asked", &["db-password"]).await;
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let first = pinned(&scene.ready("payments").await);
    let (value, second) = scene.world.rotate(scene.azure(), "db-password");
    let unmoved = scene.mount("payments").await.unwrap();
    assert_eq!(
        unmoved.text("db-password"),
        scene.world.values["db-password"]
    );

    let asked = Instant::now();
    scene.ask("payments").await;
    let moved = |binding: &_| pinned(binding)["db-password"] == second;
    let binding = scene.until("payments", "the pin moves", moved).await;
    println!(
        "moved {} ms after it was asked for",
        asked.elapsed().as_millis()
    );
    let object = &binding.status.as_ref().unwrap().objects[0];
    assert_eq!(object.previous.as_ref(), Some(&first["db-password"]));
    assert_eq!(
        scene.mount("payments").await.unwrap().text("db-password"),
        value
    );
    scene.finish().await;
}

#[tokio::test]
async fn without_being_asked_the_pin_moves_with_the_check_interval() {
    let interval = Duration::from_secs(30);
    let scene = Scene::new("interval", &["db-password"]).await;
    let rotation = json!({"rotation": {"checkInterval": "30s"}});
    scene.bind("payments", &["db-password"], &rotation).await;
    scene.ready("payments").await;
    let (_, newer) = scene.world.rotate(scene.azure(), "db-password");
    let rotated = Instant::now();
    let moved = |binding: &_| pinned(binding)["db-password"] == newer;
    // A check takes its time on a machine with other work.
    let patience = interval + Duration::from_secs(5);
    scene
        .within(patience, "payments", "the pin moves", moved)
        .await;
    println!("moved after {} s", rotated.elapsed().as_secs());
    scene.finish().await;
}

#[tokio::test]
async fn a_plan_says_what_would_be_done_and_does_nothing() {
    let scene = Scene::new("plan", &["db-password"]).await;
    let plan = json!({"reconcilePolicy": "Plan"});
    scene.bind("payments", &["db-password"], &plan).await;
    let planned = |binding: &vaultbind_crds::VaultBinding| {
        let status = binding.status.as_ref();
        status.is_some_and(|status| !status.plan.is_empty())
    };
    let binding = scene.until("payments", "a plan", planned).await;
    let plan = binding.status.unwrap().plan;
    let pin = plan
        .iter()
        .find(|change| change.action == PlannedAction::Pin);
    let wanted = pin.unwrap().to.clone().unwrap();
    assert!(
        plan.iter()
            .any(|change| change.action == PlannedAction::Create),
        "{plan:?}"
    );
    assert!(scene.classes().get_opt("payments").await.unwrap().is_none());

    scene
        .patch("payments", &json!({"spec": {"reconcilePolicy": "Apply"}}))
        .await;
    let binding = scene.ready("payments").await;
    assert_eq!(pinned(&binding)["db-password"], wanted);
    assert!(binding.status.unwrap().plan.is_empty());
    scene.finish().await;
}

#[tokio::test]
async fn restored_bindings_without_status_have_their_pins_from_the_class() {
    let scene = Scene::new("restore", &["db-password", "api-key"]).await;
    let retain = json!({"deletionPolicy": "Retain"});
    scene
        .bind("payments", &["db-password", "api-key"], &retain)
        .await;
    let first = pinned(&scene.ready("payments").await);
    let (_, second) = scene.world.rotate(scene.azure(), "db-password");
    let moved = |binding: &_| is_ready(binding) && pinned(binding)["db-password"] == second;
    scene.asked_until("payments", "the pin moves", moved).await;

    // As a restore leaves it: the class as it was, the binding anew, and no status. Meanwhile the vault
    // has yet another version of one of two objects.
    let params = DeleteParams::default();
    scene.bindings().delete("payments", &params).await.unwrap();
    let class = scene.class("payments").await;
    assert_eq!(versions(&class)["db-password"], second);
    let (_, third) = scene.world.rotate(scene.azure(), "api-key");
    scene
        .bind("payments", &["db-password", "api-key"], &retain)
        .await;
    let moved = |binding: &_| is_ready(binding) && pinned(binding)["api-key"] == third;
    let binding = scene
        .asked_until("payments", "the other pin moves", moved)
        .await;
    let previous: Vec<_> = binding
        .status
        .iter()
        .flat_map(|status| &status.objects)
        .collect();
    let previous = |name: &str| {
        let object = previous.iter().find(|object| object.name == name);
        object.unwrap().previous.clone()
    };
    assert_eq!(pinned(&binding)["db-password"], second);
    assert_eq!(
        previous("db-password").as_ref(),
        Some(&first["db-password"])
    );
    assert_eq!(previous("api-key").as_ref(), Some(&first["api-key"]));
    scene.finish().await;
}

#[tokio::test]
async fn a_binding_that_retains_its_class_does_not_own_it() {
    let scene = Scene::new("retain", &["db-password"]).await;
    let retain = json!({"deletionPolicy": "Retain"});
    scene.bind("payments", &["db-password"], &retain).await;
    scene.ready("payments").await;
    assert!(scene.class("payments").await.owner_references().is_empty());
    scene
        .patch("payments", &json!({"spec": {"deletionPolicy": "Delete"}}))
        .await;
    scene.ready("payments").await;
    assert_eq!(scene.class("payments").await.owner_references().len(), 1);
    scene.finish().await;
}

#[tokio::test]
async fn a_class_that_somebody_else_edits_is_put_right() {
    let scene = Scene::new("edited", &["db-password"]).await;
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let before = pinned(&scene.ready("payments").await);
    let floating = json!({"spec": {"parameters": {
        "objects": "array: [\"{objectName: db-password, objectType: secret}\"]",
    }}});
    let params = PatchParams::default();
    let patch = Patch::Merge(floating);
    scene
        .classes()
        .patch("payments", &params, &patch)
        .await
        .unwrap();
    let right = scene.class_until("payments", |class| versions(class) == before);
    right.await;

    scene
        .classes()
        .delete("payments", &DeleteParams::default())
        .await
        .unwrap();
    let again = scene.class_until("payments", |class| versions(class) == before);
    again.await;
    scene.finish().await;
}

#[tokio::test]
async fn a_class_that_is_somebody_elses_is_left_alone() {
    let scene = Scene::new("foreign", &["db-password"]).await;
    let foreign = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "payments"},
        "spec": {"provider": "azure", "parameters": {"keyvaultName": "theirs"}},
    });
    let foreign = serde_json::from_value(foreign).unwrap();
    let created = scene
        .classes()
        .create(&kube::api::PostParams::default(), &foreign)
        .await;
    let created = created.unwrap();
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let refused = |binding: &_| {
        let ready = condition(binding, ConditionType::Ready);
        is_observed(binding) && ready.is_some_and(|(status, _)| status == "False")
    };
    let binding = scene.until("payments", "not ready", refused).await;
    println!("{}", message(&binding, ConditionType::Ready));
    let class = scene.class("payments").await;
    assert_eq!(class.resource_version(), created.resource_version());
    scene.finish().await;
}
