//! Names to addresses, by the system's resolver.
//!
//! It blocks a thread for as long as it likes, and nobody can stop it. So whoever waits does so for
//! a bounded time, a name is looked up once however many wait for it, and the look-ups that go on
//! after everybody has left are bounded in number.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Threads of the runtime that look-ups may block.
const MOST: usize = 32;

type Found = Result<Vec<SocketAddr>, io::ErrorKind>;
type Flight = Shared<BoxFuture<'static, Found>>;
type Key = (String, u16);

/// What looks one name up.
type LookUp = dyn Fn(Key) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

pub(super) struct Resolver {
    look_up: Arc<LookUp>,
    slots: Arc<Semaphore>,
    flights: Arc<Mutex<HashMap<Key, Flight>>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with(|(host, port)| {
            async move {
                let found = tokio::net::lookup_host((host.as_str(), port)).await?;
                Ok(found.collect())
            }
            .boxed()
        })
    }
}

/// Ends a flight, also when the look-up panics.
struct Landing {
    flights: Arc<Mutex<HashMap<Key, Flight>>>,
    key: Key,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}

impl Resolver {
    fn with(
        look_up: impl Fn(Key) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            look_up: Arc::new(look_up),
            slots: Arc::new(Semaphore::new(MOST)),
            flights: Arc::default(),
        }
    }

    /// The addresses of a host. Dropping this ends the waiting, not the look-up.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Found {
        let key = (host.to_owned(), port);
        if let Some(flight) = self.under_way(&key) {
            return flight.await;
        }
        let slots = Arc::clone(&self.slots);
        let permit = slots.acquire_owned().await;
        let permit = permit.map_err(|_| io::ErrorKind::Other)?;
        // No await from here on: another one who waited for a slot may have begun it meanwhile.
        let flight = match self.under_way(&key) {
            Some(flight) => flight,
            None => self.begin(key, permit),
        };
        flight.await
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self, key: &Key) -> Option<Flight> {
        self.flights().get(key).cloned()
    }

    fn begin(&self, key: Key, permit: OwnedSemaphorePermit) -> Flight {
        let landing = Landing {
            flights: Arc::clone(&self.flights),
            key: key.clone(),
        };
        let mut flights = self.flights();
        let found = (self.look_up)(key.clone());
        let task = tokio::spawn(async move {
            let _held = (permit, landing);
            found.await.map_err(|error| error.kind())
        });
        let flight = async move { task.await.unwrap_or(Err(io::ErrorKind::Other)) };
        let flight = flight.boxed().shared();
        flights.insert(key, flight.clone());
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn counting(answer: bool) -> (Resolver, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let resolver = Resolver::with(move |(host, port)| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move {
                assert_ne!(host, "panic");
                if !answer {
                    std::future::pending::<()>().await;
                }
                tokio::task::yield_now().await;
                Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
            }
            .boxed()
        });
        (resolver, count)
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_for_all_who_wait_and_again_later() {
        let (resolver, count) = counting(true);
        let all = (0..20).map(|_| resolver.resolve("host", 443));
        for found in futures::future::join_all(all).await {
            assert_eq!(found.unwrap().len(), 1);
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        resolver.resolve("host", 443).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn look_ups_that_nobody_answers_are_bounded_in_number() {
        let (resolver, count) = counting(false);
        let names: Vec<_> = (0..100).map(|n| format!("host-{n}")).collect();
        let all = names
            .iter()
            .map(|name| tokio::time::timeout(Duration::from_secs(5), resolver.resolve(name, 443)));
        let all = futures::future::join_all(all).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(count.load(Ordering::Relaxed), MOST);
    }

    #[tokio::test]
    async fn a_look_up_that_panics_is_an_error_once() {
        let (resolver, count) = counting(true);
        for _ in 0..2 {
            assert!(resolver.resolve("panic", 443).await.is_err());
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
