//! The order of work.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::Class;

/// How long what failed waits: doubling from `first` to `longest`, each time at least half of it by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// After many.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures; `chance` is any number.
    pub fn after(self, failures: u32, chance: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half = whole / 2;
        // The low 32 bits as a part of one.
        half + half.mul_f64(f64::from(chance as u32) / f64::from(u32::MAX))
    }
}

/// What came of a key's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is due again then.
    Again {
        /// Why.
        class: Class,
        /// When.
        after: Duration,
    },
    /// It failed, and comes back after its back-off.
    Failed(Class),
    /// It does not come back unless somebody adds it.
    Gone,
}

/// A key whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken<K> {
    /// The key.
    pub key: K,
    /// Why.
    pub class: Class,
    /// For how long it has been due.
    pub waited: Duration,
}

/// What waits of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many keys are due.
    pub depth: usize,
    /// For how long the oldest has been.
    pub oldest: Duration,
}

/// One key's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    class: Class,
    due: Instant,
}

impl Place {
    /// What both ask for: the more pressing class, at the earlier time.
    fn and(self, other: Self) -> Self {
        Self {
            class: self.class.min(other.class),
            due: self.due.min(other.due),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// It is not due yet.
    Later,
    /// It is due.
    Due,
    /// A worker has it.
    Taken {
        /// What was asked for meanwhile.
        meanwhile: Option<Place>,
        /// Whether what the worker says does not count any more.
        forgotten: bool,
    },
}

#[derive(Debug)]
struct Entry {
    place: Place,
    state: State,
    failures: u32,
}

/// Keys in the order of their turns. It holds one entry for each key and no more.
#[derive(Debug)]
pub struct Schedule<K> {
    backoff: Backoff,
    entries: HashMap<K, Entry>,
    later: BTreeSet<(Instant, K)>,
    due: BTreeSet<(Class, Instant, K)>,
}

impl<K: Clone + Ord + Hash> Schedule<K> {
    /// An empty one.
    pub fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            entries: HashMap::new(),
            later: BTreeSet::new(),
            due: BTreeSet::new(),
        }
    }

    /// How many keys it knows.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> Vec<K> {
        let mut keys: Vec<K> = self.entries.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// Adds a key, or makes one that is there more pressing. A back-off ends with it: something has
    /// changed.
    pub fn add(&mut self, key: K, class: Class, due: Instant, now: Instant) {
        let place = Place { class, due };
        let Some(entry) = self.entries.get_mut(&key) else {
            let entry = Entry {
                place,
                state: State::Later,
                failures: 0,
            };
            self.entries.insert(key.clone(), entry);
            self.put(key, place, now);
            return;
        };
        if let State::Taken { meanwhile, .. } = &mut entry.state {
            *meanwhile = Some(meanwhile.map_or(place, |before| before.and(place)));
            return;
        }
        let before = entry.place;
        self.remove(&key, before);
        self.put(key, before.and(place), now);
    }

    /// The most pressing key that is due, the oldest of those.
    pub fn take(&mut self, now: Instant) -> Option<Taken<K>> {
        self.ripen(now);
        let (class, due, key) = self.due.pop_first()?;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.state = State::Taken {
                meanwhile: None,
                forgotten: false,
            };
        }
        Some(Taken {
            key,
            class,
            waited: now.saturating_duration_since(due),
        })
    }

    /// The key's turn is over. `chance` is any number.
    pub fn done(&mut self, key: &K, outcome: Outcome, now: Instant, chance: u64) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let State::Taken {
            meanwhile,
            forgotten,
        } = entry.state
        else {
            return;
        };
        let outcome = if forgotten { Outcome::Gone } else { outcome };
        let place = match outcome {
            Outcome::Again { class, after } => {
                entry.failures = 0;
                let due = now + after;
                Some(Place { class, due })
            }
            Outcome::Failed(class) => {
                entry.failures = entry.failures.saturating_add(1);
                let due = now + self.backoff.after(entry.failures, chance);
                Some(Place { class, due })
            }
            Outcome::Gone => {
                entry.failures = 0;
                None
            }
        };
        let place = match (place, meanwhile) {
            (Some(place), Some(meanwhile)) => place.and(meanwhile),
            (Some(place), None) | (None, Some(place)) => place,
            (None, None) => {
                self.entries.remove(key);
                return;
            }
        };
        self.put(key.clone(), place, now);
    }

    /// Drops a key. A worker that has it is not disturbed, and it does not come back afterwards.
    pub fn forget(&mut self, key: &K) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let State::Taken { .. } = entry.state {
            entry.state = State::Taken {
                meanwhile: None,
                forgotten: true,
            };
            return;
        }
        let place = entry.place;
        self.entries.remove(key);
        self.remove(key, place);
    }

    /// Whether something is due.
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.ripen(now);
        !self.due.is_empty()
    }

    /// When the next key is due that is not yet.
    pub fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(due, _)| *due)
    }

    /// What is due of a class.
    pub fn waiting(&mut self, class: Class, now: Instant) -> Waiting {
        self.ripen(now);
        let mut waiting = Waiting::default();
        for (_, due, _) in self.due.iter().filter(|(of, ..)| *of == class) {
            waiting.depth += 1;
            waiting.oldest = waiting.oldest.max(now.saturating_duration_since(*due));
        }
        waiting
    }

    /// Moves what is due by now to those that are.
    fn ripen(&mut self, now: Instant) {
        while let Some((due, key)) = self.later.pop_first() {
            if due > now {
                self.later.insert((due, key));
                return;
            }
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.state = State::Due;
                self.due.insert((entry.place.class, due, key));
            }
        }
    }

    fn put(&mut self, key: K, place: Place, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.place = place;
        if place.due <= now {
            entry.state = State::Due;
            self.due.insert((place.class, place.due, key));
        } else {
            entry.state = State::Later;
            self.later.insert((place.due, key));
        }
    }

    fn remove(&mut self, key: &K, place: Place) {
        // A set compares keys as they are, so it needs one of its own.
        if !self.later.remove(&(place.due, key.clone())) {
            self.due.remove(&(place.class, place.due, key.clone()));
        }
    }
}
