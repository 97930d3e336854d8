//! Something that is being asked for, and those who wait for it.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

/// What came of it.
pub(crate) type Landed<T, E> = Result<Arc<T>, Arc<E>>;

/// Something that is being asked for. It runs in a task of its own, so that whoever gives up waiting
/// takes nothing away from the others. `P` says where it is.
pub(crate) struct Flight<T, E, P = ()> {
    landing: Shared<BoxFuture<'static, Landed<T, E>>>,
    progress: Arc<P>,
}

impl<T, E, P> Clone for Flight<T, E, P> {
    fn clone(&self) -> Self {
        Self {
            landing: self.landing.clone(),
            progress: Arc::clone(&self.progress),
        }
    }
}

impl<T: Send + Sync + 'static, E: Send + Sync + 'static, P> Flight<T, E, P> {
    /// Starts `ask` in a task. `lost` is what one that panics ends with.
    pub(crate) fn start(
        progress: Arc<P>,
        ask: impl Future<Output = Landed<T, E>> + Send + 'static,
        lost: impl FnOnce() -> E + Send + 'static,
    ) -> Self {
        let task = tokio::spawn(ask);
        let landing = async move { task.await.unwrap_or_else(|_| Err(Arc::new(lost()))) };
        Self {
            landing: landing.boxed().shared(),
            progress,
        }
    }

    /// The result, or `None` at `until`.
    pub(crate) async fn landed(&self, until: Instant) -> Option<Landed<T, E>> {
        tokio::time::timeout_at(until.into(), self.landing.clone())
            .await
            .ok()
    }

    pub(crate) fn progress(&self) -> &Arc<P> {
        &self.progress
    }

    /// Whether this is the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.progress, &other.progress)
    }
}
