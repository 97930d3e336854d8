//! What the operator makes of a vault or an identity that is not as it should be: what is served stays
//! as it is, and the status says what to do.

use std::time::Duration;

use serde_json::{Value, json};
use tonic::Code;
use vaultbind_azure::vault::RoleAssignment;
use vaultbind_azure::{Action, Fault, Match};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::{ConditionType, ObjectState};

use crate::scene::{Scene, condition, is_observed, is_ready, message, pinned, versions};

fn not_ready(binding: &VaultBinding, reason: &str) -> bool {
    is_observed(binding) && condition(binding, ConditionType::Ready) == Some(("False", reason))
}

#[tokio::test]
async fn the_operator_needs_no_right_to_read_values() {
    let scene = Scene::with_role("reader", "Key Vault Reader", &["db-password"]).await;
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let binding = scene.ready("payments").await;
    assert_eq!(versions(&scene.class("payments").await), pinned(&binding));
    // The role lists versions, and reads no value: whoever mounts is refused.
    let refused = scene.mount("payments").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    scene.finish().await;
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_named_and_the_class_stays() {
    let scene = Scene::new("role", &["db-password"]).await;
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let before = pinned(&scene.ready("payments").await);
    let (vaults, vault) = (scene.azure().vaults(), &scene.world.vault);
    vaults.revoke(vault, &scene.world.identity).unwrap();
    scene.ask("payments").await;
    let refused = |binding: &_| not_ready(binding, "RoleMissing");
    let binding = scene.until("payments", "RoleMissing", refused).await;
    let said = message(&binding, ConditionType::AccessReady);
    assert!(
        said.contains(vault) && said.contains("az role assignment create"),
        "{said}"
    );
    assert_eq!(pinned(&binding), before);
    assert_eq!(versions(&scene.class("payments").await), before);

    let role = RoleAssignment {
        principal: scene.world.identity.clone(),
        role: "Key Vault Secrets User".to_owned(),
        object: None,
    };
    vaults.assign_role(vault, &role).unwrap();
    scene.ask("payments").await;
    scene.until("payments", "ready again", is_ready).await;
    scene.finish().await;
}

#[tokio::test]
async fn a_token_that_the_identity_does_not_trust_is_named() {
    let scene = Scene::new("untrusted", &["db-password"]).await;
    let identity = json!({"identity": {
        "clientID": scene.world.identity, "serviceAccountName": "other",
    }});
    scene.bind("payments", &["db-password"], &identity).await;
    let refused = |binding: &_| not_ready(binding, "NoServiceAccount");
    scene.until("payments", "NoServiceAccount", refused).await;
    scene.account("other").await;
    let refused =
        |binding: &_| not_ready(binding, "SubjectMismatch") || not_ready(binding, "NoCredential");
    let binding = scene
        .asked_until("payments", "the subject is not trusted", refused)
        .await;
    let said = message(&binding, ConditionType::IdentityReady);
    let subject = format!("system:serviceaccount:{}:other", scene.world.namespace);
    assert!(said.contains(&subject), "{said}");
    assert!(scene.classes().get_opt("payments").await.unwrap().is_none());
    scene.finish().await;
}

#[tokio::test]
async fn an_outage_changes_no_pin_and_pods_go_on() {
    let scene = Scene::new("outage", &["db-password"]).await;
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let before = pinned(&scene.ready("payments").await);
    let host = format!("{}.vault.azure.net", scene.world.vault);
    let matches = Match {
        host: Some(host),
        ..Match::default()
    };
    let down = Action::Status {
        code: 503,
        retry_after: None,
        retry_after_millis: None,
    };
    let fault = scene.azure().add_fault(Fault::new(matches, down)).unwrap();
    scene.ask("payments").await;
    let noticed = |binding: &_| {
        let access = condition(binding, ConditionType::AccessReady);
        access.is_some_and(|(status, _)| status != "True")
    };
    // Only after some tries it is one.
    let long = Duration::from_secs(90);
    let binding = scene
        .within(long, "payments", "the outage is said", noticed)
        .await;
    assert!(is_ready(&binding), "{:#?}", binding.status);
    assert_eq!(pinned(&binding), before);
    assert_eq!(versions(&scene.class("payments").await), before);

    assert!(scene.azure().remove_fault(fault));
    scene.ask("payments").await;
    let recovered = |binding: &_| {
        condition(binding, ConditionType::AccessReady).is_some_and(|(status, _)| status == "True")
    };
    scene
        .within(long, "payments", "access again", recovered)
        .await;
    scene.finish().await;
}

#[tokio::test]
async fn a_missing_object_is_named_and_an_optional_one_is_left_out() {
    let scene = Scene::new("missing", &["db-password"]).await;
    scene
        .bind("strict", &["db-password", "absent"], &Value::Null)
        .await;
    let missing = |binding: &_| not_ready(binding, "NotFound");
    let binding = scene.until("strict", "NotFound", missing).await;
    let said = message(&binding, ConditionType::ObjectsResolved);
    assert!(
        said.contains("absent") && said.contains(&scene.world.vault),
        "{said}"
    );

    let objects =
        json!({"objects": [{"name": "db-password"}, {"name": "absent", "optional": true}]});
    scene.bind("lenient", &[], &objects).await;
    let binding = scene.ready("lenient").await;
    let objects = &binding.status.as_ref().unwrap().objects;
    let absent = objects
        .iter()
        .find(|object| object.name == "absent")
        .unwrap();
    assert_eq!(
        (absent.state, &absent.pinned),
        (ObjectState::Missing, &None)
    );
    let mounted = scene.mount("lenient").await.unwrap();
    assert_eq!(mounted.files.keys().collect::<Vec<_>>(), ["db-password"]);

    // The vault gets it, and so do pods.
    let (value, version) = scene.world.rotate(scene.azure(), "absent");
    scene.ask("lenient").await;
    let found = |binding: &_| pinned(binding).get("absent") == Some(&version);
    scene.until("lenient", "the object is found", found).await;
    assert_eq!(scene.mount("lenient").await.unwrap().text("absent"), value);
    scene.finish().await;
}

#[tokio::test]
async fn a_disabled_version_is_replaced_by_the_newest_that_can_be_used() {
    let scene = Scene::new("disabled", &["db-password"]).await;
    let (_, second) = scene.world.rotate(scene.azure(), "db-password");
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let binding = scene.ready("payments").await;
    assert_eq!(pinned(&binding)["db-password"], second);
    let vaults = scene.azure().vaults();
    vaults
        .disable_secret(&scene.world.vault, "db-password", crate::scene::now())
        .unwrap();
    scene.ask("payments").await;
    let replaced = |binding: &_| is_ready(binding) && pinned(binding)["db-password"] != second;
    scene
        .until("payments", "the pin is replaced", replaced)
        .await;
    let mounted = scene.mount("payments").await.unwrap();
    assert_eq!(
        mounted.text("db-password"),
        scene.world.values["db-password"]
    );
    scene.finish().await;
}

#[tokio::test]
async fn many_bindings_of_one_vault_and_identity_cost_one_sweep() {
    let scene = Scene::new("shared", &["db-password", "api-key"]).await;
    for number in 0..10 {
        scene
            .bind(
                &format!("b{number}"),
                &["db-password", "api-key"],
                &Value::Null,
            )
            .await;
    }
    for number in 0..10 {
        scene.ready(&format!("b{number}")).await;
    }
    let host = format!("{}.vault.azure.net", scene.world.vault);
    let calls = scene.azure().calls().into_iter();
    let calls: Vec<String> = calls
        .filter(|call| call.host == host)
        .map(|call| call.path)
        .collect();
    // Ten separate bindings would take a list of each of two names ten times.
    assert!(calls.len() < 20, "{} calls: {calls:?}", calls.len());
    println!("{} calls for ten bindings of two objects", calls.len());
    scene.finish().await;
}
