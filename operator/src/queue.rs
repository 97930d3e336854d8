//! The work that waits: each key once, the most pressing first.
//!
//! [`Schedule`] is the order itself, without I/O and with the time as an argument; [`Queue`] lets
//! workers wait for it. What fails comes back after a time that doubles; what is touched while a worker
//! has it comes back when the worker is done.

mod schedule;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub use schedule::{Backoff, Outcome, Schedule, Taken, Waiting};

/// Why something waits, the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Its pods cannot start: it was never ready.
    NeverReady,
    /// Somebody changed it or asks for a check.
    Asked,
    /// Something around it has changed, or is to be done by now.
    Deadline,
    /// It is time for another look.
    Periodic,
}

impl Class {
    /// Every class there is, the most pressing first.
    pub const ALL: [Self; 4] = [
        Self::NeverReady,
        Self::Asked,
        Self::Deadline,
        Self::Periodic,
    ];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverReady => "never_ready",
            Self::Asked => "asked",
            Self::Deadline => "deadline",
            Self::Periodic => "periodic",
        }
    }
}

/// A schedule for workers that wait.
#[derive(Debug)]
pub struct Queue<K> {
    schedule: Mutex<Schedule<K>>,
    changed: Notify,
    randomness: RandomState,
}

impl<K: Clone + Ord + Hash + Debug> Queue<K> {
    /// An empty one.
    pub fn new(backoff: Backoff) -> Self {
        Self {
            schedule: Mutex::new(Schedule::new(backoff)),
            changed: Notify::new(),
            randomness: RandomState::new(),
        }
    }

    /// Adds a key that is due after a while.
    pub fn add(&self, key: K, class: Class, after: Duration) {
        let now = Instant::now();
        self.lock().add(key, class, now + after, now);
        self.changed.notify_one();
    }

    /// Waits for the most pressing key that is due.
    pub async fn take(&self) -> Taken<K> {
        loop {
            let next = {
                let mut schedule = self.lock();
                let now = Instant::now();
                if let Some(taken) = schedule.take(now) {
                    if schedule.is_due(now) {
                        // One notice wakes one worker.
                        self.changed.notify_one();
                    }
                    return taken;
                }
                schedule.next_due()
            };
            let due = async {
                match next {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// A worker is done with a key.
    pub fn done(&self, key: &K, outcome: Outcome) {
        let now = Instant::now();
        let chance = self.randomness.hash_one((key, now));
        self.lock().done(key, outcome, now, chance);
        self.changed.notify_one();
    }

    /// The key is of no interest any more.
    pub fn forget(&self, key: &K) {
        self.lock().forget(key);
    }

    /// What waits and is due, by class.
    pub fn waiting(&self) -> [Waiting; 4] {
        let now = Instant::now();
        let mut schedule = self.lock();
        Class::ALL.map(|class| schedule.waiting(class, now))
    }

    /// All keys that it knows, in order.
    #[cfg(test)]
    pub(crate) fn known(&self) -> Vec<K> {
        self.lock().known()
    }

    fn lock(&self) -> MutexGuard<'_, Schedule<K>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
