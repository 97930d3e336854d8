//! What a node has read from its vaults: one read for all who want the same, kept for a while.
//!
//! A value is served from memory while it is fresh. After that the vault is asked again, once,
//! however many mounts wait. What then happens to the value depends on what the vault says: a new
//! value replaces it; a refusal removes it; if there is no answer, it is served for a bounded time.
//! Reads run in tasks of their own, so that a mount that is given up takes nothing from the others.

mod entry;
mod flight;
mod observer;
mod principal;
mod read;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use ring::hmac;

use crate::error::Category;
use crate::session::Tally;
use crate::tokens;
use crate::{FetchError, Fetched, ObjectId, TokenError, Transport, VaultHost};
use entry::Next;
use flight::Flight;
use state::{Place, State};

pub use observer::{CacheObserver, Evicted, Source, TokenEvent};
pub use principal::{Principal, ServiceAccount};
pub use view::{ObjectView, PrincipalView, View};

use principal::PrincipalKey;

/// How long someone who can be served an old value waits for a new one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an outage is taken for granted before the vault is asked again.
const OUTAGE_FOR: Duration = Duration::from_secs(2);

/// How often what can serve nobody any more is looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// How a cache is set up.
#[derive(Clone)]
pub struct CacheOptions {
    /// For how long since it was read a value may be served while the vault does not answer.
    pub stale_for: Duration,
    /// For how long a refusal is taken for granted before the vault is asked again.
    pub refusal_for: Duration,
    /// How much memory values may take, in bytes. What is being mounted comes on top.
    pub max_bytes: usize,
    /// How long one read may take, tries and waiting included.
    pub read_timeout: Duration,
    /// Told of what happens.
    pub observer: Option<Arc<dyn CacheObserver>>,
}

impl fmt::Debug for CacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stale_for,
            refusal_for,
            max_bytes,
            read_timeout,
            observer: _,
        } = self;
        f.debug_struct("CacheOptions")
            .field("stale_for", stale_for)
            .field("refusal_for", refusal_for)
            .field("max_bytes", max_bytes)
            .field("read_timeout", read_timeout)
            .finish_non_exhaustive()
    }
}

/// For how long a value is served without asking the vault again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The latest version of an object.
    pub latest: Duration,
    /// One exact version, whose content cannot change, but who may read it can.
    pub exact: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            latest: Duration::from_secs(60),
            exact: Duration::from_secs(15 * 60),
        }
    }
}

/// What is to be read, as whom.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Who reads.
    pub principal: &'a Principal,
    /// The vault.
    pub vault: &'a VaultHost,
    /// The objects.
    pub objects: &'a [ObjectId],
    /// How fresh they have to be.
    pub freshness: Freshness,
    /// When the caller's time is over.
    pub deadline: Instant,
    /// Counts the calls that are made for this reading.
    pub tally: &'a Arc<Tally>,
}

/// An object that was read.
#[derive(Debug, Clone)]
pub struct Served {
    /// The object.
    pub fetched: Arc<Fetched>,
    /// Where it came from.
    pub source: Source,
    /// How long ago the vault was asked for it.
    pub age: Duration,
}

/// Why an object was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// There was no token to ask with.
    #[error(transparent)]
    Token(TokenError),
    /// The vault was asked.
    #[error(transparent)]
    Fetch(FetchError),
}

impl ReadError {
    /// Whether it says nothing about the object and who may read it, so that a value from memory
    /// may stand in.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Token(error) => {
                matches!(error.category(), Category::Unreachable | Category::Internal)
            }
            Self::Fetch(error) => error.problem.is_outage(),
        }
    }
}

/// The memory of a node. Cheap to share, made once.
pub struct Cache {
    transport: Arc<Transport>,
    options: CacheOptions,
    /// Makes digests of tokens and client secrets that mean nothing outside this process.
    digests: hmac::Key,
    state: Mutex<State>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// There was no randomness to be had.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// What one object of a reading waits for.
enum Part {
    Done(Result<Served, Arc<ReadError>>),
    Waits { flight: Flight, own: bool },
}

impl Cache {
    /// An empty one. Needs a runtime, on which it looks after itself.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn new(
        transport: Arc<Transport>,
        options: CacheOptions,
    ) -> Result<Arc<Self>, NoRandomness> {
        let random = ring::rand::SystemRandom::new();
        let digests = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| NoRandomness)?;
        let cache = Arc::new(Self {
            transport,
            state: Mutex::new(State::new(options.max_bytes)),
            options,
            digests,
        });
        tokio::spawn(sweep(Arc::downgrade(&cache)));
        Ok(cache)
    }

    /// Reads objects, all at once, from memory or from the vault.
    ///
    /// # Errors
    /// For each object by itself.
    pub async fn read(
        self: &Arc<Self>,
        reading: Reading<'_>,
    ) -> Vec<Result<Served, Arc<ReadError>>> {
        let key = Arc::new(PrincipalKey::new(reading.principal, &self.digests));
        let parts = self.look(&key, &reading);
        let waits = parts.iter().zip(reading.objects);
        let waits = waits.filter_map(|(part, object)| match part {
            Part::Done(_) => None,
            Part::Waits { flight, own } => {
                let place = Place {
                    principal: Arc::clone(&key),
                    vault: reading.vault.clone(),
                    object: object.clone(),
                };
                Some(self.wait(place, flight, *own, &reading))
            }
        });
        let mut waited = futures::future::join_all(waits).await.into_iter();
        let results = parts.into_iter().filter_map(|part| match part {
            Part::Done(result) => Some(result),
            Part::Waits { .. } => waited.next(),
        });
        let results: Vec<_> = results.collect();
        if let Some(observer) = &self.options.observer {
            for result in results.iter().flatten() {
                observer.read(result.source);
            }
        }
        results
    }

    /// What there is to do for each object; starts the reads that nobody has started.
    fn look(self: &Arc<Self>, key: &Arc<PrincipalKey>, reading: &Reading<'_>) -> Vec<Part> {
        let Reading {
            principal,
            vault,
            objects,
            freshness,
            ..
        } = *reading;
        let now = Instant::now();
        let mut state = self.state();
        let read = state.count_read();
        let holding = state.asking(key, &principal.identity, now);
        let entries = holding.objects(vault);
        let parts = objects.iter().map(|object| {
            let fresh_for = match object.version {
                Some(_) => freshness.exact,
                None => freshness.latest,
            };
            let entry = entries.entry(object.clone()).or_default();
            entry.used = read;
            let served = |held: entry::Held, source| {
                Part::Done(Ok(Served {
                    age: now.saturating_duration_since(held.asked),
                    fetched: held.fetched,
                    source,
                }))
            };
            match entry.next(now, fresh_for, self.options.stale_for) {
                Next::Memory(held) => served(held, Source::Memory),
                Next::Stale(held) => served(held, Source::Stale),
                Next::Failed(error) => {
                    self.observe_failure(Source::FailedBefore);
                    Part::Done(Err(error))
                }
                Next::Join(flight) => Part::Waits { flight, own: false },
                Next::Read => {
                    let place = Place {
                        principal: Arc::clone(key),
                        vault: vault.clone(),
                        object: object.clone(),
                    };
                    let flight = self.start_read(place, principal, reading.tally);
                    entry.take_off(flight.clone());
                    Part::Waits { flight, own: true }
                }
            }
        });
        let parts = parts.collect();
        // Mounts that are served from memory keep the token alive, too.
        if let tokens::Next::Use { refresh: true, .. } = holding.tokens.next(now) {
            let flight = self.start_token(key, principal, vault, reading.tally, true);
            holding.tokens.take_off(flight);
        }
        parts
    }

    /// Waits for a read, as long as there is time and nothing better to do.
    async fn wait(
        &self,
        place: Place,
        flight: &Flight,
        own: bool,
        reading: &Reading<'_>,
    ) -> Result<Served, Arc<ReadError>> {
        let stale = || {
            let now = Instant::now();
            let mut state = self.state();
            let holding = state.holding(&place.principal)?;
            let objects = holding.objects(&place.vault);
            let entry = objects.entry(place.object.clone()).or_default();
            let held = entry.stale(now, self.options.stale_for)?;
            entry.is_overdue(flight);
            Some(Served {
                age: now.saturating_duration_since(held.asked),
                fetched: held.fetched,
                source: Source::Stale,
            })
        };
        let patience = Instant::now() + PATIENCE;
        let mut landed = None;
        if patience < reading.deadline {
            landed = flight.landed(patience).await;
            if landed.is_none()
                && let Some(served) = stale()
            {
                return Ok(served);
            }
        }
        if landed.is_none() {
            landed = flight.landed(reading.deadline).await;
        }
        match landed {
            Some(Ok(fetched)) => Ok(Served {
                fetched,
                source: if own { Source::Vault } else { Source::Joined },
                age: Duration::ZERO,
            }),
            Some(Err(error)) if error.is_outage() => match stale() {
                Some(served) => Ok(served),
                None => Err(self.failed(error)),
            },
            Some(Err(error)) => Err(self.failed(error)),
            None => match stale() {
                Some(served) => Ok(served),
                None => Err(self.failed(Arc::new(read::deadline(flight, &place, reading)))),
            },
        }
    }

    fn failed(&self, error: Arc<ReadError>) -> Arc<ReadError> {
        self.observe_failure(Source::Failed);
        error
    }

    fn observe_failure(&self, source: Source) {
        if let Some(observer) = &self.options.observer {
            observer.read(source);
        }
    }

    fn observe_evictions(&self, reason: Evicted, values: usize) {
        if let Some(observer) = &self.options.observer
            && values > 0
        {
            observer.evicted(reason, values);
        }
    }

    /// Tells the size, at most once a second: it is counted anew for it. The sweep tells the last
    /// of it.
    fn observe_size(&self, state: &mut State) {
        if let Some(observer) = &self.options.observer
            && state.is_due(Instant::now(), Duration::from_secs(1))
        {
            let (objects, bytes) = state.size();
            observer.size(objects, bytes);
        }
    }

    /// What is in memory, without values.
    pub fn view(&self) -> View {
        view::of(&self.state(), Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(cache: Weak<Cache>) {
    let mut interval = tokio::time::interval(SWEEP);
    loop {
        interval.tick().await;
        let Some(cache) = cache.upgrade() else { return };
        let mut state = cache.state();
        let values = state.sweep(Instant::now(), cache.options.stale_for);
        cache.observe_size(&mut state);
        drop(state);
        cache.observe_evictions(Evicted::Age, values);
    }
}
