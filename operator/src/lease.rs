//! Leadership: of all replicas the one that holds a Lease works.
//!
//! Clocks of nodes differ, so a holder is not judged by the times that it writes: it is gone when its
//! record has not changed for as long as the record says, by the watch of whoever waits. The holder in turn stops
//! earlier than that: it counts from before the request that renewed, and when it cannot renew
//! within the renew deadline the process ends, whatever is going on in it.

mod elector;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::time::Instant;

pub use elector::{Elector, LeaseError};

/// The times of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For how long others leave the lease alone after they saw it renewed.
    pub duration: Duration,
    /// For how long the holder may go without a renewal.
    pub renew_deadline: Duration,
    /// Time between two tries.
    pub retry_period: Duration,
}

impl Timing {
    /// Checks that a holder stops well before anybody takes over, and tries more than once until then.
    ///
    /// # Errors
    /// With what is wrong, for people.
    pub fn check(self) -> Result<Self, String> {
        if self.duration < Duration::from_secs(1) {
            return Err("--lease-duration must be at least 1s".to_owned());
        }
        if self.renew_deadline >= self.duration {
            return Err("--lease-renew-deadline must be less than --lease-duration".to_owned());
        }
        if self.retry_period.is_zero() || self.retry_period * 2 > self.renew_deadline {
            return Err(
                "--lease-retry-period must be at most half of --lease-renew-deadline".to_owned(),
            );
        }
        Ok(self)
    }
}

/// A lease as this process saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What it says.
    pub spec: LeaseSpec,
    /// The version of the object: another one with every write, whatever the clocks of writers say.
    pub version: String,
    /// When it was first seen to say so.
    pub since: Instant,
}

impl Seen {
    /// What is known after another look: an unchanged record keeps its age.
    pub fn again(before: Option<Self>, spec: LeaseSpec, version: String, now: Instant) -> Self {
        match before {
            Some(seen) if seen.version == version => seen,
            _ => Self {
                spec,
                version,
                since: now,
            },
        }
    }
}

/// What to do about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is none: make it.
    Create,
    /// Nobody has it any more: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Somebody has it, at least until then.
    Wait(Instant),
}

/// What to do about a lease, as `me` at `now`. A record that does not say how long it holds is given
/// `duration`.
pub fn evaluate(seen: Option<&Seen>, me: &str, now: Instant, duration: Duration) -> Step {
    let Some(Seen { spec, since, .. }) = seen else {
        return Step::Create;
    };
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() {
        return Step::Take;
    }
    if holder == me {
        return Step::Renew;
    }
    let holds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(duration, Duration::from_secs);
    let until = *since + holds;
    if until <= now {
        Step::Take
    } else {
        Step::Wait(until)
    }
}

/// Whether this process may write, asked before every write.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Arc<Mutex<Term>>);

/// Until when the process is sure.
#[derive(Debug, Clone, Copy, Default)]
enum Term {
    /// It is not.
    #[default]
    None,
    /// It was renewed, so until then.
    Until(Instant),
    /// Nobody else is there.
    Always,
}

impl Leadership {
    /// Of a process that is alone.
    pub fn alone() -> Self {
        Self(Arc::new(Mutex::new(Term::Always)))
    }

    /// Whether the process leads for sure.
    pub fn holds(&self, now: Instant) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Term::None => false,
            Term::Until(until) => now < until,
            Term::Always => true,
        }
    }

    fn set(&self, term: Term) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = term;
    }
}
