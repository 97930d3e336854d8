//! What a plan for Azure means for the rest: what is said, what goes, when to look again.

use std::time::Duration;

use jiff::Timestamp;
use vaultbind_crds::status::{AzureKind, AzureState, PlannedAction, PlannedChange};
use vaultbind_keyvault::text::printable;

use super::super::conditions::{Findings, Told};
use super::super::finding::{Finding, Holds};
use super::super::notes::Note;
use super::super::reason::{Event, Reason};
use super::{AzurePlan, AzureStep, propagating};
use crate::observed::{AzureCause, AzureSeen};

/// While something propagates, the workload is tried again after a quarter of the time that has passed, within
/// these bounds.
const SOONEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(30);

impl AzurePlan {
    /// What is said of the identity. That Entra gives a token outweighs all else.
    pub(in super::super) fn over_identity(&self, told: Told, now: Timestamp) -> Told {
        let refusal = match &told {
            Told::New(finding) if finding.holds == Holds::Yes => return told,
            Told::New(finding) => Some(finding),
            Told::AsBefore => None,
        };
        if let Some(ours) = &self.identity {
            // What keeps the workload from a token for another reason is not explained by Azure's answer,
            // unless it is the wrong identity altogether.
            let explains = refusal.is_none_or(|refusal| {
                is_of_credentials(refusal.reason)
                    || refusal.reason == Reason::NotVerified
                    || refusal.holds == Holds::No && is_of_the_identity(ours.reason)
            });
            return if explains {
                Told::New(ours.clone())
            } else {
                told
            };
        }
        match refusal {
            Some(refusal) if is_of_credentials(refusal.reason) => self
                .propagating(AzureKind::FederatedCredential, "Entra", refusal, now)
                .map_or(told, Told::New),
            _ => told,
        }
    }

    /// What is said of the vault. That it answers outweighs all else.
    pub(in super::super) fn over_access(&self, told: Told, now: Timestamp) -> Told {
        let refusal = match &told {
            Told::New(finding) if finding.holds == Holds::Yes => return told,
            Told::New(finding) => Some(finding),
            Told::AsBefore => None,
        };
        if let Some(ours) = &self.access {
            let explains = refusal.is_none_or(|refusal| {
                // Whatever a vault answers that is not there, or is another one.
                matches!(ours.reason, Reason::VaultNotFound | Reason::VaultMismatch)
                    || is_of_roles(refusal.reason)
                    || matches!(
                        refusal.reason,
                        Reason::NotAsked | Reason::VaultUsesAccessPolicies
                    )
            });
            return if explains {
                Told::New(ours.clone())
            } else {
                told
            };
        }
        match refusal {
            Some(refusal) if is_of_roles(refusal.reason) => self
                .propagating(AzureKind::RoleAssignment, "the vault", refusal, now)
                .map_or(told, Told::New),
            _ => told,
        }
    }

    fn propagating(
        &self,
        kind: AzureKind,
        whom: &str,
        refusal: &Finding,
        now: Timestamp,
    ) -> Option<Finding> {
        let (resource, since, until) = propagating(&self.resources, kind, now)?;
        let what = match kind {
            AzureKind::FederatedCredential => "the federated credential",
            AzureKind::RoleAssignment => "the role assignment",
        };
        Some(Finding::passing(
            Reason::Propagating,
            format!(
                "{what} {} was made at {since}, and {whom} refuses as if it were not there: until {until} that is \
                 put down to Azure not having told it to all its parts; then it counts as {}",
                resource.id, refusal.reason
            ),
        ))
    }

    /// What follows from whether the workload was let in.
    pub(in super::super) fn settle(&mut self, findings: &Findings, wants: bool, now: Timestamp) {
        let holds = |told: &Told| told.finding().is_some_and(|one| one.holds == Holds::Yes);
        let (identity, access) = (holds(&findings.identity), holds(&findings.access));
        for resource in &mut self.resources {
            let in_use = match resource.kind {
                AzureKind::FederatedCredential => identity,
                AzureKind::RoleAssignment => access,
            };
            if resource.state == AzureState::Propagating && in_use {
                resource.state = AzureState::Ready;
            }
        }
        // Where the operator asks as itself nobody knows of the workload: time has to do.
        let unverified = (findings.identity.finding())
            .is_some_and(|finding| finding.reason == Reason::NotVerified);
        let settled = [AzureKind::FederatedCredential, AzureKind::RoleAssignment]
            .into_iter()
            .all(|kind| propagating(&self.resources, kind, now).is_none());
        let let_in = access && (identity || unverified && settled);
        if wants && !let_in {
            self.removals.clear();
        }
    }

    /// When something changes in Azure without anybody's doing.
    pub(in super::super) fn turns(
        &self,
        seen: Option<&AzureSeen>,
        findings: &Findings,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let waits = seen.and_then(|seen| seen.waits_until);
        let propagates = |told: &Told| {
            told.finding()
                .is_some_and(|one| one.reason == Reason::Propagating)
        };
        let kinds = [
            (AzureKind::FederatedCredential, &findings.identity),
            (AzureKind::RoleAssignment, &findings.access),
        ];
        let tried = kinds.into_iter().filter_map(|(kind, told)| {
            let (_, since, until) = propagating(&self.resources, kind, now)?;
            let passed = now.duration_since(since).unsigned_abs();
            let again = now.checked_add((passed / 4).clamp(SOONEST, LATEST)).ok()?;
            propagates(told).then_some(again.min(until))
        });
        waits
            .into_iter()
            .chain(tried)
            .chain(self.removed_again(seen, now))
            .min()
    }

    /// When what could not be removed is tried again.
    fn removed_again(&self, seen: Option<&AzureSeen>, now: Timestamp) -> Option<Timestamp> {
        let seen = seen?;
        let removing = (self.resources.iter()).filter(|one| one.state == AzureState::Removing);
        let failed = removing.filter_map(|one| seen.failed.get(&one.id.to_ascii_lowercase()));
        let waits = failed.map(|error| match &error.cause {
            AzureCause::Busy {
                retry_after: Some(wait),
                ..
            } => (*wait).max(SOONEST),
            cause if cause.is_passing() => LATEST,
            _ => LATEST * 4,
        });
        now.checked_add(waits.min()?).ok()
    }

    /// What would be done, for `status.plan`.
    pub(in super::super) fn planned(&self) -> Vec<PlannedChange> {
        let steps = self.steps.iter().chain(&self.removals);
        steps
            .map(|step| {
                let (action, kind, name) = match step {
                    AzureStep::PutCredential { name, .. } => (
                        PlannedAction::Create,
                        AzureKind::FederatedCredential,
                        name.clone(),
                    ),
                    AzureStep::PutAssignment { scope, role, .. } => (
                        PlannedAction::Create,
                        AzureKind::RoleAssignment,
                        format!("{role} on {}", last(scope)),
                    ),
                    AzureStep::Remove { kind, id } => {
                        (PlannedAction::Delete, *kind, last(id).to_owned())
                    }
                };
                PlannedChange {
                    action,
                    kind: kind.as_str().to_owned(),
                    name: printable(&name, 253),
                    from: None,
                    to: None,
                }
            })
            .collect()
    }

    /// The events of what was done.
    pub(in super::super) fn notes(&self, seen: Option<&AzureSeen>) -> Vec<Note> {
        let Some(seen) = seen else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        let made: Vec<&str> = (self.resources.iter())
            .map(|resource| resource.id.as_str())
            .filter(|id| seen.made.contains_key(&id.to_ascii_lowercase()))
            .collect();
        if let Some(text) = several("made", &made) {
            notes.push(Note::new(Event::AccessMade, text));
        }
        let removed: Vec<&str> = seen.removed.iter().map(String::as_str).collect();
        if let Some(text) = several("removed", &removed) {
            notes.push(Note::new(Event::AccessRemoved, text));
        }
        notes
    }
}

/// The last part of a resource id.
fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// The first of several ids, and how many more.
fn several(what: &str, ids: &[&str]) -> Option<String> {
    let (first, rest) = ids.split_first()?;
    Some(match rest.len() {
        0 => format!("{what} in Azure: {first}"),
        more => format!("{what} in Azure: {first} and {more} more"),
    })
}

/// Whether Entra refuses because no federated credential fits.
fn is_of_credentials(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoCredential
            | Reason::SubjectMismatch
            | Reason::IssuerMismatch
            | Reason::AudienceMismatch
            | Reason::NotAsked
    )
}

/// Whether the identity is not the one that the binding means.
fn is_of_the_identity(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ClientMismatch | Reason::TenantMismatch | Reason::IdentityNotFound
    )
}

/// Whether the vault refuses because no role lets the workload.
fn is_of_roles(reason: Reason) -> bool {
    matches!(reason, Reason::RoleMissing | Reason::ListDenied)
}
