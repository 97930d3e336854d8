//! A confused deputy: bindings that name what is not theirs get nothing, by policy and, where that is off, by the
//! operator.

use super::*;
use crate::site::shared_with_azure_and_no_limits;

/// A binding of one namespace that names what another one has.
fn foreign(ours: &Scene, theirs: &Scene, what: &str) -> Value {
    let mut patch = ours.world.provisioning();
    match what {
        "identity" => {
            patch["identity"]["federatedCredential"]["identityResourceID"] =
                json!(theirs.world.identity_id("app"));
            patch["identity"]["clientID"] = json!(theirs.world.identity);
        }
        "identity of the role" => {
            patch["identity"]
                .as_object_mut()
                .unwrap()
                .remove("federatedCredential");
            patch["access"]["roleAssignment"]["identityResourceID"] =
                json!(theirs.world.identity_id("app"));
        }
        "vault" => {
            patch["vault"] = json!({"name": theirs.world.vault, "tenantID": TENANT});
            patch["access"]["roleAssignment"]["vaultResourceID"] = json!(theirs.world.vault_id());
        }
        "class" => patch["vaultClassName"] = json!(theirs.world.namespace),
        "role" => {
            patch["access"]["roleAssignment"]["roleNames"] = json!(["Key Vault Secrets Officer"])
        }
        other => panic!("{other}"),
    }
    let binding = ours.world.binding("payments", &["db-password"], &patch);
    binding
}

/// Two scenes, each with a class for its own namespace, identities and vault only.
async fn two(shared: &'static crate::site::Shared, prefix: &str) -> (Scene, Scene) {
    let ours = Scene::unprovisioned(shared, &format!("{prefix}a"), &["db-password"]).await;
    let theirs = Scene::unprovisioned(shared, &format!("{prefix}b"), &["db-password"]).await;
    for scene in [&ours, &theirs] {
        class(
            scene,
            &json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.world.namespace}},
                "identities": [scene.world.identity_id("*")],
                "vaults": [scene.world.vault],
            }),
        )
        .await;
    }
    (ours, theirs)
}

#[tokio::test]
async fn a_policy_refuses_what_is_not_the_namespaces_own() {
    let (ours, theirs) = two(shared_with_azure().await, "azpol").await;
    let api = ours.bindings();
    // The class is known once what it admits is admitted.
    bind(&ours, "own", &["db-password"], &Value::Null).await;
    for what in ["identity", "identity of the role", "vault", "class", "role"] {
        let binding: VaultBinding = serde_json::from_value(foreign(&ours, &theirs, what)).unwrap();
        match api.create(&PostParams::default(), &binding).await {
            Err(kube::Error::Api(status)) => {
                assert!(
                    status.message.contains("ValidatingAdmissionPolicy"),
                    "{what}: {}",
                    status.message
                );
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(there(&theirs), (Vec::new(), Vec::new()));
    delete(&ours, "own").await;
    ours.finish().await;
    theirs.finish().await;
}

#[tokio::test]
async fn the_operator_makes_nothing_that_is_not_the_namespaces_own() {
    let (ours, theirs) = two(shared_with_azure_and_no_limits().await, "azop").await;
    let api = ours.bindings();
    for (what, expected) in [
        ("identity", "IdentityNotAllowed"),
        ("identity of the role", "IdentityNotAllowed"),
        ("vault", "VaultNotAllowed"),
        ("class", "NamespaceNotAllowed"),
        ("role", "RoleNotAllowed"),
    ] {
        let binding: VaultBinding = serde_json::from_value(foreign(&ours, &theirs, what)).unwrap();
        api.create(&PostParams::default(), &binding).await.unwrap();
        let stalled = |binding: &VaultBinding| reason(binding, ConditionType::Stalled) == expected;
        ours.within(PATIENCE, "payments", what, stalled).await;
        delete(&ours, "payments").await;
    }
    assert_eq!(there(&ours), (Vec::new(), Vec::new()));
    assert_eq!(there(&theirs), (Vec::new(), Vec::new()));
    assert_eq!(writes(ours.azure(), &theirs.world.namespace), []);
    ours.finish().await;
    theirs.finish().await;
}

#[tokio::test]
async fn a_status_that_names_what_is_not_ours_removes_nothing() {
    let shared = shared_with_azure().await;
    let ours = scene("azforga", &["db-password"]).await;
    let theirs = scene("azforgb", &["db-password"]).await;
    bind(&theirs, "payments", &["db-password"], &Value::Null).await;
    theirs.within(PATIENCE, "payments", "Ready", is_ready).await;
    let before = there(&theirs);
    assert_eq!((before.0.len(), before.1.len()), (1, 1));
    let forged: Vec<Value> = (shared.site.stage.azure)
        .managed_below(&format!(
            "{SUBSCRIPTION}/resourceGroups/{}",
            theirs.world.namespace
        ))
        .into_iter()
        .map(|id| {
            let kind = if id.contains("/roleAssignments/") {
                "RoleAssignment"
            } else {
                "FederatedCredential"
            };
            json!({"id": id, "kind": kind, "state": "Ready"})
        })
        .collect();
    // Whoever may write a status could write this. The other binding goes first, so nobody shares it.
    bind(
        &ours,
        "thief",
        &["db-password"],
        &json!({"reconcilePolicy": "Suspend"}),
    )
    .await;
    let patch = json!({"metadata": {"finalizers": ["vaultbind.dev/azure"]}});
    ours.patch("thief", &patch).await;
    let status = json!({"status": {"azure": forged}});
    let api = ours.bindings();
    api.patch_status("thief", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    let retain = json!({"spec": {
        "identity": {"federatedCredential": {"deletionPolicy": "Retain"}},
        "access": {"roleAssignment": {"deletionPolicy": "Retain"}},
    }});
    theirs.patch("payments", &retain).await;
    let retained = |binding: &VaultBinding| crate::scene::is_observed(binding);
    theirs
        .within(PATIENCE, "payments", "the policy", retained)
        .await;
    delete(&theirs, "payments").await;
    delete(&ours, "thief").await;
    assert_eq!(there(&theirs), before);
    ours.finish().await;
    theirs.finish().await;
}
