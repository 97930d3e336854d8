//! The role assignments of a binding.

use vaultbind_crds::status::AzureKind;

use super::super::finding::Finding;
use super::super::reason::Reason;
use super::{AzureStep, Planning, There, Wanted, WantedRole, WantedRoles, findings};
use crate::azure::names;
use crate::observed::{Assignment, ManagedIdentity};

impl Planning<'_> {
    pub(super) fn roles(
        &mut self,
        wanted: &Wanted,
        roles: &WantedRoles,
        identity: &ManagedIdentity,
    ) {
        let vault = match &self.seen.vault {
            None => return self.no_roles(not_asked()),
            Some(Err(error)) => return self.no_roles(findings::of_vault(wanted, roles, error)),
            Some(Ok(vault)) => vault.clone(),
        };
        if let Some(finding) = findings::other_vault(self.ground, roles, &vault) {
            return self.no_roles(finding);
        }
        if !vault.uses_roles {
            return self.no_roles(findings::access_policies(self.ground, roles, identity));
        }
        let all = match &self.seen.assignments {
            None => return self.no_roles(not_asked()),
            Some(Err(error)) => return self.no_roles(findings::of(wanted, error)),
            Some(Ok(all)) => all.clone(),
        };
        let Ok(issuer) = self.seen.issuer.clone() else {
            return self.no_roles(Finding::passing(
                Reason::Provisioning,
                "the issuer of the cluster's tokens is not known, which the names of assignments follow from",
            ));
        };
        for role in &roles.assignments {
            match self.seen.roles.get(&role.role) {
                None => return self.no_roles(not_asked()),
                Some(Err(error)) => {
                    return self.no_roles(findings::of_role(wanted, roles, role, error));
                }
                Some(Ok(id)) => {
                    let id = id.clone();
                    self.role(wanted, roles, role, &id, identity, &all, &issuer);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of one assignment")]
    fn role(
        &mut self,
        wanted: &Wanted,
        roles: &WantedRoles,
        role: &WantedRole,
        role_id: &str,
        identity: &ManagedIdentity,
        all: &[Assignment],
        issuer: &str,
    ) {
        let namespace = self.ground.binding.metadata.namespace.as_deref();
        let namespace = namespace.unwrap_or_default();
        let principal = &identity.principal_id;
        let name =
            names::assignment_name(issuer, namespace, &role.scope, role_id, principal).to_string();
        let equal = |one: &&Assignment| {
            !one.conditional
                && one.role.eq_ignore_ascii_case(role_id)
                && one.principal.eq_ignore_ascii_case(principal)
                && is_within(&role.scope, &one.scope)
        };
        let is_own = |one: &Assignment| {
            let last = one.id.rsplit('/').next().unwrap_or_default();
            last.eq_ignore_ascii_case(&name)
        };
        let policy = roles.deletion_policy;
        let mut equals = all.iter().filter(equal);
        let own = equals.clone().find(|one| is_own(one));
        if let Some(one) = own.or_else(|| equals.next()) {
            let there = if own.is_some() {
                There::Ours
            } else {
                There::Found
            };
            self.keep(AzureKind::RoleAssignment, &one.id, &there, policy);
            return;
        }
        let id = format!(
            "{}/providers/Microsoft.Authorization/roleAssignments/{name}",
            role.scope
        );
        self.keep(AzureKind::RoleAssignment, &id, &There::Not, policy);
        let key = id.to_ascii_lowercase();
        if self.seen.made.contains_key(&key) {
            return;
        }
        let finding = match self.seen.failed.get(&key) {
            Some(error) => findings::of_assigning(wanted, role, principal, error),
            None => findings::assigning(role),
        };
        // The first that cannot be made speaks for all.
        if self.plan.access.is_none() {
            self.plan.access = Some(finding);
        }
        self.plan.steps.push(AzureStep::PutAssignment {
            id,
            scope: role.scope.clone(),
            role: role.role.clone(),
            role_id: role_id.to_owned(),
            name,
            principal: principal.clone(),
            description: names::description(issuer, namespace),
        });
    }

    fn no_roles(&mut self, finding: Finding) {
        self.undecided.insert(AzureKind::RoleAssignment);
        self.plan.access = Some(finding);
    }
}

fn not_asked() -> Finding {
    Finding::passing(
        Reason::Provisioning,
        "the vault's role assignments were not asked for yet",
    )
}

/// Whether a scope is another one or below it.
fn is_within(scope: &str, other: &str) -> bool {
    let (scope, other) = (scope.to_ascii_lowercase(), other.to_ascii_lowercase());
    match scope.strip_prefix(other.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}
