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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use bytes::Bytes;
use http::Response;

use crate::cloud::Cloud;
use crate::roles::DataGrant;

mod access;
mod certificates;
mod collection;
mod control;
mod error;
mod import;
mod keys;
mod load;
mod manage;
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
pub(crate) use manage::SeededAssignment;
pub use names::Collection;
pub use request::{Caller, SetSecret, VaultRequest};
pub use seed::{Network, RoleAssignment, VaultSeed};

/// All vaults of the emulated Azure, by name.
///
/// Each vault has its own lock, so a slow key generation holds up that vault only. Names are keys
/// in lower case.
#[derive(Default)]
pub struct Vaults {
    vaults: RwLock<VaultMap>,
}

pub(crate) type VaultMap = BTreeMap<String, Arc<Entry>>;

/// A vault, and what is known of it without waiting for it.
pub(crate) struct Entry {
    info: VaultInfo,
    cloud: Cloud,
    hosts: Vec<String>,
    vault: Mutex<unit::Vault>,
}

impl Entry {
    fn new(vault: unit::Vault) -> Arc<Self> {
        Arc::new(Self {
            info: VaultInfo {
                name: vault.name.clone(),
                tenant_id: vault.tenant_id.clone(),
                resource: vault.cloud.vault_resource(),
            },
            cloud: vault.cloud,
            hosts: vault.hosts.clone(),
            vault: Mutex::new(vault),
        })
    }

    fn lock(&self) -> MutexGuard<'_, unit::Vault> {
        // A panic while the lock was held is a defect, but not a reason to lose the vault.
        self.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    #[cfg(test)]
    pub fn from_seed(seeds: &[VaultSeed], now: i64) -> Result<Self, SeedError> {
        let vaults = RwLock::new(Self::load(seeds, now)?);
        Ok(Self { vaults })
    }

    /// Makes vaults that are not there yet.
    pub(crate) fn load(seeds: &[VaultSeed], now: i64) -> Result<VaultMap, SeedError> {
        let vaults = load::vaults(seeds, now)?.into_iter();
        Ok(vaults
            .map(|(name, vault)| (name, Entry::new(vault)))
            .collect())
    }

    /// All vaults, for somebody who adds some.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, VaultMap> {
        self.vaults.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a vault of this name, in any cloud.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name(name).is_some()
    }

    /// Removes a vault: its host is unknown from now on. False if there is none of this name.
    pub fn remove(&self, name: &str) -> bool {
        self.write().remove(&name.to_ascii_lowercase()).is_some()
    }

    /// The vault served under `host` (without port, in any case).
    pub fn find(&self, host: &str) -> Option<VaultInfo> {
        self.by_host(host).map(|entry| entry.info.clone())
    }

    /// Answers one request of an authenticated caller; `now` is in Unix seconds.
    ///
    /// A host that is no vault gets 404: the real one has no name in DNS then.
    pub fn handle(&self, host: &str, request: &VaultRequest, now: i64) -> Response<Bytes> {
        self.handle_with(host, request, &[], now)
    }

    /// The same, with the caller's roles that Resource Manager knows of.
    pub(crate) fn handle_with(
        &self,
        host: &str,
        request: &VaultRequest,
        grants: &[DataGrant],
        now: i64,
    ) -> Response<Bytes> {
        match self.by_host(host) {
            Some(entry) => {
                let mut vault = entry.lock();
                vault.settle(now);
                let outcome = vault.answer(request, grants, now);
                reply::response(outcome, request, &vault.location)
            }
            None => reply::response(Err(error::ApiError::no_vault(host)), request, ""),
        }
    }

    fn by_host(&self, host: &str) -> Option<Arc<Entry>> {
        let (name, suffix) = host.split_once('.')?;
        let own = self
            .by_name(name)
            .filter(|entry| entry.cloud.vault_suffix().eq_ignore_ascii_case(suffix));
        own.or_else(|| {
            let vaults = self.vaults.read().unwrap_or_else(PoisonError::into_inner);
            let further = |further: &String| further.eq_ignore_ascii_case(host);
            vaults
                .values()
                .find(|entry| entry.hosts.iter().any(further))
                .cloned()
        })
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        let vaults = self.vaults.read().unwrap_or_else(PoisonError::into_inner);
        vaults.values().cloned().collect()
    }

    fn by_name(&self, name: &str) -> Option<Arc<Entry>> {
        let vaults = self.vaults.read().unwrap_or_else(PoisonError::into_inner);
        vaults.get(&name.to_ascii_lowercase()).cloned()
    }
}

impl std::fmt::Debug for Vaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let vaults = self.vaults.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(vaults.keys()).finish()
    }
}
