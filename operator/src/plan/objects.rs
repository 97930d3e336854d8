//! The objects of a binding: what is pinned of each, and what is wanted.

use jiff::Timestamp;
use vaultbind_crds::binding::Object;
use vaultbind_crds::status::{ObjectState, ObjectStatus, VaultBindingStatus};
use vaultbind_keyvault::error::FetchProblem;
use vaultbind_keyvault::metadata::Version;
use vaultbind_keyvault::{ObjectName, VersionId};

use super::pins::{self, Pins};
use super::reading::{Reading, What, Wish, key};
use super::versions::{self, Choice};
use crate::observed::{Answer, Key, VaultAnswer};

/// One object of the vault.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) object: &'a Object,
    pub(super) name: ObjectName,
    /// The file, or the folder of the files.
    pub(super) path: String,
    /// What is pinned.
    pub(super) had: Option<VersionId>,
    /// What was pinned before.
    pub(super) had_previous: Option<VersionId>,
    /// What is wanted.
    pub(super) choice: Choice,
    /// Whether the vault told its versions.
    pub(super) known: bool,
    /// Whether it told any.
    pub(super) exists: bool,
    /// When the version that is pinned expires.
    pub(super) had_expires: Option<Timestamp>,
}

/// A selection that comes to nothing.
#[derive(Debug)]
pub(super) struct Gap<'a> {
    pub(super) object: &'a Object,
    pub(super) why: Why,
}

/// Why a selection comes to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The vault did not say.
    Unknown,
    /// There is nothing.
    Empty,
    /// There is more than it may be.
    TooMany,
}

/// All objects of a binding.
#[derive(Debug, Default)]
pub(super) struct Objects<'a> {
    pub(super) items: Vec<Item<'a>>,
    pub(super) gaps: Vec<Gap<'a>>,
}

impl Item<'_> {
    /// Whether it stands in the way: it has no version and it is not certain that it may be left out.
    pub(super) fn is_blocked(&self) -> bool {
        self.choice.pin.is_none() && !(self.object.optional && self.known)
    }
}

/// What is pinned, from both places that know it. The SecretProviderClass is what pods get, so it goes
/// first; a status outlives one that somebody deleted. Pins of another vault are none.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    class: Option<&'a Pins>,
    status: &'a [ObjectStatus],
}

impl<'a> Memory<'a> {
    pub(super) fn of(
        status: Option<&'a VaultBindingStatus>,
        class: Option<&'a Pins>,
        reading: &Reading<'_>,
    ) -> Self {
        let same_vault = |status: &&VaultBindingStatus| {
            let vault = status.summary.as_ref().and_then(|s| s.vault.as_deref());
            vault == Some(reading.host.as_str())
        };
        Self {
            class: class.filter(|pins| pins.are_of(reading)),
            status: status
                .filter(same_vault)
                .map_or(&[], |status| status.objects.as_slice()),
        }
    }

    /// Nothing is remembered at all.
    pub(super) fn is_empty(&self) -> bool {
        self.class.is_none() && self.status.iter().all(|object| object.pinned.is_none())
    }

    fn status(&self, object: &Object, name: &str) -> Option<&'a ObjectStatus> {
        self.status.iter().find(|status| {
            status.name == object.name && status.object_name.eq_ignore_ascii_case(name)
        })
    }

    fn pinned(&self, object: &Object, name: &str, path: &str) -> Option<VersionId> {
        let class = self.class.and_then(|pins| pins.version(name, path));
        class.cloned().or_else(|| {
            let status = self.status(object, name)?;
            status.pinned.as_ref()?.parse().ok()
        })
    }

    fn previous(&self, object: &Object, name: &str) -> Option<VersionId> {
        let key = pins::previous_key(&object.name, name);
        let class = self.class.and_then(|pins| pins.previous.get(&key));
        class.cloned().or_else(|| {
            let status = self.status(object, name)?;
            status.previous.as_ref()?.parse().ok()
        })
    }

    /// The names that a selection had.
    fn selected(&self, object: &Object) -> Vec<ObjectName> {
        let class: Vec<_> = self
            .class
            .into_iter()
            .flat_map(|pins| pins.under(object.path()))
            .map(|entry| entry.name.clone())
            .collect();
        if !class.is_empty() {
            let mut names = class;
            // The Azure dialect has an entry for each part.
            names.dedup();
            return names;
        }
        let status = self
            .status
            .iter()
            .filter(|status| status.name == object.name);
        status
            .filter(|status| status.pinned.is_some())
            .filter_map(|status| status.object_name.parse().ok())
            .collect()
    }
}

impl<'a> Objects<'a> {
    pub(super) fn of(
        reading: &Reading<'a>,
        memory: &Memory<'_>,
        answer: &Answer,
        now: Timestamp,
    ) -> Self {
        let answer = match answer {
            Answer::Vault(answer) => Some(answer),
            Answer::NotAsked | Answer::NoServiceAccountToken(_) | Answer::NoToken(..) => None,
        };
        let mut objects = Self::default();
        for wish in &reading.wishes {
            match &wish.what {
                What::Named(name, version) => {
                    let path = wish.object.path().to_owned();
                    let seen = Seen {
                        memory,
                        answer,
                        now,
                    };
                    objects
                        .items
                        .push(seen.item(wish, name.clone(), path, version.as_ref()));
                }
                What::Selected => objects.select(
                    wish,
                    &Seen {
                        memory,
                        answer,
                        now,
                    },
                ),
            }
        }
        objects
    }

    fn select(&mut self, wish: &Wish<'a>, seen: &Seen<'_>) {
        let object = wish.object;
        let mut gap = |why| self.gaps.push(Gap { object, why });
        let found = seen
            .answer
            .and_then(|answer| answer.selected.get(&object.name));
        let names: Vec<ObjectName> = match found {
            Some(Ok(names)) => {
                let most = object.select.as_ref().map_or(0, |select| select.max);
                if names.len() > usize::try_from(most).unwrap_or(0) {
                    return gap(Why::TooMany);
                }
                if names.is_empty() && !object.optional {
                    return gap(Why::Empty);
                }
                names.iter().filter_map(|name| name.parse().ok()).collect()
            }
            Some(Err(_)) | None => {
                let names = seen.memory.selected(object);
                if names.is_empty() {
                    return gap(Why::Unknown);
                }
                names
            }
        };
        for name in names {
            let path = format!("{}/{name}", object.path());
            self.items.push(seen.item(wish, name, path, None));
        }
    }

    /// Whether a selection finds more than it may.
    pub(super) fn too_many(&self) -> Option<&Gap<'a>> {
        self.gaps.iter().find(|gap| gap.why == Why::TooMany)
    }

    /// Paths of what stands in the way of a complete class.
    pub(super) fn blocked(&self) -> impl Iterator<Item = &str> {
        let items = self.items.iter().filter(|item| item.is_blocked());
        items
            .map(|item| item.path.as_str())
            .chain(self.gaps.iter().map(|gap| gap.object.path()))
    }
}

struct Seen<'m> {
    memory: &'m Memory<'m>,
    answer: Option<&'m VaultAnswer>,
    now: Timestamp,
}

impl Seen<'_> {
    fn item<'a>(
        &self,
        wish: &Wish<'a>,
        name: ObjectName,
        path: String,
        exact: Option<&VersionId>,
    ) -> Item<'a> {
        let object = wish.object;
        let had = self.memory.pinned(object, name.as_str(), &path);
        let versions = self.versions(&key(object.type_, &name));
        let choice = match (versions, exact) {
            (None, _) => self.unknown(object, &name, had.clone()),
            // An optional object that is gone is left out, whatever was pinned.
            (Some([]), _) if object.optional => Choice {
                pin: None,
                ..versions::latest(None, &[], self.now)
            },
            (Some(versions), None) => versions::latest(had.as_ref(), versions, self.now),
            (Some(versions), Some(wanted)) => {
                versions::exact(wanted, had.as_ref(), versions, self.now)
            }
        };
        let told = self.memory.status(object, name.as_str());
        let told =
            told.filter(|told| told.pinned.as_deref() == had.as_ref().map(VersionId::as_str));
        let listed = versions.unwrap_or_default();
        let had_expires = match listed
            .iter()
            .find(|version| Some(&version.id) == had.as_ref())
        {
            Some(version) => versions::time(version.attributes.validity.expires),
            None => told
                .and_then(|told| told.expires.as_ref())
                .map(|time| time.0),
        };
        Item {
            object,
            exists: !listed.is_empty(),
            had_expires,
            had_previous: self.memory.previous(object, name.as_str()),
            known: versions.is_some(),
            name,
            path,
            had,
            choice,
        }
    }

    fn versions(&self, key: &Key) -> Option<&[Version]> {
        match self.answer?.versions.get(key)? {
            Ok(versions) => Some(versions),
            Err(error) if error.problem == FetchProblem::NotFound => Some(&[]),
            Err(_) => None,
        }
    }

    /// What is pinned stays, and what was known of it is still told.
    fn unknown(&self, object: &Object, name: &ObjectName, had: Option<VersionId>) -> Choice {
        let told = self.memory.status(object, name.as_str());
        let told =
            told.filter(|told| told.pinned.as_deref() == had.as_ref().map(VersionId::as_str));
        Choice {
            pin: had,
            latest: told.and_then(|told| told.latest.as_ref()?.parse().ok()),
            state: ObjectState::Unknown,
            expires: told
                .and_then(|told| told.expires.as_ref())
                .map(|time| time.0),
            turns: None,
        }
    }
}

/// Whether the vault told anything at all.
pub(super) fn answered(answer: &Answer) -> bool {
    match answer {
        Answer::Vault(answer) => {
            let absent = |problem: &FetchProblem| *problem == FetchProblem::NotFound;
            answer.versions.values().any(|versions| match versions {
                Ok(_) => true,
                Err(error) => absent(&error.problem),
            }) || answer.selected.values().any(Result::is_ok)
        }
        Answer::NotAsked | Answer::NoServiceAccountToken(_) | Answer::NoToken(..) => false,
    }
}
