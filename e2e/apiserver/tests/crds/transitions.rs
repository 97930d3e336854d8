//! Rules about what an object becomes.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::fixture::{Cause, Kind, causes_of, server};

/// Tries an update of a stored binding, pinned or not, without keeping it.
async fn update(name: &str, patch: &Value) -> Vec<Cause> {
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let api = Kind::Binding.api().await;
    causes_of(api.patch(name, &params, &Patch::Merge(patch)).await)
}

/// Stores a binding; pinned, as the operator would say it.
async fn stored(name: &str, pinned: bool) {
    server().await;
    let api = Kind::Binding.api().await;
    let binding = serde_json::from_value(Kind::Binding.minimal(name)).unwrap();
    api.create(&PostParams::default(), &binding).await.unwrap();
    let mut object = json!({
        "name": "db-password", "objectName": "db-password", "type": "Secret", "state": "Current",
    });
    if pinned {
        object["pinned"] = "0123456789abcdef0123456789abcdef".into();
    }
    let status = json!({"status": {"objects": [object]}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
}

fn other_vaults() -> [Value; 3] {
    [
        json!({"spec": {"vault": {"name": "kv-other"}}}),
        json!({"spec": {"vault": {"name": null, "uri": "https://kv-other.vault.azure.net"}}}),
        json!({"spec": {"vault": {"cloud": "AzureChina"}}}),
    ]
}

/// The refusals of moves of the vault that nobody looked at.
pub(crate) async fn refusals() -> Vec<Cause> {
    stored("refused", true).await;
    let mut all = Vec::new();
    for patch in other_vaults() {
        let causes = update("refused", &patch).await;
        let [cause] = causes.as_slice() else {
            panic!("{patch}: {causes:?}");
        };
        assert_eq!(cause.field, "spec.vault", "{patch}");
        assert!(
            cause
                .message
                .contains("set Plan together with the new vault"),
            "{cause:?}"
        );
        all.extend(causes);
    }
    all
}

#[tokio::test]
async fn the_vault_moves_under_plan_and_suspend_and_before_anything_is_pinned() {
    stored("pinned", true).await;
    stored("unpinned", false).await;
    for patch in other_vaults() {
        assert_eq!(update("unpinned", &patch).await, []);
        for policy in ["Plan", "Suspend"] {
            let mut patch = patch.clone();
            patch["spec"]["reconcilePolicy"] = policy.into();
            assert_eq!(update("pinned", &patch).await, [], "{policy}");
        }
    }
}

#[tokio::test]
async fn all_else_may_change_while_versions_are_pinned() {
    stored("free", true).await;
    for spec in [
        json!({"vault": {"tenantID": "contoso.example"}}),
        json!({"identity": {"clientID": "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee"}}),
        json!({"vaultClassName": "prod"}),
        json!({"objects": [{"name": "db-password", "type": "Certificate"}]}),
        json!({"objects": [{"name": "other"}]}),
        json!({"deletionPolicy": "Retain"}),
    ] {
        assert_eq!(update("free", &json!({"spec": spec})).await, [], "{spec}");
    }
}

#[tokio::test]
async fn a_plan_is_applied_by_setting_the_policy_alone() {
    stored("planned", true).await;
    let api = Kind::Binding.api().await;
    for patch in [
        json!({"spec": {"reconcilePolicy": "Plan", "vault": {"name": "kv-other"}}}),
        json!({"spec": {"reconcilePolicy": "Apply"}}),
    ] {
        api.patch("planned", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }
}
