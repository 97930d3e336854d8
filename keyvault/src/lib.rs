//! All that vaultbind says to Entra, to Key Vault and to Resource Manager.
//!
//! Clouds, validated names, identities and their tokens, the one transport and the typed answers of
//! a vault live here. Nothing of gRPC and nothing of Kubernetes does: a ServiceAccount token is just
//! a [`Sensitive`] text by the time it arrives.

pub mod budget;
pub mod cache;
mod callers;
mod claims;
pub mod cloud;
pub mod error;
mod flight;
mod host;
mod identity;
pub mod management;
pub mod metadata;
pub mod names;
mod sensitive;
mod session;
#[cfg(test)]
mod testing;
pub mod text;
mod tokens;
pub mod transport;
pub mod vault;

pub use budget::{BudgetView, Limits};
pub use cache::{Cache, CacheOptions};
pub use claims::Claims;
pub use cloud::Cloud;
pub use error::{Category, FetchError, TokenError};
pub use host::{AllowedHost, VaultHost};
pub use identity::Identity;
pub use management::{Management, ManagementError, ManagementOptions, ManagementRefusal};
pub use metadata::Metadata;
pub use names::{ClientId, NameError, ObjectName, ObjectType, TenantId, VaultName, VersionId};
pub use sensitive::Sensitive;
pub(crate) use session::Session;
pub use session::Tally;
pub use transport::{Transport, TransportOptions};
pub use vault::{Content, Fetched, ObjectId, PublicKey, Validity};
