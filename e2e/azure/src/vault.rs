//! The emulated Key Vault data plane: a store and a pure request handler.
//!
//! Nothing here opens a socket, reads a clock or checks a token: requests come in as
//! [`VaultRequest`] with the authenticated [`Caller`] and the time, answers go out as
//! [`http::Response`]. What a vault holds at the start comes from [`VaultSeed`].
//!
//! * [`seed`] is the file format, `load` turns it into vaults;
//! * `access` decides who may do what; `route` and `query` take requests apart;
//! * `store` holds objects and versions; `collection` answers what is the same for all kinds;
//! * `secrets`, `keys` and `certificates` answer the rest.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;

mod access;
mod certificates;
mod collection;
mod control;
mod error;
mod import;
mod keys;
mod load;
mod names;
mod pkcs12;
mod query;
mod reply;
mod request;
mod route;
mod secrets;
pub mod seed;
mod store;
#[cfg(test)]
mod tests;
mod unit;

pub use control::StoreError;
pub use load::SeedError;
pub use names::Collection;
pub use request::{Caller, SetSecret, VaultRequest};
pub use seed::VaultSeed;

/// All vaults of the emulated Azure, by name.
///
/// Each vault has its own lock, so a slow key generation holds up that vault only.
pub struct Vaults {
    vaults: BTreeMap<String, Mutex<unit::Vault>>,
}

/// What Entra and the 401 challenge need to know of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultInfo {
    /// The vault's name as seeded.
    pub name: String,
    /// The tenant whose tokens the vault accepts.
    pub tenant_id: String,
    /// The audience of tokens for the vault, such as `https://vault.azure.net`.
    pub resource: &'static str,
}

impl Vaults {
    /// Makes the vaults a seed describes; keys and certificates are generated here.
    ///
    /// # Errors
    /// [`SeedError`] names the vault, the object and the field that cannot be used.
    pub fn from_seed(seeds: &[VaultSeed], now: i64) -> Result<Self, SeedError> {
        load::vaults(seeds, now).map(|vaults| Self {
            vaults: vaults
                .into_iter()
                .map(|(name, vault)| (name, Mutex::new(vault)))
                .collect(),
        })
    }

    /// The vault served under `host` (without port, in any case).
    pub fn find(&self, host: &str) -> Option<VaultInfo> {
        let vault = self.by_host(host)?;
        Some(VaultInfo {
            name: vault.name.clone(),
            tenant_id: vault.tenant_id.clone(),
            resource: vault.cloud.vault_resource(),
        })
    }

    /// Answers one request of an authenticated caller; `now` is in Unix seconds.
    ///
    /// A host that is no vault gets 404: the real one has no name in DNS then.
    pub fn handle(&self, host: &str, request: &VaultRequest, now: i64) -> Response<Bytes> {
        match self.by_host(host) {
            Some(mut vault) => {
                vault.settle(now);
                let outcome = vault.answer(request, now);
                reply::response(outcome, request, &vault.location)
            }
            None => reply::response(Err(error::ApiError::no_vault(host)), request, ""),
        }
    }

    fn by_host(&self, host: &str) -> Option<MutexGuard<'_, unit::Vault>> {
        let (name, suffix) = host.split_once('.')?;
        let vault = self.by_name(name)?;
        vault
            .cloud
            .vault_suffix()
            .eq_ignore_ascii_case(suffix)
            .then_some(vault)
    }

    fn by_name(&self, name: &str) -> Option<MutexGuard<'_, unit::Vault>> {
        let vault = self.vaults.get(&name.to_ascii_lowercase())?;
        // A panic while the lock was held is a defect, but not a reason to lose the vault.
        Some(vault.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Vaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.vaults.keys()).finish()
    }
}
