//! The list of what is left in Azure of bindings that are gone: a ConfigMap in the operator's namespace.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use vaultbind_crds::status::AzureKind;

use super::{MANAGER, WriteError, Writer, within};

/// Name of the list.
pub const LIST: &str = "vaultbind-orphans";

/// Something that is left in Azure, as a value of the list has it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// Its resource id.
    pub id: String,
    /// What it is.
    pub kind: AzureKind,
    /// Namespace and name of the binding, with a slash between.
    pub binding: String,
    /// When it was given up.
    pub since: String,
    /// Why.
    pub why: String,
}

impl Orphan {
    /// Namespace of the binding.
    pub fn namespace(&self) -> Option<&str> {
        let (namespace, _) = self.binding.split_once('/')?;
        Some(namespace)
    }
}

impl Writer {
    /// Adds to the list, which the chart has made.
    pub(crate) async fn orphans(
        &self,
        namespace: &str,
        orphans: &[Orphan],
    ) -> Result<(), WriteError> {
        self.leads()?;
        let entries: BTreeMap<String, String> = (orphans.iter())
            .map(|orphan| (key(&orphan.id), json!(orphan).to_string()))
            .collect();
        let api: Api<ConfigMap> = self.api(namespace);
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"data": entries}));
        within(api.patch(LIST, &parameters, &patch)).await.map(drop)
    }
}

/// Keys of a ConfigMap hold no slashes, and the same resource is there once.
fn key(id: &str) -> String {
    let id = id.to_ascii_lowercase();
    Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes()).to_string()
}
