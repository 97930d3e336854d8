//! The status of a binding, within the bounds of its schema.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::status::{
    AzureResource, IdentityStatus, ObjectStatus, PodCount, RotationStatus, SecretStatus, Summary,
};
use vaultbind_crds::{GoDuration, VaultBinding, VaultBindingStatus};
use vaultbind_keyvault::text::printable;

use super::azure::AzurePlan;
use super::objects::Objects;
use super::outcome::{Outcome, Shown};
use super::pods;
use super::reading::Reading;
use crate::observed::{Answer, Cluster};

/// The schema's bound.
const MOST_OBJECTS: usize = 500;

/// Times of checks that nothing else is written with are written this seldom.
pub const CHECKS_ARE_WRITTEN_EACH: Duration = Duration::from_secs(30 * 60);

/// What the status is made of.
pub(super) struct Parts<'a> {
    pub(super) binding: &'a VaultBinding,
    pub(super) cluster: &'a Cluster,
    pub(super) reading: &'a Reading<'a>,
    pub(super) answer: &'a Answer,
    pub(super) objects: &'a Objects<'a>,
    pub(super) outcome: &'a Outcome,
    pub(super) azure: &'a AzurePlan,
    pub(super) conditions: Vec<Condition>,
    pub(super) secrets: Vec<SecretStatus>,
    pub(super) promoted: bool,
    pub(super) interval: Duration,
    pub(super) next: Timestamp,
    pub(super) now: Timestamp,
}

impl Parts<'_> {
    pub(super) fn status(self) -> VaultBindingStatus {
        let (counts, pods) = pods::count(&self.objects.items, &self.outcome.shown, self.cluster);
        VaultBindingStatus {
            observed_generation: self.binding.metadata.generation,
            identity: Some(self.identity()),
            azure: self.azure(),
            objects: self.objects(&counts),
            secrets: self.secrets.clone(),
            rotation: Some(self.rotation()),
            summary: Some(self.summary(pods)),
            plan: self.outcome.planned.clone(),
            conditions: self.conditions,
        }
    }

    fn objects(&self, counts: &[Option<PodCount>]) -> Vec<ObjectStatus> {
        let shown = self
            .objects
            .items
            .iter()
            .zip(&self.outcome.shown)
            .zip(counts);
        shown
            .map(|((item, shown), pods)| ObjectStatus {
                name: item.object.name.clone(),
                object_name: item.name.to_string(),
                type_: item.object.type_,
                state: shown.state,
                pinned: shown.pinned.as_ref().map(ToString::to_string),
                latest: item.choice.latest.as_ref().map(ToString::to_string),
                previous: shown.previous.as_ref().map(ToString::to_string),
                expires: shown.expires.map(Time),
                pods: *pods,
            })
            .take(MOST_OBJECTS)
            .collect()
    }

    /// Nothing is made with the policy Plan, so nothing is written down to be removed.
    fn azure(&self) -> Vec<AzureResource> {
        if self.binding.spec.reconcile_policy == ReconcilePolicy::Apply {
            return self.azure.resources.clone();
        }
        let before = self.binding.status.as_ref();
        before.map_or_else(Vec::new, |status| status.azure.clone())
    }

    fn identity(&self) -> IdentityStatus {
        let binding = self.binding;
        let before = binding
            .status
            .as_ref()
            .and_then(|status| status.identity.as_ref());
        let (subject, at) = match self.answer {
            Answer::Vault(answer) => (answer.subject.as_ref(), Some(answer.at)),
            Answer::NoToken(_, subject) => (Some(subject), None),
            Answer::NotAsked | Answer::NoServiceAccountToken(_) => (None, None),
        };
        let told = |text: Option<&String>, longest: usize| {
            text.filter(|text| !text.is_empty())
                .map(|text| printable(text, longest))
        };
        let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
        let service_account = &binding.spec.identity.service_account_name;
        let computed = format!("system:serviceaccount:{namespace}:{service_account}");
        let verified = at.filter(|_| subject.is_some()).map(whole).map(Time);
        IdentityStatus {
            subject: told(subject.map(|s| &s.subject), 512).or(Some(printable(&computed, 512))),
            issuer: told(subject.map(|s| &s.issuer), 1024)
                .or_else(|| before.and_then(|before| before.issuer.clone())),
            audience: told(subject.map(|s| &s.audience), 253)
                .or_else(|| Some(self.reading.audience.as_str().to_owned())),
            principal_id: (self.azure.principal.clone())
                .map(|principal| printable(&principal, 36))
                .or_else(|| before.and_then(|before| before.principal_id.clone())),
            credentials: (self.azure.credentials)
                .and_then(|count| i32::try_from(count).ok())
                .or_else(|| before.and_then(|before| before.credentials)),
            last_verified: verified
                .or_else(|| before.and_then(|before| before.last_verified.clone())),
        }
    }

    fn rotation(&self) -> RotationStatus {
        let before = self
            .binding
            .status
            .as_ref()
            .and_then(|status| status.rotation.as_ref());
        let checked = match self.answer {
            Answer::Vault(answer) => Some(Time(whole(answer.at))),
            Answer::NotAsked | Answer::NoServiceAccountToken(_) | Answer::NoToken(..) => None,
        };
        let promoted = self.promoted.then_some(Time(self.now));
        RotationStatus {
            last_check: checked.or_else(|| before.and_then(|before| before.last_check.clone())),
            next_check: Some(Time(self.next)),
            last_promotion: promoted
                .or_else(|| before.and_then(|before| before.last_promotion.clone())),
        }
    }

    fn summary(&self, pods: PodCount) -> Summary {
        let shown = &self.outcome.shown;
        let pinned = shown.iter().filter(|shown| shown.pinned.is_some()).count();
        let wanted = shown.len() + self.objects.gaps.len();
        let expires = shown.iter().filter_map(pinned_until).min();
        Summary {
            vault: Some(printable(&self.reading.host, 259)),
            objects: Some(format!("{pinned}/{wanted}")),
            pods: Some(format!("{}/{}", pods.current, pods.total)),
            expires: expires.map(|at| at.to_string()),
            next: Some(next(self.interval)),
        }
    }
}

fn pinned_until(shown: &Shown) -> Option<Timestamp> {
    shown.pinned.as_ref().and(shown.expires)
}

/// Without the time itself: it would have to be written at each check.
fn next(interval: Duration) -> String {
    format!("check every {}", GoDuration::from_secs(interval.as_secs()))
}

/// Times in a status have no fractions.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Whether a status is written. One that differs from what is there in nothing but the times of the last
/// and the next check is only written once they are [`CHECKS_ARE_WRITTEN_EACH`] old: every write goes
/// to all that watch bindings.
pub fn worth_writing(old: Option<&VaultBindingStatus>, new: &VaultBindingStatus) -> bool {
    let Some(old) = old else {
        return true;
    };
    if without_checks(old) != without_checks(new) {
        return true;
    }
    match (last_check(old), last_check(new)) {
        (Some(old), Some(new)) => {
            let apart = new.duration_since(old).unsigned_abs();
            apart >= CHECKS_ARE_WRITTEN_EACH
        }
        (old, new) => old != new,
    }
}

fn last_check(status: &VaultBindingStatus) -> Option<Timestamp> {
    let rotation = status.rotation.as_ref()?;
    rotation.last_check.as_ref().map(|time| time.0)
}

fn without_checks(status: &VaultBindingStatus) -> VaultBindingStatus {
    let mut status = status.clone();
    if let Some(rotation) = &mut status.rotation {
        rotation.last_check = None;
        rotation.next_check = None;
    }
    if let Some(identity) = &mut status.identity {
        identity.last_verified = None;
    }
    status
}
