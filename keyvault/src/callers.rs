//! The tokens of those who ask: one for each caller, asked for once however many need it, refreshed
//! ahead of its end.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::error::Category;
use crate::flight::Flight;
use crate::identity::{self, ResourceToken};
use crate::session::{Session, Sessions};
use crate::tokens::{Next, Tokens};
use crate::{Identity, TokenError};

/// How long an outage is taken for granted before a token is asked for again.
const OUTAGE_FOR: Duration = Duration::from_secs(2);

/// Where the identity of a caller comes from, with a new proof.
#[async_trait]
pub trait IdentitySource: Send + Sync {
    /// Its client id, or `system-assigned`.
    fn name(&self) -> &str;

    /// The identity. Asked for only when there is no token, or when it is about to end.
    ///
    /// # Errors
    /// What is missing and the remedy, for people.
    async fn identity(&self) -> Result<Identity, NoProof>;
}

/// There is nothing to prove who asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NoProof {
    /// What is missing and the remedy, for people; the same text at every try.
    pub text: String,
    /// Whether it stays so until somebody changes something.
    pub lasting: bool,
}

impl NoProof {
    /// It may be there at the next try.
    pub fn passing(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            lasting: false,
        }
    }

    /// Somebody has to change something.
    pub fn lasting(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            lasting: true,
        }
    }
}

/// There was no token to ask with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoToken {
    /// There was nothing to prove who asks.
    #[error(transparent)]
    Proof(NoProof),
    /// Entra, or the managed identity endpoint, gave none.
    #[error(transparent)]
    Refused(Arc<TokenError>),
}

impl NoToken {
    /// Whether it passes without anybody changing something.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Proof(missing) => !missing.lasting,
            Self::Refused(error) => {
                matches!(error.category(), Category::Unreachable | Category::Internal)
            }
        }
    }
}

/// What is known of a caller.
struct Holding {
    tokens: Tokens<NoToken>,
    used: Instant,
}

impl Holding {
    fn new(now: Instant) -> Self {
        Self {
            tokens: Tokens::default(),
            used: now,
        }
    }
}

/// Who asks for a token, and how.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a, K> {
    /// Who asks. Equal ones share a token.
    pub(crate) caller: &'a K,
    /// What proves it.
    pub(crate) source: &'a Arc<dyn IdentitySource>,
    /// Where the token is shown, and when asking for it ends.
    pub(crate) sessions: &'a Sessions,
}

/// The callers of a program. `K` tells them apart.
pub(crate) struct Callers<K> {
    holdings: Mutex<HashMap<K, Holding>>,
    /// For how long a refusal by Entra is taken for granted before it is asked again.
    refusal_for: Duration,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Callers<K> {
    pub(crate) fn new(refusal_for: Duration) -> Arc<Self> {
        Arc::new(Self {
            holdings: Mutex::default(),
            refusal_for,
        })
    }

    fn holdings(&self) -> MutexGuard<'_, HashMap<K, Holding>> {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets callers that have not asked for so long.
    pub(crate) fn forget_unused(&self, since: Duration) {
        let now = Instant::now();
        self.holdings().retain(|_, holding| {
            let unused = now.saturating_duration_since(holding.used) >= since;
            !(unused && holding.tokens.is_idle(now))
        });
    }

    /// Asks with the caller's token; once more with a new one if that was `rejected`.
    pub(crate) async fn with_token<T, E: From<Arc<NoToken>>, F: Future<Output = Result<T, E>>>(
        self: &Arc<Self>,
        errand: &Errand<'_, K>,
        ask: impl Fn(Arc<Session>, Arc<ResourceToken>) -> F,
        rejected: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let mut again = true;
        loop {
            let token = self.token(errand).await?;
            let session = errand.sessions.open();
            let error = match ask(session, Arc::clone(&token)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if rejected(&error) && self.reject(errand.caller, &token) && again {
                again = false;
                continue;
            }
            return Err(error);
        }
    }

    /// The caller's token: the one there is, or the one that is being asked for.
    async fn token(
        self: &Arc<Self>,
        errand: &Errand<'_, K>,
    ) -> Result<Arc<ResourceToken>, Arc<NoToken>> {
        let now = Instant::now();
        let flight = {
            let mut holdings = self.holdings();
            let holding = holdings
                .entry(errand.caller.clone())
                .or_insert_with(|| Holding::new(now));
            holding.used = now;
            match holding.tokens.next(now) {
                Next::Use { token, refresh } => {
                    if refresh {
                        holding.tokens.take_off(self.start_token(errand));
                    }
                    return Ok(token);
                }
                Next::Failed(error) => return Err(error),
                Next::Join(flight) => flight,
                Next::Ask => {
                    let flight = self.start_token(errand);
                    holding.tokens.take_off(flight.clone());
                    flight
                }
            }
        };
        // The proof has its time, and after it the token.
        let until = now + 2 * errand.sessions.limit;
        flight.landed(until).await.unwrap_or_else(|| Err(late()))
    }

    fn start_token(self: &Arc<Self>, errand: &Errand<'_, K>) -> Flight<ResourceToken, NoToken> {
        let (callers, caller) = (Arc::clone(self), errand.caller.clone());
        let (source, sessions) = (Arc::clone(errand.source), errand.sessions.clone());
        let ask = async move {
            let landing = Landing {
                callers: &callers,
                caller: &caller,
            };
            let proof = tokio::time::timeout(sessions.limit, source.identity()).await;
            let asked = match proof {
                Err(_) => Err(late()),
                Ok(Err(missing)) => Err(Arc::new(NoToken::Proof(missing))),
                Ok(Ok(identity)) => {
                    let asked = identity::acquire(&sessions.open(), &identity).await;
                    asked.map(Arc::new).map_err(|error| {
                        tracing::debug!(
                            identity = identity.name(),
                            request_id = error.request_id.as_deref().unwrap_or_default(),
                            detail = error.detail,
                            "no token"
                        );
                        Arc::new(NoToken::Refused(Arc::new(error)))
                    })
                }
            };
            landing.settle(&asked);
            asked
        };
        Flight::start(Arc::default(), ask, || {
            NoToken::Proof(NoProof::passing("the request for a token broke off"))
        })
    }

    /// This token was not taken. Says whether to try again with another one.
    fn reject(&self, caller: &K, token: &Arc<ResourceToken>) -> bool {
        let mut holdings = self.holdings();
        holdings
            .get_mut(caller)
            .is_some_and(|holding| holding.tokens.reject(token, Instant::now()))
    }
}

fn late() -> Arc<NoToken> {
    Arc::new(NoToken::Proof(NoProof::passing(
        "no token of the ServiceAccount came in time: the API server does not answer",
    )))
}

/// Writes down what came of asking for a token; if asking panics, that nothing did.
struct Landing<'a, K: Clone + Eq + Hash + Send + Sync + 'static> {
    callers: &'a Callers<K>,
    caller: &'a K,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Landing<'_, K> {
    fn settle(&self, asked: &Result<Arc<ResourceToken>, Arc<NoToken>>) {
        let now = Instant::now();
        let mut holdings = self.callers.holdings();
        let Some(holding) = holdings.get_mut(self.caller) else {
            return;
        };
        match asked {
            Ok(token) => holding.tokens.store(Arc::clone(token), now),
            Err(error) => {
                let outage = error.is_outage();
                let refusal = self.callers.refusal_for;
                let pause = if outage {
                    OUTAGE_FOR.min(refusal)
                } else {
                    refusal
                };
                let error = Arc::clone(error);
                holding.tokens.fail(error, outage, now, now + pause);
            }
        }
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Drop for Landing<'_, K> {
    fn drop(&mut self) {
        if let Some(holding) = self.callers.holdings().get_mut(self.caller) {
            holding.tokens.land();
        }
    }
}
