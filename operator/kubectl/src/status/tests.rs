//! Texts of whole reports, compared with the files in `snapshots`. `UPDATE_SNAPSHOTS=1` writes them anew.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use vaultbind_operator::secrets_store::MountedObject;

use super::*;
use crate::exit::Exit;
use crate::output::{Look, Output as _, render};
use crate::terminal::Paint;

const NEW: &str = "0123456789abcdef0123456789abcdef";
const OLD: &str = "fedcba9876543210fedcba9876543210";

fn condition(of: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": of, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2027-01-12T08:00:00Z", "observedGeneration": 2})
}

fn object(
    name: &str,
    state: &str,
    pinned: Option<&str>,
    latest: Option<&str>,
    pods: [i32; 2],
) -> Value {
    let mut object = json!({
        "name": name, "objectName": format!("payments-{name}"), "type": "Secret", "state": state,
    });
    if let Some(pinned) = pinned {
        object["pinned"] = json!(pinned);
        object["pods"] = json!({"current": pods[0], "total": pods[1]});
    }
    if let Some(latest) = latest {
        object["latest"] = json!(latest);
    }
    object
}

fn binding(name: &str, generation: i64, status: &Value) -> VaultBinding {
    serde_json::from_value(json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": name, "namespace": "payments", "generation": generation},
        "spec": {
            "vault": {"name": "kv-payments", "tenantID": "11111111-2222-3333-4444-555555555555"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "serviceAccountName": "api",
            },
            "objects": [{"name": "db", "objectName": "payments-db"}],
        },
        "status": status,
    }))
    .unwrap()
}

/// Ready, with a new version that has not come to all pods.
fn healthy() -> VaultBinding {
    let mut db = object("db", "Current", Some(NEW), Some(NEW), [1, 2]);
    db["expires"] = json!("2027-04-15T08:00:00Z");
    db["previous"] = json!(OLD);
    let tls = object("tls", "Behind", Some(OLD), Some(NEW), [2, 2]);
    binding(
        "db",
        2,
        &json!({
            "observedGeneration": 2,
            "conditions": [
                condition("Ready", "True", "Ready", "pods can mount it"),
                condition("AccessReady", "True", "Verified", "the vault answers"),
                condition("ExpiringSoon", "True", "ExpiringSoon", "secret payments-db expires soon"),
            ],
            "identity": {
                "subject": "system:serviceaccount:payments:api",
                "issuer": "https://oidc.example.com/cluster/",
                "audience": "api://AzureADTokenExchange",
                "lastVerified": "2027-01-15T07:58:00Z",
            },
            "objects": [db, tls],
            "secrets": [
                {"name": "db-env", "type": "Opaque", "state": "Synced", "deletionPolicy": "Delete",
                 "written": "2027-01-14T08:00:00Z"},
                {"name": "web-tls", "type": "kubernetes.io/tls", "state": "Conflict", "deletionPolicy": "Retain"},
            ],
            "rotation": {
                "lastCheck": "2027-01-15T07:58:00Z",
                "nextCheck": "2027-01-15T08:03:00Z",
                "lastPromotion": "2027-01-14T08:00:00Z",
            },
            "summary": {
                "vault": "kv-payments.vault.azure.net", "objects": "2/2", "pods": "1/2",
                "expires": "2027-04-15T08:00:00Z", "next": "check every 5m",
            },
        }),
    )
}

fn refused() -> VaultBinding {
    binding(
        "mail",
        3,
        &json!({
            "observedGeneration": 2,
            "conditions": [
                condition("Ready", "False", "AccessDenied", "see AccessReady"),
                condition("AccessReady", "False", "AccessDenied", "the identity may not read secrets: assign the role Key Vault Secrets User"),
            ],
            "objects": [object("db", "Unknown", None, None, [0, 0])],
            "azure": [
                {"id": "/subscriptions/1/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web/federatedIdentityCredentials/by-hand",
                 "kind": "FederatedCredential", "state": "Ready", "found": true},
                {"id": "/subscriptions/1/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/kv/providers/Microsoft.Authorization/roleAssignments/2",
                 "kind": "RoleAssignment", "state": "Propagating",
                 "since": "2027-01-15T07:58:00Z", "until": "2027-01-15T08:08:00Z"},
            ],
            "plan": [{"action": "Pin", "kind": "Secret", "name": "payments-db", "from": OLD, "to": NEW}],
        }),
    )
}

fn mount(pod: &str, versions: [&str; 2]) -> Mount {
    let object = |name: &str, version: &str| MountedObject {
        id: format!("secret/payments-{name}"),
        version: version.to_owned(),
    };
    Mount {
        pod: pod.to_owned(),
        objects: vec![object("db", versions[0]), object("tls", versions[1])],
    }
}

fn report(bindings: &[(VaultBinding, Option<Vec<Mount>>)], named: bool) -> StatusReport {
    StatusReport {
        bindings: bindings
            .iter()
            .map(|(binding, mounts)| BindingReport::of(binding, mounts.as_deref()))
            .collect(),
        notes: Vec::new(),
        named,
        place: "namespace payments".to_owned(),
    }
}

fn look(wide: bool) -> Look {
    Look {
        paint: Paint::PLAIN,
        wide,
        now: "2027-01-15T08:00:00Z".parse::<Timestamp>().unwrap(),
    }
}

fn pods() -> Option<Vec<Mount>> {
    Some(vec![mount("web-2", [OLD, OLD]), mount("web-1", [NEW, OLD])])
}

#[test]
fn texts_are_those_of_the_snapshots() {
    let fresh = binding("fresh", 1, &json!({}));
    let mut unseen = report(&[(healthy(), None)], false);
    unseen.notes = vec!["which pods mount is not shown: may not list".to_owned()];
    let mut differ = Vec::new();
    for (name, report, wide) in [
        ("named", report(&[(healthy(), pods())], true), false),
        ("named-wide", report(&[(healthy(), pods())], true), true),
        (
            "all",
            report(
                &[
                    (healthy(), pods()),
                    (refused(), Some(Vec::new())),
                    (fresh, Some(Vec::new())),
                ],
                false,
            ),
            false,
        ),
        ("pods-not-seen", unseen, false),
        ("nothing", report(&[], false), false),
    ] {
        let text = report.text(&look(wide));
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/status/tests/snapshots")
            .join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            differ.push(format!("{name}:\n{text}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn what_is_not_ready_or_not_looked_at_ends_with_1() {
    let mut late = healthy();
    late.metadata.generation = Some(3);
    for (binding, exit) in [
        (healthy(), Exit::Fine),
        (refused(), Exit::Wrong),
        (late, Exit::Wrong),
    ] {
        assert_eq!(report(&[(binding, None)], true).exit(), exit);
    }
    assert_eq!(report(&[], false).exit(), Exit::Fine);
}

#[test]
fn programs_get_whole_versions_and_pods_by_name() {
    let report = report(&[(healthy(), pods())], true);
    let text = render(&report, Format::Json, &look(false)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let binding = &value["bindings"][0];
    assert_eq!(binding["objects"][0]["pinned"], NEW);
    assert_eq!(binding["podCount"], json!({"current": 1, "total": 2}));
    assert_eq!(
        binding["pods"],
        json!([
            {"name": "web-1", "current": true},
            {"name": "web-2", "current": false, "behind": ["db"]},
        ])
    );
    let yaml = render(&report, Format::Yaml, &look(false)).unwrap();
    let from_yaml: Value = serde_yaml::from_str(&yaml).unwrap();
    assert_eq!(from_yaml, value);
}
