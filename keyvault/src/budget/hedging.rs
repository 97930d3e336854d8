//! When a second try may be sent while the first is still out.

use std::time::Duration;

/// A hedge is sent after so many times the usual latency.
const LATENCIES: f64 = 3.0;
/// A slow service is not waited for longer than this, unless the flag says so.
const LONGEST: Duration = Duration::from_secs(2);
/// Weight of the newest latency, as TCP smooths round trips (RFC 6298).
const NEWEST: f64 = 0.125;
/// What a request adds to the credit and a hedge takes from it, and what can be saved up: a
/// service that answers nothing is sent no more than a tenth on top.
const EARNED: f64 = 0.1;
const COST: f64 = 1.0;
const SAVED: f64 = 10.0;

#[derive(Debug)]
pub(super) struct Hedging {
    /// The shortest wait; absent switches hedging off.
    after: Option<Duration>,
    credit: f64,
    latency: Option<f64>,
}

impl Hedging {
    pub(super) fn new(after: Option<Duration>) -> Self {
        Self {
            after,
            credit: SAVED,
            latency: None,
        }
    }

    /// A request goes out.
    pub(super) fn earn(&mut self) {
        self.credit = (self.credit + EARNED).min(SAVED);
    }

    /// A request was answered after so long.
    pub(super) fn observe(&mut self, latency: Duration) {
        let latency = latency.as_secs_f64();
        self.latency = Some(
            self.latency
                .map_or(latency, |smoothed| smoothed + NEWEST * (latency - smoothed)),
        );
    }

    /// How long to wait for an answer before a second request is sent.
    pub(super) fn delay(&self) -> Option<Duration> {
        let after = self.after?;
        let usual = Duration::from_secs_f64(self.latency.unwrap_or_default() * LATENCIES);
        Some(after.max(usual.min(LONGEST)))
    }

    /// Takes the credit for one hedge, if there is any.
    pub(super) fn spend(&mut self) -> bool {
        let enough = self.credit >= COST;
        if enough {
            self.credit -= COST;
        }
        enough
    }
}
