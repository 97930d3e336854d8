//! The token of one principal: when it is used, refreshed, dropped. No I/O, and the time is an
//! argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ReadError;
use super::flight::Flight;
use crate::identity::VaultToken;

/// A token with less life than this left is not used: it might end on its way.
const LEAST_LIFE: Duration = Duration::from_secs(10);

/// The last part of a token's life, in which it is refreshed: a fifth, at most this.
const MOST_AHEAD: Duration = Duration::from_secs(20 * 60);

/// How long after a refresh ahead of time failed, or a token was rejected, the next one is tried.
const PAUSE: Duration = Duration::from_secs(10);

/// The token of one principal.
#[derive(Default)]
pub(super) struct Tokens {
    current: Option<Current>,
    failure: Option<(Arc<ReadError>, Instant)>,
    flight: Option<Flight<VaultToken>>,
    not_before: Option<Instant>,
    rejected: Option<Instant>,
}

struct Current {
    token: Arc<VaultToken>,
    ends: Instant,
    life: Duration,
}

/// What a read does about its token.
pub(super) enum Next {
    /// Uses it. `refresh`: somebody should ask for the next one.
    Use {
        /// The token.
        token: Arc<VaultToken>,
        /// Whether it is time for the next one.
        refresh: bool,
    },
    /// Fails as the last try did.
    Failed(Arc<ReadError>),
    /// Waits for one that is being asked for.
    Join(Flight<VaultToken>),
    /// Asks for one.
    Ask,
}

impl Tokens {
    pub(super) fn next(&self, now: Instant) -> Next {
        if let Some(current) = &self.current {
            let left = current.ends.saturating_duration_since(now);
            if left > LEAST_LIFE.min(current.life / 10) {
                let ahead = (current.life / 5).min(MOST_AHEAD);
                let paused = self.not_before.is_some_and(|time| now < time);
                let refresh = left < ahead && self.flight.is_none() && !paused;
                return Next::Use {
                    token: Arc::clone(&current.token),
                    refresh,
                };
            }
        }
        if let Some((error, until)) = &self.failure
            && now < *until
        {
            return Next::Failed(Arc::clone(error));
        }
        match &self.flight {
            Some(flight) => Next::Join(flight.clone()),
            None => Next::Ask,
        }
    }

    pub(super) fn take_off(&mut self, flight: Flight<VaultToken>) {
        self.flight = Some(flight);
    }

    pub(super) fn land(&mut self) {
        self.flight = None;
    }

    pub(super) fn store(&mut self, token: Arc<VaultToken>, now: Instant) {
        let life = token.lifetime();
        self.failure = None;
        self.not_before = None;
        self.current = Some(Current {
            token,
            ends: now + life,
            life,
        });
    }

    /// A refusal ends the token in use, too; an outage leaves it.
    pub(super) fn fail(&mut self, error: Arc<ReadError>, now: Instant, until: Instant) {
        if !error.is_outage() {
            self.current = None;
        }
        self.not_before = Some(now + PAUSE);
        self.failure = Some((error, until));
    }

    /// A vault did not take this token. Says whether to try again with another one: once in a
    /// while, because a vault that takes none would have us ask for ever.
    pub(super) fn reject(&mut self, token: &Arc<VaultToken>, now: Instant) -> bool {
        let is_current = |current: &Current| Arc::ptr_eq(&current.token, token);
        if !self.current.as_ref().is_some_and(is_current) {
            // Another read has dropped it already.
            return true;
        }
        let again = self
            .rejected
            .is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if again {
            self.rejected = Some(now);
            self.current = None;
        }
        again
    }

    pub(super) fn is_asking(&self) -> bool {
        self.flight.is_some()
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let failing = self.failure.as_ref().is_some_and(|(_, until)| now < *until);
        self.flight.is_none() && !failing
    }

    /// How long the token lives on.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let current = self.current.as_ref()?;
        Some(current.ends.saturating_duration_since(now))
    }
}
