//! A read that is under way, and those who wait for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::ReadError;
use crate::Session;

pub(super) type Landed<T> = Result<Arc<T>, Arc<ReadError>>;

/// A read that is under way. It runs in a task of its own, so that whoever gives up waiting takes
/// nothing away from the others.
pub(super) struct Flight<T = crate::Fetched> {
    landing: Shared<BoxFuture<'static, Landed<T>>>,
    progress: Arc<Progress>,
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self {
            landing: self.landing.clone(),
            progress: Arc::clone(&self.progress),
        }
    }
}

/// Where a read is, for those whose time is over before it lands.
pub(super) struct Progress(Mutex<Waiting>);

/// What a read waits for.
#[derive(Clone)]
pub(super) enum Waiting {
    /// A token, asked for through this client.
    Token(Arc<Session>),
    /// The vault, asked through this client.
    Vault(Arc<Session>),
}

impl Progress {
    pub(super) fn new(waiting: Waiting) -> Arc<Self> {
        Arc::new(Self(Mutex::new(waiting)))
    }

    pub(super) fn now(&self, waiting: Waiting) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    pub(super) fn waiting(&self) -> Waiting {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.clone()
    }
}

impl<T: Send + Sync + 'static> Flight<T> {
    /// Starts `read` in a task. `lost` is what a read that panics ends with.
    pub(super) fn start(
        progress: Arc<Progress>,
        read: impl Future<Output = Landed<T>> + Send + 'static,
        lost: impl FnOnce() -> ReadError + Send + 'static,
    ) -> Self {
        let task = tokio::spawn(read);
        let landing = async move { task.await.unwrap_or_else(|_| Err(Arc::new(lost()))) };
        Self {
            landing: landing.boxed().shared(),
            progress,
        }
    }

    /// The result, or `None` at `until`.
    pub(super) async fn landed(&self, until: Instant) -> Option<Landed<T>> {
        tokio::time::timeout_at(until.into(), self.landing.clone())
            .await
            .ok()
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Whether this is the same read.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.progress, &other.progress)
    }
}
