//! From what is wanted to what is done: whether the SecretProviderClass moves, and what each object
//! then has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{ObjectType, ReconcilePolicy};
use vaultbind_crds::status::{ObjectState, PlannedAction, PlannedChange};
use vaultbind_keyvault::VersionId;

use super::objects::{Item, Memory, Objects};
use super::pins::{self, Pins};
use super::reading::Reading;
use super::render::{self, Mounted};
use super::secrets::Secrets;
use super::target::{self, Target};
use crate::observed::Cluster;

/// What is done.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) target: Target,
    /// What each object has then, in the order of the items.
    pub(super) shown: Vec<Shown>,
    /// What would be done if the policy let it.
    pub(super) planned: Vec<PlannedChange>,
    /// Whether pods find everything once the target is applied.
    pub(super) complete: bool,
    /// What is done about the Kubernetes Secrets.
    pub(super) secrets: Secrets,
}

/// What one object has once the target is applied.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) pinned: Option<VersionId>,
    pub(super) previous: Option<VersionId>,
    pub(super) expires: Option<Timestamp>,
    pub(super) state: ObjectState,
}

/// What is there.
pub(super) struct Ground<'a> {
    pub(super) binding: &'a VaultBinding,
    pub(super) cluster: &'a Cluster,
    pub(super) reading: &'a Reading<'a>,
    pub(super) memory: &'a Memory<'a>,
    /// Of the SecretProviderClass that is there, whatever vault it is of.
    pub(super) pins: Option<&'a Pins>,
    /// Whether the vault told anything.
    pub(super) answered: bool,
}

impl Ground<'_> {
    pub(super) fn outcome(&self, objects: &Objects<'_>) -> Outcome {
        let found = self.cluster.target.as_deref();
        if !self.may_move(objects) {
            // Without an answer the pins tell whether pods have what they need.
            let pinned = objects.items.iter().all(|item| item.had.is_some());
            let complete = found.is_some() && pinned && objects.blocked().next().is_none();
            let shown: Vec<Shown> = objects.items.iter().map(held).collect();
            let secrets = Secrets::of(self.binding, self.cluster, objects, &shown);
            return Outcome {
                target: Target::Keep,
                shown,
                planned: Vec::new(),
                complete,
                secrets,
            };
        }
        let moved: Vec<Shown> = objects.items.iter().map(moved).collect();
        let wanted = self.class(objects, &moved);
        let target = target::difference(self.binding, found, wanted);
        let complete = objects.blocked().next().is_none();
        let secrets = Secrets::of(self.binding, self.cluster, objects, &moved);
        if self.binding.spec.reconcile_policy == ReconcilePolicy::Plan {
            return Outcome {
                planned: self.planned(objects, &target, &secrets),
                complete: complete && target == Target::Keep,
                target: Target::Keep,
                shown: objects.items.iter().map(held).collect(),
                secrets,
            };
        }
        Outcome {
            target,
            shown: moved,
            planned: Vec::new(),
            complete,
            secrets,
        }
    }

    /// Whether what is there may be replaced by what is wanted.
    fn may_move(&self, objects: &Objects<'_>) -> bool {
        if objects.too_many().is_some() {
            return false;
        }
        let there = self.cluster.target.is_some();
        if !self.answered {
            // Nothing is known of a change of the binding either, such as another identity, so what is
            // there stays. What somebody deleted comes back as it was.
            let pinned = |item: &Item<'_>| item.had.is_some() || item.object.optional;
            return !there
                && !self.memory.is_empty()
                && objects.gaps.is_empty()
                && objects.items.iter().all(pinned);
        }
        let mut blocked = objects.blocked().peekable();
        if blocked.peek().is_none() {
            return true;
        }
        // A class that lacks a file must not come into being: pods would start without it. If it is
        // there and never had the file, the other objects go on; if it has it, it keeps it.
        let had = |path: &str| {
            let entries = self.pins.iter().flat_map(|pins| pins.under(path));
            entries.count() > 0
        };
        there && !blocked.any(had) && objects.items.iter().any(|item| item.choice.pin.is_some())
    }

    fn class(
        &self,
        objects: &Objects<'_>,
        moved: &[Shown],
    ) -> crate::secrets_store::SecretProviderClass {
        let pairs = || objects.items.iter().zip(moved);
        let mounted: Vec<Mounted<'_>> = pairs()
            .filter_map(|(item, shown)| {
                Some(Mounted {
                    object: item.object,
                    name: &item.name,
                    version: shown.pinned.as_ref()?,
                    path: &item.path,
                })
            })
            .collect();
        let previous: BTreeMap<String, VersionId> = pairs()
            .filter_map(|(item, shown)| {
                let key = pins::previous_key(&item.object.name, item.name.as_str());
                Some((key, shown.previous.clone()?))
            })
            .collect();
        render::class(self.binding, self.reading, &mounted, &previous)
    }

    fn planned(
        &self,
        objects: &Objects<'_>,
        target: &Target,
        secrets: &Secrets,
    ) -> Vec<PlannedChange> {
        let mut planned = Vec::new();
        if *target != Target::Keep {
            planned.push(PlannedChange {
                action: match self.cluster.target {
                    Some(_) => PlannedAction::Update,
                    None => PlannedAction::Create,
                },
                kind: "SecretProviderClass".to_owned(),
                name: self.binding.metadata.name.clone().unwrap_or_default(),
                from: None,
                to: None,
            });
        }
        let text = |version: &Option<VersionId>| version.as_ref().map(ToString::to_string);
        for item in &objects.items {
            let (from, to) = (&item.had, &item.choice.pin);
            if from != to {
                planned.push(PlannedChange {
                    action: if to.is_some() {
                        PlannedAction::Pin
                    } else {
                        PlannedAction::Unpin
                    },
                    kind: kind(item.object.type_).to_owned(),
                    name: item.name.to_string(),
                    from: text(from),
                    to: text(to),
                });
            }
        }
        for entry in self.gone(objects) {
            planned.push(PlannedChange {
                action: PlannedAction::Unpin,
                kind: kind(entry.type_).to_owned(),
                name: entry.name.to_string(),
                from: text(&entry.version),
                to: None,
            });
        }
        planned.extend(secrets.planned(self.cluster));
        planned.truncate(MOST_PLANNED);
        planned
    }

    /// What is in the class and no longer wanted.
    fn gone<'a>(&'a self, objects: &'a Objects<'_>) -> impl Iterator<Item = &'a pins::Entry> {
        let entries = self.pins.iter().flat_map(|pins| &pins.entries);
        entries.filter(|entry| {
            let name = entry.name.as_str();
            !(objects.items.iter()).any(|item| item.name.as_str().eq_ignore_ascii_case(name))
        })
    }
}

impl Outcome {
    /// More would be done elsewhere.
    pub(super) fn plans_too(&mut self, more: Vec<PlannedChange>) {
        self.complete &= more.is_empty();
        self.planned.extend(more);
        self.planned.truncate(MOST_PLANNED);
    }
}

/// The schema's bound.
const MOST_PLANNED: usize = 500;

fn kind(type_: ObjectType) -> &'static str {
    match type_ {
        ObjectType::Secret => "Secret",
        ObjectType::Key => "Key",
        ObjectType::Certificate => "Certificate",
    }
}

/// As it is.
fn held(item: &Item<'_>) -> Shown {
    let choice = &item.choice;
    let newer = choice.pin.is_some() && choice.pin != item.had;
    Shown {
        pinned: item.had.clone(),
        previous: item.had_previous.clone(),
        expires: item.had_expires,
        state: match choice.state {
            ObjectState::Current if newer => ObjectState::Behind,
            state => state,
        },
    }
}

/// As it is wanted.
fn moved(item: &Item<'_>) -> Shown {
    let choice = &item.choice;
    Shown {
        pinned: choice.pin.clone(),
        previous: if choice.pin == item.had {
            item.had_previous.clone()
        } else {
            item.had.clone().or_else(|| item.had_previous.clone())
        },
        expires: choice.expires.filter(|_| choice.pin.is_some()),
        state: choice.state,
    }
}
