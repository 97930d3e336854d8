//! One object as it is known: its versions, when they were asked for, and what the list of objects can
//! say about them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use vaultbind_keyvault::VersionId;
use vaultbind_keyvault::metadata::{Attributes, ListError, Version};

/// Versions of an object that are kept, beside those that are held.
const NEWEST: usize = 25;

/// For how long a failure is told without asking again, whoever would be content with older knowledge:
/// longer than one request may take, so that those who waited for it need not try for themselves, and
/// not much longer, because somebody may be about to mend it.
const FAILURES_FOR: Duration = Duration::from_secs(30);

/// Times in a vault have whole seconds: a version made in the same second as the newest one that was
/// seen looks no different in the list of objects. This long after that second there can be none, if
/// the clocks differ by less.
const SETTLES_AFTER: i64 = 60;

/// When something was asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::resolve) struct Moment {
    pub(in crate::resolve) at: Instant,
    pub(in crate::resolve) time: Timestamp,
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy)]
pub(in crate::resolve) struct Age {
    /// As the question says it.
    pub(in crate::resolve) max: Duration,
    /// When the question came.
    pub(in crate::resolve) arrived: Instant,
    pub(in crate::resolve) now: Instant,
}

impl Age {
    pub(super) fn allows(self, moment: &Moment, failed: bool) -> bool {
        let oldest = self.arrived.checked_sub(self.max);
        let is_new = oldest.is_none_or(|oldest| moment.at >= oldest);
        let age = self.now.saturating_duration_since(moment.at);
        is_new && (!failed || age < FAILURES_FOR || moment.at >= self.arrived)
    }
}

/// Versions, or why there are none to be told.
pub(super) type Versions = Result<Vec<Version>, Arc<ListError>>;

/// What is known of an object.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) interest: Interest,
    /// Versions that must be found, and when that was last said.
    pub(super) held: HashMap<VersionId, Instant>,
    pub(super) known: Option<Known>,
    /// Why it could not be asked for, if it could not the last time. What was known before is kept,
    /// because the list of objects may show that it still holds.
    pub(super) failed: Option<(Moment, Arc<ListError>)>,
}

/// Who wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interest {
    pub(super) asked: Instant,
    /// How old it may be for whoever asked last.
    pub(super) max_age: Duration,
    /// Whether somebody waits for it.
    pub(super) wanted: bool,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) moment: Moment,
    versions: Vec<Version>,
    /// Whether versions were left out.
    cut: bool,
    /// Those that were looked for when they were left out.
    looked_for: BTreeSet<VersionId>,
    /// Whether a version made since must show in the list of objects.
    settled: bool,
}

impl Interest {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            asked: now,
            max_age: Duration::ZERO,
            wanted: false,
        }
    }
}

impl Known {
    pub(super) fn new(
        moment: Moment,
        mut versions: Vec<Version>,
        held: &HashMap<VersionId, Instant>,
    ) -> Self {
        let newest = versions.first().and_then(|v| v.attributes.created);
        let cut = versions.len() > NEWEST;
        if cut {
            let mut place = 0;
            versions.retain(|version| {
                place += 1;
                place <= NEWEST || held.contains_key(&version.id)
            });
        }
        versions.shrink_to_fit();
        Self {
            moment,
            versions,
            cut,
            looked_for: match cut {
                true => held.keys().cloned().collect(),
                false => BTreeSet::new(),
            },
            settled: newest.is_none_or(|newest| newest + SETTLES_AFTER < moment.time.as_second()),
        }
    }

    fn has(&self, id: &VersionId) -> bool {
        self.versions.iter().any(|version| version.id == *id)
    }

    /// Whether everything there is to say of a version is here.
    fn tells(&self, id: &VersionId) -> bool {
        !self.cut || self.has(id) || self.looked_for.contains(id)
    }

    /// The versions that may be the current one: those that were made last, in the same second.
    fn newest(&self) -> impl Iterator<Item = &Version> {
        let created = self.versions.first().map(|v| v.attributes.created);
        let versions = self.versions.iter();
        versions.take_while(move |version| Some(version.attributes.created) == created)
    }
}

impl Entry {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            interest: Interest::new(now),
            held: HashMap::new(),
            known: None,
            failed: None,
        }
    }

    /// Whether an unchanged item in the list of objects says that nothing has changed. It tells of the
    /// current version alone: a held one that is not it may have changed unseen.
    pub(super) fn is_verifiable(&self) -> bool {
        self.known.as_ref().is_some_and(|known| {
            known.settled
                && self.held.keys().all(|id| {
                    let is_newest = known.newest().any(|version| version.id == *id);
                    known.tells(id) && (is_newest || !known.has(id))
                })
        })
    }

    /// Whether the list of objects shows it as it is known; `None` if it does not have it.
    pub(super) fn is_unchanged(&self, item: Option<&Attributes>) -> bool {
        let Some(known) = &self.known else {
            return false;
        };
        match item {
            Some(item) => self.is_verifiable() && known.newest().any(|v| v.attributes == *item),
            None => known.versions.is_empty(),
        }
    }

    /// When it was asked for.
    pub(super) fn moment(&self) -> Option<Moment> {
        let failed = self.failed.as_ref().map(|(moment, _)| *moment);
        failed.or_else(|| self.known.as_ref().map(|known| known.moment))
    }

    pub(super) fn is_fresh(&self, age: Age, held: Option<&BTreeSet<VersionId>>) -> bool {
        let failed = self.failed.is_some();
        let is_new = self
            .moment()
            .is_some_and(|moment| age.allows(&moment, failed));
        let tells = |known: &Known| held.into_iter().flatten().all(|id| known.tells(id));
        is_new && (self.failed.is_some() || self.known.as_ref().is_some_and(tells))
    }

    pub(super) fn versions(&self) -> Option<Versions> {
        match (&self.failed, &self.known) {
            (Some((_, error)), _) => Some(Err(Arc::clone(error))),
            (None, Some(known)) => Some(Ok(known.versions.clone())),
            (None, None) => None,
        }
    }
}
