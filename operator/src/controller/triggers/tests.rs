use std::collections::BTreeMap;

use serde_json::{Value, json};
use vaultbind_crds::VaultClass;

use super::*;
use crate::queue::Backoff;

fn binding(name: &str, patch: &Value) -> VaultBinding {
    let mut binding = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {
            "name": name, "namespace": "payments", "uid": name, "generation": 3,
            "resourceVersion": "1",
        },
        "spec": {
            "vault": {"name": "kv", "tenantID": "11111111-2222-3333-4444-555555555555"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "serviceAccountName": "payments",
            },
            "objects": [{"name": "db"}],
        },
    });
    merge(&mut binding, patch);
    serde_json::from_value(binding).unwrap()
}

fn merge(into: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            for (name, field) in fields {
                merge(&mut into[name], field);
            }
        }
        other => *into = other.clone(),
    }
}

fn ready(observed: i64, next_check: Option<&str>) -> Value {
    json!({"status": {
        "observedGeneration": observed,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Pinned", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "rotation": {"nextCheck": next_check},
    }})
}

fn changed(before: Option<VaultBinding>, after: Option<VaultBinding>) -> Option<Class> {
    of_binding(&Change {
        before: before.map(Arc::new),
        after: after.map(Arc::new),
    })
}

#[test]
fn a_binding_has_a_turn_when_it_or_the_request_for_a_check_changes() {
    let plain = || Some(binding("db", &json!({})));
    let patched = |patch: Value| Some(binding("db", &patch));
    let generation = json!({"metadata": {"generation": 4}});
    let status = ready(3, None);
    let label = json!({"metadata": {"labels": {"team": "pay"}}});
    let asked = json!({"metadata": {"annotations": {CHECK_REQUESTED: "now"}}});
    let anew = json!({"metadata": {"uid": "other"}});
    for (before, after, expected) in [
        (None, plain(), Some(Class::NeverReady)),
        (None, patched(status.clone()), Some(Class::Asked)),
        (plain(), patched(generation), Some(Class::Asked)),
        (plain(), patched(asked.clone()), Some(Class::Asked)),
        (patched(asked.clone()), patched(asked), None),
        (plain(), patched(anew), Some(Class::Asked)),
        (plain(), patched(status), None),
        (plain(), patched(label), None),
        (plain(), None, None),
    ] {
        assert_eq!(
            changed(before.clone(), after.clone()),
            expected,
            "{after:?}"
        );
    }
}

#[test]
fn a_new_leader_begins_with_what_is_not_served_and_leaves_what_is_to_its_time() {
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let turn =
        |patch: &Value, has_class| first_turn(&binding("db", patch), has_class, OVERDUE, now);
    assert_eq!(turn(&json!({}), true), (Class::NeverReady, Duration::ZERO));
    assert_eq!(
        turn(&ready(2, None), true),
        (Class::Asked, Duration::ZERO),
        "its generation was not observed"
    );
    let soon = ready(3, Some("2026-01-01T12:04:00Z"));
    assert_eq!(
        turn(&soon, true),
        (Class::Periodic, Duration::from_secs(240))
    );
    assert_eq!(
        turn(&soon, false),
        (Class::Deadline, Duration::ZERO),
        "its class is gone"
    );
    for (state, expected) in [
        ("Ready", Class::Periodic),
        ("Propagating", Class::Deadline),
        ("Removing", Class::Deadline),
    ] {
        let mut patch = soon.clone();
        let kept = json!({"id": "/subscriptions/1", "kind": "RoleAssignment", "state": state});
        patch["status"]["azure"] = json!([kept]);
        assert_eq!(turn(&patch, true).0, expected, "{state} in Azure");
    }
    for (asked, expected) in [
        ("2026-01-01T11:59:30Z", Class::Asked),
        ("2026-01-01T11:58:00Z", Class::Periodic),
        ("please", Class::Asked),
    ] {
        let mut patch = soon.clone();
        patch["metadata"]["annotations"][CHECK_REQUESTED] = json!(asked);
        patch["status"]["rotation"]["lastCheck"] = json!("2026-01-01T11:59:00Z");
        assert_eq!(turn(&patch, true).0, expected, "{asked}");
    }
    for late in [ready(3, Some("2026-01-01T11:00:00Z")), ready(3, None)] {
        let (class, after) = turn(&late, true);
        assert!(class == Class::Periodic && after <= OVERDUE);
    }
}

#[test]
fn what_is_overdue_is_spread_evenly() {
    let mut seconds = BTreeMap::new();
    for at in 0..6000 {
        let spread = spread(
            &binding(&format!("b-{at}"), &json!({})),
            60 * Duration::from_secs(1),
        );
        *seconds.entry(spread.as_secs()).or_insert(0) += 1;
    }
    let most = seconds.values().max().copied();
    assert!(seconds.len() >= 60 && most < Some(150), "{seconds:?}");
}

/// Who is due within `MANY` of a change.
fn due(happening: impl Fn() -> Happening) -> Vec<String> {
    let view = View::new(|_, _| {});
    for (name, patch) in [
        ("plain", json!({})),
        ("named", json!({"spec": {"vaultClassName": "prod"}})),
        ("other", json!({"spec": {"vaultClassName": "test"}})),
        ("elsewhere", json!({"metadata": {"namespace": "shop"}})),
    ] {
        view.bindings.put(binding(name, &patch));
    }
    let queue = Queue::new(Backoff {
        first: Duration::ZERO,
        longest: Duration::ZERO,
    });
    happened(&view, &queue, &happening());
    queue.known().into_iter().map(|name| name.name).collect()
}

fn class(name: &str, spec: &Value, default: bool) -> Option<Arc<VaultClass>> {
    let annotations = default.then(|| json!({"vaultbind.dev/is-default-class": "true"}));
    let class = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultClass",
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    });
    Some(Arc::new(serde_json::from_value(class).unwrap()))
}

#[test]
fn a_class_concerns_the_bindings_that_are_under_it() {
    let narrow = json!({"vaults": ["kv-*"]});
    let of = |before: &Option<Arc<VaultClass>>, after: &Option<Arc<VaultClass>>| {
        due(|| {
            Happening::Class(Change {
                before: before.clone(),
                after: after.clone(),
            })
        })
    };
    let prod = class("prod", &json!({}), false);
    assert_eq!(of(&prod, &class("prod", &narrow, false)), ["named"]);
    assert_eq!(of(&prod, &None), ["named"]);
    assert_eq!(of(&prod, &prod), [""; 0]);
    assert_eq!(
        of(&prod, &class("prod", &json!({}), true)),
        ["named", "plain", "elsewhere"],
        "it has become the default"
    );
}

#[test]
fn a_namespace_concerns_its_bindings_when_its_labels_change() {
    let namespace = |labels: Value| {
        let namespace = json!({"metadata": {"name": "payments", "labels": labels}});
        Some(Arc::new(serde_json::from_value(namespace).unwrap()))
    };
    let of = |before: Value, after: Value| {
        due(|| {
            Happening::Namespace(Change {
                before: namespace(before.clone()),
                after: namespace(after.clone()),
            })
        })
    };
    assert_eq!(
        of(json!({}), json!({"tier": "prod"})),
        ["named", "other", "plain"]
    );
    assert_eq!(of(json!({"a": "b"}), json!({"a": "b"})), [""; 0]);
}

#[test]
fn the_driver_concerns_all_when_what_it_asks_for_changes() {
    let driver = |audiences: &[&str]| {
        let requests: Vec<Value> = audiences
            .iter()
            .map(|one| json!({"audience": one}))
            .collect();
        let driver = json!({"metadata": {"name": "d"}, "spec": {"tokenRequests": requests}});
        Some(Arc::new(serde_json::from_value(driver).unwrap()))
    };
    let of = |before: &[&str], after: &[&str]| {
        due(|| {
            Happening::Driver(Change {
                before: driver(before),
                after: driver(after),
            })
        })
    };
    assert_eq!(of(&[], &["a"]).len(), 4);
    assert_eq!(of(&["a"], &["a"]).len(), 0);
}

#[test]
fn mounts_and_classes_concern_the_binding_of_their_name_alone() {
    let name = |name: &str| Name {
        namespace: "payments".to_owned(),
        name: name.to_owned(),
    };
    assert_eq!(due(|| Happening::Mounts(name("plain"))), ["plain"]);
    assert_eq!(due(|| Happening::Mounts(name("elsewhere"))), [""; 0]);
    let target = || {
        let mut target =
            crate::secrets_store::SecretProviderClass::new("plain", Default::default());
        target.metadata.namespace = Some("payments".to_owned());
        Some(Arc::new(target))
    };
    let gone = || {
        Happening::Target(Change {
            before: target(),
            after: None,
        })
    };
    assert_eq!(due(gone), ["plain"]);
}
