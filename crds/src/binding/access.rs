//! Azure roles that let the identity read: made, kept and removed by the operator where a binding says so.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeletionPolicy;
use super::identity::identity_resource;
use crate::rules::{self, RESOURCE_GROUP};

/// What the operator does so that the vault answers.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Role assignments of the identity in the vault. Without it the operator touches none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_assignment: Option<RoleAssignment>,
}

/// Role assignments of the identity in the vault.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignment {
    /// Resource id of the vault, which must be that of `spec.vault`.
    #[serde(rename = "vaultResourceID")]
    #[schemars(length(max = 300))]
    #[x_kube(validation = rules::matches(
        &format!(
            "(?i)^/subscriptions/{}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft[.]KeyVault/vaults/\
             [a-z][a-z0-9-]{{1,22}}[a-z0-9]$",
            rules::GUID
        ),
        "must be the resource id of a vault: az keyvault show --name NAME --query id -o tsv"
    ))]
    pub vault_resource_id: String,

    /// Resource id of the user assigned managed identity that gets the roles. Only where nothing under
    /// `spec.identity` says it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "identityResourceID"
    )]
    #[schemars(length(max = 400))]
    #[x_kube(validation = identity_resource())]
    pub identity_resource_id: Option<String>,

    /// Where the roles are assigned. `Vault`: on the vault. `Object`: on each object, so the identity reads
    /// nothing else; selections need a list of the whole vault and cannot be used.
    #[serde(default)]
    pub scope: AssignmentScope,

    /// Names of the roles, which the class must admit in `roleNames`. Default: the least built-in roles for
    /// the objects. Secrets: Key Vault Secrets User. Certificates: Key Vault Certificate User; Key Vault
    /// Reader if only the leaf is a file. Keys: Key Vault Reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub role_names: Option<Vec<String>>,

    /// What becomes of the assignments when the binding is deleted, or no longer asks for them: `Delete`
    /// removes those that the operator has made, `Retain` leaves them. What it has found stays either way.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Where roles are assigned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum AssignmentScope {
    /// On the vault.
    #[default]
    Vault,
    /// On each object.
    Object,
}

/// The roles are assigned where the binding reads.
pub(super) fn vault_is_the_vault() -> Rule {
    Rule::new(
        "!has(self.access) || !has(self.access.roleAssignment) || !has(self.vault.name) || \
         self.access.roleAssignment.vaultResourceID.lowerAscii().endsWith('/vaults/' + \
         self.vault.name.lowerAscii())",
    )
    .message("must be the resource id of the vault that spec.vault names")
    .field_path(".access.roleAssignment.vaultResourceID")
}

/// One place says which identity it is.
pub(super) fn identity_is_said_once() -> Rule {
    Rule::new(
        "!has(self.access) || !has(self.access.roleAssignment) || \
         has(self.access.roleAssignment.identityResourceID) != has(self.identity.federatedCredential)",
    )
    .message(
        "access.roleAssignment.identityResourceID must be set where identity.federatedCredential is not, and \
         only there: the one identity gets both",
    )
    .field_path(".access.roleAssignment")
}

/// Whoever may read single objects may not list the vault.
pub(super) fn objects_are_named() -> Rule {
    Rule::new(
        "!has(self.access) || !has(self.access.roleAssignment) || self.access.roleAssignment.scope != 'Object' \
         || !self.objects.exists(o, has(o.select))",
    )
    .message("must be Vault with a selection among the objects: a selection needs a list of the whole vault")
    .field_path(".access.roleAssignment.scope")
}
