//! Who asks, and the token to ask with: one for each caller, asked for once however many need it,
//! refreshed ahead of its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::client::{Asking, Metadata};
use crate::cache::ServiceAccount;
use crate::error::Category;
use crate::flight::Flight;
use crate::identity::{self, VaultToken};
use crate::tokens::{Next, Tokens};
use crate::{ClientId, Cloud, Identity, TenantId, TokenError};

/// How long an outage is taken for granted before a token is asked for again.
const OUTAGE_FOR: Duration = Duration::from_secs(2);

/// Who asks. Equal ones share a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The cloud that issues the token.
    pub cloud: Cloud,
    /// Whose it is.
    pub whose: Whose,
}

/// Whose token a vault is asked with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A workload's.
    Workload {
        /// Tenant of the identity.
        tenant: TenantId,
        /// Its client id.
        client: ClientId,
        /// The ServiceAccount that proves it.
        service_account: ServiceAccount,
        /// What the ServiceAccount's token is for.
        audience: String,
    },
    /// This program's own.
    Own,
}

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
    fn is_outage(&self) -> bool {
        match self {
            Self::Proof(missing) => !missing.lasting,
            Self::Refused(error) => {
                matches!(error.category(), Category::Unreachable | Category::Internal)
            }
        }
    }
}

/// What is known of a caller.
pub(super) struct Holding {
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

    pub(super) fn is_unused(&self, now: Instant, since: Duration) -> bool {
        self.tokens.is_idle(now) && now.saturating_duration_since(self.used) >= since
    }
}

impl Metadata {
    /// The caller's token: the one there is, or the one that is being asked for.
    pub(super) async fn token(
        self: &Arc<Self>,
        asking: &Asking<'_>,
    ) -> Result<Arc<VaultToken>, Arc<NoToken>> {
        let now = Instant::now();
        let flight = {
            let mut callers = self.callers();
            let holding = callers
                .entry(asking.caller.clone())
                .or_insert_with(|| Holding::new(now));
            holding.used = now;
            match holding.tokens.next(now) {
                Next::Use { token, refresh } => {
                    if refresh {
                        holding.tokens.take_off(self.start_token(asking));
                    }
                    return Ok(token);
                }
                Next::Failed(error) => return Err(error),
                Next::Join(flight) => flight,
                Next::Ask => {
                    let flight = self.start_token(asking);
                    holding.tokens.take_off(flight.clone());
                    flight
                }
            }
        };
        // The proof has its time, and after it the token.
        let until = now + 2 * self.options.request_timeout;
        flight.landed(until).await.unwrap_or_else(|| Err(late()))
    }

    fn start_token(self: &Arc<Self>, asking: &Asking<'_>) -> Flight<VaultToken, NoToken> {
        let (metadata, caller) = (Arc::clone(self), asking.caller.clone());
        let source = Arc::clone(asking.source);
        let (vault, tally) = (asking.vault.clone(), Arc::clone(asking.tally));
        let ask = async move {
            let landing = Landing {
                metadata: &metadata,
                caller: &caller,
            };
            let limit = metadata.options.request_timeout;
            let proof = tokio::time::timeout(limit, source.identity()).await;
            let asked = match proof {
                Err(_) => Err(late()),
                Ok(Err(missing)) => Err(Arc::new(NoToken::Proof(missing))),
                Ok(Ok(identity)) => {
                    let session = metadata.session(&caller, &vault, &tally);
                    let asked = identity::acquire(&session, &identity).await;
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

    /// A vault did not take this token. Says whether to try again with another one.
    pub(super) fn reject(&self, caller: &Caller, token: &Arc<VaultToken>) -> bool {
        let mut callers = self.callers();
        callers
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
struct Landing<'a> {
    metadata: &'a Metadata,
    caller: &'a Caller,
}

impl Landing<'_> {
    fn settle(&self, asked: &Result<Arc<VaultToken>, Arc<NoToken>>) {
        let now = Instant::now();
        let mut callers = self.metadata.callers();
        let Some(holding) = callers.get_mut(self.caller) else {
            return;
        };
        match asked {
            Ok(token) => holding.tokens.store(Arc::clone(token), now),
            Err(error) => {
                let outage = error.is_outage();
                let refusal = self.metadata.options.refusal_for;
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

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if let Some(holding) = self.metadata.callers().get_mut(self.caller) {
            holding.tokens.land();
        }
    }
}
