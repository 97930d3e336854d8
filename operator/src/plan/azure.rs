//! What is to be in Azure for a binding: which federated credential and which role assignments are made,
//! which are used as found, which go, and what is said meanwhile.
//!
//! The rules:
//!
//! * What is equal to what is wanted is used, whoever made it. Only what has the operator's own name, which
//!   follows from the content, is ever changed or removed.
//! * Before something is made it stands in the status, so a binding that is deleted knows what to remove.
//! * The new is made before the old is removed, and the old only goes once the workload was let in.
//! * A refusal shortly after something was made is put down to Azure not having told it to all its parts.

mod credential;
mod findings;
mod outcome;
mod roles;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::DeletionPolicy;
use vaultbind_crds::status::{AzureKind, AzureResource, AzureState};

pub use wanted::{Wanted, WantedCredential, WantedRole, WantedRoles};
pub(super) use wanted::{least_role, wanted};

use super::finding::Finding;
use super::reading::Reading;
use super::reason::Reason;
use crate::observed::AzureSeen;

/// How long a new federated credential may be refused: Microsoft speaks of some minutes.
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>
pub(super) const CREDENTIAL_PROPAGATES: Duration = Duration::from_secs(5 * 60);

/// How long a new role assignment may be refused: Microsoft says up to 10 minutes.
/// <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>
pub(super) const ROLE_PROPAGATES: Duration = Duration::from_secs(10 * 60);

/// Most federated credentials of one identity.
pub(super) const MOST_CREDENTIALS: usize = 20;

/// One change in Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureStep {
    /// A federated credential comes to be as wanted.
    PutCredential {
        /// Resource id of the credential.
        id: String,
        /// Resource id of the identity.
        identity: String,
        /// Name of the credential.
        name: String,
        /// Whose tokens it trusts.
        issuer: String,
        /// Which of them.
        subject: String,
        /// For what.
        audience: String,
    },
    /// A role is assigned.
    PutAssignment {
        /// Resource id of the assignment.
        id: String,
        /// Where.
        scope: String,
        /// Name of the role, for people.
        role: String,
        /// Id of the role.
        role_id: String,
        /// Name of the assignment.
        name: String,
        /// Who gets it.
        principal: String,
        /// For people.
        description: String,
    },
    /// Something that the operator made goes.
    Remove {
        /// What it is.
        kind: AzureKind,
        /// Its resource id.
        id: String,
    },
}

impl AzureStep {
    /// Resource id of what is changed.
    pub fn id(&self) -> &str {
        match self {
            Self::PutCredential { id, .. }
            | Self::PutAssignment { id, .. }
            | Self::Remove { id, .. } => id,
        }
    }
}

/// What is done in Azure, and what is known of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AzurePlan {
    /// What is kept, as the status has it before the steps are taken.
    pub resources: Vec<AzureResource>,
    /// What is made, in this order.
    pub steps: Vec<AzureStep>,
    /// What goes once the workload was let in with what is made.
    pub removals: Vec<AzureStep>,
    /// What stands between the workload and a token, if it gets none.
    pub(super) identity: Option<Finding>,
    /// What stands between the workload and the vault, if that refuses it.
    pub(super) access: Option<Finding>,
    /// Whether it is no use to ask Entra yet.
    pub unfit_to_ask: bool,
    /// Object id of the managed identity's service principal, if it is known.
    pub(super) principal: Option<String>,
    /// How many federated credentials the identity has, if it is known.
    pub(super) credentials: Option<usize>,
}

/// What a plan for Azure is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) binding: &'a VaultBinding,
    pub(super) reading: &'a Reading<'a>,
    pub(super) wanted: Option<&'a Wanted>,
    /// Nothing if Azure was not looked at in this turn.
    pub(super) seen: Option<&'a AzureSeen>,
    /// Ids, in lower case, that other bindings keep too.
    pub(super) shared: &'a BTreeSet<String>,
    pub(super) now: Timestamp,
}

/// Plans what is to be in Azure.
pub(super) fn plan(ground: Ground<'_>) -> AzurePlan {
    let old = (ground.binding.status.as_ref()).map_or(&[][..], |status| &status.azure);
    let Some(seen) = ground.seen else {
        return AzurePlan {
            resources: old.to_vec(),
            ..AzurePlan::default()
        };
    };
    let mut planning = Planning {
        ground,
        seen,
        old,
        plan: AzurePlan::default(),
        undecided: BTreeSet::new(),
    };
    if let Some(wanted) = ground.wanted {
        planning.make(wanted);
    }
    planning.leave();
    planning.plan
}

struct Planning<'a> {
    ground: Ground<'a>,
    seen: &'a AzureSeen,
    /// What the status says.
    old: &'a [AzureResource],
    plan: AzurePlan,
    /// Of what kinds it could not be found out what is wanted.
    undecided: BTreeSet<AzureKind>,
}

/// What is there of something wanted.
enum There {
    /// Somebody else's, and equal.
    Found,
    /// Ours.
    Ours,
    /// Nothing, or something of ours that has changed.
    Not,
}

impl Planning<'_> {
    /// What is wanted comes into the plan.
    fn make(&mut self, wanted: &Wanted) {
        match &self.seen.identity {
            None => {
                let finding = Finding::passing(
                    Reason::Provisioning,
                    "the managed identity was not asked for yet",
                );
                self.nothing_known(wanted, &finding);
            }
            Some(Err(error)) => {
                let finding = findings::of_identity(wanted, error);
                self.nothing_known(wanted, &finding);
            }
            Some(Ok(identity)) => {
                self.plan.principal = Some(identity.principal_id.clone());
                if let Some(mismatch) = findings::mismatch(self.ground, wanted, identity) {
                    self.nothing_known(wanted, &mismatch);
                    return;
                }
                if let Some(credential) = &wanted.credential {
                    self.credential(wanted, credential);
                }
                if let Some(roles) = &wanted.roles {
                    self.roles(wanted, roles, identity);
                }
            }
        }
    }

    /// Nothing is done, and what there is stays.
    fn nothing_known(&mut self, wanted: &Wanted, finding: &Finding) {
        if wanted.credential.is_some() {
            self.undecided.insert(AzureKind::FederatedCredential);
            self.plan.identity = Some(finding.clone());
        }
        if wanted.roles.is_some() {
            self.undecided.insert(AzureKind::RoleAssignment);
            self.plan.access = Some(finding.clone());
        }
    }

    /// What the status says of a resource.
    fn old(&self, id: &str) -> Option<&AzureResource> {
        let mut old = self.old.iter();
        old.find(|old| old.id.eq_ignore_ascii_case(id))
    }

    /// A wanted resource stands in the status.
    fn keep(&mut self, kind: AzureKind, id: &str, there: &There, policy: DeletionPolicy) {
        let made = self.seen.made.get(&id.to_ascii_lowercase()).copied();
        let old = self.old(id);
        let propagates = match kind {
            AzureKind::FederatedCredential => CREDENTIAL_PROPAGATES,
            AzureKind::RoleAssignment => ROLE_PROPAGATES,
        };
        let began = old.and_then(|old| old.since.as_ref()).map(|since| since.0);
        // Of one that is there and was about to be made nobody knows since when: the operator was stopped.
        let unsaid = old.is_some_and(|old| old.state == AzureState::Creating && !old.found);
        let since = match there {
            There::Found => None,
            There::Not => made,
            There::Ours => made.or(began).or(unsaid.then_some(self.ground.now)),
        };
        let until = since.and_then(|since| since.checked_add(propagates).ok());
        let state = match there {
            There::Not if made.is_none() => AzureState::Creating,
            // The workload was let in with it.
            There::Ours if old.is_some_and(|old| old.state == AzureState::Ready) => {
                AzureState::Ready
            }
            _ if until.is_some_and(|until| until > self.ground.now) => AzureState::Propagating,
            _ => AzureState::Ready,
        };
        self.plan.resources.push(AzureResource {
            id: old.map_or(id, |old| &old.id).to_owned(),
            kind,
            state,
            found: matches!(there, There::Found),
            deletion_policy: policy,
            since: since.map(super::status::whole).map(Time),
            until: until.map(super::status::whole).map(Time),
        });
    }

    /// What the status has and nobody wants any more.
    fn leave(&mut self) {
        let kept: BTreeSet<String> = (self.plan.resources.iter())
            .map(|kept| kept.id.to_ascii_lowercase())
            .collect();
        let making = !self.plan.steps.is_empty()
            || (self.plan.resources.iter()).any(|kept| kept.state == AzureState::Creating);
        for old in self.old {
            let key = old.id.to_ascii_lowercase();
            if kept.contains(&key) || self.seen.removed.contains(&key) {
                continue;
            }
            if self.undecided.contains(&old.kind) {
                self.plan.resources.push(old.clone());
                continue;
            }
            let ours = !old.found && old.deletion_policy == DeletionPolicy::Delete;
            if !ours || self.ground.shared.contains(&key) {
                continue;
            }
            self.plan.resources.push(AzureResource {
                state: AzureState::Removing,
                until: None,
                ..old.clone()
            });
            if !making && !self.seen.failed.contains_key(&key) {
                self.plan.removals.push(AzureStep::Remove {
                    kind: old.kind,
                    id: old.id.clone(),
                });
            }
        }
    }
}

/// Whether what is there of a kind was made so short ago that Azure may not know it everywhere; since when
/// and until when.
pub(super) fn propagating(
    resources: &[AzureResource],
    kind: AzureKind,
    now: Timestamp,
) -> Option<(&AzureResource, Timestamp, Timestamp)> {
    let of_kind = resources.iter().filter(|resource| resource.kind == kind);
    let timed = of_kind.filter_map(|resource| {
        let (since, until) = (resource.since.as_ref()?.0, resource.until.as_ref()?.0);
        (resource.state != AzureState::Removing && until > now).then_some((resource, since, until))
    });
    timed.max_by_key(|(_, _, until)| *until)
}
