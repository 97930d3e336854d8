//! Nobody asks until then: what a throttle says to everyone who uses the service.

use std::time::{Duration, Instant};

/// A service that asks for more than this is asked again all the same: it may have been wrong, or
/// be another one by then.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// Key Vault's documented waits without Retry-After: 1, 2, 4, 8, 16 s.
const FIRST: Duration = Duration::from_secs(1);
const DOUBLINGS: u32 = 4;
/// What jitter adds to a wait at most, as a share of it.
const JITTER: f64 = 0.25;
/// And in time, where the service has said how long.
const JITTER_OF_ASKED: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Hold {
    until: Option<Instant>,
    /// When the throttle came that opened the window.
    began: Option<Instant>,
    /// Windows one after the other without an answer between them.
    in_a_row: u32,
}

impl Hold {
    /// Until when everyone waits.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// A request sent at `sent` was throttled. True when that opens a new window: requests that
    /// were on their way when the first throttle came say nothing new, whatever their number.
    pub(super) fn throttled(
        &mut self,
        sent: Instant,
        now: Instant,
        asked: Option<Duration>,
        jitter: f64,
    ) -> bool {
        let opens = self.began.is_none_or(|began| sent > began);
        if opens {
            self.began = Some(now);
            self.in_a_row += 1;
        }
        let wait = match asked {
            Some(asked) => {
                let asked = asked.min(LONGEST);
                asked + asked.mul_f64(JITTER * jitter).min(JITTER_OF_ASKED)
            }
            None if opens => {
                let doublings = self.in_a_row.saturating_sub(1).min(DOUBLINGS);
                FIRST.mul_f64(f64::from(1_u32 << doublings) * (1.0 + JITTER * jitter))
            }
            None => return opens,
        };
        let until = now + wait;
        self.until = Some(self.until.map_or(until, |old| old.max(until)));
        opens
    }

    /// A request sent at `sent` was dealt with.
    pub(super) fn answered(&mut self, sent: Instant) {
        if self.began.is_some_and(|began| sent > began) {
            self.in_a_row = 0;
        }
    }
}
