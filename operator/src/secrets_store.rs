//! The resources of the Secrets Store CSI driver, as far as they matter here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::{CustomResource, Resource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a SecretProviderClass says.
#[derive(
    CustomResource, Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema,
)]
#[kube(
    group = "secrets-store.csi.x-k8s.io",
    version = "v1",
    kind = "SecretProviderClass",
    plural = "secretproviderclasses",
    namespaced,
    derive = "Default",
    derive = "PartialEq"
)]
pub struct SecretProviderClassSpec {
    /// Name of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What the provider is told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// Which versions one pod has of one SecretProviderClass. The driver writes it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct SecretProviderClassPodStatus {
    /// The metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the driver says.
    #[serde(default)]
    pub status: PodStatus,
}

impl Resource for SecretProviderClassPodStatus {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "SecretProviderClassPodStatus".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "secrets-store.csi.x-k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "secretproviderclasspodstatuses".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What the driver says of a mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// Name of the pod.
    pub pod_name: String,
    /// Name of the SecretProviderClass.
    pub secret_provider_class_name: String,
    /// Whether the volume is mounted.
    pub mounted: bool,
    /// The objects as the provider told them.
    pub objects: Vec<MountedObject>,
}

/// An object in a pod's volume, as the provider told it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(default)]
pub struct MountedObject {
    /// Such as `secret/db-password`.
    pub id: String,
    /// The version, and after a dot what else is in the file.
    pub version: String,
}
