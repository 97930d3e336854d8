//! All that vaultbind says to Entra and to Key Vault.
//!
//! Clouds, validated names, identities and their tokens, the one transport and the typed answers of
//! a vault live here. Nothing of gRPC and nothing of Kubernetes does: a ServiceAccount token is just
//! a [`Sensitive`] text by the time it arrives.

pub mod cloud;
pub mod names;
mod sensitive;

pub use cloud::Cloud;
pub use names::{ClientId, NameError, ObjectName, ObjectType, TenantId, VaultName, VersionId};
pub use sensitive::Sensitive;
