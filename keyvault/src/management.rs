//! Azure Resource Manager: identities, federated credentials, role assignments and identity bindings,
//! for a program that keeps them as they should be.
//!
//! [`Management`] sends a [`Call`] and tells the [`Answer`], or why there is none. What resources hold
//! is for whoever asks to know: here are tokens, time, throttling and the pin to the cloud's host. A
//! read is tried again while there is time; a write is sent once (see `session/attempts.rs`).

mod answer;
mod call;
mod cleaned;
mod error;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use azure_core::http::{Method, Request};
use url::Url;

pub use answer::Answer;
pub use call::{Address, Call, Verb};
pub use error::{ManagementError, ManagementRefusal};

use crate::callers::{Callers, Errand, IdentitySource};
use crate::error::{FetchProblem, overdue};
use crate::identity::ResourceToken;
use crate::session::{Session, Sessions, Tally, Target};
use crate::transport::{Service, Unreachable};
use crate::{Cloud, Transport};

/// How Resource Manager is asked.
#[derive(Debug, Clone)]
pub struct ManagementOptions {
    /// How long one request may take, tries and waiting included. Where there is no token yet, its
    /// proof and the token have as long each.
    pub request_timeout: Duration,
    /// For how long a refusal by Entra is taken for granted before it is asked again.
    pub refusal_for: Duration,
}

impl Default for ManagementOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            refusal_for: Duration::from_secs(10),
        }
    }
}

/// Asks Azure Resource Manager. Keeps one token per cloud; made once.
pub struct Management {
    transport: Arc<Transport>,
    source: Arc<dyn IdentitySource>,
    options: ManagementOptions,
    callers: Arc<Callers<Cloud>>,
    tally: Arc<Tally>,
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Management {
    /// Asks nothing yet. `source` proves who asks.
    pub fn new(
        transport: Arc<Transport>,
        source: Arc<dyn IdentitySource>,
        options: ManagementOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            source,
            callers: Callers::new(options.refusal_for),
            options,
            tally: Arc::default(),
        })
    }

    /// How many requests were sent so far, for tokens and to Resource Manager.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Makes one call; a second time, with a new token, if the first was not taken.
    ///
    /// # Errors
    /// No token, a refusal, no answer, one that cannot be understood, or an address that is none of
    /// the cloud's Resource Manager.
    pub async fn call(
        self: &Arc<Self>,
        cloud: Cloud,
        call: &Call,
    ) -> Result<Answer, ManagementError> {
        let url = call.url(cloud)?;
        let url = &url;
        let errand = Errand {
            caller: &cloud,
            source: &self.source,
            sessions: &Sessions {
                transport: Arc::clone(&self.transport),
                cloud,
                target: Target::ResourceManager,
                limit: self.options.request_timeout,
                tally: Arc::clone(&self.tally),
            },
        };
        let ask = |session: Arc<Session>, token: Arc<ResourceToken>| async move {
            let answer = send(&session, &token, call, url).await;
            if let Err(error) = &answer {
                tracing::debug!(
                    verb = call.verb.as_str(),
                    path = url.path(),
                    status = error.status(),
                    code = error.code(),
                    request_id = error.request_id(),
                    "refused by Resource Manager"
                );
            }
            answer
        };
        let rejected = |error: &ManagementError| error.status() == Some(401);
        self.callers.with_token(&errand, ask, rejected).await
    }
}

async fn send(
    session: &Arc<Session>,
    token: &ResourceToken,
    call: &Call,
    url: &Url,
) -> Result<Answer, ManagementError> {
    let method = match call.verb {
        Verb::Get => Method::Get,
        Verb::Put => Method::Put,
        Verb::Delete => Method::Delete,
    };
    let mut request = Request::new(url.clone(), method);
    request.insert_header(ACCEPT, "application/json");
    request.insert_header(USER_AGENT, concat!("vaultbind/", env!("CARGO_PKG_VERSION")));
    request.insert_header(AUTHORIZATION, token.bearer());
    if let Some(body) = &call.body {
        request.insert_header(CONTENT_TYPE, "application/json");
        request.set_body(body.to_string());
    }
    let sent = tokio::time::timeout_at(session.deadline().into(), session.send(&request)).await;
    let answer = match sent {
        Ok(Ok(answer)) => answer,
        Ok(Err(Unreachable::Deadline { .. })) | Err(_) => return Err(late(session, url)),
        Ok(Err(cause)) => return Err(ManagementError::Unreachable { cause }),
    };
    let answer = answer.try_into_raw_response().await;
    let answer = answer.map_err(|_| ManagementError::unreadable())?;
    Answer::read(answer.status(), answer.headers(), answer.body().as_ref())
}

/// Why there was no answer in time.
fn late(session: &Session, url: &Url) -> ManagementError {
    let status = match overdue(session) {
        (FetchProblem::Unreachable(cause), _) => return ManagementError::Unreachable { cause },
        (_, status) => status.unwrap_or_default(),
    };
    // It was not sent, because an earlier one was refused.
    let host = session.target_host();
    let budget = session
        .transport()
        .budget(Service::ResourceManager, host, url.path());
    ManagementError::Refused(ManagementRefusal {
        status,
        code: String::new(),
        message: String::new(),
        retry_after: budget.view().held_for,
        request_id: None,
    })
}
