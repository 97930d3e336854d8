//! Each object as the API server would store it: a dry run of server-side apply, in which fields that there are
//! not are errors, and warnings, such as of what is deprecated, are, too.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, combinations, rendered_combination};

use crate::site::{named, objects, server};

/// What kubectl says of it.
async fn dry_run(server: &ApiServer, object: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("object.json");
    std::fs::write(&file, object.to_string()).unwrap();
    let output = server
        .kubectl()
        .args(["apply", "--server-side", "--dry-run=server"])
        .args(["--validate=strict", "--warnings-as-errors", "--output=name"])
        .arg("-f")
        .arg(&file)
        .output()
        .await
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn every_object_of_every_combination_of_values_is_taken() {
    let server = server().await;
    let mut kinds = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let mut refused = Vec::new();
    for file in combinations().unwrap() {
        for object in objects(&rendered_combination(&file).await.unwrap()) {
            kinds.insert(object["kind"].as_str().unwrap().to_owned());
            // Most are the same in all.
            if taken.insert(object.to_string())
                && let Err(said) = dry_run(server, &object).await
            {
                refused.push(format!("{}: {}: {said}", file.display(), named(&object)));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(taken.len() > 100, "{}", taken.len());
    // None is left out: also those whose definitions come from others.
    for kind in [
        "CustomResourceDefinition",
        "DaemonSet",
        "PodMonitor",
        "ValidatingAdmissionPolicy",
        "VaultClass",
    ] {
        assert!(kinds.contains(kind), "{kind} is in none of {kinds:?}");
    }
}

#[tokio::test]
async fn an_unknown_field_a_wrong_value_and_a_warning_are_refused() {
    let server = server().await;
    let account = |more: Value| {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "shop"},
        });
        object
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        object
    };
    dry_run(server, &account(json!({}))).await.unwrap();
    let said = dry_run(server, &account(json!({"automountToken": true})))
        .await
        .unwrap_err();
    assert!(said.contains("automountToken"), "{said}");

    let class = json!({
        "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultClass", "metadata": {"name": "a"},
        "spec": {"defaults": {"checkInterval": "1s"}},
    });
    let said = dry_run(server, &class).await.unwrap_err();
    assert!(said.contains("checkInterval"), "{said}");

    let monitor = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor",
        "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"selector": {}, "podMetricsEndpoints": [{"port": "metrics", "intervals": "1s"}]},
    });
    let said = dry_run(server, &monitor).await.unwrap_err();
    assert!(said.contains("intervals"), "{said}");

    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
        "spec": {
            "serviceAccountName": "default",
            "containers": [
                {"name": "a", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
            ],
        },
    });
    let said = dry_run(server, &pod).await.unwrap_err();
    assert!(
        said.to_lowercase().contains("warning") || said.contains("duplicate"),
        "{said}"
    );
}
