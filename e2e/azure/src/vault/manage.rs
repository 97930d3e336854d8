//! Vaults as Resource Manager sees them: as resources, with the roles their seeds gave.

use serde_json::{Value, json};

use super::access::{AccessPolicy, Authorization, NetworkRule};
use super::control::assignment;
use super::unit::Vault;
use super::{RoleAssignment, VaultMap, Vaults};

/// A role given by a seed or the administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeededAssignment {
    /// The object id or client id.
    pub(crate) principal: String,
    /// The id of the role's definition.
    pub(crate) role: &'static str,
    /// `/secrets/db-password`, or nothing for the whole vault.
    pub(crate) object: String,
}

impl Vaults {
    /// The ARM ids of all vaults in lower case, with their tenants.
    pub(crate) fn resources(&self) -> Vec<(String, String)> {
        let ids = self.each(|vault| Some((vault.resource.clone(), vault.tenant_id.clone())));
        ids.collect()
    }

    /// The ARM ids of vaults that are not there yet.
    pub(crate) fn resources_of(vaults: &VaultMap) -> Vec<String> {
        let entries = vaults.values();
        entries.map(|entry| entry.lock().resource.clone()).collect()
    }

    /// A vault as Resource Manager answers it; `resource` is its ARM id in lower case.
    pub(crate) fn describe(&self, resource: &str) -> Option<Value> {
        self.each(|vault| (vault.resource == resource).then(|| vault.describe()))
            .next()
    }

    /// The roles a vault's seed and the administration gave.
    pub(crate) fn seeded_assignments(&self, resource: &str) -> Vec<SeededAssignment> {
        let of_vault =
            self.each(|vault| (vault.resource == resource).then(|| vault.seeded_assignments()));
        of_vault.flatten().collect()
    }

    /// Takes a role away that a seed or the administration gave.
    pub(crate) fn revoke_seeded(&self, resource: &str, given: &SeededAssignment) {
        let role = RoleAssignment {
            principal: given.principal.clone(),
            role: given.role.to_owned(),
            object: (!given.object.is_empty())
                .then(|| given.object.trim_start_matches('/').to_owned()),
        };
        let Ok(gone) = assignment(&role) else {
            return;
        };
        for entry in self.entries() {
            let mut vault = entry.lock();
            let is_asked = vault.resource == resource;
            if let (true, Authorization::Roles(assignments)) = (is_asked, &mut vault.authorization)
            {
                assignments.retain(|existing| *existing != gone);
            }
        }
    }

    fn each<T>(&self, look: impl Fn(&Vault) -> Option<T>) -> impl Iterator<Item = T> {
        let entries = self.entries().into_iter();
        entries.filter_map(move |entry| look(&entry.lock()))
    }
}

impl Vault {
    fn describe(&self) -> Value {
        let policies = match &self.authorization {
            Authorization::Roles(_) => Vec::new(),
            Authorization::AccessPolicies(policies) => policies
                .iter()
                .map(|policy| policy.describe(&self.tenant_id))
                .collect(),
        };
        let mut properties = json!({
            "sku": {"family": "A", "name": "standard"},
            "tenantId": self.tenant_id,
            "accessPolicies": policies,
            "enabledForDeployment": false,
            "enableSoftDelete": true,
            "softDeleteRetentionInDays": self.days,
            "enableRbacAuthorization": matches!(self.authorization, Authorization::Roles(_)),
            "vaultUri": format!("{}/", self.base()),
            "provisioningState": "Succeeded",
            "publicNetworkAccess": match self.network {
                NetworkRule::PrivateOnly => "Disabled",
                NetworkRule::Open | NetworkRule::Firewall(_) => "Enabled",
            },
        });
        if let (NetworkRule::Firewall(allowed), Some(properties)) =
            (&self.network, properties.as_object_mut())
        {
            let rules: Vec<_> = allowed
                .iter()
                .map(|address| match address.is_ipv4() {
                    true => json!({"value": format!("{address}/32")}),
                    false => json!({"value": format!("{address}/128")}),
                })
                .collect();
            let acls = json!({
                "bypass": "None", "defaultAction": "Deny",
                "ipRules": rules, "virtualNetworkRules": [],
            });
            properties.insert("networkAcls".to_owned(), acls);
        }
        json!({
            "id": self.resource,
            "name": self.name,
            "type": "Microsoft.KeyVault/vaults",
            "location": self.location,
            "tags": {},
            "properties": properties,
        })
    }

    fn seeded_assignments(&self) -> Vec<SeededAssignment> {
        let Authorization::Roles(assignments) = &self.authorization else {
            return Vec::new();
        };
        assignments
            .iter()
            .map(|given| SeededAssignment {
                principal: given.principal.clone(),
                role: given.role.id,
                object: given
                    .object
                    .as_ref()
                    .map_or_else(String::new, |(kind, name)| {
                        format!("/{}/{name}", kind.segment())
                    }),
            })
            .collect()
    }
}

impl AccessPolicy {
    fn describe(&self, tenant_id: &str) -> Value {
        json!({
            "tenantId": tenant_id,
            "objectId": self.principal,
            "permissions": {
                "secrets": self.secrets,
                "keys": self.keys,
                "certificates": self.certificates,
                "storage": [],
            },
        })
    }
}
