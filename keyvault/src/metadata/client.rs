//! List calls: the pages of a list, each with a token that the vault takes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::{ACCEPT, AUTHORIZATION, USER_AGENT};
use azure_core::http::{Method, Request};
use url::Url;

use super::caller::Caller;
use super::error::{AskError, ListError};
use super::page::{self, Item, Page};
use super::{List, Listed, Listing, Version};
use crate::callers::{Callers, Errand, IdentitySource, NoToken};
use crate::error::{FetchProblem, Refusal, overdue};
use crate::identity::ResourceToken;
use crate::session::{Session, Sessions, Tally, Target};
use crate::{ObjectName, ObjectType, Transport, VaultHost};

/// How vaults are asked.
#[derive(Debug, Clone)]
pub struct MetadataOptions {
    /// How long one request may take, tries and waiting included.
    pub request_timeout: Duration,
    /// For how long a refusal by Entra is taken for granted before it is asked again.
    pub refusal_for: Duration,
    /// Versions of one object in units of pages, which hold 25.
    pub most_version_pages: usize,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(20),
            refusal_for: Duration::from_secs(10),
            most_version_pages: 200,
        }
    }
}

/// Whom to ask, as whom.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What proves it.
    pub source: &'a Arc<dyn IdentitySource>,
    /// The vault.
    pub vault: &'a VaultHost,
    /// Requests per second that the vault may get from this program.
    pub requests_per_second: u32,
    /// Counts the calls.
    pub tally: &'a Arc<Tally>,
}

impl fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("caller", self.caller)
            .field("vault", self.vault)
            .finish_non_exhaustive()
    }
}

/// Lists what vaults hold, and reads versions of it as workloads. Keeps tokens, and nothing of what
/// vaults say. Cheap to share, made once.
pub struct Metadata {
    pub(super) transport: Arc<Transport>,
    pub(super) options: MetadataOptions,
    callers: Arc<Callers<Caller>>,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Metadata {
    /// Asks nothing yet.
    pub fn new(transport: Arc<Transport>, options: MetadataOptions) -> Arc<Self> {
        Arc::new(Self {
            transport,
            callers: Callers::new(options.refusal_for),
            options,
        })
    }

    /// The objects of a type, with the attributes and tags of their newest versions. After so many
    /// pages it is given up; what was read until then is told.
    ///
    /// # Errors
    /// No token, a refusal, or no answer.
    pub async fn objects(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        object_type: ObjectType,
        most_pages: usize,
    ) -> Result<Listing<Listed>, AskError> {
        let list = List::Objects(object_type);
        self.list(asking, &list, most_pages, page::listed).await
    }

    /// The versions of an object, newest first; none of one that the vault does not have.
    ///
    /// # Errors
    /// No token, a refusal, no answer, or more versions than [`MetadataOptions::most_version_pages`]
    /// hold: they come in no order, so a part of them says nothing.
    pub async fn versions(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        object_type: ObjectType,
        name: &ObjectName,
    ) -> Result<Listing<Version>, AskError> {
        let list = List::Versions(object_type, name.clone());
        let most = self.options.most_version_pages;
        let read = self.list(asking, &list, most, page::version).await;
        let mut listing = match read {
            Err(AskError::List(error)) if error.is_absence() => Listing {
                items: Vec::new(),
                unreadable: 0,
                pages: 1,
                complete: true,
            },
            read => read?,
        };
        if !listing.complete {
            let error = ListError::too_long(asking.vault, asking.source.name(), &list);
            return Err(error.into());
        }
        listing.items.sort_by(newest_first);
        Ok(listing)
    }

    /// Forgets callers that have not asked for so long.
    pub fn forget_unused(&self, since: Duration) {
        self.callers.forget_unused(since);
    }

    async fn list<T>(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        list: &List,
        most_pages: usize,
        read: fn(&List, &Item) -> Option<T>,
    ) -> Result<Listing<T>, AskError> {
        let host = asking.vault.host();
        self.transport.limit_vault(host, asking.requests_per_second);
        let failed = |problem| ListError::new(asking.vault, asking.source.name(), list, problem);
        let mut url = page::first(host, list).ok_or_else(|| {
            failed(FetchProblem::BadAnswer {
                what: "cannot be asked for",
            })
        })?;
        let mut listing = Listing {
            items: Vec::new(),
            unreadable: 0,
            pages: 0,
            complete: false,
        };
        while listing.pages < most_pages {
            let Page { items, next } = self.page(asking, list, &url).await?;
            listing.pages += 1;
            for item in items {
                match item.and_then(|item| read(list, &item)) {
                    Some(item) => listing.items.push(item),
                    None => listing.unreadable += 1,
                }
            }
            match next {
                Some(next) => url = page::follow(&url, &next).map_err(failed)?,
                None => {
                    listing.complete = true;
                    break;
                }
            }
        }
        if listing.unreadable > 0 {
            tracing::warn!(%host, %list, items = listing.unreadable, "items that cannot be read");
        }
        Ok(listing)
    }

    /// One page.
    async fn page(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        list: &List,
        url: &Url,
    ) -> Result<Page, AskError> {
        let get = |session: Arc<Session>, token: Arc<ResourceToken>| async move {
            let error = match get(&session, &token, url).await {
                Ok(page) => return Ok(page),
                Err(error) => error.into_list_error(asking, list),
            };
            tracing::debug!(
                host = error.host,
                %list,
                status = error.status,
                code = error.code,
                request_id = error.request_id,
                "list refused"
            );
            Err(AskError::from(error))
        };
        let problem = |error: &AskError| match error {
            AskError::List(error) => Some(error.problem.clone()),
            AskError::NoToken(_) => None,
        };
        self.with_token(asking, get, problem).await
    }

    /// Asks with the caller's token; once more with a new one if the vault does not take that.
    pub(super) async fn with_token<T, E: From<Arc<NoToken>>, F: Future<Output = Result<T, E>>>(
        &self,
        asking: &Asking<'_>,
        ask: impl Fn(Arc<Session>, Arc<ResourceToken>) -> F,
        problem: impl Fn(&E) -> Option<FetchProblem>,
    ) -> Result<T, E> {
        let errand = Errand {
            caller: asking.caller,
            source: asking.source,
            sessions: &Sessions {
                transport: Arc::clone(&self.transport),
                cloud: asking.caller.cloud,
                target: Target::Vault(asking.vault.clone()),
                limit: self.options.request_timeout,
                tally: Arc::clone(asking.tally),
            },
        };
        let other_tenant = false;
        let rejected = Some(FetchProblem::TokenRejected { other_tenant });
        self.callers
            .with_token(&errand, ask, |error| problem(error) == rejected)
            .await
    }
}

/// By the time they were made, and those of one second by their ids, so that the order is always the
/// same.
fn newest_first(one: &Version, other: &Version) -> std::cmp::Ordering {
    let key = |version: &Version| version.attributes.created;
    key(other)
        .cmp(&key(one))
        .then_with(|| one.id.cmp(&other.id))
}

/// Why a page was not read.
enum PageError {
    Refused(Refusal),
    Failed(FetchProblem, Option<u16>),
}

impl PageError {
    fn into_list_error(self, asking: &Asking<'_>, list: &List) -> ListError {
        let (vault, identity) = (asking.vault, asking.source.name());
        match self {
            Self::Refused(refusal) => ListError::of_refusal(vault, identity, list, &refusal),
            Self::Failed(problem, status) => ListError {
                status,
                ..ListError::new(vault, identity, list, problem)
            },
        }
    }
}

/// Asks for one page, and reads it.
///
/// A request of our own, because the SDK's pagers would follow a link to any path, and know no
/// difference between an answer that has no end and one that is long.
async fn get(session: &Arc<Session>, token: &ResourceToken, url: &Url) -> Result<Page, PageError> {
    let unreadable = || {
        PageError::Failed(
            FetchProblem::BadAnswer {
                what: "cannot be read",
            },
            None,
        )
    };
    let mut request = Request::new(url.clone(), Method::Get);
    request.insert_header(ACCEPT, "application/json");
    request.insert_header(USER_AGENT, concat!("vaultbind/", env!("CARGO_PKG_VERSION")));
    request.insert_header(AUTHORIZATION, token.bearer());
    let sent = tokio::time::timeout_at(session.deadline().into(), session.send(&request)).await;
    let answer = match sent {
        Ok(Ok(answer)) => answer,
        Ok(Err(crate::transport::Unreachable::Deadline { .. })) | Err(_) => {
            let (problem, status) = overdue(session);
            return Err(PageError::Failed(problem, status));
        }
        Ok(Err(unreachable)) => {
            return Err(PageError::Failed(
                FetchProblem::Unreachable(unreachable),
                None,
            ));
        }
    };
    let answer = answer.try_into_raw_response().await;
    let answer = answer.map_err(|_| unreadable())?;
    let body = answer.body().as_ref();
    if !answer.status().is_success() {
        let refusal = Refusal::new(answer.status(), answer.headers(), body);
        return Err(PageError::Refused(refusal));
    }
    page::read(body).map_err(|problem| PageError::Failed(problem, None))
}
