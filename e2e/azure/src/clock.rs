//! The clock that everything here goes by: the machine's, moved ahead as far as was asked for.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that can be moved ahead, so that nobody has to wait for what takes Azure minutes.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Seconds before the machine's clock.
    ahead: AtomicI64,
}

impl Clock {
    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.since_epoch().as_secs()).unwrap_or(i64::MAX)
    }

    /// Time since the start of 1970.
    pub(crate) fn since_epoch(&self) -> Duration {
        let machine = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let ahead = u64::try_from(self.ahead.load(Ordering::Relaxed)).unwrap_or_default();
        machine.saturating_add(Duration::from_secs(ahead))
    }

    /// Moves the clock ahead. It never goes back, as tokens and versions of the future would be
    /// left behind.
    pub(crate) fn advance(&self, seconds: u32) {
        self.ahead.fetch_add(i64::from(seconds), Ordering::Relaxed);
    }
}

/// When a change is in force. What Resource Manager is told takes time to reach the services that
/// decide by it, and as long to leave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// In force from a time on.
    pub(crate) fn from(from: i64) -> Self {
        Self {
            from,
            until: i64::MAX,
        }
    }

    pub(crate) fn holds(self, now: i64) -> bool {
        self.from <= now && now < self.until
    }

    /// Not in force from a time on.
    pub(crate) fn end(&mut self, until: i64) {
        self.until = self.until.min(until);
    }

    /// Whether it is gone for whoever asks Resource Manager.
    pub(crate) fn is_ended(self) -> bool {
        self.until != i64::MAX
    }

    /// Whether nobody goes by it any more.
    pub(crate) fn is_over(self, now: i64) -> bool {
        self.until <= now
    }
}

impl Default for Validity {
    /// In force always.
    fn default() -> Self {
        Self::from(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_ahead_as_far_as_asked() {
        let clock = Clock::default();
        let before = clock.now();
        clock.advance(3600);
        clock.advance(60);
        assert!((3660..3690).contains(&(clock.now() - before)));
    }

    #[test]
    fn a_change_is_in_force_between_its_times() {
        let mut validity = Validity::from(100);
        assert_eq!([99, 100].map(|now| validity.holds(now)), [false, true]);
        validity.end(200);
        validity.end(300);
        assert!(validity.is_ended());
        assert_eq!([199, 200].map(|now| validity.holds(now)), [true, false]);
        assert_eq!([199, 200].map(|now| validity.is_over(now)), [false, true]);
        assert!(Validity::default().holds(i64::MIN));
    }
}
