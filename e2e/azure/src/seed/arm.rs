//! What Resource Manager starts with, and how it behaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FederatedCredentialSeed, SeedFileError, fields};

/// What Resource Manager knows beside the vaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArmSeed {
    /// How it behaves; as it does already when not given.
    pub settings: Option<ArmSettings>,
    /// User-assigned identities that are not assigned to the machine.
    pub identities: Vec<IdentitySeed>,
    /// AKS clusters.
    pub clusters: Vec<ClusterSeed>,
    /// Roles beside the built-in ones.
    pub role_definitions: Vec<RoleDefinitionSeed>,
    /// Who has which role where. They are in force at once.
    pub role_assignments: Vec<RoleAssignmentSeed>,
}

/// A user-assigned identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentitySeed {
    /// Its ARM id.
    #[serde(rename = "resourceID", deserialize_with = "fields::resource_id")]
    pub resource_id: String,
    /// Its tenant, a GUID.
    #[serde(rename = "tenantID", deserialize_with = "fields::guid")]
    pub tenant_id: String,
    /// The client id, a GUID.
    #[serde(rename = "clientID", deserialize_with = "fields::guid")]
    pub client_id: String,
    /// The object id, a GUID; derived from the client id when not given.
    #[serde(
        rename = "objectID",
        default,
        deserialize_with = "fields::optional_guid"
    )]
    pub object_id: Option<String>,
    /// The region.
    #[serde(default = "location")]
    pub location: String,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Outside tokens that sign it in.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredentialSeed>,
}

/// An AKS cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSeed {
    /// Its ARM id.
    #[serde(rename = "resourceID", deserialize_with = "fields::resource_id")]
    pub resource_id: String,
    /// The tenant it is in, a GUID.
    #[serde(rename = "tenantID", deserialize_with = "fields::guid")]
    pub tenant_id: String,
    /// The region.
    #[serde(default = "location")]
    pub location: String,
    /// The `iss` claim of its ServiceAccount tokens.
    pub issuer: String,
    /// Who may use which identity through an identity binding; everybody in the cluster when not
    /// given. In a real cluster ClusterRoles say it.
    #[serde(default)]
    pub identity_users: Option<Vec<IdentityUserSeed>>,
    /// The identities that are bound to it, with the credentials that AKS gives them.
    #[serde(default)]
    pub identity_bindings: Vec<IdentityBindingSeed>,
}

/// An identity that a cluster may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityBindingSeed {
    /// The name of the binding.
    pub name: String,
    /// The client id of the identity, a GUID.
    #[serde(rename = "clientID", deserialize_with = "fields::guid")]
    pub client_id: String,
}

/// A ServiceAccount that may use an identity through an identity binding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityUserSeed {
    /// The client id of the identity, a GUID.
    #[serde(rename = "clientID", deserialize_with = "fields::guid")]
    pub client_id: String,
    /// The `sub` claim, such as `system:serviceaccount:shop:web`.
    pub subject: String,
}

/// A role.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleDefinitionSeed {
    /// Its name.
    pub name: String,
    /// Its id, a GUID; derived from the name when not given.
    #[serde(default, deserialize_with = "fields::optional_guid")]
    pub id: Option<String>,
    /// Actions on Resource Manager; `*` stands for any characters.
    #[serde(default)]
    pub actions: Vec<String>,
    /// Actions that `actions` cover and the role does not allow.
    #[serde(default)]
    pub not_actions: Vec<String>,
    /// Actions on what vaults hold, with `Microsoft.KeyVault/vaults/`.
    #[serde(default)]
    pub data_actions: Vec<String>,
}

/// A role given on a scope.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleAssignmentSeed {
    /// The object id or client id.
    pub principal: String,
    /// Name or id of a role.
    pub role: String,
    /// The ARM id of a subscription, resource group, resource, or object of a vault.
    #[serde(deserialize_with = "fields::resource_id")]
    pub scope: String,
    /// Under which condition, in the language of Azure's role assignment conditions.
    #[serde(default)]
    pub condition: Option<String>,
}

/// How Resource Manager behaves. Times are shorter than Azure's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArmSettings {
    /// Seconds until Entra goes by a change of a federated credential.
    pub credential_propagation: u32,
    /// Seconds until a change of a role assignment is in force.
    pub role_propagation: u32,
    /// Seconds until Entra and role assignments know a new identity.
    pub principal_propagation: u32,
    /// Seconds an asynchronous operation takes.
    pub operation_duration: u32,
    /// Milliseconds a write of a federated credential takes; another one of the same identity is
    /// refused meanwhile. The only time that the clock of the emulator does not shorten.
    pub credential_write_millis: u32,
    /// Entries on a page of a list.
    pub page_size: u32,
    /// Reads of a principal in a subscription.
    pub reads: BucketSettings,
    /// Writes of a principal in a subscription.
    pub writes: BucketSettings,
    /// Deletions of a principal in a subscription.
    pub deletes: BucketSettings,
    /// Reads of single federated credentials of an identity.
    pub credential_reads: BucketSettings,
    /// Lists of the federated credentials of an identity.
    pub credential_lists: BucketSettings,
    /// Writes and deletions of federated credentials of an identity.
    pub credential_writes: BucketSettings,
}

impl Default for ArmSettings {
    fn default() -> Self {
        let bucket = |size, per_second| BucketSettings { size, per_second };
        Self {
            credential_propagation: 30,
            role_propagation: 60,
            principal_propagation: 20,
            operation_duration: 5,
            credential_write_millis: 100,
            page_size: 100,
            reads: bucket(250, 25.0),
            writes: bucket(200, 10.0),
            deletes: bucket(200, 10.0),
            // Rates as documented; how many may come at once is not, and twenty seconds' worth here.
            credential_reads: bucket(10, 0.5),
            credential_lists: bucket(5, 0.25),
            credential_writes: bucket(5, 0.25),
        }
    }
}

/// A bucket of requests that fills again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSettings {
    /// How many may come at once.
    pub size: u32,
    /// How many more in each second.
    pub per_second: f64,
}

fn location() -> String {
    "westeurope".to_owned()
}

impl ArmSeed {
    /// Adds another one.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), SeedFileError> {
        if self.settings.is_some() && other.settings.is_some() && self.settings != other.settings {
            return Err(SeedFileError::Conflict {
                field: "arm.settings",
            });
        }
        self.settings = self.settings.or(other.settings);
        self.identities.extend(other.identities);
        self.clusters.extend(other.clusters);
        self.role_definitions.extend(other.role_definitions);
        self.role_assignments.extend(other.role_assignments);
        Ok(())
    }
}
