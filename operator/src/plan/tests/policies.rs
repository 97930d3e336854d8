//! Selections, policies and what else changes by a change of the binding.

use serde_json::json;
use vaultbind_crds::status::ObjectState;
use vaultbind_keyvault::error::FetchProblem;

use super::*;

#[test]
fn a_selection_follows_what_the_vault_has() {
    let mut scene = Scene::new("[{name: flags, select: {prefix: flag-, max: 2}}]")
        .selects("flags", &["flag-a", "flag-b"])
        .has(secret("flag-a"), &[version(1)])
        .has(secret("flag-b"), &[version(2)]);
    let plan = scene.step();
    let text = &plan.applied().spec.parameters["objects"];
    assert!(
        text.contains("\"flags/flag-a\"") && text.contains("\"flags/flag-b\""),
        "{text}"
    );

    // A list that cannot be read takes nothing away.
    let mut refused = scene.vault.clone();
    refused
        .selected
        .insert("flags".to_owned(), Err(refusal(FetchProblem::Throttled)));
    refused
        .versions
        .insert(secret("flag-a"), Ok(vec![version(1), version(3)]));
    scene.answers = Answers::So(Answer::Vault(refused));
    let plan = scene.step();
    assert_eq!(plan.object("flag-a").pinned, Some(id(3)));
    assert_eq!(plan.object("flag-b").pinned, Some(id(2)));
    assert_eq!(plan.condition("Throttled"), "True TooManyRequests");

    // One too many changes nothing.
    scene.answers = Answers::Well;
    let mut scene = scene
        .selects("flags", &["flag-a", "flag-b", "flag-c"])
        .has(secret("flag-c"), &[version(4)]);
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.condition("Stalled"), "True TooManySelected");
    assert_eq!(plan.condition("Ready"), "False TooManySelected");
    assert_eq!(plan.reasons(), ["Stalled", "AccessRestored"]);

    // One that is gone is left out; none at all is a mistake.
    let mut scene = scene.selects("flags", &["flag-b"]);
    let plan = scene.step();
    assert!(!plan.applied().spec.parameters["objects"].contains("flag-a"));
    assert_eq!(plan.condition("Stalled"), "");
    let mut scene = scene.selects("flags", &[]);
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.condition("ObjectsResolved"), "False NotFound");
}

#[test]
fn plan_and_suspend_touch_nothing() {
    let mut scene = two();
    scene.step();
    scene = scene.spec(json!({"reconcilePolicy": "Plan"}));
    scene.set(secret("db"), &[version(1), version(2)]);
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.condition("Ready"), "True Planned");
    assert_eq!(plan.object("db").state, ObjectState::Behind);
    assert_eq!(plan.notes, []);
    let planned: Vec<_> = plan
        .status
        .plan
        .iter()
        .map(|change| {
            (
                change.action,
                change.kind.as_str(),
                change.name.as_str(),
                change.from.clone(),
                change.to.clone(),
            )
        })
        .collect();
    use vaultbind_crds::status::PlannedAction::{Pin, Update};
    assert_eq!(
        planned,
        [
            (Update, "SecretProviderClass", "payments", None, None),
            (Pin, "Secret", "db", Some(id(1)), Some(id(2))),
        ]
    );

    scene = scene.spec(json!({"reconcilePolicy": "Suspend"}));
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.condition("Ready"), "True Suspended");
    assert_eq!(plan.condition("Stalled"), "");
    assert_eq!(plan.object("db").pinned, Some(id(1)));
    assert_eq!(plan.status.plan, []);
    scene.cluster.target = None;
    assert_eq!(scene.step().condition("Ready"), "False Suspended");

    scene = scene.spec(json!({"reconcilePolicy": "Apply"}));
    assert_eq!(scene.step().object("db").pinned, Some(id(2)));
}

#[test]
fn another_vault_begins_anew() {
    let mut scene = two();
    scene.step();
    scene = scene.spec(json!({"reconcilePolicy": "Plan", "vault": {"name": "kv-other"}}));
    scene.set(secret("db"), &[version(7)]);
    scene.set(secret("mail-password"), &[version(8)]);
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, None);
    assert_eq!(plan.object("db").state, ObjectState::Behind);
    scene = scene.spec(json!({"reconcilePolicy": "Apply"}));
    // Nothing moves before the new vault answers.
    scene.outage();
    assert_eq!(scene.step().target, Target::Keep);
    scene.answers = Answers::Well;
    let plan = scene.step();
    assert_eq!(plan.applied().spec.parameters["keyvaultName"], "kv-other");
    assert_eq!(plan.object("db").pinned, Some(id(7)));
    assert_eq!(plan.object("db").previous, None);
}

#[test]
fn a_class_without_owner_is_left_to_whoever_retains_it() {
    let mut scene = two();
    let plan = scene.step();
    let owner = &plan.applied().metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(owner.uid, scene.binding.metadata.uid.clone().unwrap());
    assert_eq!(
        (owner.kind.as_str(), owner.controller),
        ("VaultBinding", Some(true))
    );
    scene = scene.spec(json!({"deletionPolicy": "Retain"}));
    let plan = scene.step();
    assert_eq!(plan.applied().metadata.owner_references, None);
    assert_eq!(scene.step().target, Target::Keep);
}

#[test]
fn a_certificate_is_pinned_in_both_dialects() {
    let key = Key {
        type_: ObjectType::Certificate,
        name: "tls".to_owned(),
    };
    for dialect in ["Vaultbind", "Azure"] {
        let mut scene = Scene::new("[{name: tls, type: Certificate, parts: [Leaf, PFX]}]")
            .spec(json!({"provider": {"dialect": dialect}}))
            .has(key.clone(), &[version(1)]);
        scene.step();
        scene.binding.status = None;
        scene.outage();
        assert_eq!(scene.step().object("tls").pinned, Some(id(1)), "{dialect}");
    }
}
