//! When pins move, and when they do not.

use serde_json::json;
use vaultbind_crds::status::ObjectState;
use vaultbind_keyvault::error::FetchProblem;

use super::*;

#[test]
fn the_first_plan_pins_the_newest_and_the_second_changes_nothing() {
    let mut scene = two();
    scene.set(secret("db"), &[version(2), version(3), version(1)]);
    let first = scene.step();
    assert_eq!(first.object("db").pinned, Some(id(3)));
    assert_eq!(first.object("db").state, ObjectState::Current);
    assert_eq!(first.condition("Ready"), "True Pinned");
    assert_eq!(first.reasons(), ["Pinned"]);
    assert_eq!(
        first.notes[0].message,
        "db 00000003; mail (Mail-Password) 0000000b"
    );
    let again = scene.step();
    assert_eq!(again.target, Target::Keep);
    assert_eq!(again.notes, []);
    assert_eq!(again.status, scene.binding.status.clone().unwrap());
}

#[test]
fn a_newer_version_replaces_the_pinned_one_and_what_was_before_is_told() {
    let mut scene = two();
    scene.step();
    scene.now += 300;
    scene.set(secret("db"), &[version(1), version(2)]);
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, Some(id(2)));
    assert_eq!(plan.object("db").previous, Some(id(1)));
    assert_eq!(plan.reasons(), ["Promoted"]);
    assert_eq!(plan.notes[0].message, "db 00000001 -> 00000002");
    let promotion = plan.status.rotation.unwrap().last_promotion.unwrap();
    assert_eq!(promotion.0, at(scene.now));
    let annotations = scene
        .cluster
        .target
        .as_ref()
        .unwrap()
        .metadata
        .annotations
        .clone();
    assert_eq!(
        annotations.unwrap()[PREVIOUS],
        format!("{{\"db/db\":\"{}\"}}", id(1))
    );
}

const PREVIOUS: &str = crate::plan::PREVIOUS_ANNOTATION;

#[test]
fn a_version_that_cannot_be_used_is_not_promoted() {
    for bad in [
        disabled(version(2)),
        from(version(2), 60),
        expiring(version(2), 0),
    ] {
        let mut scene = two();
        scene.step();
        scene.set(secret("db"), &[version(1), bad]);
        let plan = scene.step();
        assert_eq!(plan.object("db").pinned, Some(id(1)));
        assert_eq!(plan.target, Target::Keep);
    }
}

#[test]
fn a_version_becomes_the_pinned_one_when_it_becomes_active() {
    let mut scene = two();
    scene.set(secret("db"), &[version(1), from(version(2), 42)]);
    let plan = scene.step();
    assert_eq!(plan.next, at(NOW + 42));
    scene.now = NOW + 42;
    assert_eq!(scene.step().object("db").pinned, Some(id(2)));
}

#[test]
fn of_two_versions_of_the_same_second_the_pinned_one_stays() {
    let mut scene = two();
    let twin = |number| {
        let mut twin = version(number);
        twin.attributes.created = version(1).attributes.created;
        twin
    };
    scene.step();
    scene.set(secret("db"), &[version(1), twin(9)]);
    assert_eq!(scene.step().object("db").pinned, Some(id(1)));
}

#[test]
fn a_pinned_version_that_is_disabled_gives_way_to_an_older_one() {
    let mut scene = two();
    scene.set(secret("db"), &[version(1), version(2)]);
    scene.step();
    scene.set(secret("db"), &[version(1), disabled(version(2))]);
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, Some(id(1)));
    assert_eq!(plan.object("db").previous, Some(id(2)));
}

#[test]
fn a_pin_stays_while_nothing_can_replace_it_and_the_status_says_why() {
    for (versions, state, reason) in [
        (vec![], ObjectState::Missing, "NotFound"),
        (
            vec![disabled(version(1))],
            ObjectState::Disabled,
            "Disabled",
        ),
        (
            vec![expiring(version(1), -1)],
            ObjectState::Expired,
            "Expired",
        ),
        (
            vec![disabled(version(1)), from(version(2), 60)],
            ObjectState::NotYetValid,
            "NotYetValid",
        ),
    ] {
        let mut scene = two();
        scene.step();
        scene.set(secret("db"), &versions);
        let plan = scene.step();
        assert_eq!(plan.object("db").pinned, Some(id(1)), "{reason}");
        assert_eq!(plan.object("db").state, state);
        assert_eq!(plan.target, Target::Keep);
        assert_eq!(plan.condition("ObjectsResolved"), format!("False {reason}"));
        assert_eq!(plan.condition("Ready"), format!("False {reason}"));
        assert!(plan.message("Ready").contains("az keyvault secret"));
        assert!(
            plan.reasons().contains(&"PinnedVersionUnusable"),
            "{reason}"
        );
        assert!(!scene.step().reasons().contains(&"PinnedVersionUnusable"));
    }
}

#[test]
fn without_one_object_no_class_comes_into_being_but_an_old_one_goes_on() {
    let mut scene = two();
    scene.set(secret("mail-password"), &[]);
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.condition("Ready"), "False NotFound");
    assert_eq!(plan.object("db").state, ObjectState::Behind);
    assert_eq!(plan.object("db").pinned, None);

    // A class that never had the second file goes on with the first.
    let mut scene = Scene::new("[{name: db}]").has(secret("db"), &[version(1)]);
    scene.step();
    let mut scene = scene
        .spec(json!({"objects": [{"name": "db"}, {"name": "mail"}]}))
        .has(secret("mail"), &[]);
    scene.set(secret("db"), &[version(2)]);
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, Some(id(2)));
    assert!(!plan.applied().spec.parameters["objects"].contains("mail"));
    assert_eq!(plan.condition("Ready"), "False NotFound");
}

#[test]
fn a_file_that_is_there_is_not_taken_away_because_its_new_object_is_missing() {
    let mut scene = two();
    scene.step();
    let before = scene.cluster.target.clone();
    let mut scene = scene
        .spec(json!({"objects": [{"name": "db", "objectName": "db-new"}, {"name": "mail", "objectName": "mail-password"}]}))
        .has(secret("db-new"), &[]);
    scene.set(secret("mail-password"), &[version(12)]);
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(scene.cluster.target, before);
    assert_eq!(plan.object("mail-password").state, ObjectState::Behind);
}

#[test]
fn an_optional_object_is_left_out_while_the_vault_does_not_have_it() {
    let mut scene = Scene::new("[{name: db}, {name: extra, optional: true}]")
        .has(secret("db"), &[version(1)])
        .has(secret("extra"), &[]);
    let plan = scene.step();
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert!(!plan.applied().spec.parameters["objects"].contains("extra"));
    assert_eq!(
        plan.status.summary.as_ref().unwrap().objects.as_deref(),
        Some("1/2")
    );

    scene.set(secret("extra"), &[version(5)]);
    let plan = scene.step();
    assert_eq!(plan.object("extra").pinned, Some(id(5)));
    assert_eq!(plan.reasons(), ["Pinned"]);

    scene.set(secret("extra"), &[]);
    let plan = scene.step();
    assert_eq!(plan.object("extra").state, ObjectState::Missing);
    assert_eq!(plan.object("extra").pinned, None);
    assert_eq!(plan.reasons(), ["Unpinned"]);
    assert_eq!(scene.step().target, Target::Keep);
}

#[test]
fn an_exact_version_stays_whatever_else_there_is() {
    let exact = |number: u32| Scene::new(&format!("[{{name: db, version: \"{}\"}}]", id(number)));
    let mut scene = exact(1).has(secret("db"), &[version(1), version(2)]);
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, Some(id(1)));
    assert_eq!(plan.object("db").latest, Some(id(2)));
    assert_eq!(plan.object("db").state, ObjectState::Current);

    scene.set(secret("db"), &[expiring(version(1), -5), version(2)]);
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, Some(id(1)));
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(plan.condition("ExpiringSoon"), "True Expired");

    for (versions, reason) in [
        (vec![version(2)], "VersionNotFound"),
        (vec![disabled(version(1)), version(2)], "Disabled"),
        (vec![], "NotFound"),
    ] {
        let mut scene = exact(1).has(secret("db"), &versions);
        let plan = scene.step();
        assert_eq!(plan.target, Target::Keep);
        assert_eq!(plan.condition("ObjectsResolved"), format!("False {reason}"));
    }
}

#[test]
fn pins_live_through_an_outage_and_a_deleted_class_comes_back_with_them() {
    let mut scene = two();
    scene.step();
    scene.set(secret("db"), &[version(1), version(2)]);
    scene.outage();
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.object("db").pinned, Some(id(1)));
    assert_eq!(plan.object("db").state, ObjectState::Unknown);
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(plan.condition("AccessReady"), "Unknown VaultFailing");
    assert_eq!(plan.reasons(), ["AccessLost"]);
    assert!(plan.next <= at(NOW + 60));
    assert_eq!(scene.step().notes, []);

    let before = scene.cluster.target.take();
    let plan = scene.step();
    assert_eq!(Some(plan.applied()), before.as_deref());

    scene.answers = Answers::Well;
    let plan = scene.step();
    assert_eq!(plan.object("db").pinned, Some(id(2)));
    assert_eq!(plan.reasons(), ["Promoted", "AccessRestored"]);
}

#[test]
fn another_identity_is_not_tried_on_running_pods_before_the_vault_answers_it() {
    let mut scene = two();
    scene.step();
    scene = scene.spec(json!({"identity": {"clientID": "99999999-bbbb-cccc-dddd-eeeeeeeeeeee"}}));
    scene.answers = Answers::So(scene.all_refused(&FetchProblem::Forbidden(
        vaultbind_keyvault::error::Forbidden::Role,
    )));
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.condition("Ready"), "False RoleMissing");
}

#[test]
fn without_a_status_pins_are_read_back_and_not_computed_anew() {
    let mut scene = two();
    scene.set(secret("db"), &[version(1), version(2)]);
    scene.step();
    scene.set(secret("db"), &[version(1), version(2), version(3)]);
    scene.step();
    scene.binding.status = None;
    scene.outage();
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    assert_eq!(plan.object("db").pinned, Some(id(3)));
    assert_eq!(plan.object("db").previous, Some(id(2)));
}

#[test]
fn what_others_changed_is_put_right() {
    let mut scene = two();
    scene.step();
    let good = scene.cluster.target.clone();
    for edit in [
        "objects",
        "tenantID",
        "clientID",
        "keyvaultName",
        "cloudName",
    ] {
        let mut class = (**good.as_ref().unwrap()).clone();
        class
            .spec
            .parameters
            .insert(edit.to_owned(), "x".to_owned());
        scene.cluster.target = Some(Arc::new(class));
        assert_eq!(scene.plan().applied(), &**good.as_ref().unwrap(), "{edit}");
    }
    let mut class = (**good.as_ref().unwrap()).clone();
    class.metadata.owner_references = None;
    scene.cluster.target = Some(Arc::new(class.clone()));
    assert_ne!(scene.plan().target, Target::Keep);
    // What is not ours is left alone.
    class = (**good.as_ref().unwrap()).clone();
    let labels = class.metadata.labels.get_or_insert_default();
    labels.insert("team".to_owned(), "pay".to_owned());
    class.metadata.resource_version = Some("7".to_owned());
    scene.cluster.target = Some(Arc::new(class));
    assert_eq!(scene.plan().target, Target::Keep);
}
