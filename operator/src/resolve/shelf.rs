//! What is known of the objects of one type in one vault, as one caller sees them: who wants what, what
//! the vault said and when. No I/O, and the time is an argument.

mod entry;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use vaultbind_keyvault::metadata::{List, ListError, Listed, Listing};
use vaultbind_keyvault::{ObjectName, ObjectType, VersionId};

use super::choose::{Pages, Situation, list_pages};
use entry::{Entry, Interest, Known, Versions};

pub(super) use entry::{Age, Moment};

/// For how long a refused list of objects is not asked for in place of lists of versions.
const REFUSED_FOR: Duration = Duration::from_secs(15 * 60);

/// A selection, whatever a binding calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pattern {
    pub(super) prefix: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) max: usize,
}

impl Pattern {
    fn selects(&self, name: &str, object: &Listed) -> bool {
        let has = |(key, value)| object.tags.get(key) == Some(value);
        !object.managed && name.starts_with(&self.prefix) && self.tags.iter().all(has)
    }
}

/// What one question wants to know of a shelf.
#[derive(Debug, Clone, Default)]
pub(super) struct Wants {
    /// Named objects, in lower case.
    pub(super) names: BTreeSet<String>,
    /// Versions of named and selected objects that must be found.
    pub(super) held: BTreeMap<String, BTreeSet<VersionId>>,
    /// Selections.
    pub(super) patterns: BTreeSet<Pattern>,
}

type Names = Result<Vec<String>, Arc<ListError>>;

/// What a shelf says to a question.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) versions: BTreeMap<String, Versions>,
    pub(super) selected: BTreeMap<Pattern, Names>,
    /// When the oldest of it was asked for.
    pub(super) time: Option<Timestamp>,
}

/// What is to be asked of the vault.
#[derive(Debug)]
pub(super) struct Order {
    /// Read the list of objects first, so many pages at most.
    pub(super) list_pages: Option<usize>,
    names: BTreeSet<String>,
    patterns: BTreeSet<Pattern>,
}

/// The state of a shelf.
#[derive(Debug, Default)]
pub(super) struct State {
    names: HashMap<String, Entry>,
    patterns: HashMap<Pattern, Selected>,
    pages: Pages,
    refused: Option<Instant>,
}

#[derive(Debug)]
struct Selected {
    interest: Interest,
    found: Option<(Moment, Names)>,
}

impl State {
    /// The answer, if all of it is known and new enough. Otherwise what is missing is wanted from now on.
    pub(super) fn look(&mut self, wants: &Wants, age: Age) -> Option<Told> {
        let (now, max_age) = (age.now, age.max);
        for (name, ids) in &wants.held {
            let entry = self.entry(name, now);
            entry.held.extend(ids.iter().map(|id| (id.clone(), now)));
        }
        let mut fresh = true;
        let mut names = wants.names.clone();
        for pattern in &wants.patterns {
            let selected = self.patterns.entry(pattern.clone());
            let selected = selected.or_insert_with(|| Selected {
                interest: Interest::new(now),
                found: None,
            });
            selected.interest.asked = now;
            selected.interest.max_age = max_age;
            match &selected.found {
                Some((moment, found)) if age.allows(moment, found.is_err()) => {
                    names.extend(wanted_of(pattern, found).cloned());
                }
                _ => {
                    selected.interest.wanted = true;
                    fresh = false;
                }
            }
        }
        for name in names {
            let held = wants.held.get(&name);
            let entry = self.entry(&name, now);
            entry.interest.asked = now;
            entry.interest.max_age = max_age;
            if !entry.is_fresh(age, held) {
                entry.interest.wanted = true;
                fresh = false;
            }
        }
        fresh.then(|| self.tell(wants))
    }

    /// What is known, however old.
    pub(super) fn tell(&self, wants: &Wants) -> Told {
        let mut told = Told {
            versions: BTreeMap::new(),
            selected: BTreeMap::new(),
            time: None,
        };
        let mut names: BTreeSet<&String> = wants.names.iter().collect();
        for pattern in &wants.patterns {
            let found = self.patterns.get(pattern).and_then(|s| s.found.as_ref());
            if let Some((moment, found)) = found {
                told.at(moment);
                names.extend(wanted_of(pattern, found));
                told.selected.insert(pattern.clone(), found.clone());
            }
        }
        for name in names {
            let Some(entry) = self.names.get(name) else {
                continue;
            };
            if let (Some(moment), Some(versions)) = (entry.moment(), entry.versions()) {
                told.at(&moment);
                told.versions.insert(name.clone(), versions);
            }
        }
        told
    }

    /// Takes what is wanted, and decides how to ask for it.
    pub(super) fn order(&mut self, now: Instant, most_pages: usize) -> Order {
        let mut names = BTreeSet::new();
        let mut due = 0;
        for (name, entry) in &mut self.names {
            let wanted = std::mem::take(&mut entry.interest.wanted);
            if wanted {
                names.insert(name.clone());
            }
            // Whoever will ask soon is spared it by a list that is read now.
            let soon = entry.moment().is_some_and(|moment| {
                now.saturating_duration_since(moment.at) >= entry.interest.max_age / 2
            });
            due += usize::from((wanted || soon) && entry.is_verifiable());
        }
        let mut patterns = BTreeSet::new();
        for (pattern, selected) in &mut self.patterns {
            if std::mem::take(&mut selected.interest.wanted) {
                patterns.insert(pattern.clone());
            }
        }
        let refused = self
            .refused
            .is_some_and(|at| now.saturating_duration_since(at) < REFUSED_FOR);
        let list_pages = list_pages(Situation {
            selects: !patterns.is_empty(),
            due,
            pages: self.pages,
            refused,
            most_pages,
        });
        Order {
            list_pages,
            names,
            patterns,
        }
    }

    /// Without a list of objects, the versions of all wanted names have to be asked for.
    pub(super) fn unlisted(order: Order) -> BTreeSet<String> {
        order.names
    }

    /// Takes note of the list of objects; a selection from a part of it would be wrong, and gets
    /// `too_long`. Returns the names whose versions have to be asked for, and how many are known to be
    /// unchanged.
    pub(super) fn listed(
        &mut self,
        order: Order,
        listing: Listing<Listed>,
        too_long: &Arc<ListError>,
        moment: Moment,
    ) -> (BTreeSet<String>, usize) {
        let Listing {
            items,
            pages,
            complete,
            ..
        } = listing;
        self.refused = None;
        self.pages = if complete {
            Pages::Exactly(pages)
        } else {
            Pages::MoreThan(pages)
        };
        let items: BTreeMap<String, Listed> = items
            .into_iter()
            .map(|item| (item.name.as_str().to_ascii_lowercase(), item))
            .collect();
        let mut wanted = order.names;
        for pattern in order.patterns {
            let matching = items
                .iter()
                .filter(|(name, item)| pattern.selects(name, item));
            let names = matching.map(|(name, _)| name.clone());
            let found: Names = match complete {
                true => Ok(names.take(pattern.max.saturating_add(1)).collect()),
                false => Err(Arc::clone(too_long)),
            };
            wanted.extend(wanted_of(&pattern, &found).cloned());
            self.select(&pattern, moment, found);
        }
        for name in &wanted {
            self.entry(name, moment.at);
        }
        let mut unchanged = 0;
        for (name, entry) in &mut self.names {
            let item = items.get(name).map(|item| &item.attributes);
            let is_seen = item.is_some() || complete;
            if is_seen && entry.is_unchanged(item) {
                wanted.remove(name);
                unchanged += 1;
                entry.failed = None;
                if let Some(known) = &mut entry.known {
                    known.moment = moment;
                }
            } else if item.is_none() && complete && entry.known.is_none() {
                // What is in no list is not there. What was there a moment ago is asked for itself.
                wanted.remove(name);
                entry.failed = None;
                entry.known = Some(Known::new(moment, Vec::new(), &entry.held));
            }
        }
        (wanted, unchanged)
    }

    /// Takes note that the list of objects was refused or did not come. Returns the names whose
    /// versions may be had all the same.
    pub(super) fn not_listed(
        &mut self,
        order: Order,
        object_type: ObjectType,
        error: &Arc<ListError>,
        moment: Moment,
    ) -> BTreeSet<String> {
        for pattern in &order.patterns {
            self.select(pattern, moment, Err(Arc::clone(error)));
        }
        if error.is_of_vault() {
            self.fail(object_type, &order.names, error, moment);
            return BTreeSet::new();
        }
        self.refused = Some(moment.at);
        order.names
    }

    /// Takes note of an object's versions.
    pub(super) fn store(&mut self, name: &str, moment: Moment, versions: Versions) {
        let entry = self.entry(name, moment.at);
        match versions {
            Ok(versions) => {
                entry.failed = None;
                entry.known = Some(Known::new(moment, versions, &entry.held));
            }
            Err(error) => entry.failed = Some((moment, error)),
        }
    }

    /// Takes note that none of these can be asked for, for the same reason.
    pub(super) fn fail<'a>(
        &mut self,
        object_type: ObjectType,
        names: impl IntoIterator<Item = &'a String>,
        error: &Arc<ListError>,
        moment: Moment,
    ) {
        for name in names {
            let error = match name.parse::<ObjectName>() {
                Ok(object) => Arc::new(error.of(List::Versions(object_type, object))),
                Err(_) => Arc::clone(error),
            };
            self.store(name, moment, Err(error));
        }
    }

    /// Forgets what nobody has asked for since then. Says whether anything is left.
    pub(super) fn tidy(&mut self, since: Instant) -> bool {
        self.names.retain(|_, entry| {
            entry.held.retain(|_, said| *said >= since);
            entry.interest.asked >= since
        });
        self.names.shrink_to_fit();
        self.patterns
            .retain(|_, selected| selected.interest.asked >= since);
        !self.names.is_empty() || !self.patterns.is_empty()
    }

    fn entry(&mut self, name: &str, now: Instant) -> &mut Entry {
        let entry = self.names.entry(name.to_owned());
        entry.or_insert_with(|| Entry::new(now))
    }

    fn select(&mut self, pattern: &Pattern, moment: Moment, found: Names) {
        if let Some(selected) = self.patterns.get_mut(pattern) {
            selected.found = Some((moment, found));
        }
    }
}

impl Told {
    fn at(&mut self, moment: &Moment) {
        let time = self.time.map_or(moment.time, |time| time.min(moment.time));
        self.time = Some(time);
    }
}

/// The found names whose versions are wanted: none if there are more than may be.
fn wanted_of<'a>(pattern: &Pattern, found: &'a Names) -> impl Iterator<Item = &'a String> {
    let found = found.as_deref().unwrap_or_default();
    found.iter().filter(move |_| found.len() <= pattern.max)
}
