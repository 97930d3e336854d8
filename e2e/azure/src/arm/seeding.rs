//! What a seed adds to Resource Manager: all of it, or nothing.

use std::sync::Arc;

use uuid::Uuid;

use super::assignments::Assignment;
use super::bindings::Binding;
use super::store::Store;
use super::token_proxy::proxy_name;
use crate::directory::{Directory, Entries};
use crate::roles::{Condition, RoleDefinition};
use crate::seed::{ArmSeed, ArmSettings, ClusterSeed, RoleDefinitionSeed};
use crate::vault::Vaults;

/// Why a seed's part for Resource Manager cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmSeedError {
    /// A role is there already.
    #[error("arm: roleDefinitions: {0} is there already, by its name or id")]
    DuplicateRole(String),
    /// A cluster of this name is there already; its token proxy is known by the name.
    #[error("arm: clusters: resourceID {0}: there is a cluster of this name already")]
    DuplicateCluster(String),
    /// A cluster is to be bound to what is no identity, or twice to one.
    #[error(
        "arm: clusters: identityBindings: {0}: no user-assigned identity has this client id, or \
         name or identity is there twice"
    )]
    Binding(String),
    /// The same role was given already.
    #[error("arm: roleAssignments: {principal} has {role} on {scope} already")]
    DuplicateAssignment {
        /// The principal.
        principal: String,
        /// The role.
        role: String,
        /// The scope.
        scope: String,
    },
    /// No such principal.
    #[error(
        "arm: roleAssignments: principal: no application or identity has the object id or client \
         id {0}"
    )]
    UnknownPrincipal(String),
    /// A condition is not understood.
    #[error("arm: roleAssignments: condition: that of {0} is not understood by the emulator")]
    Condition(String),
    /// No such role.
    #[error("arm: roleAssignments: role: there is no role {0}, built-in or in roleDefinitions")]
    UnknownRole(String),
}

impl ArmSeedError {
    /// Whether the seed says otherwise than what is there already.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::DuplicateRole(_)
            | Self::DuplicateCluster(_)
            | Self::DuplicateAssignment { .. } => true,
            Self::UnknownPrincipal(_)
            | Self::UnknownRole(_)
            | Self::Condition(_)
            | Self::Binding(_) => false,
        }
    }
}

/// What a seed adds, checked.
#[derive(Debug)]
pub(crate) struct Addition {
    settings: ArmSettings,
    roles: Vec<Arc<RoleDefinition>>,
    clusters: Vec<ClusterSeed>,
    assignments: Vec<Assignment>,
}

impl Store {
    /// Adds what was checked, and learns which subscriptions and groups there are by now.
    pub(crate) fn add(&mut self, addition: Addition, directory: &Directory, vaults: &Vaults) {
        let Addition {
            settings,
            roles,
            clusters,
            assignments,
        } = addition;
        self.settings = settings;
        self.roles.extend(roles);
        self.assignments.extend(assignments);
        for cluster in clusters {
            let id = cluster.resource_id.to_ascii_lowercase();
            for seeded in &cluster.identity_bindings {
                if let Some(binding) = Binding::of_seed(&cluster, seeded, directory) {
                    let id = binding.id().to_ascii_lowercase();
                    self.bindings.insert(id, binding);
                }
            }
            self.clusters.insert(id, cluster);
        }
        self.learn(directory, vaults);
    }

    /// What a seed adds; `directory` has the principals of the seed already.
    pub(crate) fn check(
        &self,
        seed: &ArmSeed,
        directory: &Entries,
    ) -> Result<Addition, ArmSeedError> {
        let mut roles: Vec<Arc<RoleDefinition>> = Vec::new();
        for role in &seed.role_definitions {
            let role = definition(role);
            let mut known = self.roles.iter().chain(&roles);
            if known.any(|known| known.name.eq_ignore_ascii_case(&role.name) || known.id == role.id)
            {
                return Err(ArmSeedError::DuplicateRole(role.name));
            }
            roles.push(Arc::new(role));
        }
        let ids = self.clusters.keys().map(|id| proxy_name(id));
        let mut names: Vec<_> = ids.collect();
        for cluster in &seed.clusters {
            let name = proxy_name(&cluster.resource_id);
            if names.contains(&name) {
                return Err(ArmSeedError::DuplicateCluster(cluster.resource_id.clone()));
            }
            names.push(name);
            check_bindings(cluster, directory)?;
        }
        let mut assignments: Vec<Assignment> = Vec::new();
        for given in &seed.role_assignments {
            let principal = directory
                .object_id(&given.principal)
                .ok_or_else(|| ArmSeedError::UnknownPrincipal(given.principal.clone()))?;
            let role = self
                .role(&given.role)
                .or_else(|| {
                    roles.iter().find(|role| {
                        role.name.eq_ignore_ascii_case(&given.role) || role.id == given.role
                    })
                })
                .ok_or_else(|| ArmSeedError::UnknownRole(given.role.clone()))?;
            let mut known = self
                .assignments
                .iter()
                .filter(|known| !known.validity.is_ended())
                .chain(&assignments);
            if known.any(|known| known.says_the_same(&given.scope, &principal, &role.id)) {
                return Err(ArmSeedError::DuplicateAssignment {
                    principal: given.principal.clone(),
                    role: given.role.clone(),
                    scope: given.scope.clone(),
                });
            }
            let mut assignment = Assignment::of_seed(&given.scope, &principal, role);
            if let Some(condition) = &given.condition {
                if Condition::parse(condition).is_none() {
                    return Err(ArmSeedError::Condition(given.principal.clone()));
                }
                assignment.condition = Some(condition.clone());
                assignment.condition_version = Some("2.0".to_owned());
            }
            assignments.push(assignment);
        }
        Ok(Addition {
            settings: seed.settings.unwrap_or(self.settings),
            roles,
            clusters: seed.clusters.clone(),
            assignments,
        })
    }
}

fn check_bindings(cluster: &ClusterSeed, directory: &Entries) -> Result<(), ArmSeedError> {
    let bindings = &cluster.identity_bindings;
    for binding in bindings {
        let known = directory
            .resources()
            .any(|(_, identity)| identity.client_id.eq_ignore_ascii_case(&binding.client_id));
        let alike = bindings.iter().filter(|other| {
            other.name.eq_ignore_ascii_case(&binding.name)
                || other.client_id.eq_ignore_ascii_case(&binding.client_id)
        });
        if !known || alike.count() != 1 {
            return Err(ArmSeedError::Binding(binding.client_id.clone()));
        }
    }
    Ok(())
}

fn definition(seed: &RoleDefinitionSeed) -> RoleDefinition {
    let id = seed
        .id
        .clone()
        .unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.name.as_bytes()).to_string());
    RoleDefinition {
        name: seed.name.clone(),
        id,
        custom: true,
        actions: seed.actions.clone(),
        not_actions: seed.not_actions.clone(),
        data_actions: seed.data_actions.clone(),
    }
}
