//! So many calls in each second.

use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Counts the calls let through in the second that runs, which begins with the first of them.
#[derive(Debug)]
pub(super) struct Window {
    per_second: u32,
    began: Option<Instant>,
    admitted: u32,
}

impl Window {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            began: None,
            admitted: 0,
        }
    }

    /// Whether one more fits; if so it is counted.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now - began >= SECOND) {
            self.began = Some(now);
            self.admitted = 0;
        }
        let fits = self.admitted < self.per_second;
        self.admitted += u32::from(fits);
        fits
    }
}
