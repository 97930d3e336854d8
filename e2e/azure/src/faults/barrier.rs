//! A gate that opens when enough calls stand before it, and stays open.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How a call got out of the barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Opened,
    TimedOut,
}

#[derive(Debug)]
pub(super) struct Barrier {
    count: u32,
    waiting: Mutex<u32>,
    opened: CancellationToken,
}

/// Counts a waiting call for as long as it waits, also when its connection goes away.
struct Waiting<'a>(&'a Mutex<u32>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

impl Barrier {
    pub(super) fn new(count: u32) -> Self {
        Self {
            count,
            waiting: Mutex::new(0),
            opened: CancellationToken::new(),
        }
    }

    pub(super) fn open(&self) {
        self.opened.cancel();
    }

    pub(super) async fn wait(&self, limit: Duration) -> Passed {
        let _waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting += 1;
            if *waiting >= self.count {
                self.open();
            }
            Waiting(&self.waiting)
        };
        match tokio::time::timeout(limit, self.opened.cancelled()).await {
            Ok(()) => Passed::Opened,
            Err(_) => Passed::TimedOut,
        }
    }
}
