//! An emulated Azure: Entra's token endpoint, the managed identity endpoint, Key Vault and Resource
//! Manager, under the real host names behind a certificate authority of its own.
//!
//! [`Azure::start`] runs it inside a test; the program `vaultbind-azure` runs it by itself.

mod access;
mod admin;
mod answer;
mod arm;
mod azure;
mod ca;
mod calls;
pub mod cli;
mod clock;
mod cloud;
mod directory;
mod dns;
mod entra;
mod faults;
mod imds;
mod issuers;
mod jwt;
mod roles;
pub mod seed;
mod seeding;
mod server;
mod state;
mod token;
pub mod vault;

pub use admin::{CertificateVersion, EnabledChange, NetworkChange, Revocation};
pub use arm::{Activity, ArmSeedError};
pub use azure::{Azure, Options, StartError};
pub use ca::CaError;
pub use calls::{Call, Service};
pub use directory::DirectoryError;
pub use faults::{Action, Fault, FaultError, FaultId, FaultState, Match};
pub use issuers::{IssuerError, ServiceAccountToken, TokenRequest, TokenRequestError};
pub use seed::{FederatedCredentialSeed, Seed, SeedFileError};
pub use seeding::SeedingError;
