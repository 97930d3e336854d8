//! What Resource Manager itself keeps. Identities are in the directory, vaults among the vaults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::activity::ActivityLog;
use super::assignments::Assignment;
use super::bindings::Binding;
use super::operations::Operation;
use super::route::place;
use super::throttle::Buckets;
use crate::directory::Directory;
use crate::roles::{BUILT_IN, BuiltIn, RoleDefinition, is_within};
use crate::seed::{ArmSettings, ClusterSeed};
use crate::state::State;
use crate::vault::Vaults;

/// Everything behind Resource Manager's lock. Whoever holds it may ask directory and vaults, never
/// the other way round.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) settings: ArmSettings,
    pub(super) roles: Vec<Arc<RoleDefinition>>,
    pub(super) assignments: Vec<Assignment>,
    /// By ARM id in lower case.
    pub(super) clusters: BTreeMap<String, ClusterSeed>,
    /// By ARM id in lower case.
    pub(super) bindings: BTreeMap<String, Binding>,
    pub(super) operations: BTreeMap<String, Operation>,
    /// Identities with a write of a federated credential under way.
    pub(super) writing: BTreeSet<String>,
    pub(super) buckets: Buckets,
    pub(super) activities: ActivityLog,
    /// Subscriptions in lower case, with the tenants of what is in them.
    pub(super) subscriptions: BTreeMap<String, BTreeSet<String>>,
    /// Subscription and group, in lower case.
    pub(super) groups: BTreeSet<(String, String)>,
}

impl Default for Store {
    fn default() -> Self {
        let built_in = BUILT_IN.iter().map(BuiltIn::definition).map(Arc::new);
        Self {
            settings: ArmSettings::default(),
            roles: built_in.collect(),
            assignments: Vec::new(),
            clusters: BTreeMap::new(),
            bindings: BTreeMap::new(),
            operations: BTreeMap::new(),
            writing: BTreeSet::new(),
            buckets: Buckets::default(),
            activities: ActivityLog::default(),
            subscriptions: BTreeMap::new(),
            groups: BTreeSet::new(),
        }
    }
}

impl Store {
    /// A role by its name or id; also by the ARM id of its definition.
    pub(super) fn role(&self, role: &str) -> Option<&Arc<RoleDefinition>> {
        let id = role.rsplit('/').next().unwrap_or(role);
        self.roles.iter().find(|known| {
            known.id.eq_ignore_ascii_case(id) || known.name.eq_ignore_ascii_case(role)
        })
    }

    /// Subscriptions and groups are there because something of a seed lies in them; they stay when
    /// it goes.
    pub(super) fn learn(&mut self, directory: &Directory, vaults: &Vaults) {
        let identities = directory.identities().into_iter();
        let identities = identities
            .map(|(tenant, identity)| (identity.resource_id.unwrap_or_default(), tenant.tenant_id));
        let clusters: Vec<_> = self
            .clusters
            .values()
            .map(|cluster| (cluster.resource_id.clone(), cluster.tenant_id.clone()))
            .collect();
        for (id, tenant) in identities.chain(vaults.resources()).chain(clusters) {
            let (subscription, group) = place(&id);
            let tenants = self.subscriptions.entry(subscription.clone()).or_default();
            tenants.insert(tenant);
            if let Some(group) = group {
                self.groups.insert((subscription, group));
            }
        }
    }

    /// The tenants of what lies in a subscription.
    pub(super) fn tenants_of(&self, subscription: &str) -> Vec<String> {
        let tenants = self.subscriptions.get(&subscription.to_ascii_lowercase());
        tenants.into_iter().flatten().cloned().collect()
    }

    /// One of them.
    pub(super) fn tenant_of(&self, subscription: &str) -> Option<String> {
        self.tenants_of(subscription).into_iter().next()
    }

    /// Whether something lies, or lay, in a resource group.
    pub(super) fn has_group(&self, subscription: &str, group: &str) -> bool {
        let place = (
            subscription.to_ascii_lowercase(),
            group.to_ascii_lowercase(),
        );
        self.groups.contains(&place)
    }

    /// All role assignments that Resource Manager knows, also those of the vaults' seeds.
    pub(super) fn all(&self, state: &State) -> Vec<Assignment> {
        let own = self.assignments.iter();
        let mut all: Vec<_> = own
            .filter(|given| !given.validity.is_ended())
            .cloned()
            .collect();
        for (vault, _) in state.vaults.resources() {
            for seeded in state.vaults.seeded_assignments(&vault) {
                let Some(role) = self.role(seeded.role) else {
                    continue;
                };
                let known = state.directory.object_id(&seeded.principal);
                let principal = known.unwrap_or_else(|| seeded.principal.clone());
                let scope = format!("{vault}{}", seeded.object);
                let mut given = Assignment::of_seed(&scope, &principal, role);
                given.seeded = Some(seeded);
                all.push(given);
            }
        }
        all
    }

    /// Ids of all federated credentials and role assignments on and below a resource.
    pub(super) fn managed_below(&self, resource: &str, state: &State) -> Vec<String> {
        let resource = resource.to_ascii_lowercase();
        let below = |id: &str| is_within(&id.to_ascii_lowercase(), &resource);
        let mut ids = Vec::new();
        for (_, identity) in state.directory.identities() {
            let parent = identity.resource_id.as_deref().unwrap_or_default();
            if below(parent) {
                let names = identity.credentials().map(|terms| &terms.name);
                ids.extend(
                    names.map(|name| format!("{parent}/federatedIdentityCredentials/{name}")),
                );
            }
        }
        let assignments = self.all(state).into_iter();
        let assignments = assignments.filter(|given| below(&given.scope));
        ids.extend(assignments.map(|given| {
            let Assignment { scope, name, .. } = given;
            format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
        }));
        ids.sort();
        ids
    }

    /// Takes away what was given on something of the same id that was there before, and below it.
    pub(crate) fn forget_scope(&mut self, resource: &str) {
        let resource = resource.to_ascii_lowercase();
        self.assignments
            .retain(|given| !is_within(&given.scope.to_ascii_lowercase(), &resource));
    }

    /// Whether there is something at a scope; of a vault's objects it is not asked.
    pub(super) fn has_scope(&self, scope: &str, directory: &Directory, vaults: &Vaults) -> bool {
        let scope = scope.to_ascii_lowercase();
        let parts: Vec<_> = scope.split('/').skip(1).collect();
        let (subscription, group) = place(&scope);
        match parts.as_slice() {
            ["subscriptions", _] => self.subscriptions.contains_key(&subscription),
            ["subscriptions", _, "resourcegroups", _] => {
                group.is_some_and(|group| self.groups.contains(&(subscription, group)))
            }
            [.., "vaults", _, "secrets" | "keys" | "certificates", _] => {
                let mut segments = scope.rsplitn(3, '/');
                let vault = segments.nth(2).unwrap_or_default();
                vaults.describe(vault).is_some()
            }
            _ => {
                vaults.describe(&scope).is_some()
                    || directory.identity(&scope).is_some()
                    || self.clusters.contains_key(&scope)
            }
        }
    }
}
