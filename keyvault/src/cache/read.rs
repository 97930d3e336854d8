//! The reads themselves: tasks that ask Entra and the vault, and write down what came of it.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};

use super::flight::{Flight, Landed, Progress, Waiting};
use super::principal::{Principal, PrincipalKey};
use super::state::Place;
use super::{Cache, Evicted, OUTAGE_FOR, ReadError, Reading, TokenEvent, entry};
use crate::error::{FetchError, FetchProblem, TokenError};
use crate::identity::{self, ResourceToken};
use crate::session::{Session, Tally, Target};
use crate::tokens;
use crate::transport::Unreachable;
use crate::{Fetched, Identity, VaultHost, vault};

/// What a caller is told whose time is over before the read has ended.
pub(super) fn deadline(flight: &Flight, place: &Place, reading: &Reading<'_>) -> ReadError {
    let identity = &reading.principal.identity;
    match flight.progress().waiting() {
        Waiting::Token(session) => ReadError::Token(TokenError::deadline(&session, identity)),
        Waiting::Vault(session) => ReadError::Fetch(FetchError::deadline(
            &session,
            identity.name(),
            &place.object,
        )),
    }
}

impl Cache {
    fn session(
        &self,
        principal: &Principal,
        vault: &VaultHost,
        tally: &Arc<Tally>,
    ) -> Arc<Session> {
        let deadline = Instant::now() + self.options.read_timeout;
        let transport = Arc::clone(&self.transport);
        Session::new(
            transport,
            principal.cloud,
            Target::Vault(vault.clone()),
            deadline,
            Arc::clone(tally),
        )
    }

    /// Starts to read one object.
    pub(super) fn start_read(
        self: &Arc<Self>,
        place: Place,
        principal: &Principal,
        tally: &Arc<Tally>,
    ) -> Flight {
        let session = self.session(principal, &place.vault, tally);
        let progress = Progress::new(Waiting::Vault(Arc::clone(&session)));
        let lost = {
            let (session, identity) = (Arc::clone(&session), principal.identity.name().to_owned());
            let object = place.object.clone();
            move || {
                let host = session.target_host().to_owned();
                let problem = FetchProblem::Unreachable(Unreachable::Broken { host });
                ReadError::Fetch(FetchError::new(&session, &identity, &object, problem))
            }
        };
        let read = {
            let (cache, principal) = (Arc::clone(self), principal.clone());
            let (progress, tally) = (Arc::clone(&progress), Arc::clone(tally));
            async move {
                let landing = Landing {
                    cache: &cache,
                    place: &place,
                };
                let asked = Instant::now();
                let refusals = cache.refusals(&place.principal);
                let read = cache
                    .fetch(&place, &principal, &session, &progress, &tally)
                    .await;
                landing.settle(read, asked, refusals)
            }
        };
        Flight::start(progress, read, lost)
    }

    async fn fetch(
        self: &Arc<Self>,
        place: &Place,
        principal: &Principal,
        session: &Arc<Session>,
        progress: &Progress,
        tally: &Arc<Tally>,
    ) -> Landed<Fetched> {
        let key = &place.principal;
        let name = principal.identity.name();
        for _ in 0..2 {
            let token = {
                let token = pin!(self.token(place, principal, progress, tally));
                let dial = pin!(session.transport().warm(session.target_host()));
                // The dial goes on without us. Whoever reads waits for it, within the deadline; a
                // refusal by Entra does not.
                match select(token, dial).await {
                    Either::Left((token, _)) => token?,
                    Either::Right((_, token)) => token.await?,
                }
            };
            progress.now(Waiting::Vault(Arc::clone(session)));
            let error = match vault::fetch(session, name, &token, &place.object).await {
                Ok(fetched) => return Ok(Arc::new(fetched)),
                Err(error) => error,
            };
            let rejected = FetchProblem::TokenRejected {
                other_tenant: false,
            };
            if error.problem != rejected || !self.reject(key, &token) {
                return Err(Arc::new(ReadError::Fetch(error)));
            }
        }
        // The second token was rejected as well, and dropped.
        let problem = FetchProblem::TokenRejected {
            other_tenant: false,
        };
        let error = FetchError::new(session, name, &place.object, problem);
        Err(Arc::new(ReadError::Fetch(error)))
    }

    /// For how long a failure is taken for granted.
    fn pause(&self, error: &ReadError) -> Duration {
        let refusal = self.options.refusal_for;
        if error.is_outage() {
            OUTAGE_FOR.min(refusal)
        } else {
            refusal
        }
    }

    fn refusals(&self, key: &PrincipalKey) -> u64 {
        self.state()
            .holding(key)
            .map_or(0, |holding| holding.refusals)
    }

    fn reject(&self, key: &PrincipalKey, token: &Arc<ResourceToken>) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let again = state
            .holding(key)
            .is_some_and(|holding| holding.tokens.reject(token, now));
        drop(state);
        if let Some(observer) = &self.options.observer
            && again
        {
            observer.token(TokenEvent::Rejected);
        }
        again
    }

    /// The principal's token: the one there is, or the one that is being asked for.
    async fn token(
        self: &Arc<Self>,
        place: &Place,
        principal: &Principal,
        progress: &Progress,
        tally: &Arc<Tally>,
    ) -> Landed<ResourceToken> {
        let now = Instant::now();
        let flight = {
            let mut state = self.state();
            let holding = state.asking(&place.principal, &principal.identity, now);
            match holding.tokens.next(now) {
                tokens::Next::Use { token, .. } => return Ok(token),
                tokens::Next::Failed(error) => return Err(error),
                tokens::Next::Join(flight) => flight,
                tokens::Next::Ask => {
                    let vault = &place.vault;
                    let key = &place.principal;
                    let flight = self.start_token(key, principal, vault, tally, false);
                    holding.tokens.take_off(flight.clone());
                    flight
                }
            }
        };
        let waiting = flight.progress().waiting();
        progress.now(waiting.clone());
        let until = now + self.options.read_timeout;
        match flight.landed(until).await {
            Some(landed) => landed,
            None => {
                let (Waiting::Token(session) | Waiting::Vault(session)) = waiting;
                let error = TokenError::deadline(&session, &principal.identity);
                Err(Arc::new(ReadError::Token(error)))
            }
        }
    }

    /// Starts to ask for a token; `ahead` of the end of the one in use, or because there is none.
    pub(super) fn start_token(
        self: &Arc<Self>,
        key: &Arc<PrincipalKey>,
        principal: &Principal,
        vault: &VaultHost,
        tally: &Arc<Tally>,
        ahead: bool,
    ) -> Flight<ResourceToken> {
        let session = self.session(principal, vault, tally);
        let progress = Progress::new(Waiting::Token(Arc::clone(&session)));
        let lost = {
            let (session, identity) = (Arc::clone(&session), principal.identity.clone());
            move || ReadError::Token(TokenError::deadline(&session, &identity))
        };
        let ask = {
            let (cache, key) = (Arc::clone(self), Arc::clone(key));
            let identity = principal.identity.clone();
            async move {
                let landing = TokenLanding {
                    cache: &cache,
                    key: &key,
                };
                let asked = identity::acquire(&session, &identity).await;
                landing.settle(asked, &identity, ahead)
            }
        };
        Flight::start(progress, ask, lost)
    }
}

/// Writes down what came of a read; if the read panics, that nothing did.
struct Landing<'a> {
    cache: &'a Arc<Cache>,
    place: &'a Place,
}

impl Landing<'_> {
    fn settle(self, read: Landed<Fetched>, asked: Instant, refusals: u64) -> Landed<Fetched> {
        let Self { cache, place } = &self;
        let now = Instant::now();
        let mut refused = 0;
        let room = {
            let mut state = cache.state();
            let refused_since = state
                .holding(&place.principal)
                .is_none_or(|holding| holding.refusals != refusals);
            state.settle(place, |entry| {
                entry.land();
                match &read {
                    // What Entra has refused in the meantime is given to those who have waited for
                    // it, and not kept.
                    Ok(_) if refused_since => {}
                    Ok(fetched) => entry.store(entry::Held {
                        fetched: Arc::clone(fetched),
                        asked,
                    }),
                    // Known to the token, for all objects at once.
                    Err(error) if matches!(**error, ReadError::Token(_)) && !error.is_outage() => {}
                    Err(error) => {
                        refused = usize::from(!error.is_outage() && entry.held().is_some());
                        entry.fail(Arc::clone(error), now + cache.pause(error));
                    }
                }
            });
            let room = state.make_room();
            cache.observe_size(&mut state);
            room
        };
        cache.observe_evictions(Evicted::VaultRefusal, refused);
        cache.observe_evictions(Evicted::Room, room);
        read
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.cache.state().settle(self.place, entry::Entry::land);
    }
}

/// Writes down what came of asking for a token; if asking panics, that nothing did.
struct TokenLanding<'a> {
    cache: &'a Arc<Cache>,
    key: &'a PrincipalKey,
}

impl TokenLanding<'_> {
    fn settle(
        self,
        asked: Result<ResourceToken, TokenError>,
        identity: &Identity,
        ahead: bool,
    ) -> Landed<ResourceToken> {
        let Self { cache, key } = &self;
        let now = Instant::now();
        let (landed, event) = match asked {
            Ok(token) => {
                tracing::debug!(
                    identity = identity.name(),
                    lifetime_seconds = token.lifetime().as_secs(),
                    "token acquired"
                );
                let event = if ahead {
                    TokenEvent::Refreshed
                } else {
                    TokenEvent::Acquired
                };
                (Ok(Arc::new(token)), event)
            }
            Err(error) => {
                let error = ReadError::Token(error);
                let event = if error.is_outage() {
                    TokenEvent::Unavailable
                } else {
                    TokenEvent::Refused
                };
                (Err(Arc::new(error)), event)
            }
        };
        let mut refused = 0;
        {
            let mut state = cache.state();
            if let Some(holding) = state.holding(key) {
                match &landed {
                    Ok(token) => holding.tokens.store(Arc::clone(token), now),
                    Err(error) => {
                        let until = now + cache.pause(error);
                        let outage = error.is_outage();
                        holding.tokens.fail(Arc::clone(error), outage, now, until);
                    }
                }
            }
            if event == TokenEvent::Refused {
                refused = state.refuse(key);
            }
            cache.observe_size(&mut state);
        }
        cache.observe_evictions(Evicted::EntraRefusal, refused);
        if let Some(observer) = &cache.options.observer {
            observer.token(event);
        }
        if event == TokenEvent::Refused && refused > 0 {
            tracing::warn!(
                identity = identity.name(),
                values = refused,
                "the identity was refused; what was in memory for it is gone"
            );
        }
        landed
    }
}

impl Drop for TokenLanding<'_> {
    fn drop(&mut self) {
        if let Some(holding) = self.cache.state().holding(self.key) {
            holding.tokens.land();
        }
    }
}
