//! From what is in the cluster and in the vault to what is wanted: the SecretProviderClass of a binding,
//! its status, its events and when to look again.
//!
//! Nothing here does I/O or looks at a clock. [`question`] says what has to be known of the vault, or
//! why it must not be asked; [`plan`] makes the rest of the answer. The rules:
//!
//! * A pin moves to a newer version that is enabled, active and not expired. It moves to any other only
//!   when it cannot be used itself, and it stays when there is nothing to move to.
//! * While the vault cannot be asked, the SecretProviderClass stays as it is; one that was deleted comes
//!   back with the same pins.
//! * A SecretProviderClass that lacks an object which is not optional does not come into being.
//! * What is pinned is read from the SecretProviderClass, and from the status where that says nothing.

mod access;
mod azure;
mod conditions;
mod dialect;
#[cfg(test)]
mod docs;
mod driver;
mod finding;
mod identity;
mod limits;
mod notes;
mod objects;
mod outcome;
mod pins;
mod pods;
mod question;
mod reading;
mod reason;
mod render;
mod resolved;
mod schedule;
mod secrets;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod versions;

use jiff::Timestamp;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::class::Detection;
use vaultbind_crds::status::ConditionType;
use vaultbind_crds::{VaultBinding, VaultBindingStatus};

pub use azure::{AzurePlan, AzureStep, Wanted, WantedCredential, WantedRole, WantedRoles};
pub use driver::finding as driver_finding;
pub use finding::{Finding, Holds};
pub use notes::Note;
pub use pins::{PREVIOUS_ANNOTATION, Pins};
pub use pods::mounts_version;
pub use question::{question, wanted};
pub use reason::{Event, Reason, Stall};
pub use render::{BINDING_LABEL, MANAGED_BY_LABEL, MANAGER, labels};
pub use schedule::{check_interval, fraction, shared_for};
pub use secrets::{MADE_FROM_ANNOTATION, SecretTask, WantedKey, WantedSecret};
pub use status::{CHECKS_ARE_WRITTEN_EACH, worth_writing};
pub use target::Target;

use self::conditions::{Findings, Summing, Told};
use self::objects::{Memory, Objects};
use self::outcome::{Ground, Outcome};
use self::reading::Reading;
use self::schedule::Ended;
use crate::observed::{Answer, ClassChoice, Cluster};

/// What a plan is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The binding.
    pub binding: &'a VaultBinding,
    /// What is around it.
    pub cluster: &'a Cluster,
    /// What the vault said to [`question`]'s question, or why there was none.
    pub answer: &'a Result<Answer, Stall>,
    /// The time.
    pub now: Timestamp,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is done about the SecretProviderClass.
    pub target: Target,
    /// What is done in Azure: made before the vault is asked, and removed after the workload was let in.
    pub azure: AzurePlan,
    /// What is done about the Kubernetes Secrets, after the SecretProviderClass. Once they are looked at, the
    /// plan is made again with what was seen.
    pub secrets: Vec<SecretTask>,
    /// The status once that is done.
    pub status: VaultBindingStatus,
    /// The events, each for a change.
    pub notes: Vec<Note>,
    /// When to look again, if nothing happens before.
    pub next: Timestamp,
}

/// Plans for one binding.
pub fn plan(input: &Input<'_>) -> Plan {
    let reading = Reading::of(input.binding);
    match (input.answer, &reading) {
        (Ok(answer), Ok(reading)) => Planning { input, reading }.with(answer),
        (Err(stall), _) | (Ok(_), Err(stall)) => stalled(input, stall),
    }
}

/// Nothing is known that was not before, and nothing is done.
fn stalled(input: &Input<'_>, stall: &Stall) -> Plan {
    let Input {
        binding, cluster, ..
    } = *input;
    let now = status::whole(input.now);
    let findings = Findings {
        driver: driver(input),
        identity: Told::AsBefore,
        access: Told::AsBefore,
        objects: Told::AsBefore,
        secrets: conditions::before(binding, ConditionType::SecretsSynced).map(|_| Told::AsBefore),
        expiring: None,
    };
    let summing = Summing {
        binding,
        stall: Some(stall),
        outcome: None,
        there: (cluster.target.as_deref()).is_some_and(|class| target::is_ours(class, binding)),
        secrets_there: true,
        now,
    };
    let interval = check_interval(binding, cluster);
    let next = schedule::next(uid(binding), interval, Ended::Well, None, now);
    let mut status = VaultBindingStatus {
        observed_generation: binding.metadata.generation,
        conditions: summing.all(&findings),
        plan: Vec::new(),
        ..binding.status.clone().unwrap_or_default()
    };
    if let Some(rotation) = &mut status.rotation {
        rotation.next_check = None;
    }
    if let Some(summary) = &mut status.summary {
        summary.next = None;
    }
    Plan {
        target: Target::Keep,
        azure: AzurePlan::default(),
        secrets: Vec::new(),
        notes: notes::changes(binding, &status),
        status,
        next,
    }
}

fn driver(input: &Input<'_>) -> Finding {
    let identity = &input.binding.spec.identity;
    let audience = identity.audience(input.binding.spec.vault.cloud);
    driver::finding(input.cluster.driver.as_ref(), audience.as_str())
}

fn uid(binding: &VaultBinding) -> &str {
    binding.metadata.uid.as_deref().unwrap_or_default()
}

struct Planning<'a> {
    input: &'a Input<'a>,
    reading: &'a Reading<'a>,
}

impl Planning<'_> {
    fn with(&self, answer: &Answer) -> Plan {
        let Input {
            binding, cluster, ..
        } = *self.input;
        let now = status::whole(self.input.now);
        let pins = cluster.target.as_deref().map(Pins::of);
        let memory = Memory::of(binding.status.as_ref(), pins.as_ref(), self.reading);
        let objects = Objects::of(self.reading, &memory, answer, now);
        let ground = Ground {
            binding,
            cluster,
            reading: self.reading,
            memory: &memory,
            pins: pins.as_ref(),
            answered: objects::answered(answer),
        };
        let mut outcome = ground.outcome(&objects);
        let too_many = objects
            .too_many()
            .map(|gap| Stall::new(Reason::TooManySelected, resolved::too_many(gap)));
        let wanted = azure::wanted(binding, self.reading, cluster);
        let wanted = wanted.ok().flatten();
        let mut azure = azure::plan(azure::Ground {
            binding,
            reading: self.reading,
            wanted: wanted.as_ref(),
            seen: cluster.azure.as_ref(),
            shared: &cluster.azure_shared,
            now,
        });
        if binding.spec.reconcile_policy == ReconcilePolicy::Plan {
            outcome.plans_too(azure.planned());
        }
        let findings = self.findings(answer, &ground, &objects, &outcome, &azure, now);
        azure.settle(&findings, wanted.is_some(), now);
        let summing = Summing {
            binding,
            stall: too_many.as_ref(),
            outcome: Some(&outcome),
            there: cluster.target.is_some(),
            secrets_there: outcome.secrets.are_there(cluster),
            now,
        };
        let conditions = summing.all(&findings);
        let interval = check_interval(binding, cluster);
        let next = schedule::next(
            uid(binding),
            interval,
            ended(&findings),
            turns(&objects, &outcome, now)
                .into_iter()
                .chain(azure.turns(cluster.azure.as_ref(), &findings, now))
                .min(),
            now,
        );
        let applied = binding.spec.reconcile_policy == ReconcilePolicy::Apply;
        let moves = notes::moves(&objects, &outcome.shown);
        let promoted = applied && !moves.is_empty();
        let status = status::Parts {
            binding,
            cluster,
            reading: self.reading,
            answer,
            objects: &objects,
            outcome: &outcome,
            azure: &azure,
            conditions,
            secrets: outcome.secrets.status(binding, cluster, now),
            promoted,
            interval,
            next,
            now,
        }
        .status();
        let mut notes = if applied { moves } else { Vec::new() };
        notes.extend(outcome.secrets.notes(cluster));
        notes.extend(azure.notes(cluster.azure.as_ref()));
        notes.extend(notes::changes(binding, &status));
        Plan {
            target: outcome.target,
            azure,
            secrets: outcome.secrets.tasks(),
            status,
            notes,
            next,
        }
    }

    fn findings(
        &self,
        answer: &Answer,
        ground: &Ground<'_>,
        objects: &Objects<'_>,
        outcome: &Outcome,
        azure: &AzurePlan,
        now: Timestamp,
    ) -> Findings {
        let Input {
            binding, cluster, ..
        } = *self.input;
        let as_operator = match &cluster.class {
            ClassChoice::Chosen(class) => class.spec.detection == Detection::Operator,
            ClassChoice::None | ClassChoice::Missing(_) | ClassChoice::Several(_) => false,
        };
        let asked = !matches!(answer, Answer::NotAsked);
        let told = |finding: Finding| {
            // Nobody has asked: what was known still is.
            if asked || as_operator && finding.reason == Reason::NotVerified {
                Told::New(finding)
            } else {
                Told::AsBefore
            }
        };
        let vault = self.reading.host.split('.').next().unwrap_or_default();
        Findings {
            driver: driver(self.input),
            identity: azure.over_identity(
                told(identity::finding(
                    binding,
                    self.reading,
                    answer,
                    as_operator,
                )),
                now,
            ),
            access: azure.over_access(
                told(access::finding(
                    binding,
                    self.reading,
                    cluster,
                    answer,
                    as_operator,
                )),
                now,
            ),
            objects: if ground.answered {
                Told::New(resolved::finding(objects, vault))
            } else {
                Told::AsBefore
            },
            secrets: (outcome.secrets.finding(binding, cluster)).map(Told::New),
            expiring: resolved::expiring(objects, &outcome.shown, now),
        }
    }
}

fn ended(findings: &Findings) -> Ended {
    let secrets = findings.secrets.as_ref().and_then(Told::finding);
    let told = [
        findings.identity.finding(),
        findings.access.finding(),
        // Those come with something that is looked for anyway.
        secrets.filter(|finding| !matches!(finding.reason, Reason::Waiting | Reason::Planned)),
    ];
    let told = || told.into_iter().flatten();
    if told().any(|finding| finding.holds == Holds::No) {
        Ended::Refused
    } else if told().any(|finding| finding.transient) {
        Ended::Outage
    } else {
        Ended::Well
    }
}

/// When something changes by the clock alone.
fn turns(objects: &Objects<'_>, outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
    let items = objects.items.iter().zip(&outcome.shown);
    items
        .flat_map(|(item, shown)| {
            let warning = shown
                .expires
                .map(|expires| resolved::warns_at(item, expires));
            [item.choice.turns, shown.expires, warning]
        })
        .flatten()
        .filter(|at| *at > now)
        .min()
}
