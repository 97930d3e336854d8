//! Admission policies.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};

use crate::ApiServer;
use crate::install::manifest;

/// What the last policy of all refuses.
const MARK: &str = "vaultbind-test-enforced";

/// How long policies may take to be in force: usually a second, half a minute if a kind is new.
const PATIENCE: Duration = Duration::from_secs(60);

/// The project's own policies, as plain files.
///
/// # Errors
/// When they cannot be read.
pub fn policies() -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/vaultbind/policies");
    let mut all = String::new();
    for file in std::fs::read_dir(folder)? {
        all.push_str("---\n");
        all.push_str(&std::fs::read_to_string(file?.path())?);
    }
    Ok(all)
}

/// Waits until all policies that were made before are in force, and the kinds of their parameters are known: the
/// API server looks for new kinds twice a minute, and refuses until then all that such a policy matches.
///
/// # Errors
/// When the API server refuses what marks it, or does not come to it.
pub async fn enforced(server: &ApiServer) -> anyhow::Result<()> {
    taken_up(server).await?;
    let client = server.client()?;
    let object = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": MARK},
        "spec": {
            "vault": {"name": "kv-payments-prod", "tenantID": "contoso.example"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "serviceAccountName": "payments",
            },
            "objects": [{"name": "db-password"}],
        },
    });
    until(&client, &object, |said| {
        !said.contains("failed to configure")
    })
    .await
}

/// Waits until the API server has looked at all policies that were made before. It takes them up in their order,
/// so one more is made, and waited for.
///
/// # Errors
/// When the API server refuses it, or does not come to it.
pub async fn taken_up(server: &ApiServer) -> anyhow::Result<()> {
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": MARK},
            "spec": spec,
        })
    };
    let policy = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["configmaps"],
            "resourceNames": [MARK],
        }]},
        "validations": [{"expression": "false", "message": MARK}],
    });
    let binding = json!({"policyName": MARK, "validationActions": ["Deny"]});
    let policy = object("ValidatingAdmissionPolicy", policy);
    let binding = object("ValidatingAdmissionPolicyBinding", binding);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]});
    manifest(server, &list.to_string()).await?;

    let client = server.client()?;
    let marked = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MARK}});
    until(&client, &marked, |said| said.contains(MARK)).await
}

/// Tries to create an object until what is said of it is as wanted.
async fn until(
    client: &Client,
    object: &Value,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = said(client, object).await?;
        if wanted(&said) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "policies are not in force: {said}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Why an object would not be created; nothing if it would.
async fn said(client: &Client, object: &Value) -> anyhow::Result<String> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types
        .api_version
        .split_once('/')
        .unwrap_or(("", &types.api_version));
    let kind = GroupVersionKind::gvk(group, version, &types.kind);
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&params, &object).await {
        Ok(_) => Ok(String::new()),
        Err(kube::Error::Api(status)) => Ok(status.message.clone()),
        Err(error) => Err(error.into()),
    }
}
