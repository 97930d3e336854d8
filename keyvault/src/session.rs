//! The HTTP client of one unit of work (a read, a write, a token), for the SDK and for requests of our
//! own: deadline, host pin, challenge memory, retries and counting around the shared transport.

mod attempts;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::http::headers::{AUTHORIZATION, Headers, WWW_AUTHENTICATE};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use bytes::Bytes;

use crate::transport::{IMDS_HOST, Operation, Service, Transport, Unreachable};
use crate::{Cloud, VaultHost};

/// What may be asked beside Entra and the managed identity endpoint.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A vault.
    Vault(VaultHost),
    /// The cloud's Resource Manager.
    ResourceManager,
}

/// What may be asked, and until when.
#[derive(Debug)]
pub(crate) struct Session {
    transport: Arc<Transport>,
    cloud: Cloud,
    target: Target,
    deadline: Instant,
    tally: Arc<Tally>,
    last: Mutex<Option<LastFailure>>,
}

/// Opens sessions that differ in their end only.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    pub(crate) transport: Arc<Transport>,
    pub(crate) cloud: Cloud,
    pub(crate) target: Target,
    /// How long a session lasts.
    pub(crate) limit: Duration,
    pub(crate) tally: Arc<Tally>,
}

impl Sessions {
    /// One that begins now.
    pub(crate) fn open(&self) -> Arc<Session> {
        Session::new(
            Arc::clone(&self.transport),
            self.cloud,
            self.target.clone(),
            Instant::now() + self.limit,
            Arc::clone(&self.tally),
        )
    }
}

/// How many calls were made for something, over all its sessions.
#[derive(Debug, Default)]
pub struct Tally {
    token: AtomicU32,
    vault: AtomicU32,
    management: AtomicU32,
}

impl Tally {
    /// Requests sent to Entra or the managed identity endpoint so far.
    pub fn token_calls(&self) -> u32 {
        self.token.load(Ordering::Relaxed)
    }

    /// Requests sent to the vault so far.
    pub fn vault_calls(&self) -> u32 {
        self.vault.load(Ordering::Relaxed)
    }

    /// Requests sent to Resource Manager so far.
    pub fn management_calls(&self) -> u32 {
        self.management.load(Ordering::Relaxed)
    }
}

/// The last try that brought no success, to be told when the deadline cuts the retries short.
#[derive(Debug, Clone)]
struct LastFailure {
    host: String,
    failure: Failure,
}

/// How a try failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// With an answer of this status.
    Status(u16),
    /// Without an answer.
    Unreachable(Unreachable),
}

impl Session {
    /// A session that ends at `deadline` and counts its calls in `tally`.
    pub(crate) fn new(
        transport: Arc<Transport>,
        cloud: Cloud,
        target: Target,
        deadline: Instant,
        tally: Arc<Tally>,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            cloud,
            target,
            deadline,
            tally,
            last: Mutex::default(),
        })
    }

    /// The cloud of the target and of Entra.
    pub(crate) fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// The vault, unless it is with Resource Manager.
    pub(crate) fn vault(&self) -> Option<&VaultHost> {
        match &self.target {
            Target::Vault(vault) => Some(vault),
            Target::ResourceManager => None,
        }
    }

    /// The host of the vault or of Resource Manager.
    pub(crate) fn target_host(&self) -> &str {
        match &self.target {
            Target::Vault(vault) => vault.host(),
            Target::ResourceManager => self.cloud.management_host(),
        }
    }

    /// The scope of the tokens that it takes.
    pub(crate) fn scope(&self) -> &'static str {
        match &self.target {
            Target::Vault(_) => self.cloud.vault_scope(),
            Target::ResourceManager => self.cloud.management_scope(),
        }
    }

    /// When the session ends.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// How the last try at `host` failed, other than by the session's end.
    pub(crate) fn last_failure(&self, host: &str) -> Option<Failure> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .filter(|last| last.host == host)
            .map(|last| last.failure.clone())
    }

    pub(crate) fn remember(&self, host: String, failure: Failure) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(LastFailure { host, failure });
    }

    /// Sends a request. Other hosts than the target, Entra and the managed identity endpoint are refused.
    pub(crate) async fn send(&self, request: &Request) -> Result<AsyncRawResponse, Unreachable> {
        let (service, operation) = self.route(request)?;
        let authorized = request.headers().get_optional_str(&AUTHORIZATION).is_some();
        if service == Service::Vault && !authorized {
            return Ok(self.challenge());
        }
        self.exchange(request, service, operation).await
    }

    /// Sends a request for a token to the cluster's token proxy instead of Entra.
    pub(crate) async fn send_to_token_proxy(
        &self,
        request: &Request,
    ) -> Result<AsyncRawResponse, Unreachable> {
        let proxy = self
            .transport
            .token_proxy()
            .ok_or(Unreachable::NoTokenProxy)?;
        let (service, operation) = self.route(request)?;
        if service != Service::Entra {
            return Err(Unreachable::WrongHost {
                host: request.url().host_str().unwrap_or_default().to_owned(),
                expected: self.cloud.login_host().to_owned(),
            });
        }
        let mut rewritten = request.clone();
        *rewritten.url_mut() = proxy.rewrite(request.url());
        self.exchange(&rewritten, service, operation).await
    }

    fn route(&self, request: &Request) -> Result<(Service, Operation), Unreachable> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let https = url.scheme() == "https" && url.port_or_known_default() == Some(443);
        if https && host == self.target_host() {
            Ok(match &self.target {
                Target::Vault(_) => (Service::Vault, Operation::of_vault_path(url.path())),
                Target::ResourceManager => (
                    Service::ResourceManager,
                    Operation::of_management(request.method()),
                ),
            })
        } else if https && host == self.cloud.login_host() {
            Ok((Service::Entra, Operation::Token))
        } else if url.scheme() == "http" && host == IMDS_HOST {
            Ok((Service::Imds, Operation::Token))
        } else {
            let expected = format!("{} and {}", self.target_host(), self.cloud.login_host());
            Err(Unreachable::WrongHost {
                host: host.to_owned(),
                expected,
            })
        }
    }

    /// The challenge that a vault of this cloud answers to a request without a token.
    ///
    /// The SDK sends every client's first request unauthenticated to learn it. All vaults of a
    /// cloud send the same one, so it is answered here and costs no round trip.
    fn challenge(&self) -> AsyncRawResponse {
        let mut headers = Headers::new();
        headers.insert(
            WWW_AUTHENTICATE,
            format!(
                "Bearer authorization=\"https://{}/common\", resource=\"{}\"",
                self.cloud.login_host(),
                self.cloud.vault_resource()
            ),
        );
        AsyncRawResponse::from_bytes(StatusCode::Unauthorized, headers, Bytes::new())
    }
}

/// The SDK's view of a session. A type of its own, because neither [`Arc`] nor the trait is ours.
#[derive(Debug, Clone)]
pub(crate) struct SessionClient(pub(crate) Arc<Session>);

#[async_trait]
impl HttpClient for SessionClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.0.send(request).await.map_err(into_azure)
    }
}

/// The same for identity bindings: the SDK asks Entra, and the token proxy is asked.
#[derive(Debug, Clone)]
pub(crate) struct TokenProxyClient(pub(crate) Arc<Session>);

#[async_trait]
impl HttpClient for TokenProxyClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.0.send_to_token_proxy(request).await;
        answer.map_err(into_azure)
    }
}

/// The SDK's managed identity credential insists on retries of its own, which know nothing of the
/// deadline; it makes none after errors of this kind.
fn into_azure(error: Unreachable) -> azure_core::Error {
    azure_core::Error::new(azure_core::error::ErrorKind::Other, error)
}

#[cfg(test)]
mod tests;
