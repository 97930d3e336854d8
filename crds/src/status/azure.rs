//! What the operator keeps in Azure for a binding. It is written before anything is made, so that whatever
//! happens to the operator, nothing is there that nobody knows of.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::binding::DeletionPolicy;

/// One resource of Azure.
#[derive(KubeSchema, Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureResource {
    /// Its resource id.
    #[schemars(length(max = 1024))]
    pub id: String,

    /// What it is.
    pub kind: AzureKind,

    /// How it is. `Creating`: it is made, or is about to be. `Propagating`: it is there, and Azure may not
    /// have told it to all its parts. `Ready`: it is there. `Removing`: it is no longer wanted.
    pub state: AzureState,

    /// Whether the operator has found it. What it has found it never removes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,

    /// What becomes of it when the binding no longer wants it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// When the operator made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub since: Option<Time>,

    /// Until when a refusal is put down to Azure not having told it to all its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub until: Option<Time>,
}

/// What a resource of Azure is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
pub enum AzureKind {
    /// A federated identity credential of a managed identity.
    FederatedCredential,
    /// The assignment of a role to a managed identity.
    RoleAssignment,
}

impl AzureKind {
    /// The word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FederatedCredential => "FederatedCredential",
            Self::RoleAssignment => "RoleAssignment",
        }
    }
}

/// How a resource of Azure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum AzureState {
    /// It is made, or is about to be.
    Creating,
    /// It is there, and Azure may not have told it to all its parts.
    Propagating,
    /// It is there.
    Ready,
    /// It is no longer wanted.
    Removing,
}
