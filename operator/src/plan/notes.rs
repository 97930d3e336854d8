//! The events of a binding: one for each change, none for what stays as it was.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use vaultbind_crds::status::{ConditionType, ObjectState, ObjectStatus};
use vaultbind_crds::{VaultBinding, VaultBindingStatus};

use super::conditions::before;
use super::objects::Objects;
use super::outcome::Shown;
use super::reason::{Event, Reason};
use super::resolved::{joined, short};

/// What becomes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// One of [`Event`].
    pub reason: &'static str,
    /// What happened.
    pub message: String,
}

impl Note {
    pub(super) fn new(event: Event, message: impl Into<String>) -> Self {
        Self {
            warning: event.warning(),
            reason: event.as_str(),
            message: message.into(),
        }
    }
}

/// What moved in the SecretProviderClass.
pub(super) fn moves(objects: &Objects<'_>, shown: &[Shown]) -> Vec<Note> {
    let mut pinned = Vec::new();
    let mut promoted = Vec::new();
    let mut unpinned = Vec::new();
    for (item, shown) in objects.items.iter().zip(shown) {
        let name = &item.object.name;
        let name = if item.name.as_str() == name {
            name.clone()
        } else {
            format!("{name} ({})", item.name)
        };
        match (&item.had, &shown.pinned) {
            (None, Some(to)) => pinned.push(format!("{name} {}", short(to.as_str()))),
            (Some(from), Some(to)) if from != to => promoted.push(format!(
                "{name} {} -> {}",
                short(from.as_str()),
                short(to.as_str())
            )),
            (Some(from), None) => unpinned.push(format!("{name} {}", short(from.as_str()))),
            _ => {}
        }
    }
    [
        (Event::Pinned, pinned),
        (Event::Promoted, promoted),
        (Event::Unpinned, unpinned),
    ]
    .into_iter()
    .filter(|(_, texts)| !texts.is_empty())
    .map(|(event, texts)| Note::new(event, joined(texts.into_iter())))
    .collect()
}

/// What changed in the status.
pub(super) fn changes(binding: &VaultBinding, new: &VaultBindingStatus) -> Vec<Note> {
    let changed = |type_| Changed {
        old: before(binding, type_),
        new: new
            .conditions
            .iter()
            .find(|c| c.type_ == ConditionType::as_str(type_)),
    };
    let mut notes = Vec::new();
    let stalled = changed(ConditionType::Stalled);
    notes.extend(
        stalled
            .became("True", true)
            .map(|c| Note::new(Event::Stalled, &c.message)),
    );
    let driver = changed(ConditionType::DriverReady);
    notes.extend(
        driver
            .became("False", true)
            .map(|c| Note::new(Event::DriverNotReady, &c.message)),
    );
    notes.extend(access(
        &changed(ConditionType::IdentityReady),
        &changed(ConditionType::AccessReady),
    ));
    let resolved = changed(ConditionType::ObjectsResolved);
    let unusable = unusable(binding, new);
    if unusable.is_empty() {
        notes.extend(
            (resolved.became("False", true))
                .filter(|_| new.conditions.iter().all(|c| c.type_ != "Stalled"))
                .map(|c| Note::new(Event::ObjectsUnresolved, &c.message)),
        );
    } else {
        notes.push(Note::new(
            Event::PinnedVersionUnusable,
            joined(unusable.into_iter()),
        ));
    }
    let secrets = changed(ConditionType::SecretsSynced);
    notes.extend(
        (secrets.became("False", true))
            .filter(|c| c.reason != Reason::Planned.as_str())
            .map(|c| Note::new(Event::SecretsNotSynced, &c.message)),
    );
    let expiring = changed(ConditionType::ExpiringSoon);
    notes.extend(
        expiring
            .became("True", true)
            .map(|c| Note::new(Event::ExpiringSoon, &c.message)),
    );
    notes
}

struct Changed<'a> {
    old: Option<&'a Condition>,
    new: Option<&'a Condition>,
}

impl<'a> Changed<'a> {
    /// The condition if it has this status now and had not, or had it for another reason.
    fn became(&self, status: &str, or_reason: bool) -> Option<&'a Condition> {
        let new = self.new.filter(|new| new.status == status)?;
        let same = self.old.is_some_and(|old| {
            old.status == new.status && !(or_reason && old.reason != new.reason)
        });
        (!same).then_some(new)
    }

    fn was(&self, status: &str) -> bool {
        self.old.is_some_and(|old| old.status == status)
    }
}

/// One event for the way to the vault, whichever part of it broke.
fn access(identity: &Changed<'_>, access: &Changed<'_>) -> Option<Note> {
    let lost = |changed: &Changed<'_>| {
        let refused = changed.became("False", true).map(|new| new.message.clone());
        let unknown = changed.became("Unknown", false);
        let unknown = unknown
            .filter(|_| changed.was("True"))
            .map(|new| new.message.clone());
        refused.or(unknown)
    };
    if let Some(message) = lost(identity).or_else(|| lost(access)) {
        return Some(Note::new(Event::AccessLost, message));
    }
    let unasked = |changed: &Changed<'_>| {
        let old = changed.old;
        old.is_none_or(|old| matches!(old.reason.as_str(), "NotAsked" | "NotVerified"))
    };
    // The first answer restores nothing.
    let first = unasked(access) && (unasked(identity) || identity.was("True"));
    let restored = access.became("True", false).filter(|_| !first);
    restored.map(|_| Note::new(Event::AccessRestored, "the vault answers again"))
}

/// Objects whose pinned version cannot be used any longer, and could before.
fn unusable(binding: &VaultBinding, new: &VaultBindingStatus) -> Vec<String> {
    let old = binding
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.objects);
    let is_unusable = |object: &&ObjectStatus| {
        object.pinned.is_some()
            && match object.state {
                ObjectState::Missing
                | ObjectState::Disabled
                | ObjectState::NotYetValid
                | ObjectState::Expired => true,
                ObjectState::Current | ObjectState::Behind | ObjectState::Unknown => false,
            }
    };
    let known = |object: &ObjectStatus| {
        old.iter().any(|old| {
            old.name == object.name
                && old.object_name == object.object_name
                && old.state == object.state
                && old.pinned == object.pinned
        })
    };
    let pinned = |object: &ObjectStatus| {
        object
            .pinned
            .as_deref()
            .map_or(String::new(), |id| short(id).to_owned())
    };
    (new.objects.iter())
        .filter(is_unusable)
        .filter(|object| !known(object))
        .map(|object| {
            format!(
                "{}: the pinned version {} is {} and nothing can replace it",
                object.name,
                pinned(object),
                match object.state {
                    ObjectState::Missing => "gone",
                    ObjectState::Disabled => "disabled",
                    ObjectState::NotYetValid => "not active",
                    _ => "expired",
                }
            )
        })
        .collect()
}
