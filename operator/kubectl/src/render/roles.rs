//! What lets ServiceAccounts use identities that are bound to an AKS cluster: RBAC of the cluster, which an
//! administrator applies.

use serde_json::{Value, json};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::IdentityType;

use crate::lint::Finding;

/// The ClusterRole and the ClusterRoleBinding for a binding; none for one whose identity is not bound. A
/// binding without a namespace of its own does not say whose ServiceAccount it is.
pub(super) fn of(binding: &VaultBinding, namespaced: bool) -> Result<Vec<Value>, Finding> {
    let identity = &binding.spec.identity;
    if identity.type_ != IdentityType::AKSIdentityBinding {
        return Ok(Vec::new());
    }
    let metadata = &binding.metadata;
    let (Some(name), Some(namespace), true) = (&metadata.name, &metadata.namespace, namespaced)
    else {
        return Err(Finding {
            field: "metadata.namespace".to_owned(),
            message:
                "must say whose ServiceAccount gets the identity: write it, or add -n NAMESPACE"
                    .to_owned(),
        });
    };
    // RBAC compares letter by letter, and Azure writes client ids in lower case.
    let client = identity.client_id.to_ascii_lowercase();
    let role = format!("vaultbind:use-managed-identity:{client}");
    Ok(vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role},
            "rules": [{
                "apiGroups": ["cid.wi.aks.azure.com"],
                "resources": [client],
                "verbs": ["use-managed-identity"],
            }],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            // Of one binding, so that those of others stay when it is applied.
            "metadata": {"name": format!("vaultbind:{namespace}:{name}")},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role,
            },
            "subjects": [{
                "kind": "ServiceAccount",
                "namespace": namespace,
                "name": identity.service_account_name,
            }],
        }),
    ])
}
