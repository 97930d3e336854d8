//! Holds the documentation to the code. The reference pages of the operator under `docs/reference` are made
//! from the command line and the metrics: tests compare them with the files, `make docs` writes
//! the files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;
use serde_json::json;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;
use vaultbind_telemetry::pages;

use crate::args::Args;
use crate::cluster::View;
use crate::controller::Lead;
use crate::metrics::{Ended, Metrics};
use crate::queue::{Backoff, Queue};
use crate::resolve::{Source, Sweep};

#[test]
fn the_page_of_flags_is_what_the_command_line_says() {
    compare("operator-flags.md", &pages::flags(&Args::command(), ""));
}

#[test]
fn the_page_of_metrics_is_what_the_operator_shows() {
    let page = pages::metrics(
        "vaultbind-operator",
        "Labels have fixed sets of values, but `namespace`, `name`, `object` and `object_name`, which are those \
         of the bindings that there are; their series go with the binding. The replica that leads \
         shows them, and `--binding-metrics=false` leaves them out.",
        &everything_happened().render().unwrap(),
        &["version", "namespace", "name", "object", "object_name"],
    );
    compare("operator-metrics.md", &page);
}

#[test]
fn the_series_of_a_binding_go_with_it() {
    let (view, lead) = (View::new(|_, _| {}), Lead::default());
    let metrics = metrics_of(Arc::clone(&view), lead.clone());
    view.bindings.put(binding());
    let line = "vaultbind_binding_condition{namespace=\"payments\",name=\"db\",type=\"Ready\",\
                status=\"True\"} 1";
    assert!(
        !metrics.render().unwrap().contains(line),
        "it does not lead"
    );
    lead.set(true);
    let text = metrics.render().unwrap();
    for line in [
        line,
        "vaultbind_bindings{ready=\"True\"} 1",
        "vaultbind_leader 1",
        "vaultbind_object_expiry_timestamp_seconds{namespace=\"payments\",name=\"db\",object=\"db\",\
         object_name=\"payments-db\"} 1893456000",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let name = crate::cluster::Name::of(&binding().metadata);
    crate::cluster::Keeper::deleted(view.bindings.as_ref(), &name);
    let text = metrics.render().unwrap();
    assert!(!text.contains("payments"), "{text}");
    assert!(text.contains("vaultbind_bindings{ready=\"True\"} 0"));
}

fn compare(name: &str, expected: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    assert!(
        pages::holds(&folder.join(name), expected).unwrap(),
        "docs/reference/{name} is not what the code says: run `make docs` and commit the result"
    );
}

fn metrics_of(view: Arc<View>, lead: Lead) -> Metrics {
    let queue = Arc::new(Queue::new(Backoff {
        first: Duration::ZERO,
        longest: Duration::ZERO,
    }));
    Metrics::new(view, queue, lead, true)
}

/// A binding with every condition in every status.
fn binding() -> VaultBinding {
    let statuses = ["True", "False", "Unknown"].into_iter().cycle();
    let conditions: Vec<_> = ConditionType::ALL
        .iter()
        .zip(statuses)
        .map(|(of, status)| {
            json!({"type": of.as_str(), "status": status, "reason": "A", "message": "",
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": "db", "namespace": "payments", "resourceVersion": "1"},
        "spec": {
            "vault": {"name": "kv", "tenantID": "11111111-2222-3333-4444-555555555555"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "serviceAccountName": "payments",
            },
            "objects": [{"name": "db", "objectName": "payments-db"}],
        },
        "status": {
            "conditions": conditions,
            "objects": [{
                "name": "db", "objectName": "payments-db", "type": "Secret", "state": "Current",
                "pinned": "0123456789abcdef0123456789abcdef", "expires": "2030-01-01T00:00:00Z",
            }],
        },
    }))
    .unwrap()
}

/// Metrics after everything that they can show has happened.
fn everything_happened() -> Metrics {
    let (view, lead) = (View::new(|_, _| {}), Lead::default());
    let metrics = metrics_of(Arc::clone(&view), lead.clone());
    lead.set(true);
    for (at, status) in ["True", "False", "Unknown"].into_iter().enumerate() {
        let mut binding = binding();
        binding.metadata.name = Some(format!("db-{at}"));
        let conditions = binding
            .status
            .iter_mut()
            .flat_map(|status| &mut status.conditions);
        for condition in conditions {
            condition.status = status.to_owned();
        }
        view.bindings.put(binding);
    }
    metrics.reconciled(Ended::Written, Duration::ZERO);
    for source in Source::ALL {
        metrics.questions().answered(source);
    }
    metrics.questions().swept(&Sweep::default());
    pages::all_calls(metrics.calls().as_ref());
    pages::all_management_calls(metrics.calls().as_ref());
    metrics
}
