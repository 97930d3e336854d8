//! The permissions that the operator uses, as roles name them.

/// Reads a managed identity.
pub const IDENTITY_READ: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/read";
/// Reads and lists its federated credentials.
pub const CREDENTIAL_READ: &str =
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read";
/// Makes and changes them.
pub const CREDENTIAL_WRITE: &str =
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write";
/// Deletes them.
pub const CREDENTIAL_DELETE: &str =
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete";
/// Reads a vault, not what is in it.
pub const VAULT_READ: &str = "Microsoft.KeyVault/vaults/read";
/// Reads and lists role assignments.
pub const ASSIGNMENT_READ: &str = "Microsoft.Authorization/roleAssignments/read";
/// Makes them.
pub const ASSIGNMENT_WRITE: &str = "Microsoft.Authorization/roleAssignments/write";
/// Deletes them.
pub const ASSIGNMENT_DELETE: &str = "Microsoft.Authorization/roleAssignments/delete";
/// Finds the role of a name that is none of the [built-in](super::roles) ones.
pub const ROLE_READ: &str = "Microsoft.Authorization/roleDefinitions/read";
/// Reads and lists the identity bindings of an AKS cluster.
pub const BINDING_READ: &str = "Microsoft.ContainerService/managedClusters/identityBindings/read";
/// Makes them. Azure asks for [`CREDENTIAL_WRITE`] at the identity, too.
pub const BINDING_WRITE: &str = "Microsoft.ContainerService/managedClusters/identityBindings/write";
/// Deletes them.
pub const BINDING_DELETE: &str =
    "Microsoft.ContainerService/managedClusters/identityBindings/delete";
/// Asks how making and deleting them goes. Whoever began it may do so in any case.
pub const OPERATION_READ: &str = "Microsoft.ContainerService/locations/operations/read";

/// What federated credentials take, at the identities or above them.
pub const IDENTITIES: [&str; 4] = [
    IDENTITY_READ,
    CREDENTIAL_READ,
    CREDENTIAL_WRITE,
    CREDENTIAL_DELETE,
];

/// What role assignments take, at the vaults or above them; also [`IDENTITY_READ`] at the identities.
pub const ACCESS: [&str; 5] = [
    VAULT_READ,
    ASSIGNMENT_READ,
    ASSIGNMENT_WRITE,
    ASSIGNMENT_DELETE,
    ROLE_READ,
];

/// What identity bindings take, at the clusters or above them; also [`CREDENTIAL_WRITE`] at the identities.
pub const BINDINGS: [&str; 3] = [BINDING_READ, BINDING_WRITE, BINDING_DELETE];
