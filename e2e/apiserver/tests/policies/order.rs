//! Definitions and policies come and go in any order: a parameter's kind may be younger than its policy.

use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, folder, install, manifest, policies, taken_up};

use crate::actor::Actor;
use crate::limits::class;
use crate::site::eventually;

fn binding() -> Value {
    json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": "payments", "namespace": "default"},
        "spec": {
            "vaultClassName": "tight",
            "vault": {"name": "kv-payments-prod", "tenantID": "contoso.example"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "serviceAccountName": "payments",
            },
            "objects": [{"name": "db-password"}],
        },
    })
}

/// Waits until a binding passes, then until the class's limit holds.
async fn works(server: &ApiServer) {
    let admin = Actor(server.client().unwrap());
    let (admin, binding) = (&admin, binding());
    let binding = &binding;
    eventually("bindings can be written", || async move {
        admin.try_create(binding).await.ok()
    })
    .await;
    let tight = class("tight", &json!({"objectNames": ["other-*"]}));
    admin.create(&tight).await.unwrap();
    eventually("the limit holds", || async move {
        let status = admin.try_create(binding).await.err()?;
        status
            .message
            .contains("VaultClass tight does not admit")
            .then_some(())
    })
    .await;
    admin.delete(&tight).await.unwrap();
}

#[tokio::test]
async fn policies_may_be_older_than_the_definitions_and_outlive_them() {
    let server = ApiServer::start().await.unwrap();
    manifest(&server, &policies().unwrap()).await.unwrap();
    // The API server has found that there is no such kind.
    taken_up(&server).await.unwrap();
    install(&server, &folder()).await.unwrap();
    works(&server).await;

    // The definitions go, with all bindings and classes, and come back.
    let admin = Actor(server.client().unwrap());
    admin.create(&binding()).await.unwrap();
    admin.create(&class("old", &json!({}))).await.unwrap();
    let mut kubectl = server.kubectl();
    kubectl
        .args(["delete", "--timeout=60s", "-f"])
        .arg(folder());
    let output = kubectl.output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    install(&server, &folder()).await.unwrap();
    works(&server).await;
}
