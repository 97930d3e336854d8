//! The conditions of a binding, each from what was found.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::status::ConditionType;

use super::finding::{Finding, Holds};
use super::outcome::Outcome;
use super::reason::{Reason, Stall};

/// What was found of the conditions that are not summed up of others.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) driver: Finding,
    pub(super) identity: Told,
    pub(super) access: Told,
    pub(super) objects: Told,
    /// Nothing if there are no Secrets.
    pub(super) secrets: Option<Told>,
    pub(super) expiring: Option<Finding>,
}

/// What is said in one condition.
#[derive(Debug)]
pub(super) enum Told {
    /// This.
    New(Finding),
    /// What was said before, if anything was: there is nothing new to say.
    AsBefore,
}

impl Told {
    pub(super) fn finding(&self) -> Option<&Finding> {
        match self {
            Self::New(finding) => Some(finding),
            Self::AsBefore => None,
        }
    }
}

/// Where all conditions come together.
pub(super) struct Summing<'a> {
    pub(super) binding: &'a VaultBinding,
    pub(super) stall: Option<&'a Stall>,
    pub(super) outcome: Option<&'a Outcome>,
    /// Whether there is a class of the binding's.
    pub(super) there: bool,
    /// Whether each wanted Kubernetes Secret is there.
    pub(super) secrets_there: bool,
    pub(super) now: Timestamp,
}

impl Summing<'_> {
    /// All conditions, in their order.
    pub(super) fn all(&self, findings: &Findings) -> Vec<Condition> {
        let ready = self.ready(findings);
        let reconciling = self.reconciling(findings, &ready);
        let stalled = self.stall.filter(|stall| stall.reason != Reason::Suspended);
        let stalled = stalled.map(|stall| Finding::yes(stall.reason, &stall.message));
        let throttled = throttled(findings);
        ConditionType::ALL
            .into_iter()
            .filter_map(|type_| {
                let new = |finding: &Finding| Some(self.condition(type_, finding));
                let told = |told: &Told| Some(self.told(type_, told));
                match type_ {
                    ConditionType::Ready => new(&ready),
                    ConditionType::DriverReady => new(&findings.driver),
                    ConditionType::IdentityReady => told(&findings.identity),
                    ConditionType::AccessReady => told(&findings.access),
                    ConditionType::ObjectsResolved => told(&findings.objects),
                    ConditionType::SecretsSynced => findings.secrets.as_ref().and_then(told),
                    ConditionType::Reconciling => reconciling.as_ref().and_then(new),
                    ConditionType::Stalled => stalled.as_ref().and_then(new),
                    ConditionType::ExpiringSoon => findings.expiring.as_ref().and_then(new),
                    ConditionType::Throttled => throttled.as_ref().and_then(new),
                }
            })
            .collect()
    }

    fn before(&self, type_: ConditionType) -> Option<&Condition> {
        before(self.binding, type_)
    }

    fn condition(&self, type_: ConditionType, finding: &Finding) -> Condition {
        let status = finding.holds.as_str();
        let unmoved = self.before(type_).filter(|before| before.status == status);
        Condition {
            type_: type_.as_str().to_owned(),
            status: status.to_owned(),
            reason: finding.reason.as_str().to_owned(),
            message: finding.message.clone(),
            observed_generation: self.binding.metadata.generation,
            last_transition_time: match unmoved {
                Some(before) => before.last_transition_time.clone(),
                None => Time(self.now),
            },
        }
    }

    fn told(&self, type_: ConditionType, told: &Told) -> Condition {
        match (told, self.before(type_)) {
            (Told::New(finding), _) => self.condition(type_, finding),
            (Told::AsBefore, Some(before)) => Condition {
                observed_generation: self.binding.metadata.generation,
                ..before.clone()
            },
            (Told::AsBefore, None) => self.condition(type_, &not_asked()),
        }
    }

    fn ready(&self, findings: &Findings) -> Finding {
        match (self.stall, self.outcome) {
            (Some(stall), _) if stall.reason == Reason::Suspended => self.suspended(stall),
            (Some(stall), _) => Finding::no(stall.reason, &stall.message),
            (None, Some(outcome)) => self.with(outcome, findings),
            (None, None) => not_asked(),
        }
    }

    /// As it was: nothing has been looked at.
    fn suspended(&self, stall: &Stall) -> Finding {
        let before = self.before(ConditionType::Ready);
        let finding = match before.map(|before| before.status.as_str()) {
            Some("True") if self.there => Finding::yes,
            Some("True" | "False") => Finding::no,
            _ => Finding::unknown,
        };
        finding(stall.reason, &stall.message)
    }

    /// What is known of a condition now: what was found, else what the status says.
    fn known(&self, type_: ConditionType, told: &Told) -> Finding {
        let before = || {
            let before = self.before(type_)?;
            let reason = Reason::parse(&before.reason)?;
            Some(match before.status.as_str() {
                "True" => Finding::yes(reason, &before.message),
                "False" => Finding::no(reason, &before.message),
                _ if matches!(reason, Reason::NotAsked | Reason::NotVerified) => {
                    Finding::unknown(reason, &before.message)
                }
                _ => Finding::passing(reason, &before.message),
            })
        };
        match told {
            Told::New(finding) => finding.clone(),
            Told::AsBefore => before().unwrap_or_else(not_asked),
        }
    }

    fn with(&self, outcome: &Outcome, findings: &Findings) -> Finding {
        let identity = self.known(ConditionType::IdentityReady, &findings.identity);
        let access = self.known(ConditionType::AccessReady, &findings.access);
        let objects = self.known(ConditionType::ObjectsResolved, &findings.objects);
        let secrets =
            (findings.secrets.as_ref()).map(|told| self.known(ConditionType::SecretsSynced, told));
        let way = [&identity, &access];
        let refused = [&findings.driver, &identity, &access]
            .into_iter()
            .find(|finding| finding.holds == Holds::No);
        if let Some(refused) = refused {
            return Finding::no(refused.reason, &refused.message);
        }
        if objects.holds == Holds::No {
            return Finding::no(objects.reason, &objects.message);
        }
        // What keeps the vault from answering, for the time being.
        let silence = way
            .into_iter()
            .find(|finding| finding.transient || finding.reason == Reason::NotAsked);
        match silence {
            Some(silence) if outcome.complete && self.secrets_there => Finding::yes(
                Reason::Pinned,
                format!("pods have the pinned versions; {}", silence.message),
            ),
            Some(silence) if silence.reason == Reason::NotAsked => {
                Finding::unknown(silence.reason, &silence.message)
            }
            Some(silence) => Finding::no(silence.reason, &silence.message),
            None if objects.holds == Holds::Unknown && !outcome.complete => {
                Finding::no(objects.reason, &objects.message)
            }
            None if secrets.as_ref().is_some_and(|told| {
                told.holds == Holds::No && told.reason != Reason::Planned
                    || told.holds == Holds::Unknown && !self.secrets_there
            }) =>
            {
                let secrets = secrets.unwrap_or_else(not_asked);
                Finding::no(secrets.reason, &secrets.message)
            }
            None if self.binding.spec.reconcile_policy == ReconcilePolicy::Plan => {
                let message = "spec.reconcilePolicy is Plan: status.plan says what would be done";
                if self.there {
                    Finding::yes(Reason::Planned, message)
                } else {
                    Finding::no(Reason::Planned, message)
                }
            }
            None => Finding::yes(
                Reason::Pinned,
                "every object has a version, and the SecretProviderClass has them",
            ),
        }
    }

    fn reconciling(&self, findings: &Findings, ready: &Finding) -> Option<Finding> {
        let idle =
            self.stall.is_some() || ready.holds == Holds::Yes || ready.reason == Reason::Planned;
        if idle {
            return None;
        }
        let identity = self.known(ConditionType::IdentityReady, &findings.identity);
        let access = self.known(ConditionType::AccessReady, &findings.access);
        let refused = identity.holds == Holds::No || identity.transient;
        Some(if access.reason == Reason::NotAsked && !refused {
            Finding::yes(Reason::Asking, "the first answer of the vault is awaited")
        } else {
            Finding::yes(
                Reason::Retrying,
                format!("looked for again: {}", ready.message),
            )
        })
    }
}

fn not_asked() -> Finding {
    Finding::unknown(Reason::NotAsked, "the vault was not asked yet")
}

/// What the status says of a condition.
pub(super) fn before(binding: &VaultBinding, type_: ConditionType) -> Option<&Condition> {
    let conditions = &binding.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

fn throttled(findings: &Findings) -> Option<Finding> {
    let told = [&findings.identity, &findings.access].map(Told::finding);
    let mut told = told.into_iter().flatten();
    let held_back = told.find(|finding| finding.reason == Reason::TooManyRequests)?;
    Some(Finding::yes(Reason::TooManyRequests, &held_back.message))
}
