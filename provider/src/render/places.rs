//! Work that computes for long: a few at a time in the whole process, and not where mounts are served.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoResult {
    /// Its time was over, perhaps before the work began.
    Deadline,
    /// The runtime went away.
    Stopped,
}

/// The places in which work is done. Whoever finds none free waits, first come first served.
#[derive(Debug)]
pub(super) struct Places(Arc<Semaphore>);

impl Places {
    pub(super) fn new(number: usize) -> Self {
        Self(Arc::new(Semaphore::new(number)))
    }

    /// Does `work` on a thread that may block. If the caller goes away or its time ends, the work
    /// goes on to its end all the same, and holds its place until then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoResult> {
        let place = timeout_at(deadline.into(), Arc::clone(&self.0).acquire_owned())
            .await
            .map_err(|_| NoResult::Deadline)?
            .map_err(|_| NoResult::Stopped)?;
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        match timeout_at(deadline.into(), task).await {
            Err(_) => Err(NoResult::Deadline),
            Ok(Ok(result)) => Ok(result),
            // Whatever panicked there would have panicked here.
            Ok(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(NoResult::Stopped),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn no_more_run_at_a_time_than_there_are_places() {
        let places = Places::new(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let works = (0..20).map(|n| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            places.run(later(), move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                n
            })
        });
        let results = futures::future::join_all(works).await;
        assert_eq!(results, (0..20).map(Ok).collect::<Vec<_>>());
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn work_whose_caller_has_left_holds_its_place_until_it_is_done() {
        let places = Places::new(1);
        let (finish, finished) = mpsc::channel::<()>();
        let abandoned = places.run(later(), move || finished.recv());
        assert!(abandoned.now_or_never().is_none());
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(places.run(soon, || 7).await, Err(NoResult::Deadline));
        finish.send(()).unwrap();
        assert_eq!(places.run(later(), || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_caller_whose_time_is_over_does_not_wait_for_the_work() {
        let places = Places::new(1);
        let (finish, finished) = mpsc::channel::<()>();
        let soon = Instant::now() + Duration::from_millis(20);
        let outcome = places.run(soon, move || finished.recv()).await;
        assert_eq!(outcome, Err(NoResult::Deadline));
        drop(finish);
    }

    #[tokio::test]
    async fn a_panic_reaches_the_caller_and_frees_the_place() {
        let places = Places::new(1);
        let bug = std::panic::AssertUnwindSafe(places.run(later(), || panic!("bug")));
        let panicked: Result<Result<(), _>, _> = bug.catch_unwind().await;
        assert!(panicked.is_err());
        assert_eq!(places.run(later(), || 7).await, Ok(7));
    }
}
