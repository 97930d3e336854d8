//! What is known of one Kubernetes Secret: how it is, never anything of what it holds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::binding::{DeletionPolicy, SecretType};

/// One Kubernetes Secret.
#[derive(KubeSchema, Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,

    /// Its type.
    #[serde(rename = "type")]
    pub type_: SecretType,

    /// How it is. `Synced`: it has the pinned versions. `Waiting`: an object has no version yet.
    /// `Outdated`: it is there and lacks something. `Missing`: it is not there. `Conflict`: a Secret of
    /// the name is there that the binding has not made. `NotAllowed`: the class does not admit it.
    /// `Removing`: it is no longer wanted. `Unknown`: the API server did not say.
    pub state: SecretState,

    /// What becomes of it when the binding no longer names it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// When the operator last wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub written: Option<Time>,
}

/// How a Secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum SecretState {
    /// It has the pinned versions.
    Synced,
    /// An object has no version yet.
    Waiting,
    /// It is there and lacks something.
    Outdated,
    /// It is not there.
    Missing,
    /// A Secret of the name is there that the binding has not made.
    Conflict,
    /// The class does not admit it.
    NotAllowed,
    /// It is no longer wanted.
    Removing,
    /// The API server did not say.
    Unknown,
}
