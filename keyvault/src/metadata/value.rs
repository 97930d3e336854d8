//! Reading a version of an object as a workload, for those who copy it elsewhere.

use std::sync::Arc;

use super::caller::Whose;
use super::client::{Asking, Metadata};
use crate::callers::NoToken;
use crate::error::{FetchError, Reader};
use crate::identity::ResourceToken;
use crate::session::Session;
use crate::{Fetched, ObjectId, vault};

/// A version was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ValueError {
    /// Who asks is no workload. What the operator itself may see of a vault is nothing to copy into a
    /// namespace.
    #[error("values are read as workloads only, never as the operator itself")]
    NotWorkload,
    /// There was no token to ask with.
    #[error(transparent)]
    NoToken(Arc<NoToken>),
    /// The vault was asked.
    #[error(transparent)]
    Fetch(Arc<FetchError>),
}

impl From<Arc<NoToken>> for ValueError {
    fn from(error: Arc<NoToken>) -> Self {
        Self::NoToken(error)
    }
}

impl Metadata {
    /// Reads one object with its content, which is kept nowhere here.
    ///
    /// # Errors
    /// Who asks is no workload, no token, a refusal, or no answer.
    pub async fn value(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        object: &ObjectId,
    ) -> Result<Fetched, ValueError> {
        if asking.caller.whose == Whose::Own {
            return Err(ValueError::NotWorkload);
        }
        let (host, requests_per_second) = (asking.vault.host(), asking.requests_per_second);
        self.transport.limit_vault(host, requests_per_second);
        let fetch = |session: Arc<Session>, token: Arc<ResourceToken>| async move {
            let read = vault::fetch(&session, asking.source.name(), &token, object).await;
            read.map_err(|error| {
                tracing::debug!(
                    host = error.host,
                    %object,
                    status = error.status,
                    code = error.code,
                    request_id = error.request_id,
                    "value refused"
                );
                ValueError::Fetch(Arc::new(FetchError {
                    reader: Reader::Operator,
                    ..error
                }))
            })
        };
        let problem = |error: &ValueError| match error {
            ValueError::Fetch(error) => Some(error.problem.clone()),
            ValueError::NoToken(_) | ValueError::NotWorkload => None,
        };
        self.with_token(asking, fetch, problem).await
    }
}
