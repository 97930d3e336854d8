//! As whom the vault is read: always as the workload, never as the operator.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeletionPolicy;
use super::vault::Cloud;
use crate::rules::{self, GUID, RESOURCE_GROUP};

/// The identity that reads.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = audience_is_the_token_proxys(),
    validation = credential_is_of_workload_identity()
)]
pub struct Identity {
    /// How the workload proves who it is. `WorkloadIdentity`: a token of its ServiceAccount, which a
    /// federated identity credential of the identity trusts. `AKSIdentityBinding`: a token of its
    /// ServiceAccount for the token proxy of an AKS cluster to which the identity is bound.
    #[serde(default, rename = "type")]
    pub type_: IdentityType,

    /// Client id of the managed identity or application, a GUID.
    #[serde(rename = "clientID")]
    #[schemars(length(max = 36))]
    #[x_kube(validation = rules::matches(
        &format!("^{GUID}$"),
        "must be the client id of the identity, a GUID: az identity show --name NAME \
         --resource-group GROUP --query clientId"
    ))]
    pub client_id: String,

    /// Name of the ServiceAccount, in the namespace of the binding, that the pods run as. Nothing is
    /// written to it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("ServiceAccount"))]
    pub service_account_name: String,

    /// Audience of the ServiceAccount's token, as the federated identity credential has it. Default: that
    /// of the cloud, `api://AzureADTokenExchange`, `api://AzureADTokenExchangeUSGov` or
    /// `api://AzureADTokenExchangeChina`. Only of `WorkloadIdentity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // An optional enum would show its own description in place of this one.
    #[schemars(with = "Audience")]
    pub audience: Option<Audience>,

    /// A federated identity credential of the identity, which lets it trust the ServiceAccount. Without it
    /// the operator touches none and only says what is missing. Only of `WorkloadIdentity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated_credential: Option<FederatedCredential>,
}

/// A federated identity credential that the operator keeps. Issuer, subject and audience are the
/// cluster's, the ServiceAccount's and `audience`.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedCredential {
    /// Resource id of the user assigned managed identity, whose client id must be `clientID`. The class must
    /// admit it in `identities`.
    #[serde(rename = "identityResourceID")]
    #[schemars(length(max = 400))]
    #[x_kube(validation = identity_resource())]
    pub identity_resource_id: String,

    /// What becomes of the credential when the binding is deleted, or no longer asks for it: `Delete` removes
    /// one that the operator has made, `Retain` leaves it. One that it has found stays either way.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A user assigned managed identity. Names have 3 to 128 characters.
pub(super) fn identity_resource() -> Rule {
    rules::matches(
        &format!(
            "(?i)^/subscriptions/{GUID}/resourceGroups/{RESOURCE_GROUP}/providers/\
             Microsoft[.]ManagedIdentity/userAssignedIdentities/[a-z0-9][a-z0-9_-]{{2,127}}$"
        ),
        "must be the resource id of a user assigned managed identity: az identity show --name NAME \
         --resource-group GROUP --query id -o tsv",
    )
}

/// The token proxy takes tokens of one audience only.
fn audience_is_the_token_proxys() -> Rule {
    Rule::new("self.type == 'WorkloadIdentity' || !has(self.audience)")
        .message(
            "must be absent with type AKSIdentityBinding, whose tokens have the audience \
             api://AKSIdentityBinding",
        )
        .field_path(".audience")
}

/// AKS itself makes the credential of identities that are bound.
fn credential_is_of_workload_identity() -> Rule {
    Rule::new("self.type == 'WorkloadIdentity' || !has(self.federatedCredential)")
        .message(
            "must be absent with type AKSIdentityBinding: AKS makes the federated credential itself",
        )
        .field_path(".federatedCredential")
}

impl Identity {
    /// The audience of the token, for a vault of that cloud.
    pub fn audience(&self, cloud: Cloud) -> Audience {
        if self.type_ == IdentityType::AKSIdentityBinding {
            return Audience::TokenProxy;
        }
        self.audience.unwrap_or(match cloud {
            Cloud::AzurePublic => Audience::Public,
            Cloud::AzureUSGovernment => Audience::UsGovernment,
            Cloud::AzureChina => Audience::China,
        })
    }
}

/// How a workload proves who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum IdentityType {
    /// A ServiceAccount's token and a federated identity credential.
    #[default]
    WorkloadIdentity,
    /// A ServiceAccount's token and an identity binding of the AKS cluster.
    AKSIdentityBinding,
}

/// Audiences that a ServiceAccount's token may be asked for; a policy holds the operator to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Audience {
    /// The public cloud's.
    #[serde(rename = "api://AzureADTokenExchange")]
    Public,
    /// US Government's.
    #[serde(rename = "api://AzureADTokenExchangeUSGov")]
    UsGovernment,
    /// China's.
    #[serde(rename = "api://AzureADTokenExchangeChina")]
    China,
    /// That of the token proxy of an AKS cluster, which follows from the type and is never written.
    #[serde(skip)]
    TokenProxy,
}

impl Audience {
    /// The audience as the token has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "api://AzureADTokenExchange",
            Self::UsGovernment => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
            Self::TokenProxy => "api://AKSIdentityBinding",
        }
    }
}
