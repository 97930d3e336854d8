//! Which version of an object is the wanted one.

use std::cmp::Ordering;

use jiff::Timestamp;
use vaultbind_crds::status::ObjectState;
use vaultbind_keyvault::VersionId;
use vaultbind_keyvault::metadata::Version;

/// What the versions of an object come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The version to be pinned; absent if none can be.
    pub(super) pin: Option<VersionId>,
    /// The newest that can be used.
    pub(super) latest: Option<VersionId>,
    /// How the object is once `pin` is pinned.
    pub(super) state: ObjectState,
    /// When `pin` expires.
    pub(super) expires: Option<Timestamp>,
    /// When something changes by the clock alone: the next version becomes active, or the pinned one
    /// expires.
    pub(super) turns: Option<Timestamp>,
}

pub(super) fn time(seconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_second(seconds?).ok()
}

/// How one version is by itself.
fn state(version: &Version, now: Timestamp) -> ObjectState {
    let attributes = &version.attributes;
    let now = now.as_second();
    if !attributes.enabled {
        ObjectState::Disabled
    } else if attributes.validity.not_before.is_some_and(|at| at > now) {
        ObjectState::NotYetValid
    } else if attributes.validity.expires.is_some_and(|at| at <= now) {
        ObjectState::Expired
    } else {
        ObjectState::Current
    }
}

/// By when they were made. Of two that were made in the same second nobody can say which is newer, so
/// the pinned one stays; without a pin their ids decide, so that every try decides alike.
fn by_age(one: &Version, other: &Version, pinned: Option<&VersionId>) -> Ordering {
    let made = |version: &Version| version.attributes.created.unwrap_or(i64::MIN);
    let is_pinned = |version: &Version| Some(&version.id) == pinned;
    made(one)
        .cmp(&made(other))
        .then(is_pinned(one).cmp(&is_pinned(other)))
        .then_with(|| one.id.cmp(&other.id))
}

/// The newest usable version. One that is pinned and usable only gives way to a newer one; one that is
/// not gives way to any, and stays if there is none: a pod may still have it, and knowing it is better
/// than knowing nothing.
pub(super) fn latest(pinned: Option<&VersionId>, versions: &[Version], now: Timestamp) -> Choice {
    let newest = versions
        .iter()
        .filter(|version| state(version, now) == ObjectState::Current)
        .max_by(|one, other| by_age(one, other, pinned));
    let next_active = versions
        .iter()
        .filter(|version| state(version, now) == ObjectState::NotYetValid)
        .filter_map(|version| time(version.attributes.validity.not_before))
        .min();
    let (pin, shown, state) = match newest {
        Some(newest) => (Some(newest.id.clone()), Some(newest), ObjectState::Current),
        None => {
            let shown = versions.iter().find(|version| Some(&version.id) == pinned);
            (pinned.cloned(), shown, none_usable(versions, now))
        }
    };
    let expires = shown.and_then(|version| time(version.attributes.validity.expires));
    Choice {
        pin,
        latest: newest.map(|version| version.id.clone()),
        state,
        expires,
        turns: next_active
            .into_iter()
            .chain(expires.filter(|at| *at > now))
            .min(),
    }
}

/// The version that the binding names. It is what somebody chose, so it stays chosen past its validity,
/// which Key Vault does not enforce either; one that is disabled or not there cannot be read.
pub(super) fn exact(
    wanted: &VersionId,
    pinned: Option<&VersionId>,
    versions: &[Version],
    now: Timestamp,
) -> Choice {
    let newest = latest(None, versions, now).latest;
    let found = versions.iter().find(|version| version.id == *wanted);
    let state = found.map_or(ObjectState::Missing, |version| state(version, now));
    let readable = !matches!(state, ObjectState::Missing | ObjectState::Disabled);
    let expires = found.and_then(|version| time(version.attributes.validity.expires));
    Choice {
        pin: (readable || pinned == Some(wanted)).then(|| wanted.clone()),
        latest: newest,
        state,
        expires,
        turns: expires.filter(|at| *at > now),
    }
}

fn none_usable(versions: &[Version], now: Timestamp) -> ObjectState {
    let has = |wanted| versions.iter().any(|version| state(version, now) == wanted);
    if versions.is_empty() {
        ObjectState::Missing
    } else if has(ObjectState::NotYetValid) {
        ObjectState::NotYetValid
    } else if has(ObjectState::Expired) {
        ObjectState::Expired
    } else {
        ObjectState::Disabled
    }
}

#[cfg(test)]
mod tests;
