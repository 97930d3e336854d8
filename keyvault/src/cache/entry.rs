//! One object in memory, and what a mount that wants it does. No I/O, and the time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ReadError;
use super::flight::Flight;
use crate::Fetched;

/// What is known of one object as one principal.
#[derive(Default)]
pub(super) struct Entry {
    held: Option<Held>,
    failure: Option<Failure>,
    flight: Option<Flight>,
    /// The flight takes so long that those who can be served without it no longer wait.
    overdue: bool,
    /// When it was last asked for, as a count of reads.
    pub(super) used: u64,
    /// The bytes it has been counted with.
    pub(super) counted: usize,
    /// For how long whoever asked last takes the value for fresh.
    fresh_for: Duration,
}

/// A value.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) fetched: Arc<Fetched>,
    /// When it was asked for. What happened to it in the vault since then may be unknown.
    pub(super) asked: Instant,
}

/// A failure that is not tried again before its time.
struct Failure {
    error: Arc<ReadError>,
    until: Instant,
}

/// What a mount does about an object.
pub(super) enum Next {
    /// Takes the value, which is fresh.
    Memory(Held),
    /// Takes the value, which is not fresh, because nothing better is to be had.
    Stale(Held),
    /// Fails as the last try did.
    Failed(Arc<ReadError>),
    /// Waits for a read that is under way.
    Join(Flight),
    /// Reads.
    Read,
}

impl Entry {
    pub(super) fn next(&mut self, now: Instant, fresh_for: Duration, stale_for: Duration) -> Next {
        self.fresh_for = fresh_for;
        let age = |held: &Held| now.saturating_duration_since(held.asked);
        if let Some(held) = self.held.as_ref().filter(|held| age(held) < fresh_for) {
            return Next::Memory(held.clone());
        }
        let stale = self.stale(now, stale_for);
        if let Some(failure) = self.failure.as_ref().filter(|failure| now < failure.until) {
            return match stale {
                Some(held) if failure.error.is_outage() => Next::Stale(held),
                _ => Next::Failed(Arc::clone(&failure.error)),
            };
        }
        match (&self.flight, stale) {
            (Some(_), Some(held)) if self.overdue => Next::Stale(held),
            (Some(flight), _) => Next::Join(flight.clone()),
            (None, _) => Next::Read,
        }
    }

    /// The value, if it may be served while the vault does not answer.
    pub(super) fn stale(&self, now: Instant, stale_for: Duration) -> Option<Held> {
        let held = self.held.as_ref()?;
        (now.saturating_duration_since(held.asked) < stale_for).then(|| held.clone())
    }

    pub(super) fn take_off(&mut self, flight: Flight) {
        self.flight = Some(flight);
        self.overdue = false;
    }

    /// Whoever can be served without the flight no longer waits for it.
    pub(super) fn is_overdue(&mut self, flight: &Flight) {
        if self.flight.as_ref().is_some_and(|own| own.is(flight)) {
            self.overdue = true;
        }
    }

    pub(super) fn land(&mut self) {
        self.flight = None;
        self.overdue = false;
    }

    pub(super) fn store(&mut self, held: Held) {
        self.failure = None;
        self.held = Some(held);
    }

    /// Remembers a failure. What is held stays if the failure says nothing about it.
    pub(super) fn fail(&mut self, error: Arc<ReadError>, until: Instant) {
        if !error.is_outage() {
            self.held = None;
        }
        self.failure = Some(Failure { error, until });
    }

    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    pub(super) fn in_flight(&self) -> bool {
        self.flight.is_some()
    }

    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    pub(super) fn failure(&self, now: Instant) -> Option<&ReadError> {
        let failure = self
            .failure
            .as_ref()
            .filter(|failure| now < failure.until)?;
        Some(&failure.error)
    }

    /// Whether nothing of it can be served any more.
    pub(super) fn is_spent(&self, now: Instant, stale_for: Duration) -> bool {
        let longest = stale_for.max(self.fresh_for);
        self.flight.is_none() && self.failure(now).is_none() && self.stale(now, longest).is_none()
    }

    /// Bytes it takes, by a rough count that is never too small by much.
    pub(super) fn bytes(&self) -> usize {
        const OVERHEAD: usize = 512;
        OVERHEAD + self.held.as_ref().map_or(0, |held| held.fetched.bytes())
    }
}
