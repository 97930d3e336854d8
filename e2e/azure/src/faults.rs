//! Faults that tests and trials put in the way of calls.
//!
//! Faults are looked at in the order they were added. Delays and barriers hold a call and let
//! it go on to the next fault; the first fault that answers (or refuses to) ends it.

mod barrier;
mod definition;
mod pattern;
mod window;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::calls::Service;
use barrier::{Barrier, Passed};
use window::Window;

pub(crate) use pattern::matches_pattern;

pub use definition::{Action, Fault, FaultError, FaultId, FaultState, Match};

/// What faults know of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) service: Service,
    pub(crate) host: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) authenticated: bool,
}

/// How a call goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As if there were no fault, but with the clock moved by so many seconds.
    Proceed {
        skew: i64,
    },
    Status {
        code: u16,
        retry_after: Option<u64>,
        retry_after_millis: Option<u64>,
    },
    Hang,
    Drop,
    Garbage,
    /// This body.
    Json(String),
    /// The barrier did not fill in time.
    BarrierTimeout,
}

/// The faults there are.
#[derive(Debug)]
pub(crate) struct Faults(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    entries: Vec<Entry>,
    next: u64,
    random: SplitMix,
}

#[derive(Debug)]
struct Entry {
    state: FaultState,
    barrier: Option<Arc<Barrier>>,
    window: Option<Window>,
}

enum Step {
    Delay(Duration),
    Barrier(Arc<Barrier>, Duration),
}

impl Faults {
    /// `seed` makes which calls a `share` strikes repeatable.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Inner {
            entries: Vec::new(),
            next: 1,
            random: SplitMix(seed),
        }))
    }

    pub(crate) fn add(&self, fault: Fault) -> Result<FaultId, FaultError> {
        fault.check()?;
        let mut inner = self.lock();
        let id = FaultId(inner.next);
        inner.next += 1;
        let barrier = match fault.action {
            Action::Barrier { count, .. } => Some(Arc::new(Barrier::new(count))),
            _ => None,
        };
        let window = match fault.action {
            Action::Rate { per_second, .. } => Some(Window::new(per_second)),
            _ => None,
        };
        inner.entries.push(Entry {
            state: FaultState {
                id,
                struck: 0,
                fault,
            },
            barrier,
            window,
        });
        Ok(id)
    }

    /// Removes a fault; calls held by its barrier go on. False if there is none of that number.
    pub(crate) fn remove(&self, id: FaultId) -> bool {
        let mut inner = self.lock();
        let before = inner.entries.len();
        inner
            .entries
            .retain(|entry| entry.state.id != id || entry.open_barrier());
        inner.entries.len() < before
    }

    pub(crate) fn clear(&self) {
        self.lock().entries.retain(Entry::open_barrier);
    }

    pub(crate) fn all(&self) -> Vec<FaultState> {
        self.lock()
            .entries
            .iter()
            .map(|entry| entry.state.clone())
            .collect()
    }

    /// Strikes a call: waits as long as the faults say and tells how it goes on.
    pub(crate) async fn strike(&self, probe: Probe<'_>) -> Outcome {
        let (steps, outcome) = self.choose(probe);
        for step in steps {
            match step {
                Step::Delay(delay) => tokio::time::sleep(delay).await,
                Step::Barrier(barrier, limit) => {
                    if barrier.wait(limit).await == Passed::TimedOut {
                        return Outcome::BarrierTimeout;
                    }
                }
            }
        }
        outcome
    }

    fn choose(&self, probe: Probe<'_>) -> (Vec<Step>, Outcome) {
        let mut inner = self.lock();
        let Inner {
            entries, random, ..
        } = &mut *inner;
        let mut steps = Vec::new();
        let mut skew = 0_i64;
        for entry in entries.iter_mut() {
            if !entry.strikes(probe, random) {
                continue;
            }
            let outcome = match &entry.state.fault.action {
                Action::Delay { millis } => {
                    steps.push(Step::Delay(Duration::from_millis(*millis)));
                    continue;
                }
                Action::Barrier { timeout_millis, .. } => {
                    let limit = Duration::from_millis(*timeout_millis);
                    steps.extend(
                        entry
                            .barrier
                            .clone()
                            .map(|barrier| Step::Barrier(barrier, limit)),
                    );
                    continue;
                }
                Action::Skew { seconds } => {
                    skew = skew.saturating_add(*seconds);
                    continue;
                }
                Action::Status {
                    code,
                    retry_after,
                    retry_after_millis,
                } => Outcome::Status {
                    code: *code,
                    retry_after: *retry_after,
                    retry_after_millis: *retry_after_millis,
                },
                Action::Rate {
                    retry_after,
                    retry_after_millis,
                    ..
                } => Outcome::Status {
                    code: 429,
                    retry_after: *retry_after,
                    retry_after_millis: *retry_after_millis,
                },
                Action::Refuse { code } => Outcome::Status {
                    code: *code,
                    retry_after: None,
                    retry_after_millis: None,
                },
                Action::Hang => Outcome::Hang,
                Action::Drop => Outcome::Drop,
                Action::Garbage => Outcome::Garbage,
                Action::Json { body } => Outcome::Json(body.to_string()),
            };
            return (steps, outcome);
        }
        (steps, Outcome::Proceed { skew })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn strikes(&mut self, probe: Probe<'_>, random: &mut SplitMix) -> bool {
        let FaultState { struck, fault, .. } = &mut self.state;
        if fault.times == Some(0) || !fault.strikes(probe) {
            return false;
        }
        // The random source is asked only for calls that match, so that other calls do not
        // change which ones are struck.
        if fault.share.is_some_and(|share| random.fraction() >= share) {
            return false;
        }
        let fits = self
            .window
            .as_mut()
            .map(|window| window.admits(Instant::now()));
        if fits == Some(true) {
            return false;
        }
        fault.times = fault.times.map(|left| left - 1);
        *struck += 1;
        true
    }

    /// Always false, for use in `retain`.
    fn open_barrier(&self) -> bool {
        if let Some(barrier) = &self.barrier {
            barrier.open();
        }
        false
    }
}

/// A small random source whose sequence follows from its seed (SplitMix64).
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    /// From 0 inclusive to 1 exclusive.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The upper 53 bits fill a double's mantissa exactly.
        #[allow(clippy::cast_precision_loss)]
        let fraction = (mixed >> 11) as f64 / (1u64 << 53) as f64;
        fraction
    }
}

#[cfg(test)]
mod tests;
