//! User-assigned identities as Resource Manager sees them: by resource id, in any case.

use super::{Directory, Entries, Principal, Tenant, TenantInfo};
use crate::cloud::Cloud;

impl Entries {
    /// The identity of a resource id that Resource Manager knows.
    pub(super) fn by_resource(&self, resource_id: &str) -> Option<(TenantInfo, &Principal)> {
        self.resources()
            .find(|(_, principal)| is_resource(principal, resource_id))
    }

    /// The identities that have a resource id.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (TenantInfo, &Principal)> {
        self.tenants.iter().flat_map(|(tenant_id, tenant)| {
            let known = |principal: &&Principal| {
                principal.resource_id.is_some() && !principal.validity.is_ended()
            };
            tenant
                .principals
                .values()
                .filter(known)
                .map(|principal| (tenant.info(tenant_id), principal))
        })
    }

    /// The object id of a client id or object id.
    pub(crate) fn object_id(&self, id: &str) -> Option<String> {
        self.principals()
            .find(|known| {
                known.client_id.eq_ignore_ascii_case(id) || known.object_id.eq_ignore_ascii_case(id)
            })
            .map(|known| known.object_id.clone())
    }

    fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.tenants
            .values()
            .flat_map(|tenant| tenant.principals.values())
    }
}

impl Directory {
    /// The identity of a resource id.
    pub(crate) fn identity(&self, resource_id: &str) -> Option<(TenantInfo, Principal)> {
        self.read()
            .by_resource(resource_id)
            .map(|(tenant, principal)| (tenant, principal.clone()))
    }

    /// All identities that have a resource id.
    pub(crate) fn identities(&self) -> Vec<(TenantInfo, Principal)> {
        let entries = self.read();
        let all = entries.resources();
        all.map(|(tenant, principal)| (tenant, principal.clone()))
            .collect()
    }

    /// The object id of a client id or object id.
    pub(crate) fn object_id(&self, id: &str) -> Option<String> {
        self.read().object_id(id)
    }

    /// Whether directory replicas know an object by now.
    pub(crate) fn knows_object(&self, tenant_id: &str, object_id: &str, now: i64) -> bool {
        let entries = self.read();
        entries.tenants.get(tenant_id).is_some_and(|tenant| {
            tenant.principals.values().any(|known| {
                known.object_id.eq_ignore_ascii_case(object_id) && known.validity.holds(now)
            })
        })
    }

    /// Adds an identity to a tenant.
    pub(crate) fn add_resource(&self, tenant_id: &str, principal: Principal) {
        self.write()
            .tenants
            .entry(tenant_id.to_owned())
            .or_insert_with(|| Tenant::new(Cloud::Public))
            .principals
            .insert(principal.client_id.clone(), principal);
    }

    /// Changes the identity of a resource id; `None` if there is none.
    pub(crate) fn change_resource<T>(
        &self,
        resource_id: &str,
        change: impl FnOnce(&mut Principal) -> T,
    ) -> Option<T> {
        let mut entries = self.write();
        entries
            .tenants
            .values_mut()
            .flat_map(|tenant| tenant.principals.values_mut())
            .find(|known| is_resource(known, resource_id) && !known.validity.is_ended())
            .map(change)
    }

    /// Ends the identity of a resource id; Entra knows it until a time. The machine loses it at
    /// once. False if there is none.
    pub(crate) fn end_resource(&self, resource_id: &str, until: i64) -> bool {
        let ended = self.change_resource(resource_id, |known| known.validity.end(until));
        if ended.is_some() {
            let machine = &mut self.write().machine;
            machine
                .user_assigned
                .retain(|identity| !is_resource(&identity.principal, resource_id));
        }
        ended.is_some()
    }
}

impl Tenant {
    fn info(&self, tenant_id: &str) -> TenantInfo {
        TenantInfo {
            tenant_id: tenant_id.to_owned(),
            cloud: self.cloud,
        }
    }
}

fn is_resource(principal: &Principal, resource_id: &str) -> bool {
    principal
        .resource_id
        .as_ref()
        .is_some_and(|known| known.eq_ignore_ascii_case(resource_id))
}
