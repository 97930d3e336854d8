//! Roles: the built-in ones that matter here, those of a seed, and what a role allows.

mod condition;

use std::sync::Arc;

use crate::faults::matches_pattern;

pub(crate) use condition::{Attributes, Condition, condition_holds};

/// A built-in role.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    /// Actions on Resource Manager.
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
    /// Actions on what vaults hold, without [`VAULT_ACTIONS`].
    data_actions: &'static [&'static str],
}

/// What the data actions of a vault begin with.
const VAULT_ACTIONS: &str = "Microsoft.KeyVault/vaults/";

/// What the roles of Key Vault that manage objects may do besides.
const VAULT_MANAGERS: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
];

/// The roles with data actions on vaults, and the roles an operator of identities may be given.
pub(crate) const BUILT_IN: [BuiltIn; 16] = [
    vault_role(
        "Key Vault Secrets User",
        "4633458b-17de-408a-b874-0445c86b69e6",
        &[],
        &["secrets/getSecret/action", "secrets/readMetadata/action"],
    ),
    vault_role(
        "Key Vault Reader",
        "21090545-7ca7-4776-b22c-e363652d74d2",
        VAULT_MANAGERS,
        &["*/read", "secrets/readMetadata/action"],
    ),
    vault_role(
        "Key Vault Certificate User",
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        &[],
        &[
            "certificates/read",
            "secrets/getSecret/action",
            "secrets/readMetadata/action",
            "keys/read",
        ],
    ),
    vault_role(
        "Key Vault Crypto User",
        "12338af0-0e69-4776-bea7-57ae8d297424",
        &[],
        &[
            "keys/read",
            "keys/update/action",
            "keys/backup/action",
            "keys/encrypt/action",
            "keys/decrypt/action",
            "keys/wrap/action",
            "keys/unwrap/action",
            "keys/sign/action",
            "keys/verify/action",
        ],
    ),
    vault_role(
        "Key Vault Secrets Officer",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        VAULT_MANAGERS,
        &["secrets/*"],
    ),
    vault_role(
        "Key Vault Crypto Officer",
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        VAULT_MANAGERS,
        &["keys/*", "keyrotationpolicies/*"],
    ),
    vault_role(
        "Key Vault Certificates Officer",
        "a4417e6f-fecd-4de8-b567-7b0420556985",
        VAULT_MANAGERS,
        &[
            "certificatecas/*",
            "certificates/*",
            "certificatecontacts/write",
        ],
    ),
    vault_role(
        "Key Vault Administrator",
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        VAULT_MANAGERS,
        &["*"],
    ),
    role(
        "Managed Identity Contributor",
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete",
            "Microsoft.ManagedIdentity/userAssignedIdentities/revokeTokens/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[],
    ),
    role(
        "Managed Identity Operator",
        "f1a07417-d97a-45cb-824c-7a7467783830",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[],
    ),
    role(
        "Role Based Access Control Administrator",
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        &[
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
        ],
        &[],
    ),
    role(
        "User Access Administrator",
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
        &[],
    ),
    role("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", &["*"], &[]),
    role(
        "Contributor",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        &["*"],
        &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ],
    ),
    role(
        "Reader",
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        &["*/read"],
        &[],
    ),
    role(
        "Key Vault Contributor",
        "f25e0fa2-a7c8-4377-a976-54943a77a395",
        &[
            "Microsoft.Authorization/*/read",
            "Microsoft.KeyVault/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            "Microsoft.KeyVault/hsmPools/*",
            "Microsoft.KeyVault/managedHsms/*",
        ],
    ),
];

const fn vault_role(
    name: &'static str,
    id: &'static str,
    actions: &'static [&'static str],
    data_actions: &'static [&'static str],
) -> BuiltIn {
    BuiltIn {
        name,
        id,
        actions,
        not_actions: &[],
        data_actions,
    }
}

const fn role(
    name: &'static str,
    id: &'static str,
    actions: &'static [&'static str],
    not_actions: &'static [&'static str],
) -> BuiltIn {
    BuiltIn {
        name,
        id,
        actions,
        not_actions,
        data_actions: &[],
    }
}

impl BuiltIn {
    /// A role with data actions on vaults, by its name or definition id.
    pub(crate) fn of_vaults(role: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|known| {
            !known.data_actions.is_empty()
                && (known.name.eq_ignore_ascii_case(role) || known.id.eq_ignore_ascii_case(role))
        })
    }

    /// Whether it allows a data action, given without [`VAULT_ACTIONS`].
    pub(crate) fn allows_data(&self, action: &str) -> bool {
        self.data_actions
            .iter()
            .any(|pattern| matches_pattern(pattern, action))
    }

    /// The same as a definition.
    pub(crate) fn definition(&self) -> RoleDefinition {
        let all = |actions: &[&str]| actions.iter().map(|&action| action.to_owned()).collect();
        let data = |action: &&str| format!("{VAULT_ACTIONS}{action}");
        RoleDefinition {
            name: self.name.to_owned(),
            id: self.id.to_owned(),
            custom: false,
            actions: all(self.actions),
            not_actions: all(self.not_actions),
            data_actions: self.data_actions.iter().map(data).collect(),
        }
    }
}

/// A role, built-in or of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleDefinition {
    pub(crate) name: String,
    /// A GUID.
    pub(crate) id: String,
    pub(crate) custom: bool,
    pub(crate) actions: Vec<String>,
    pub(crate) not_actions: Vec<String>,
    pub(crate) data_actions: Vec<String>,
}

impl RoleDefinition {
    /// Whether it allows an action on Resource Manager.
    pub(crate) fn allows(&self, action: &str) -> bool {
        any_covers(&self.actions, action) && !any_covers(&self.not_actions, action)
    }
}

/// Azure compares actions without case; `*` stands for any characters, slashes too.
fn any_covers(patterns: &[String], action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    patterns
        .iter()
        .any(|pattern| matches_pattern(&pattern.to_ascii_lowercase(), &action))
}

/// A role of a caller on a scope, as far as vaults are concerned.
#[derive(Debug, Clone)]
pub(crate) struct DataGrant {
    /// In lower case.
    pub(crate) scope: String,
    pub(crate) role: Arc<RoleDefinition>,
    pub(crate) condition: Option<String>,
}

impl DataGrant {
    /// Whether it allows an action, given without [`VAULT_ACTIONS`], on a resource in lower case.
    pub(crate) fn allows(&self, action: &str, resource: &str, attributes: &Attributes) -> bool {
        let action = format!("{VAULT_ACTIONS}{action}");
        is_within(resource, &self.scope)
            && any_covers(&self.role.data_actions, &action)
            && condition_holds(self.condition.as_deref(), &action, attributes)
    }
}

/// Whether a resource is a scope or lies below it; both in lower case.
pub(crate) fn is_within(resource: &str, scope: &str) -> bool {
    resource
        .strip_prefix(scope.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(name: &str) -> RoleDefinition {
        BUILT_IN
            .iter()
            .find(|role| role.name == name)
            .unwrap()
            .definition()
    }

    #[test]
    fn roles_allow_what_their_patterns_cover_less_what_they_exclude() {
        let credential =
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write";
        let assignment = "microsoft.authorization/roleassignments/write";
        for (role, action, allowed) in [
            ("Managed Identity Contributor", credential, true),
            ("Managed Identity Operator", credential, false),
            ("Contributor", credential, true),
            ("Contributor", assignment, false),
            ("Owner", assignment, true),
            ("Reader", "Microsoft.KeyVault/vaults/read", true),
            ("Reader", assignment, false),
        ] {
            assert_eq!(built_in(role).allows(action), allowed, "{role} {action}");
        }
    }

    #[test]
    fn a_scope_ends_at_a_segment() {
        for (resource, scope, within) in [
            ("/subscriptions/s/a", "/subscriptions/s", true),
            ("/subscriptions/s", "/subscriptions/s/", true),
            ("/subscriptions/s1", "/subscriptions/s", false),
            ("/subscriptions/s", "/", true),
            ("/subscriptions/s", "/subscriptions/s/a", false),
        ] {
            assert_eq!(is_within(resource, scope), within, "{resource} {scope}");
        }
    }

    #[test]
    fn ids_and_names_are_there_once() {
        for (index, role) in BUILT_IN.iter().enumerate() {
            let rest = BUILT_IN.iter().skip(index + 1);
            assert!(
                rest.clone()
                    .all(|other| other.id != role.id && other.name != role.name),
                "{}",
                role.name
            );
        }
    }
}
