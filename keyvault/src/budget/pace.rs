//! How many requests per second: a token bucket whose rate follows what the service proves to bear.
//!
//! Without throttling the rate is the limit that was set. A throttle cuts it to a share of what the
//! service had answered in the second before; from then on it grows along a cubic curve (RFC 9438,
//! as in the adaptive retry mode of the AWS SDKs): fast back to near the old rate, slowly around it,
//! fast beyond it.

use std::time::{Duration, Instant};

/// What is left of the rate after a throttle.
const CUT: f64 = 0.7;
/// How steep the cubic curve is: requests per second, per second cubed.
const STEEPNESS: f64 = 0.4;
/// Below this, a service that is back would be found out too late.
const LOWEST: f64 = 2.0;
/// Azure counts in windows of ten seconds. While the service is not known to throttle, a quarter of
/// a window's requests may go at once and the rest evenly, so that no window has more than all.
const BURST_SECONDS: f64 = 2.5;
/// The share of the limit that goes evenly.
const EVENLY: f64 = 0.75;
/// While it is, seconds' worth of requests that may.
const ADAPTED_BURST_SECONDS: f64 = 0.1;

#[derive(Debug)]
pub(super) struct Pace {
    limit: f64,
    tokens: f64,
    refilled: Instant,
    cut: Option<Cut>,
    answered: LastSecond,
}

/// The last cut, from which the rate at any time follows.
#[derive(Debug, Clone, Copy)]
struct Cut {
    since: Instant,
    /// The rate before it.
    from: f64,
}

impl Cut {
    fn rate(self, now: Instant) -> f64 {
        let back_after = (self.from * (1.0 - CUT) / STEEPNESS).cbrt();
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        (STEEPNESS * (elapsed - back_after).powi(3) + self.from).max(LOWEST)
    }
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let limit = f64::from(per_second.max(1));
        Self {
            limit,
            tokens: limit * BURST_SECONDS,
            refilled: now,
            cut: None,
            answered: LastSecond::new(now),
        }
    }

    /// From now on no more than these. What is left of a larger limit's burst is cut.
    pub(super) fn limit(&mut self, per_second: u32) {
        self.limit = f64::from(per_second.max(1));
        self.tokens = self.tokens.min(self.limit * BURST_SECONDS);
    }

    /// Requests per second allowed now.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.cut
            .map_or(self.limit, |cut| cut.rate(now).min(self.limit))
    }

    /// Whether the rate is below its limit because of throttling.
    pub(super) fn is_cut(&self, now: Instant) -> bool {
        self.rate(now) < self.limit
    }

    /// Takes leave for one request, or says when to ask again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let rate = self.rate(now);
        let (rate, most) = if self.is_cut(now) {
            (rate, (rate * ADAPTED_BURST_SECONDS).max(1.0))
        } else {
            self.cut = None;
            (rate * EVENLY, self.limit * BURST_SECONDS)
        };
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate).min(most);
        self.refilled = self.refilled.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // While it waits the rate can only grow, so this is not too early by much.
        let wait = Duration::from_secs_f64((1.0 - self.tokens) / rate);
        Err(self.refilled + wait.max(Duration::from_millis(1)))
    }

    /// A request that nobody asked leave for.
    pub(super) fn overdraw(&mut self) {
        self.tokens -= 1.0;
    }

    /// The service has dealt with a request.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered.add(now);
    }

    /// The service refuses to be asked so often. Requests start again at `resume`; `jitter` (0 to
    /// 1) shifts the first of them, so that several nodes do not start together.
    pub(super) fn throttled(&mut self, now: Instant, resume: Instant, jitter: f64) {
        let rate = self.rate(now);
        let measured = self.answered.count(now);
        // Few answers can also mean few requests: one cut is never deeper than half.
        let least = self.cut.map_or(LOWEST, |_| rate / 2.0);
        let from = measured.max(least).min(rate).max(LOWEST);
        self.cut = Some(Cut {
            since: resume,
            from,
        });
        self.tokens = jitter.clamp(0.0, 1.0);
        self.refilled = resume;
    }
}

/// How many in the last second, from the counts of this second and the one before.
#[derive(Debug)]
struct LastSecond {
    began: Instant,
    this: f64,
    before: f64,
}

impl LastSecond {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            this: 0.0,
            before: 0.0,
        }
    }

    fn roll(&mut self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed >= Duration::from_secs(2) {
            *self = Self::new(now);
        } else if elapsed >= Duration::from_secs(1) {
            self.began += Duration::from_secs(1);
            self.before = std::mem::take(&mut self.this);
        }
        now.saturating_duration_since(self.began).as_secs_f64()
    }

    fn add(&mut self, now: Instant) {
        self.roll(now);
        self.this += 1.0;
    }

    fn count(&mut self, now: Instant) -> f64 {
        let into = self.roll(now);
        self.this + self.before * (1.0 - into).max(0.0)
    }
}
