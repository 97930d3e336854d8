//! What the status says besides conditions, and when it is written.

use serde_json::json;
use vaultbind_crds::status::PodCount;

use super::super::{CHECKS_ARE_WRITTEN_EACH, worth_writing};
use super::*;

#[test]
fn the_status_of_a_healthy_binding_is_complete() {
    let mut scene = two();
    scene.set(secret("db"), &[expiring(version(1), 90 * 86_400)]);
    let plan = scene.step();
    let status = &plan.status;
    assert_eq!(status.observed_generation, Some(3));
    let types: Vec<_> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(
        types,
        [
            "Ready",
            "DriverReady",
            "IdentityReady",
            "AccessReady",
            "ObjectsResolved"
        ]
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|c| c.status == "True" && c.observed_generation == Some(3))
    );
    let identity = status.identity.as_ref().unwrap();
    assert_eq!(
        identity.subject.as_deref(),
        Some("system:serviceaccount:shop:api")
    );
    assert_eq!(
        identity.issuer.as_deref(),
        Some("https://oidc.example.com/cluster/")
    );
    assert_eq!(
        identity.audience.as_deref(),
        Some("api://AzureADTokenExchange")
    );
    assert_eq!(
        identity.last_verified.as_ref().map(|time| time.0),
        Some(at(NOW))
    );
    let rotation = status.rotation.as_ref().unwrap();
    assert_eq!(
        rotation.last_check.as_ref().map(|time| time.0),
        Some(at(NOW))
    );
    assert_eq!(
        rotation.next_check.as_ref().map(|time| time.0),
        Some(plan.next)
    );
    let summary = serde_json::to_value(&status.summary).unwrap();
    assert_eq!(
        summary,
        json!({
            "vault": "kv-payments.vault.azure.net",
            "objects": "2/2",
            "pods": "0/0",
            "expires": "2027-04-15T08:00:00Z",
            "next": "check every 5m",
        })
    );
}

#[test]
fn before_the_first_answer_nothing_is_claimed() {
    let mut scene = two();
    scene.answers = Answers::So(Answer::NotAsked);
    let plan = scene.step();
    assert_eq!(plan.target, Target::Keep);
    for type_ in ["Ready", "IdentityReady", "AccessReady", "ObjectsResolved"] {
        assert_eq!(plan.condition(type_), "Unknown NotAsked");
    }
    assert_eq!(plan.condition("Reconciling"), "True Asking");
    assert_eq!(plan.notes, []);
    scene.answers = Answers::Well;
    assert_eq!(scene.step().reasons(), ["Pinned"]);

    // Later on, what was known still is.
    scene.answers = Answers::So(Answer::NotAsked);
    let plan = scene.step();
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(plan.condition("AccessReady"), "True Listed");
    assert_eq!(plan.notes, []);
}

#[test]
fn the_time_of_a_transition_only_moves_when_the_status_does() {
    let mut scene = two();
    let time = |plan: &Plan, type_: &str| {
        let found = plan.status.conditions.iter().find(|c| c.type_ == type_);
        found.unwrap().last_transition_time.0.as_second()
    };
    scene.step();
    scene.now += 100;
    scene.set(secret("db"), &[]);
    let plan = scene.step();
    assert_eq!(time(&plan, "Ready"), NOW + 100);
    assert_eq!(time(&plan, "AccessReady"), NOW);
    scene.now += 100;
    scene.set(secret("db"), &[disabled(version(1))]);
    let plan = scene.step();
    assert_eq!(plan.condition("Ready"), "False Disabled");
    assert_eq!(time(&plan, "Ready"), NOW + 100);
}

#[test]
fn times_of_checks_alone_are_written_seldom() {
    let mut scene = two();
    let first = scene.step();
    assert!(worth_writing(None, &first.status));
    let mut last = first.status;
    let mut written = 0;
    for _ in 0..24 {
        scene.now += 300;
        let plan = scene.plan();
        assert!(plan.status.rotation != last.rotation);
        if worth_writing(Some(&last), &plan.status) {
            written += 1;
            scene.done(&plan);
            last = plan.status;
        }
    }
    // Two hours of checks.
    assert_eq!(CHECKS_ARE_WRITTEN_EACH.as_secs(), 1800);
    assert_eq!(written, 4);
    scene.set(secret("db"), &[version(2)]);
    assert!(worth_writing(Some(&last), &scene.plan().status));
}

#[test]
fn pods_are_counted_by_the_version_that_they_have() {
    let mut scene = Scene::new("[{name: db}, {name: old, objectName: DB, version: \"00000001000000000000000000000000\"}, {name: tls, type: Certificate}]")
        .has(secret("db"), &[version(1), version(2)])
        .has(
            Key { type_: ObjectType::Certificate, name: "tls".to_owned() },
            &[version(3)],
        );
    let (one, two, three) = (id(1), id(2), format!("{}.88608b3b", id(3)));
    scene.mounted(
        "api-0",
        &[
            ("secret/db", &two),
            ("secret/DB@old", &one),
            ("cert/tls", &three),
        ],
    );
    scene.mounted(
        "api-1",
        &[
            ("secret/db", &one),
            ("secret/DB@old", &one),
            ("cert/tls", &three),
        ],
    );
    scene.mounted("api-2", &[("secret/db", "absent"), ("nonsense", "x")]);
    let plan = scene.step();
    let pods = |name: &str| {
        let mut objects = plan.status.objects.iter();
        objects.find(|object| object.name == name).unwrap().pods
    };
    assert_eq!(
        pods("db"),
        Some(PodCount {
            current: 1,
            total: 3
        })
    );
    assert_eq!(
        pods("old"),
        Some(PodCount {
            current: 2,
            total: 3
        })
    );
    assert_eq!(
        pods("tls"),
        Some(PodCount {
            current: 2,
            total: 3
        })
    );
    assert_eq!(plan.status.summary.unwrap().pods.as_deref(), Some("1/3"));
}

#[test]
fn an_end_that_is_near_is_told_once_and_looked_at_when_it_comes() {
    let mut scene = Scene::new("[{name: db, expiry: {warnBefore: 24h}}]")
        .spec(json!({"rotation": {"checkInterval": "24h"}}))
        .has(secret("db"), &[expiring(version(1), 25 * 3600)]);
    let plan = scene.step();
    assert_eq!(plan.condition("ExpiringSoon"), "");
    assert!(plan.next <= at(NOW + 3600));
    scene.now += 3600;
    let plan = scene.step();
    assert_eq!(plan.condition("ExpiringSoon"), "True Expires");
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert!(
        plan.message("ExpiringSoon")
            .contains("version 00000001 of secret db expires on 2027-01-16")
    );
    assert_eq!(plan.reasons(), ["ExpiringSoon"]);
    assert_eq!(scene.step().notes, []);
    scene.now = NOW + 25 * 3600;
    let plan = scene.step();
    assert_eq!(plan.condition("ExpiringSoon"), "True Expired");
    scene.set(secret("db"), &[version(2)]);
    assert_eq!(scene.step().condition("ExpiringSoon"), "");
}

#[test]
fn the_interval_is_the_bindings_else_the_classs() {
    let interval =
        |scene: &Scene| super::super::check_interval(&scene.binding, &scene.cluster).as_secs();
    let scene = two();
    assert_eq!(interval(&scene), 300);
    let scene = scene.class(&json!({"defaults": {"checkInterval": "1h"}}));
    assert_eq!(interval(&scene), 3600);
    let scene = scene.spec(json!({"rotation": {"checkInterval": "30s"}}));
    assert_eq!(interval(&scene), 30);
}
