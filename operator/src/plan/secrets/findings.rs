//! How the Secrets of a binding are: their entries in the status, the condition, what would be done.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::{PlannedAction, PlannedChange, SecretState, SecretStatus};
use vaultbind_keyvault::error::Category;

use super::super::finding::Finding;
use super::super::notes::Note;
use super::super::reason::{Event, Reason};
use super::super::render::{BINDING_LABEL, MANAGED_BY_LABEL, MANAGER};
use super::super::resolved::joined;
use super::{Decision, Planned, SecretTask, Secrets};
use crate::observed::{Cluster, SecretCause, SecretSeen, SecretTrouble, Written};

impl Secrets {
    /// The entries of the status.
    pub(in crate::plan) fn status(
        &self,
        binding: &VaultBinding,
        cluster: &Cluster,
        now: Timestamp,
    ) -> Vec<SecretStatus> {
        let entries = self.all.iter().filter_map(|planned| {
            let seen = cluster.secrets.get(&planned.name);
            let before = before(binding, &planned.name);
            let written = match seen {
                Some(SecretSeen::Written(_)) => Some(Time(now)),
                _ => before.and_then(|before| before.written.clone()),
            };
            Some(SecretStatus {
                name: planned.name.clone(),
                type_: planned.type_,
                state: state(planned, seen)?,
                deletion_policy: planned.policy,
                written,
            })
        });
        entries.collect()
    }

    /// `SecretsSynced`; nothing if the binding has no Secrets and none is to go.
    pub(in crate::plan) fn finding(
        &self,
        binding: &VaultBinding,
        cluster: &Cluster,
    ) -> Option<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut any = false;
        for planned in &self.all {
            let seen = cluster.secrets.get(&planned.name);
            any |= state(planned, seen).is_some();
            findings.extend(one(binding, planned, seen));
        }
        if !any {
            return None;
        }
        // What somebody has to change goes before what may pass, and the first reason speaks.
        findings.sort_by_key(|finding| finding.transient);
        let Some(worst) = findings.first().cloned() else {
            return Some(Finding::yes(
                Reason::Synced,
                "every Secret has the pinned versions",
            ));
        };
        let message = joined(findings.into_iter().map(|finding| finding.message));
        Some(if worst.transient {
            Finding::passing(worst.reason, message)
        } else {
            Finding::no(worst.reason, message)
        })
    }

    /// Whether each wanted Secret is there, in whatever state.
    pub(in crate::plan) fn are_there(&self, cluster: &Cluster) -> bool {
        self.all.iter().all(|planned| {
            let removed = matches!(planned.what, Decision::Do(SecretTask::Remove(_)));
            removed
                || match cluster.secrets.get(&planned.name) {
                    Some(SecretSeen::AsWanted | SecretSeen::Written(_) | SecretSeen::Outdated) => {
                        true
                    }
                    Some(SecretSeen::Failed(trouble)) => trouble.there == Some(true),
                    Some(SecretSeen::Absent | SecretSeen::Foreign { .. } | SecretSeen::Deleted)
                    | None => false,
                }
        })
    }

    /// What would be done, with `reconcilePolicy: Plan`.
    pub(in crate::plan) fn planned(&self, cluster: &Cluster) -> Vec<PlannedChange> {
        let changes = self.all.iter().filter_map(|planned| {
            let seen = cluster.secrets.get(&planned.name)?;
            let Decision::Do(task) = &planned.what else {
                return None;
            };
            let action = match (task, seen) {
                (SecretTask::Keep(_), SecretSeen::Absent) => PlannedAction::Create,
                (SecretTask::Keep(_), SecretSeen::Outdated) => PlannedAction::Update,
                (SecretTask::Keep(wanted), SecretSeen::Foreign { labelled: true })
                    if wanted.adopt =>
                {
                    PlannedAction::Update
                }
                (SecretTask::Remove(_), SecretSeen::Outdated) => PlannedAction::Delete,
                _ => return None,
            };
            Some(PlannedChange {
                action,
                kind: "Secret".to_owned(),
                name: planned.name.clone(),
                from: None,
                to: None,
            })
        });
        changes.collect()
    }

    /// What was done.
    pub(in crate::plan) fn notes(&self, cluster: &Cluster) -> Vec<Note> {
        let (mut written, mut deleted) = (Vec::new(), Vec::new());
        for planned in &self.all {
            let name = &planned.name;
            match cluster.secrets.get(name) {
                Some(SecretSeen::Written(why)) => written.push(format!("{name} {}", word(*why))),
                Some(SecretSeen::Deleted) => deleted.push(name.clone()),
                _ => {}
            }
        }
        [
            (Event::SecretsWritten, written),
            (Event::SecretsDeleted, deleted),
        ]
        .into_iter()
        .filter(|(_, texts)| !texts.is_empty())
        .map(|(event, texts)| Note::new(event, joined(texts.into_iter())))
        .collect()
    }
}

fn word(why: Written) -> &'static str {
    match why {
        Written::Created => "created",
        Written::Updated => "updated",
        Written::Repaired => "repaired: somebody had changed it",
        Written::Adopted => "taken over",
        Written::Replaced => "made anew with another type",
    }
}

fn before<'a>(binding: &'a VaultBinding, name: &str) -> Option<&'a SecretStatus> {
    let mut told = binding.status.iter().flat_map(|status| &status.secrets);
    told.find(|told| told.name == name)
}

/// How it is; nothing if it is gone and not wanted.
fn state(planned: &Planned, seen: Option<&SecretSeen>) -> Option<SecretState> {
    let task = match &planned.what {
        Decision::Hold(state, _) => return Some(*state),
        Decision::Do(task) => task,
    };
    if let SecretTask::Remove(_) = task {
        return match seen {
            // What is not the binding's is nothing to it any more.
            Some(SecretSeen::Absent | SecretSeen::Deleted | SecretSeen::Foreign { .. }) => None,
            _ => Some(SecretState::Removing),
        };
    }
    Some(match seen {
        None => SecretState::Unknown,
        Some(SecretSeen::AsWanted | SecretSeen::Written(_)) => SecretState::Synced,
        Some(SecretSeen::Absent | SecretSeen::Deleted) => SecretState::Missing,
        Some(SecretSeen::Outdated) => SecretState::Outdated,
        Some(SecretSeen::Foreign { .. }) => SecretState::Conflict,
        Some(SecretSeen::Failed(trouble)) => match trouble.there {
            Some(true) => SecretState::Outdated,
            Some(false) => SecretState::Missing,
            None => SecretState::Unknown,
        },
    })
}

/// What is wrong with one.
fn one(binding: &VaultBinding, planned: &Planned, seen: Option<&SecretSeen>) -> Option<Finding> {
    let name = &planned.name;
    let task = match &planned.what {
        Decision::Hold(SecretState::NotAllowed, message) => {
            return Some(Finding::no(
                Reason::SecretsNotAllowed,
                format!("Secret {name}: {message}"),
            ));
        }
        Decision::Hold(_, message) => {
            return Some(Finding::no(
                Reason::Waiting,
                format!("Secret {name} {message}"),
            ));
        }
        Decision::Do(task) => task,
    };
    match (task, seen) {
        (
            SecretTask::Keep(_),
            Some(SecretSeen::AsWanted | SecretSeen::Written(_) | SecretSeen::Deleted),
        )
        | (
            SecretTask::Remove(_),
            Some(SecretSeen::Absent | SecretSeen::Deleted | SecretSeen::Foreign { .. }),
        ) => None,
        (_, None) => Some(Finding::passing(
            Reason::NotAsked,
            format!("Secret {name} was not looked at yet"),
        )),
        (_, Some(SecretSeen::Failed(trouble))) => Some(failed(name, trouble)),
        (SecretTask::Keep(wanted), Some(SecretSeen::Foreign { labelled })) => {
            Some(foreign(binding, name, wanted.adopt, *labelled))
        }
        // Nothing was done: it is only planned.
        (_, Some(_)) => Some(Finding::no(
            Reason::Planned,
            format!("Secret {name} is not as wanted: status.plan says what would be done"),
        )),
    }
}

fn foreign(binding: &VaultBinding, name: &str, adopt: bool, labelled: bool) -> Finding {
    let namespace = binding.namespace().unwrap_or_default();
    let own = binding.name_any();
    let label = format!(
        "kubectl label secret {name} -n {namespace} --overwrite {MANAGED_BY_LABEL}={MANAGER} \
         {BINDING_LABEL}={own}"
    );
    let remedy = match (adopt, labelled) {
        (true, _) => format!("hand it over with {label}"),
        (false, true) => "set onConflict: Adopt to have it taken over".to_owned(),
        (false, false) => {
            format!("use another name, or set onConflict: Adopt and hand it over with {label}")
        }
    };
    Finding::no(
        Reason::SecretConflict,
        format!("there is a Secret {name} that this binding has not made: {remedy}"),
    )
}

fn failed(name: &str, trouble: &SecretTrouble) -> Finding {
    match &trouble.cause {
        SecretCause::Forbidden => Finding::no(
            Reason::SecretsForbidden,
            format!(
                "the operator may not write Secret {name}: set operator.secrets.enabled in the values of the \
                 chart, whose role has the verbs create, patch and delete"
            ),
        ),
        SecretCause::Refused(why) => Finding::no(
            Reason::SecretRefused,
            format!("the API server refuses Secret {name}: {why}"),
        ),
        SecretCause::Silent => Finding::passing(
            Reason::SecretRefused,
            format!("the API server did not answer about Secret {name}; it is asked again"),
        ),
        SecretCause::NoValue { category, message } => {
            let text = format!("Secret {name}: {message}");
            match category {
                Category::Unreachable => Finding::passing(Reason::Unreachable, text),
                _ => Finding::no(Reason::ValueRefused, text),
            }
        }
        SecretCause::Unfit(why) => Finding::no(Reason::ValueUnfit, format!("Secret {name}: {why}")),
    }
}
