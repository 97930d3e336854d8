//! Faults that tests and trials put in the way of calls.
//!
//! Faults are looked at in the order they were added. Delays and barriers hold a call and let
//! it go on to the next fault; the first fault that answers (or refuses to) ends it.

mod barrier;
mod pattern;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calls::Service;
use barrier::{Barrier, Passed};
use pattern::matches_pattern;

/// The number of a fault, unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// A fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Which calls it strikes.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// How often it strikes; for ever when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The fraction of matching calls it strikes, from 0 to 1; all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// What it does.
    pub action: Action,
}

/// Which calls a fault strikes: those that meet everything given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Match {
    /// The service. When not given: Entra, vaults and the managed identity endpoint. The
    /// proxy's CONNECT is struck only by faults that name it, and by `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The host; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, or a beginning of it up to a slash; `*` stands for any characters, in which
    /// case the whole path must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the call carries a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<bool>,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Action {
    /// Holds the call, then lets it go on.
    Delay {
        /// For how long.
        millis: u64,
    },
    /// Answers with a status and the error body Azure would send with it.
    Status {
        /// The status.
        code: u16,
        /// `Retry-After` in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// `retry-after-ms` in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_millis: Option<u64>,
    },
    /// Never answers.
    Hang,
    /// Closes the connection without an answer, and so everything else on it.
    Drop,
    /// Makes the proxy refuse to connect.
    Refuse {
        /// The proxy's status, such as 407, 403 or 502.
        code: u16,
    },
    /// Holds calls until enough have come, then lets all go on, and every later one. A call
    /// held too long is answered with 504.
    Barrier {
        /// How many calls open it.
        count: u32,
        /// How long a call is held; 10 s when not given.
        #[serde(default = "ten_seconds")]
        timeout_millis: u64,
    },
    /// Answers 200 with a body that is not what the content type says.
    Garbage,
    /// Moves the clock that token times are made and judged by.
    Skew {
        /// Seconds ahead; negative is behind.
        seconds: i64,
    },
}

fn ten_seconds() -> u64 {
    10_000
}

/// A fault as it is now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultState {
    /// Its number.
    pub id: FaultId,
    /// How often it has struck.
    pub struck: u64,
    /// The fault; `times` is what is left.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Why a fault makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a fraction.
    #[error("share: must be from 0 to 1")]
    Share,
    /// Not a status that can be sent.
    #[error("action.{0}: must be a status from 200 to 599")]
    Code(&'static str),
    /// A barrier for nobody.
    #[error("action.barrier.count: must be at least 1")]
    Count,
    /// A refusal of something that is not a proxy.
    #[error("match.service: only the proxy can refuse to connect")]
    RefuseService,
}

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
        inner.entries.push(Entry {
            state: FaultState {
                id,
                struck: 0,
                fault,
            },
            barrier,
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
        let mut skew = 0;
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
                    skew += seconds;
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
                Action::Refuse { code } => Outcome::Status {
                    code: *code,
                    retry_after: None,
                    retry_after_millis: None,
                },
                Action::Hang => Outcome::Hang,
                Action::Drop => Outcome::Drop,
                Action::Garbage => Outcome::Garbage,
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

impl Fault {
    /// A fault that strikes every call that matches, for ever.
    pub fn new(matches: Match, action: Action) -> Self {
        Self {
            matches,
            times: None,
            share: None,
            action,
        }
    }

    /// The same fault, striking only so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// The same fault, striking only a fraction of the calls that match.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self {
            share: Some(share),
            ..self
        }
    }

    fn check(&self) -> Result<(), FaultError> {
        if self
            .share
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return Err(FaultError::Share);
        }
        let refuses = matches!(self.action, Action::Refuse { .. });
        if refuses
            && self
                .matches
                .service
                .is_some_and(|service| service != Service::Proxy)
        {
            return Err(FaultError::RefuseService);
        }
        let sendable = |code: u16, name| match code {
            200..=599 => Ok(()),
            _ => Err(FaultError::Code(name)),
        };
        match self.action {
            Action::Status { code, .. } => sendable(code, "status.code"),
            Action::Refuse { code } => sendable(code, "refuse.code"),
            Action::Barrier { count: 0, .. } => Err(FaultError::Count),
            _ => Ok(()),
        }
    }

    fn strikes(&self, probe: Probe<'_>) -> bool {
        let Match {
            service,
            host,
            method,
            path,
            authenticated,
        } = &self.matches;
        let service_fits = match service {
            Some(service) => *service == probe.service,
            None => {
                matches!(self.action, Action::Refuse { .. }) == (probe.service == Service::Proxy)
            }
        };
        let path_fits = |pattern: &String| match pattern.contains('*') {
            true => matches_pattern(pattern, probe.path),
            false => probe
                .path
                .strip_prefix(pattern.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        service_fits
            && host
                .as_ref()
                .is_none_or(|host| matches_pattern(&host.to_lowercase(), probe.host))
            && method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(probe.method))
            && path.as_ref().is_none_or(path_fits)
            && authenticated.is_none_or(|authenticated| authenticated == probe.authenticated)
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
