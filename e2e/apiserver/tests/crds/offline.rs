//! What `kubectl vaultbind render` says of objects without an API server is what the API server says.

use serde_json::{Value, json};
use vaultbind_kubectl::lint::{self, Lint};

use crate::fixture::{Kind, causes};
use crate::rules::{Row, object};
use crate::tables::{self, azure::roles};

fn findings(lint: &Lint, kind: Kind, object: &Value) -> Vec<lint::Finding> {
    let kind = match kind {
        Kind::Binding => lint::Kind::Binding,
        Kind::Class => lint::Kind::Class,
    };
    lint.check(kind, object)
}

#[test]
fn every_row_is_judged_alike_without_an_api_server() {
    let lint = Lint::new().unwrap();
    let rows = tables::all();
    let mut faults = Vec::new();
    for row in &rows {
        let Row {
            kind,
            field,
            remedy,
            good,
            bad,
        } = row;
        let found = findings(&lint, *kind, &object(*kind, good));
        if !found.is_empty() {
            faults.push(format!("{field}: {good} is refused: {found:?}"));
        }
        let found = findings(&lint, *kind, &object(*kind, bad));
        match found.as_slice() {
            [one] if one.field == *field && one.message.contains(remedy) => {}
            _ => faults.push(format!("{field}: {bad}: {found:?}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Mistakes of form, which the API server tells in words of its own.
fn malformed() -> Vec<(Kind, Value)> {
    let binding = [
        json!({"vault": {"tenantID": 1}}),
        json!({"vault": null}),
        json!({"identity": {"clientID": null}}),
        json!({"objects": {}}),
        json!({"objects": []}),
        json!({"objects": [{"name": "a"}, {"name": "a"}]}),
        json!({"objects": [{"name": "a", "optional": "yes"}]}),
        json!({"objects": [{"name": "a", "type": "secret"}]}),
        json!({"objects": [{"name": "a".repeat(128)}]}),
        json!({"objects": [{"name": "a", "select": {"prefix": "a", "max": 0}}]}),
        json!({"objects": [{"name": "a", "select": {"prefix": "a", "max": 1000}}]}),
        json!({"objects": [{"name": "a", "select": {"tags": {}}}]}),
        json!({"objects": [{"name": "a", "type": "Certificate", "parts": ["Leaf", "Leaf"]}]}),
        json!({"reconcilePolicy": "apply"}),
        json!({"vaultClassName": ""}),
        json!({"identity": {"federatedCredential": {}}}),
        json!({"access": {"roleAssignment": {}}}),
        roles(&json!({"roleNames": []})),
        roles(&json!({"roleNames": [""]})),
        roles(&json!({"roleNames": ["a", "a"]})),
        roles(&json!({"roleNames": ["a", "b", "c", "d", "e", "f"]})),
        roles(&json!({"scope": "object"})),
        roles(&json!({"deletionPolicy": "Keep"})),
    ];
    let class = [
        json!({"vaults": "kv-*"}),
        json!({"vaults": []}),
        json!({"budgets": {"bindingsPerNamespace": 0}}),
        json!({"budgets": {"vaultRequestsPerSecond": 1.5}}),
        json!({"detection": "operator"}),
        json!({"namespaceSelector": {"matchLabels": {"a": 1}}}),
        json!({"identities": [""]}),
        json!({"roleNames": ["a", "a"]}),
    ];
    let of = |kind| move |patch| (kind, patch);
    let binding = binding.into_iter().map(of(Kind::Binding));
    binding
        .chain(class.into_iter().map(of(Kind::Class)))
        .collect()
}

#[tokio::test]
async fn mistakes_of_form_are_found_where_the_api_server_finds_them() {
    let lint = Lint::new().unwrap();
    let mut faults = Vec::new();
    for (kind, patch) in malformed() {
        let object = object(kind, &patch);
        let mut theirs: Vec<_> = causes(kind, &object)
            .await
            .into_iter()
            .map(|cause| cause.field)
            .collect();
        let mut ours: Vec<_> = findings(&lint, kind, &object)
            .into_iter()
            .map(|found| found.field)
            .collect();
        for fields in [&mut theirs, &mut ours] {
            // That it looked no further is told of the object as a whole.
            fields.retain(|field| !field.is_empty());
            fields.sort();
            fields.dedup();
        }
        if theirs.is_empty() || theirs != ours {
            faults.push(format!("{patch}: the API server {theirs:?}, we {ours:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
