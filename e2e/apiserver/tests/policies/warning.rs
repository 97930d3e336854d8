//! Whoever deletes a binding that pods mount is warned.

use serde_json::json;

use crate::actor::without_right;
use crate::site::{Tenant, site};

/// What kubectl says when the administrator deletes a binding.
async fn deleted(tenant: &Tenant, name: &str) -> String {
    let mut kubectl = site().await.server.kubectl();
    kubectl.args([
        "--namespace",
        &tenant.namespace,
        "delete",
        "vaultbinding",
        name,
    ]);
    let output = kubectl.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test]
async fn a_binding_that_pods_mount_is_deleted_with_a_warning() {
    let tenant = Tenant::new("warning").await;
    for (name, policy, pods, warned) in [
        ("mounted", "Delete", Some("2/13"), true),
        ("outdated", "Delete", Some("0/1"), true),
        ("many", "Delete", Some("100/100"), true),
        ("idle", "Delete", Some("0/0"), false),
        ("new", "Delete", None, false),
        // Its class stays.
        ("retained", "Retain", Some("2/3"), false),
    ] {
        let binding = tenant.binding(name, &json!({"deletionPolicy": policy}));
        tenant.editor.create(&binding).await.unwrap();
        if let Some(pods) = pods {
            let status = json!({"status": {"summary": {"pods": pods}}});
            tenant
                .operator
                .patch_part(&binding, "status", &status)
                .await
                .unwrap();
        }
        without_right(tenant.reader.delete(&binding).await);
        without_right(tenant.operator.delete(&binding).await);
        let said = deleted(&tenant, name).await;
        match warned {
            true => {
                let (_, all) = pods.unwrap().split_once('/').unwrap();
                assert!(
                    said.contains(&format!("{all} pods mount VaultBinding {name}.")),
                    "{said}"
                );
                assert!(said.contains("Apply the binding again"), "{said}");
            }
            false => assert_eq!(said, "", "{name}"),
        }
        assert_eq!(tenant.admin.get(&binding).await.unwrap_err().code, 404);
    }
}
