//! The tenants with their applications and the managed identities of the machine.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use uuid::Uuid;

use crate::cloud::Cloud;
use crate::seed::{
    ClientSecretSeed, FederatedCredentialSeed, ManagedIdentitiesSeed, ManagedIdentitySeed, Seed,
    TenantSeed,
};

/// Why tenants or identities of a seed cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A client id is there twice in a tenant.
    #[error("tenants: {tenant_id}: clientID {client_id} is there twice")]
    DuplicateClient {
        /// The tenant.
        tenant_id: String,
        /// The client id.
        client_id: String,
    },
    /// A domain stands for two tenants.
    #[error("tenants: domain {0} stands for two tenants")]
    DuplicateDomain(String),
    /// No such application or identity.
    #[error("there is no application or identity with the client id {0}")]
    UnknownClient(String),
}

/// An application's service principal, or a managed identity.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) client_id: String,
    pub(crate) object_id: String,
    pub(crate) name: String,
    /// The ARM id of a user-assigned identity.
    pub(crate) resource_id: Option<String>,
    pub(crate) secrets: Vec<ClientSecretSeed>,
    pub(crate) federated: Vec<FederatedCredentialSeed>,
}

/// A tenant as a URL named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantInfo {
    pub(crate) tenant_id: String,
    pub(crate) cloud: Cloud,
}

/// The identities the managed identity endpoint serves.
#[derive(Debug)]
pub(crate) struct MachineIdentities {
    pub(crate) tenant_id: String,
    pub(crate) cloud: Cloud,
    pub(crate) system_assigned: Option<Principal>,
    pub(crate) user_assigned: Vec<Principal>,
}

#[derive(Debug)]
pub(crate) struct Directory {
    tenants: RwLock<BTreeMap<String, Tenant>>,
    pub(crate) machine: Option<MachineIdentities>,
}

#[derive(Debug)]
struct Tenant {
    cloud: Cloud,
    domains: Vec<String>,
    principals: BTreeMap<String, Principal>,
}

impl Directory {
    pub(crate) fn from_seed(seed: &Seed) -> Result<Self, DirectoryError> {
        let mut tenants = BTreeMap::new();
        for tenant in &seed.tenants {
            let domain = tenant.domains.iter().find(|domain| {
                tenants
                    .values()
                    .any(|known: &Tenant| known.has_domain(domain))
            });
            if let Some(domain) = domain {
                return Err(DirectoryError::DuplicateDomain(domain.clone()));
            }
            tenants.insert(tenant.tenant_id.clone(), Tenant::from_seed(tenant)?);
        }
        let machine = match &seed.managed_identities {
            Some(identities) => Some(machine_identities(identities, &mut tenants)?),
            None => None,
        };
        Ok(Self {
            tenants: RwLock::new(tenants),
            machine,
        })
    }

    /// The tenant of an id or domain, in the cloud whose login host was asked.
    pub(crate) fn tenant(&self, name: &str, cloud: Cloud) -> Option<TenantInfo> {
        let name = name.to_ascii_lowercase();
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants
            .iter()
            .find(|(id, tenant)| {
                tenant.cloud == cloud && (**id == name || tenant.has_domain(&name))
            })
            .map(|(id, tenant)| TenantInfo {
                tenant_id: id.clone(),
                cloud: tenant.cloud,
            })
    }

    /// The application or identity of a client id.
    pub(crate) fn principal(&self, tenant_id: &str, client_id: &str) -> Option<Principal> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants
            .get(tenant_id)?
            .principals
            .get(&client_id.to_ascii_lowercase())
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
                .retain(|known| known.name != credential.name);
            principal.federated.push(with_audience(credential, cloud));
        })
    }

    /// Removes a federated credential; it need not be there.
    pub(crate) fn remove_federated_credential(
        &self,
        client_id: &str,
        name: &str,
    ) -> Result<(), DirectoryError> {
        self.change(client_id, |principal, _| {
            principal.federated.retain(|known| known.name != name);
        })
    }

    fn change(
        &self,
        client_id: &str,
        change: impl FnOnce(&mut Principal, Cloud),
    ) -> Result<(), DirectoryError> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let id = client_id.to_ascii_lowercase();
        let found = tenants.values_mut().find_map(|tenant| {
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
    fn from_seed(seed: &TenantSeed) -> Result<Self, DirectoryError> {
        let cloud = Cloud::from_name(&seed.cloud).unwrap_or_default();
        let domains = seed
            .domains
            .iter()
            .map(|domain| domain.to_ascii_lowercase())
            .collect();
        let mut tenant = Self {
            cloud,
            domains,
            principals: BTreeMap::new(),
        };
        for application in &seed.applications {
            let federated = &application.federated_credentials;
            let principal = Principal {
                client_id: application.client_id.clone(),
                object_id: object_id(application.object_id.as_ref(), &application.client_id),
                name: application.name.clone(),
                resource_id: None,
                secrets: application.client_secrets.clone(),
                federated: federated
                    .iter()
                    .map(|seed| with_audience(seed, cloud))
                    .collect(),
            };
            tenant.add(&seed.tenant_id, principal)?;
        }
        Ok(tenant)
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

/// User-assigned identities are principals of their tenant too: federated credentials sign
/// them in at Entra.
fn machine_identities(
    seed: &ManagedIdentitiesSeed,
    tenants: &mut BTreeMap<String, Tenant>,
) -> Result<MachineIdentities, DirectoryError> {
    let tenant = tenants
        .entry(seed.tenant_id.clone())
        .or_insert_with(|| Tenant {
            cloud: Cloud::Public,
            domains: Vec::new(),
            principals: BTreeMap::new(),
        });
    let principal = |identity: &ManagedIdentitySeed, cloud| Principal {
        client_id: identity.client_id.clone(),
        object_id: object_id(identity.object_id.as_ref(), &identity.client_id),
        name: String::new(),
        resource_id: identity.resource_id.clone(),
        secrets: Vec::new(),
        federated: identity
            .federated_credentials
            .iter()
            .map(|seed| with_audience(seed, cloud))
            .collect(),
    };
    let cloud = tenant.cloud;
    let system_assigned = seed
        .system_assigned
        .as_ref()
        .map(|seed| principal(seed, cloud));
    let user_assigned: Vec<_> = seed
        .user_assigned
        .iter()
        .map(|seed| principal(seed, cloud))
        .collect();
    for identity in system_assigned.iter().chain(&user_assigned) {
        tenant.add(&seed.tenant_id, identity.clone())?;
    }
    Ok(MachineIdentities {
        tenant_id: seed.tenant_id.clone(),
        cloud,
        system_assigned,
        user_assigned,
    })
}

fn with_audience(seed: &FederatedCredentialSeed, cloud: Cloud) -> FederatedCredentialSeed {
    let mut credential = seed.clone();
    if credential.audiences.is_empty() {
        credential.audiences = vec![cloud.federation_audience().to_owned()];
    }
    credential
}

fn object_id(given: Option<&String>, client_id: &str) -> String {
    given
        .cloned()
        .unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, client_id.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "
tenants:
- tenantID: 0b1c2d3e-0000-4000-8000-000000000001
  domains: [Contoso.onmicrosoft.com]
  applications:
  - clientID: 0b1c2d3e-0000-4000-8000-00000000000A
- tenantID: 0b1c2d3e-0000-4000-8000-000000000002
  cloud: AzureChina
managedIdentities:
  tenantID: 0b1c2d3e-0000-4000-8000-000000000002
  userAssigned:
  - clientID: 0b1c2d3e-0000-4000-8000-00000000000b
    federatedCredentials: [{name: n, issuer: i, subject: s}]
";

    #[test]
    fn tenants_are_found_by_id_and_domain_in_their_cloud() {
        let directory = Directory::from_seed(&Seed::from_yaml("s", SEED).unwrap()).unwrap();
        for (name, cloud, found) in [
            ("0B1C2D3E-0000-4000-8000-000000000001", Cloud::Public, true),
            ("contoso.ONMICROSOFT.com", Cloud::Public, true),
            ("contoso.onmicrosoft.com", Cloud::UsGovernment, false),
            ("0b1c2d3e-0000-4000-8000-000000000002", Cloud::Public, false),
            ("0b1c2d3e-0000-4000-8000-000000000002", Cloud::China, true),
        ] {
            assert_eq!(directory.tenant(name, cloud).is_some(), found, "{name}");
        }
    }

    #[test]
    fn user_assigned_identities_sign_in_with_the_audience_of_their_cloud() {
        let directory = Directory::from_seed(&Seed::from_yaml("s", SEED).unwrap()).unwrap();
        let tenant = "0b1c2d3e-0000-4000-8000-000000000002";
        let client = "0B1C2D3E-0000-4000-8000-00000000000B";
        let principal = directory.principal(tenant, client).unwrap();
        assert_eq!(
            principal.federated[0].audiences,
            ["api://AzureADTokenExchangeChina"]
        );
        directory.remove_federated_credential(client, "n").unwrap();
        assert!(
            directory
                .principal(tenant, client)
                .unwrap()
                .federated
                .is_empty()
        );
        assert!(
            directory
                .remove_federated_credential("nobody", "n")
                .is_err()
        );
    }

    #[test]
    fn a_client_id_is_there_once_per_tenant() {
        let twice = SEED
            .replace("00000000000b", "00000000000a")
            .replace("00000002", "00000001");
        let mut seed = Seed::default();
        seed.merge(Seed::from_yaml("s", &twice.replace("  cloud: AzureChina\n", "")).unwrap())
            .unwrap();
        assert!(matches!(
            Directory::from_seed(&seed),
            Err(DirectoryError::DuplicateClient { .. })
        ));
    }
}
