//! The policies as the API server understands them.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::site::{eventually, site};

/// What the type checker says of a policy, once it has looked at it.
async fn warnings(name: &str) -> Vec<String> {
    let api: Api<ValidatingAdmissionPolicy> = Api::all(site().await.server.client().unwrap());
    let api = &api;
    let checked = eventually("a policy is checked", || async move {
        let policy = api.get(name).await.unwrap();
        let status = policy.status.unwrap_or_default();
        let is_current = status.observed_generation == policy.metadata.generation;
        status.type_checking.filter(|_| is_current)
    })
    .await;
    let warnings = checked.expression_warnings.unwrap_or_default();
    let said = warnings
        .into_iter()
        .map(|found| format!("{}: {}", found.field_ref, found.warning));
    said.collect()
}

#[tokio::test]
async fn every_policy_compiles_and_knows_the_fields_it_asks_for() {
    let api: Api<ValidatingAdmissionPolicy> = Api::all(site().await.server.client().unwrap());
    let all = api.list(&ListParams::default()).await.unwrap().items;
    let names: Vec<String> = all.iter().map(|policy| policy.name_any()).collect();
    let ours: Vec<&String> = names
        .iter()
        .filter(|name| name.starts_with("vaultbind-") && !name.contains("-test-"))
        .collect();
    assert_eq!(ours.len(), 14, "{ours:?}");
    for name in ours {
        assert_eq!(warnings(name).await, [""; 0], "{name}");
    }
}

#[tokio::test]
async fn the_check_finds_a_field_that_there_is_not() {
    let admin = site().await.admin();
    let name = "typo";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["vaultbind.dev"], "apiVersions": ["v1alpha1"],
                "operations": ["CREATE"], "resources": ["vaultbindings"],
            }]},
            "validations": [{"expression": "object.spec.identity.serviceAccount != ''"}],
        },
    });
    // No binding puts it into force.
    admin.create(&json!(policy)).await.unwrap();
    let found = warnings(name).await.concat();
    assert!(found.contains("serviceAccount"), "{found}");
}
