//! The token of one caller: when it is used, refreshed, dropped. No I/O, and the time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::flight::Flight;
use crate::identity::ResourceToken;

/// A token with less life than this left is not used: it might end on its way.
const LEAST_LIFE: Duration = Duration::from_secs(10);

/// The last part of a token's life, in which it is refreshed: a fifth, at most this.
const MOST_AHEAD: Duration = Duration::from_secs(20 * 60);

/// How long after a refresh ahead of time failed, or a token was rejected, the next one is tried.
const PAUSE: Duration = Duration::from_secs(10);

/// The token of one caller. `E` says why there is none, `P` where the request for one is.
pub(crate) struct Tokens<E, P = ()> {
    current: Option<Current>,
    failure: Option<(Arc<E>, Instant)>,
    flight: Option<Flight<ResourceToken, E, P>>,
    not_before: Option<Instant>,
    rejected: Option<Instant>,
}

struct Current {
    token: Arc<ResourceToken>,
    ends: Instant,
    life: Duration,
}

impl<E, P> Default for Tokens<E, P> {
    fn default() -> Self {
        Self {
            current: None,
            failure: None,
            flight: None,
            not_before: None,
            rejected: None,
        }
    }
}

/// What a request does about its token.
pub(crate) enum Next<E, P> {
    /// Uses it. `refresh`: somebody should ask for the next one.
    Use {
        /// The token.
        token: Arc<ResourceToken>,
        /// Whether it is time for the next one.
        refresh: bool,
    },
    /// Fails as the last try did.
    Failed(Arc<E>),
    /// Waits for one that is being asked for.
    Join(Flight<ResourceToken, E, P>),
    /// Asks for one.
    Ask,
}

impl<E, P> Tokens<E, P> {
    pub(crate) fn next(&self, now: Instant) -> Next<E, P> {
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

    pub(crate) fn take_off(&mut self, flight: Flight<ResourceToken, E, P>) {
        self.flight = Some(flight);
    }

    pub(crate) fn land(&mut self) {
        self.flight = None;
    }

    pub(crate) fn store(&mut self, token: Arc<ResourceToken>, now: Instant) {
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
    pub(crate) fn fail(&mut self, error: Arc<E>, outage: bool, now: Instant, until: Instant) {
        if !outage {
            self.current = None;
        }
        self.not_before = Some(now + PAUSE);
        self.failure = Some((error, until));
    }

    /// This token was not taken. Says whether to try again with another one: once in a while,
    /// because a service that takes none would have us ask for ever.
    pub(crate) fn reject(&mut self, token: &Arc<ResourceToken>, now: Instant) -> bool {
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

    pub(crate) fn is_asking(&self) -> bool {
        self.flight.is_some()
    }

    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let failing = self.failure.as_ref().is_some_and(|(_, until)| now < *until);
        self.flight.is_none() && !failing
    }

    /// How long the token lives on.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let current = self.current.as_ref()?;
        Some(current.ends.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests;
