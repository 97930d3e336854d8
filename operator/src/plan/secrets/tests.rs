//! Which Secrets are wanted, and what is said of them.

use serde_json::{Value, json};
use vaultbind_crds::status::{PlannedAction, SecretState};

use super::super::Plan;
use super::super::tests::{Scene, disabled, id, secret, two, version};
use super::{SecretTask, WantedSecret};
use crate::observed::{SecretCause, SecretSeen, SecretTrouble, Written};
use vaultbind_keyvault::error::Category;

fn env() -> Value {
    json!([{"name": "env", "data": [
        {"key": "MAIL", "from": "mail"},
        {"key": "DB", "from": "db"},
    ]}])
}

/// Two secrets of the vault, and one Kubernetes Secret of both.
fn scene() -> Scene {
    two()
        .class(&json!({"secretTypes": ["Opaque"]}))
        .spec(json!({"secrets": env()}))
}

fn wanted(plan: &Plan) -> &WantedSecret {
    match plan.secrets.as_slice() {
        [SecretTask::Keep(wanted)] => wanted,
        other => panic!("{other:#?}"),
    }
}

fn seen(scene: &mut Scene, name: &str, seen: SecretSeen) {
    scene.cluster.secrets.insert(name.to_owned(), seen);
}

fn states(plan: &Plan) -> Vec<(&str, SecretState)> {
    let states = plan.status.secrets.iter();
    states
        .map(|secret| (secret.name.as_str(), secret.state))
        .collect()
}

#[test]
fn a_secret_is_wanted_with_the_versions_that_pods_mount() {
    let mut scene = scene();
    let plan = scene.plan();
    let secret = wanted(&plan);
    let keys: Vec<_> = secret.data.iter().map(|key| key.key.as_str()).collect();
    assert_eq!(keys, ["DB", "MAIL"]);
    let from = format!(
        r#"{{"data":{{"DB":"secret/db/{}","MAIL":"secret/mail-password/{}"}},"type":"Opaque"}}"#,
        id(1),
        id(11)
    );
    assert_eq!(secret.made_from(), from);
    let labels = secret.metadata.labels.as_ref().unwrap();
    assert_eq!(labels["vaultbind.dev/binding"], "payments");
    let owners = secret.metadata.owner_references.as_ref().unwrap();
    assert_eq!(owners.len(), 1);
    assert_eq!(plan.condition("SecretsSynced"), "Unknown NotAsked");
    assert_eq!(plan.condition("Ready"), "False NotAsked");

    seen(&mut scene, "env", SecretSeen::Written(Written::Created));
    let plan = scene.step();
    assert_eq!(plan.condition("SecretsSynced"), "True Synced");
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(states(&plan), [("env", SecretState::Synced)]);
    let written = plan.status.secrets[0].written.clone();
    assert!(written.is_some());
    assert!(plan.reasons().contains(&"SecretsWritten"));

    seen(&mut scene, "env", SecretSeen::AsWanted);
    scene.now += 60;
    let plan = scene.step();
    assert_eq!(plan.status.secrets[0].written, written);
    assert_eq!(plan.notes, []);
}

#[test]
fn a_secret_waits_for_all_of_its_objects_and_what_is_optional_is_left_out() {
    let scene = scene().has(secret("mail-password"), &[disabled(version(11))]);
    let plan = scene.plan();
    assert_eq!(plan.secrets, []);
    assert_eq!(plan.condition("SecretsSynced"), "False Waiting");
    assert_eq!(states(&plan), [("env", SecretState::Waiting)]);
    assert_eq!(plan.condition("Ready"), "False Disabled");

    let scene = Scene::new("[{name: db}, {name: mail, optional: true}]")
        .has(secret("db"), &[version(1)])
        .has(secret("mail"), &[])
        .class(&json!({"secretTypes": ["Opaque"]}))
        .spec(json!({"secrets": env()}));
    let plan = scene.plan();
    let keys: Vec<_> = wanted(&plan).data.iter().map(|key| &key.key).collect();
    assert_eq!(keys, ["DB"]);
    // A type with keys of its own is not made without them.
    let auth = json!([{"name": "env", "type": "kubernetes.io/basic-auth", "data": [
        {"key": "username", "from": "db"},
        {"key": "password", "from": "mail"},
    ]}]);
    let scene = scene
        .class(&json!({"secretTypes": ["kubernetes.io/basic-auth"]}))
        .spec(json!({"secrets": auth}));
    assert_eq!(scene.plan().condition("SecretsSynced"), "False Waiting");
}

#[test]
fn what_no_class_admits_is_not_wanted_and_pods_are_served() {
    let admitted = |class: Option<Value>| {
        let scene = two().spec(json!({"secrets": env()}));
        match class {
            Some(class) => scene.class(&class),
            None => scene,
        }
    };
    let mut table = vec![
        (admitted(None), "set spec.vaultClassName"),
        (admitted(Some(json!({}))), "no Secrets"),
        (admitted(Some(json!({"secretTypes": []}))), "no Secrets"),
        (
            admitted(Some(json!({"secretTypes": ["kubernetes.io/tls"]}))),
            "only kubernetes.io/tls",
        ),
        (
            admitted(Some(
                json!({"secretTypes": ["Opaque"], "detection": "Operator"}),
            )),
            "detection: Workload",
        ),
    ];
    let mut off = scene();
    off.cluster.writes_secrets = false;
    table.push((off, "operator.secrets.enabled"));
    for (scene, remedy) in table {
        let plan = scene.plan();
        assert_eq!(plan.secrets, [], "{remedy}");
        assert_eq!(plan.condition("SecretsSynced"), "False SecretsNotAllowed");
        assert_eq!(plan.condition("Ready"), "False SecretsNotAllowed");
        let text = plan.message("SecretsSynced");
        assert!(text.contains(remedy), "{text}");
        assert_eq!(
            plan.applied().spec.parameters["keyvaultName"],
            "kv-payments"
        );
    }
}

#[test]
fn each_trouble_has_its_reason_and_only_what_may_pass_keeps_a_ready_binding_ready() {
    let trouble = |there, cause| SecretSeen::Failed(SecretTrouble { there, cause });
    let vault = |category| SecretCause::NoValue {
        category,
        message: "why".to_owned(),
    };
    for (seen_as, condition, state, ready) in [
        (
            SecretSeen::Foreign { labelled: false },
            "False SecretConflict",
            SecretState::Conflict,
            "False SecretConflict",
        ),
        (
            trouble(Some(true), vault(Category::PermissionDenied)),
            "False ValueRefused",
            SecretState::Outdated,
            "False ValueRefused",
        ),
        (
            trouble(Some(true), vault(Category::Unreachable)),
            "Unknown Unreachable",
            SecretState::Outdated,
            "True Pinned",
        ),
        (
            trouble(Some(false), vault(Category::Unreachable)),
            "Unknown Unreachable",
            SecretState::Missing,
            "False Unreachable",
        ),
        (
            trouble(None, SecretCause::Forbidden),
            "False SecretsForbidden",
            SecretState::Unknown,
            "False SecretsForbidden",
        ),
        (
            trouble(None, SecretCause::Silent),
            "Unknown SecretRefused",
            SecretState::Unknown,
            "False SecretRefused",
        ),
        (
            trouble(Some(true), SecretCause::Refused("no".to_owned())),
            "False SecretRefused",
            SecretState::Outdated,
            "False SecretRefused",
        ),
        (
            trouble(Some(true), SecretCause::Unfit("no".to_owned())),
            "False ValueUnfit",
            SecretState::Outdated,
            "False ValueUnfit",
        ),
    ] {
        let mut scene = scene();
        let what = format!("{seen_as:?}");
        seen(&mut scene, "env", seen_as);
        let plan = scene.plan();
        assert_eq!(plan.condition("SecretsSynced"), condition, "{what}");
        assert_eq!(states(&plan), [("env", state)], "{what}");
        assert_eq!(plan.condition("Ready"), ready, "{what}");
    }
}

#[test]
fn an_outage_changes_nothing_about_a_secret_that_is_there() {
    let mut scene = scene();
    seen(&mut scene, "env", SecretSeen::Written(Written::Created));
    let made_from = wanted(&scene.step()).made_from().to_owned();
    seen(&mut scene, "env", SecretSeen::AsWanted);
    scene.outage();
    let plan = scene.step();
    assert_eq!(wanted(&plan).made_from(), made_from);
    assert_eq!(plan.condition("SecretsSynced"), "True Synced");
    assert_eq!(plan.condition("Ready"), "True Pinned");
}

#[test]
fn a_secret_that_is_no_longer_wanted_goes_if_it_may() {
    let mut scene = scene();
    seen(&mut scene, "env", SecretSeen::Written(Written::Created));
    scene.step();
    scene.cluster.secrets.clear();
    let mut scene = scene.spec(json!({"secrets": null}));
    let plan = scene.plan();
    assert_eq!(plan.secrets, [SecretTask::Remove("env".to_owned())]);
    assert_eq!(states(&plan), [("env", SecretState::Removing)]);
    seen(&mut scene, "env", SecretSeen::Deleted);
    let plan = scene.step();
    assert_eq!(states(&plan), []);
    assert_eq!(plan.condition("SecretsSynced"), "");
    assert_eq!(plan.reasons(), ["SecretsDeleted"]);
    assert_eq!(scene.plan().secrets, []);

    let retained = json!([{
        "name": "env",
        "deletionPolicy": "Retain",
        "data": [{"key": "DB", "from": "db"}],
    }]);
    let mut scene = scene.spec(json!({"secrets": retained}));
    seen(&mut scene, "env", SecretSeen::Written(Written::Created));
    let plan = scene.step();
    assert_eq!(wanted(&plan).metadata.owner_references, None);
    let scene = scene.spec(json!({"secrets": null}));
    assert_eq!(scene.plan().secrets, []);
}

#[test]
fn a_plan_says_what_would_be_done_and_a_stall_and_suspension_change_nothing() {
    let mut scene = scene().spec(json!({"reconcilePolicy": "Plan"}));
    seen(&mut scene, "env", SecretSeen::Absent);
    let plan = scene.plan();
    let change = plan.status.plan.last().unwrap();
    assert_eq!(
        (change.action, change.kind.as_str(), change.name.as_str()),
        (PlannedAction::Create, "Secret", "env")
    );
    assert_eq!(plan.condition("SecretsSynced"), "False Planned");

    let mut scene = scene.spec(json!({"reconcilePolicy": "Apply"}));
    seen(&mut scene, "env", SecretSeen::Written(Written::Created));
    scene.step();
    for patch in [
        json!({"reconcilePolicy": "Suspend"}),
        json!({"vault": {"name": "-"}}),
    ] {
        let plan = scene.clone().spec(patch).plan();
        assert_eq!(plan.secrets, []);
        assert_eq!(plan.condition("SecretsSynced"), "True Synced");
        assert_eq!(states(&plan), [("env", SecretState::Synced)]);
    }
}
