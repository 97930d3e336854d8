//! Pod Security: in a namespace of the level restricted the operator's pods are admitted, whatever the values
//! add; those of the provider, which need a folder of the node, are not.

use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, combinations, manifest, rendered_combination};

use crate::site::{objects, server};

/// A namespace that enforces the level.
async fn restricted(server: &ApiServer) -> String {
    let namespace = server.namespace("restricted").await.unwrap();
    let label = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    manifest(server, &label.to_string()).await.unwrap();
    namespace
}

/// A workload's template as a pod.
fn pod(workload: &Value, namespace: &str) -> Value {
    let template = &workload["spec"]["template"];
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "one", "namespace": namespace, "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    })
}

async fn create(server: &ApiServer, object: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pod.json");
    std::fs::write(&file, object.to_string()).unwrap();
    let mut kubectl = server.kubectl();
    kubectl.args(["create", "--dry-run=server", "-f"]);
    let output = kubectl.arg(&file).output().await.unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn the_operators_pods_are_restricted_and_the_providers_are_not() {
    let server = server().await;
    let mut workloads = Vec::new();
    for file in combinations().unwrap() {
        for object in objects(&rendered_combination(&file).await.unwrap()) {
            if matches!(object["kind"].as_str(), Some("Deployment" | "DaemonSet")) {
                workloads.push((file.clone(), object));
            }
        }
    }
    let namespace = restricted(server).await;

    let mut admitted = 0;
    for (file, workload) in workloads {
        let done = create(server, &pod(&workload, &namespace)).await;
        let said = done.err().unwrap_or_default();
        if workload["kind"] == "Deployment" {
            assert_eq!(said, "", "{}", file.display());
            admitted += 1;
        } else {
            assert!(said.contains("violates PodSecurity \"restricted"), "{said}");
            assert!(said.contains("hostPath"), "{said}");
        }
    }
    assert!(admitted > 15, "{admitted}");
}
