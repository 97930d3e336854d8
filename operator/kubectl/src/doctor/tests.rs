//! `diagnose` on made-up clusters: what an API server cannot be brought to quickly, and the texts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::diagnosis::{Check, State, Step};
use super::report::Report;
use super::snapshot::{Look, Snapshot};
use super::vault::command;
use super::{Asked, Diagnosis, diagnose};
use crate::exit::Exit;
use crate::output::{self, Output as _};
use crate::terminal::Paint;

mod faults;

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// All of a cluster, as JSON that tests change.
fn cluster() -> Value {
    let condition = |type_: &str, reason: &str, message: &str| {
        json!({"type": type_, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": "2026-03-01T10:00:00Z", "observedGeneration": 1})
    };
    json!({
        "bindings": [{
            "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding",
            "metadata": {"name": "payments", "namespace": "shop", "generation": 1,
                "creationTimestamp": "2026-03-01T09:00:00Z"},
            "spec": {
                "vault": {"name": "kv-payments", "tenantID": "11111111-2222-3333-4444-555555555555"},
                "identity": {"clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                    "serviceAccountName": "app"},
                "objects": [{"name": "db"}],
            },
            "status": {
                "observedGeneration": 1,
                "conditions": [
                    condition("Ready", "Pinned", "every object has a version"),
                    condition("DriverReady", "Configured", "the CSI driver asks for the token"),
                    condition("IdentityReady", "TokenIssued", "Entra takes the token"),
                    condition("AccessReady", "Listed", "the vault told all versions"),
                    condition("ObjectsResolved", "Resolved", "each object has a version"),
                ],
                "objects": [{"name": "db", "objectName": "db", "type": "Secret", "state": "Current",
                    "pinned": "0123456789abcdef0123456789abcdef"}],
                "rotation": {"lastPromotion": "2026-03-01T11:00:00Z"},
            },
        }],
        "leases": [{"metadata": {"name": "vaultbind-operator", "namespace": "kube-system"},
            "spec": {"holderIdentity": "operator-1", "leaseDurationSeconds": 15,
                "renewTime": "2026-03-01T11:59:55.000000Z"}}],
        "operators": [{"metadata": {"name": "vaultbind-operator", "namespace": "kube-system"},
            "spec": {"replicas": 2, "selector": {}, "template": {}}, "status": {"readyReplicas": 2}}],
        "driver": {"metadata": {"name": "secrets-store.csi.k8s.io"}, "spec": {
            "tokenRequests": [{"audience": "api://AzureADTokenExchange"}], "requiresRepublish": true}},
        "nodes": {"node-a": {"metadata": {"name": "node-a"},
            "spec": {"drivers": [{"name": "secrets-store.csi.k8s.io", "nodeID": "node-a"}]}}},
        "node_pods": [{"metadata": {"name": "provider-1", "namespace": "kube-system",
                "labels": {"app.kubernetes.io/component": "provider"}},
            "spec": {"nodeName": "node-a", "containers": []},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}],
        "accounts": [{"metadata": {"name": "app", "namespace": "shop"}}],
        "classes": [{"metadata": {"name": "payments", "namespace": "shop"}, "spec": {}}],
        "pods": [{"metadata": {"name": "api-0", "namespace": "shop", "uid": "u1",
                "creationTimestamp": "2026-03-01T09:30:00Z"},
            "spec": {"nodeName": "node-a", "serviceAccountName": "app",
                "containers": [{"name": "main", "volumeMounts": [
                    {"name": "secrets", "mountPath": "/secrets"}]}],
                "volumes": [{"name": "secrets", "csi": {"driver": "secrets-store.csi.k8s.io",
                    "readOnly": true, "volumeAttributes": {"secretProviderClass": "payments"}}}]},
            "status": {"phase": "Running"}}],
        "events": [],
        "mounts": [{"metadata": {"name": "api-0-payments", "namespace": "shop"},
            "status": {"podName": "api-0", "secretProviderClassName": "payments", "mounted": true,
                "objects": [{"id": "secret/db", "version": "0123456789abcdef0123456789abcdef"}]}}],
    })
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Look<T> {
    match value["hidden"].as_str() {
        Some(why) => Look::Not(why.to_owned()),
        None => Look::Seen(serde_json::from_value(value.clone()).unwrap()),
    }
}

fn snapshot(cluster: &Value) -> Snapshot {
    let nodes = cluster["nodes"].as_object().unwrap().iter();
    Snapshot {
        namespace: "shop".to_owned(),
        has_bindings: Look::Seen(cluster["no_kinds"].is_null()),
        has_driver_kinds: Look::Seen(cluster["no_driver_kinds"].is_null()),
        leases: read(&cluster["leases"]),
        operators: read(&cluster["operators"]),
        driver: read(&cluster["driver"]),
        nodes: nodes
            .map(|(name, node)| (name.clone(), read(node)))
            .collect(),
        node_pods: read(&cluster["node_pods"]),
        bindings: read(&cluster["bindings"]),
        accounts: read(&cluster["accounts"]),
        classes: read(&cluster["classes"]),
        pods: read(&cluster["pods"]),
        events: read(&cluster["events"]),
        mounts: read(&cluster["mounts"]),
    }
}

fn ask(cluster: &Value, asked: &Asked) -> Vec<Diagnosis> {
    diagnose(&snapshot(cluster), asked, now())
}

fn payments(cluster: &Value) -> Diagnosis {
    ask(cluster, &Asked::Binding("payments".to_owned())).remove(0)
}

/// A cluster in which values were replaced, by their JSON pointers; what is missing is made.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut cluster = cluster();
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = cluster
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("no {pointer}"));
        match parent {
            Value::Array(all) => match key.parse::<usize>() {
                Ok(at) if at < all.len() => all[at] = value.clone(),
                _ => all.push(value.clone()),
            },
            parent => parent[key] = value.clone(),
        }
    }
    cluster
}

fn hidden(what: &str) -> Value {
    json!({"hidden": format!("you may not {what}")})
}

fn waiting() -> (&'static str, Value) {
    ("/pods/0/status", json!({"phase": "Pending"}))
}

fn said(message: &str) -> (&'static str, Value) {
    let event = json!({"metadata": {}, "reason": "FailedMount", "message": message,
        "involvedObject": {"kind": "Pod", "name": "api-0", "uid": "u1"}});
    ("/events/0", event)
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-03-01T11:00:00Z"})
}

#[test]
fn a_cluster_in_which_nothing_is_wrong_is_healthy() {
    let found = payments(&cluster());
    assert_eq!(found.findings(), []);
    assert_eq!(found.state, State::Healthy);
    let looked = found.steps.iter().flat_map(|walked| &walked.checks);
    let not_looked: Vec<&Check> = looked
        .filter(|check| matches!(check, Check::NotLooked { .. }))
        .collect();
    assert!(not_looked.is_empty(), "{not_looked:?}");
}

#[test]
fn what_works_and_should_be_different_is_a_warning() {
    for (changes, step, reason) in [
        (
            vec![("/driver/spec/requiresRepublish", json!(false))],
            Step::Driver,
            "RepublishOff",
        ),
        (
            vec![("/bindings/0/spec/reconcilePolicy", json!("Suspend"))],
            Step::Binding,
            "Suspended",
        ),
        (
            vec![(
                "/bindings/0/status/conditions/9",
                condition("ExpiringSoon", "True", "Expires", "db"),
            )],
            Step::Objects,
            "Expires",
        ),
        (
            vec![(
                "/pods/0/spec/containers/0/volumeMounts/0/subPath",
                json!("db"),
            )],
            Step::Mounts,
            "SubPath",
        ),
        (
            vec![(
                "/pods/0/spec/volumes/0/csi/volumeAttributes/clientID",
                json!("x"),
            )],
            Step::Mounts,
            "Overridden",
        ),
        (
            vec![("/node_pods", json!([]))],
            Step::Driver,
            "ProviderNotOnNode",
        ),
    ] {
        let found = payments(&with(&changes));
        assert_eq!(
            (found.state, found.step, found.reason.as_deref()),
            (State::Warned, Some(step), Some(reason)),
            "{changes:?}"
        );
        assert_eq!(Report::new(vec![found], false).exit(), Exit::Fine);
    }
}

#[test]
fn what_may_not_be_seen_is_no_failure() {
    let mut changes = vec![("/driver", hidden("get csidrivers"))];
    for pointer in [
        "/leases",
        "/operators",
        "/node_pods",
        "/accounts",
        "/classes",
        "/events",
        "/mounts",
    ] {
        changes.push((pointer, hidden("list it")));
    }
    changes.push(("/nodes/node-a", hidden("get csinodes node-a")));
    let found = payments(&with(&changes));
    assert_eq!(found.findings(), []);
    let all = with(&[("/bindings", hidden("list vaultbindings"))]);
    let report = Report::new(ask(&all, &Asked::Binding("payments".to_owned())), false);
    assert_eq!(report.exit(), Exit::NotAsked);
}

#[test]
fn a_pod_that_runs_as_others_do_not_is_no_failure_while_it_runs() {
    let found = payments(&with(&[("/pods/0/spec/serviceAccountName", json!("web"))]));
    assert_eq!(found.state, State::Healthy);
}

#[test]
fn pods_that_lead_nowhere_are_of_the_binding_with_their_account_or_of_their_own() {
    let class = "/pods/0/spec/volumes/0/csi/volumeAttributes/secretProviderClass";
    let same = with(&[waiting(), (class, json!("paymentz"))]);
    let found = ask(&same, &Asked::Namespace);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].kind, found[0].reason.as_deref()),
        ("VaultBinding", Some("ClassNotFound"))
    );
    let other = with(&[
        waiting(),
        (class, json!("paymentz")),
        ("/pods/0/spec/serviceAccountName", json!("web")),
    ]);
    let found = ask(&other, &Asked::Namespace);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].kind, found[0].reason.as_deref()),
        ("Pod", Some("ClassNotFound"))
    );
    assert_eq!(found[1].state, State::Healthy);
}

#[test]
fn an_empty_namespace_is_looked_at_too() {
    let found = ask(
        &with(&[("/bindings", json!([])), ("/pods", json!([]))]),
        &Asked::Namespace,
    );
    assert_eq!(
        (found[0].kind, found[0].state),
        ("Namespace", State::Healthy)
    );
}

#[test]
fn commands_are_taken_out_of_messages_as_a_whole() {
    for (message, wanted) in [
        (
            "no role: az role assignment create --role X --scope Y; a new one takes minutes",
            Some("az role assignment create --role X --scope Y"),
        ),
        (
            "missing: kubectl create serviceaccount -n a b, or correct the spec",
            Some("kubectl create serviceaccount -n a b"),
        ),
        (
            "do: az identity list --query \"[].{name:name, id:id}\" -o table",
            Some("az identity list --query \"[].{name:name, id:id}\" -o table"),
        ),
        ("topaz is a stone", None),
        ("see the log", None),
    ] {
        assert_eq!(command(message).as_deref(), wanted, "{message}");
    }
}

fn look() -> output::Look {
    output::Look {
        paint: Paint::PLAIN,
        wide: false,
        now: now(),
    }
}

fn golden(name: &str, cluster: &Value, all: bool) {
    let report = Report::new(ask(cluster, &Asked::Namespace), all);
    let text = report.text(&look());
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/doctor/tests/snapshots")
        .join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap(), "{name}");
}

#[test]
fn the_texts_are_as_they_were() {
    golden("healthy", &cluster(), false);
    let refused = condition(
        "AccessReady",
        "False",
        "RoleMissing",
        "no role lets the workload list versions in kv-payments: az role assignment create --role \
         \"Key Vault Secrets User\" --assignee A --scope S; a new assignment takes some minutes",
    );
    let two = with(&[
        ("/bindings/0/status/conditions/3", refused),
        ("/nodes/node-a", hidden("get csinodes node-a")),
        waiting(),
        said("rpc error: code = PermissionDenied desc = the vault refuses the node"),
    ]);
    golden("two-faults", &two, false);
    golden("two-faults-all", &two, true);
}
