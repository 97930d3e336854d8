//! The tenants with their applications and the managed identities of the machine.

mod principal;
mod resources;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;

use crate::cloud::Cloud;
use crate::seed::{
    FederatedCredentialSeed, IdentitySeed, ManagedIdentitiesSeed, ManagedIdentitySeed, Seed,
    TenantSeed,
};

pub(crate) use principal::{Credential, Principal};

/// Why tenants or identities of a seed cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A client id is there twice in a tenant.
    #[error("tenants: {tenant_id}: clientID {client_id} is there already")]
    DuplicateClient {
        /// The tenant.
        tenant_id: String,
        /// The client id.
        client_id: String,
    },
    /// A domain stands for two tenants.
    #[error("tenants: domains: {0} stands for another tenant")]
    DuplicateDomain(String),
    /// A tenant is there in another cloud.
    #[error("tenants: {0}: cloud: the tenant is in another one")]
    OtherCloud(String),
    /// A resource id stands for another identity.
    #[error("arm: identities: resourceID {0} is there already")]
    DuplicateResource(String),
    /// No such application or identity.
    #[error("there is no application or identity with the client id {0}")]
    UnknownClient(String),
}

/// A tenant as a URL named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantInfo {
    pub(crate) tenant_id: String,
    pub(crate) cloud: Cloud,
}

/// An identity of the machine. Azure's machines are in one tenant; this one stands for many.
#[derive(Debug, Clone)]
pub(crate) struct MachineIdentity {
    pub(crate) tenant: TenantInfo,
    pub(crate) principal: Principal,
}

/// The identities the managed identity endpoint serves.
#[derive(Debug, Clone, Default)]
pub(crate) struct MachineIdentities {
    pub(crate) system_assigned: Option<MachineIdentity>,
    pub(crate) user_assigned: Vec<MachineIdentity>,
}

/// Tenants and identities behind a lock.
#[derive(Debug)]
pub(crate) struct Directory(RwLock<Entries>);

/// Tenants and identities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entries {
    tenants: BTreeMap<String, Tenant>,
    machine: MachineIdentities,
}

#[derive(Debug, Clone)]
struct Tenant {
    cloud: Cloud,
    domains: Vec<String>,
    principals: BTreeMap<String, Principal>,
}

impl Entries {
    /// These with those of a seed. Nothing changes in case of an error.
    pub(crate) fn with(&self, seed: &Seed) -> Result<Self, DirectoryError> {
        let mut all = self.clone();
        for tenant in &seed.tenants {
            all.add_tenant(tenant)?;
        }
        if let Some(identities) = &seed.managed_identities {
            all.add_identities(identities)?;
        }
        for identity in &seed.arm.identities {
            all.add_identity(identity)?;
        }
        Ok(all)
    }

    fn add_tenant(&mut self, seed: &TenantSeed) -> Result<(), DirectoryError> {
        for domain in &seed.domains {
            let taken = self
                .tenants
                .iter()
                .any(|(id, known)| *id != seed.tenant_id && known.has_domain(domain));
            if taken {
                return Err(DirectoryError::DuplicateDomain(domain.clone()));
            }
        }
        let cloud = Cloud::from_name(&seed.cloud).unwrap_or_default();
        let tenant = self
            .tenants
            .entry(seed.tenant_id.clone())
            .or_insert_with(|| Tenant::new(cloud));
        if tenant.cloud != cloud {
            return Err(DirectoryError::OtherCloud(seed.tenant_id.clone()));
        }
        let domains = seed.domains.iter();
        tenant
            .domains
            .extend(domains.map(|domain| domain.to_ascii_lowercase()));
        for application in &seed.applications {
            let principal = Principal {
                client_id: application.client_id.clone(),
                object_id: object_id(application.object_id.as_ref(), &application.client_id),
                name: application.name.clone(),
                secrets: application.client_secrets.clone(),
                federated: credentials(&application.federated_credentials, cloud),
                ..Principal::default()
            };
            tenant.add(&seed.tenant_id, principal)?;
        }
        Ok(())
    }

    /// User-assigned identities are principals of their tenant too: federated credentials sign
    /// them in at Entra.
    fn add_identities(&mut self, seed: &ManagedIdentitiesSeed) -> Result<(), DirectoryError> {
        let Self { tenants, machine } = self;
        if let Some(old) = &machine.system_assigned
            && seed.system_assigned.is_some()
            && let Some(tenant) = tenants.get_mut(&old.tenant.tenant_id)
        {
            tenant.principals.remove(&old.principal.client_id);
        }
        let tenant = tenants
            .entry(seed.tenant_id.clone())
            .or_insert_with(|| Tenant::new(Cloud::Public));
        let info = TenantInfo {
            tenant_id: seed.tenant_id.clone(),
            cloud: tenant.cloud,
        };
        let mut add = |identity: &ManagedIdentitySeed| {
            let principal = Principal {
                client_id: identity.client_id.clone(),
                object_id: object_id(identity.object_id.as_ref(), &identity.client_id),
                resource_id: identity.resource_id.clone(),
                federated: credentials(&identity.federated_credentials, info.cloud),
                ..Principal::default()
            };
            tenant.add(&info.tenant_id, principal.clone())?;
            Ok(MachineIdentity {
                tenant: info.clone(),
                principal,
            })
        };
        if let Some(identity) = &seed.system_assigned {
            machine.system_assigned = Some(add(identity)?);
        }
        for identity in &seed.user_assigned {
            machine.user_assigned.push(add(identity)?);
        }
        Ok(())
    }

    /// An identity that Resource Manager knows, and that is not assigned to the machine.
    fn add_identity(&mut self, seed: &IdentitySeed) -> Result<(), DirectoryError> {
        if self.by_resource(&seed.resource_id).is_some() {
            return Err(DirectoryError::DuplicateResource(seed.resource_id.clone()));
        }
        let tenant = self
            .tenants
            .entry(seed.tenant_id.clone())
            .or_insert_with(|| Tenant::new(Cloud::Public));
        let principal = Principal {
            client_id: seed.client_id.clone(),
            object_id: object_id(seed.object_id.as_ref(), &seed.client_id),
            resource_id: Some(seed.resource_id.clone()),
            location: seed.location.clone(),
            tags: seed.tags.clone(),
            federated: credentials(&seed.federated_credentials, tenant.cloud),
            ..Principal::default()
        };
        tenant.add(&seed.tenant_id, principal)
    }
}

impl Directory {
    pub(crate) fn new(entries: Entries) -> Self {
        Self(RwLock::new(entries))
    }

    /// Everything, for somebody who adds to it.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identities of the machine.
    pub(crate) fn machine(&self) -> MachineIdentities {
        self.read().machine.clone()
    }

    /// The tenant of an id or domain, in the cloud whose login host was asked.
    pub(crate) fn tenant(&self, name: &str, cloud: Cloud) -> Option<TenantInfo> {
        let name = name.to_ascii_lowercase();
        let entries = self.read();
        entries
            .tenants
            .iter()
            .find(|(id, tenant)| {
                tenant.cloud == cloud && (**id == name || tenant.has_domain(&name))
            })
            .map(|(id, tenant)| TenantInfo {
                tenant_id: id.clone(),
                cloud: tenant.cloud,
            })
    }

    /// The application or identity of a client id, if Entra knows it by now.
    pub(crate) fn principal(
        &self,
        tenant_id: &str,
        client_id: &str,
        now: i64,
    ) -> Option<Principal> {
        let entries = self.read();
        entries
            .tenants
            .get(tenant_id)?
            .principals
            .get(&client_id.to_ascii_lowercase())
            .filter(|principal| principal.validity.holds(now))
            .cloned()
    }

    /// Adds a federated credential, or replaces the one of the same name.
    pub(crate) fn put_federated_credential(
        &self,
        client_id: &str,
        credential: &FederatedCredentialSeed,
    ) -> Result<(), DirectoryError> {
        self.change(client_id, |principal, cloud| {
            principal
                .federated
                .retain(|known| known.terms.name != credential.name);
            principal.federated.push(Credential::new(credential, cloud));
        })
    }

    /// Removes a federated credential; it need not be there.
    pub(crate) fn remove_federated_credential(
        &self,
        client_id: &str,
        name: &str,
    ) -> Result<(), DirectoryError> {
        self.change(client_id, |principal, _| {
            principal.federated.retain(|known| known.terms.name != name);
        })
    }

    fn change(
        &self,
        client_id: &str,
        change: impl FnOnce(&mut Principal, Cloud),
    ) -> Result<(), DirectoryError> {
        let mut entries = self.write();
        let id = client_id.to_ascii_lowercase();
        let found = entries.tenants.values_mut().find_map(|tenant| {
            let cloud = tenant.cloud;
            tenant
                .principals
                .get_mut(&id)
                .map(|principal| (principal, cloud))
        });
        let Some((principal, cloud)) = found else {
            return Err(DirectoryError::UnknownClient(client_id.to_owned()));
        };
        change(principal, cloud);
        Ok(())
    }
}

impl Tenant {
    fn new(cloud: Cloud) -> Self {
        Self {
            cloud,
            domains: Vec::new(),
            principals: BTreeMap::new(),
        }
    }

    fn add(&mut self, tenant_id: &str, principal: Principal) -> Result<(), DirectoryError> {
        let client_id = principal.client_id.clone();
        match self.principals.insert(client_id.clone(), principal) {
            None => Ok(()),
            Some(_) => {
                let tenant_id = tenant_id.to_owned();
                Err(DirectoryError::DuplicateClient {
                    tenant_id,
                    client_id,
                })
            }
        }
    }

    fn has_domain(&self, name: &str) -> bool {
        self.domains
            .iter()
            .any(|domain| domain.eq_ignore_ascii_case(name))
    }
}

fn credentials(seeds: &[FederatedCredentialSeed], cloud: Cloud) -> Vec<Credential> {
    seeds
        .iter()
        .map(|seed| Credential::new(seed, cloud))
        .collect()
}

fn object_id(given: Option<&String>, client_id: &str) -> String {
    given
        .cloned()
        .unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, client_id.as_bytes()).to_string())
}

#[cfg(test)]
mod tests;
