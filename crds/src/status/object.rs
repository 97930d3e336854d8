//! What is known of one object in the vault: ids of versions, never anything of a value.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::binding::ObjectType;

/// One object in the vault.
#[derive(KubeSchema, Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The name in `spec.objects`.
    #[schemars(length(max = 127))]
    pub name: String,

    /// The name in the vault.
    #[schemars(length(max = 127))]
    pub object_name: String,

    /// What kind of object it is.
    #[serde(rename = "type")]
    pub type_: ObjectType,

    /// How it is. `Current`: the pinned version is the wanted one. `Behind`: there is a newer one. `Missing`,
    /// `Disabled`, `NotYetValid`, `Expired`: why no version, or not the pinned one, can be used.
    /// `Unknown`: the vault did not say.
    pub state: ObjectState,

    /// Id of the version that pods get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pinned: Option<String>,

    /// Id of the newest version that could be pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub latest: Option<String>,

    /// Id of the version that was pinned before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub previous: Option<String>,

    /// When the pinned version expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub expires: Option<Time>,

    /// The pods that mount it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodCount>,
}

/// How an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum ObjectState {
    /// The pinned version is the wanted one.
    Current,
    /// There is a newer version than the pinned one.
    Behind,
    /// The vault does not have it.
    Missing,
    /// No version of it is enabled.
    Disabled,
    /// No version of it is active yet.
    NotYetValid,
    /// Every version of it has expired.
    Expired,
    /// The vault did not say.
    Unknown,
}

/// Pods by the version that they have.
#[derive(KubeSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCount {
    /// Pods that have the pinned version.
    #[schemars(range(min = 0))]
    pub current: i32,

    /// All pods that mount it.
    #[schemars(range(min = 0))]
    pub total: i32,
}
