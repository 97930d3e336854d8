//! The SDK's HTTP client for one unit of work (a read, a token): deadline, host pin, challenge memory and
//! counting around the shared transport.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use azure_core::http::headers::{AUTHORIZATION, Headers, WWW_AUTHENTICATE};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::transport::{Call, IMDS_HOST, Operation, Outcome, Service, Transport, Unreachable};
use crate::{Cloud, VaultName};

/// What may be asked, and until when.
#[derive(Debug)]
pub(crate) struct Session {
    transport: Arc<Transport>,
    cloud: Cloud,
    vault_host: String,
    deadline: Instant,
    tally: Arc<Tally>,
    last: Mutex<Option<LastFailure>>,
}

/// How many calls were made for something, over all its sessions.
#[derive(Debug, Default)]
pub struct Tally {
    token: AtomicU32,
    vault: AtomicU32,
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
    /// A session with one vault that ends at `deadline` and counts its calls in `tally`.
    pub(crate) fn new(
        transport: Arc<Transport>,
        cloud: Cloud,
        vault: &VaultName,
        deadline: Instant,
        tally: Arc<Tally>,
    ) -> Arc<Self> {
        Arc::new(Self {
            transport,
            cloud,
            vault_host: format!("{vault}.{}", cloud.vault_suffix()),
            deadline,
            tally,
            last: Mutex::default(),
        })
    }

    /// The cloud of the vault and of Entra.
    pub(crate) fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// The vault's host.
    pub(crate) fn vault_host(&self) -> &str {
        &self.vault_host
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

    fn route(&self, request: &Request) -> Result<(Service, Operation), Unreachable> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let https = url.scheme() == "https" && url.port_or_known_default() == Some(443);
        if https && host == self.vault_host {
            Ok((Service::Vault, Operation::of_vault_path(url.path())))
        } else if https && host == self.cloud.login_host() {
            Ok((Service::Entra, Operation::Token))
        } else if url.scheme() == "http" && host == IMDS_HOST {
            Ok((Service::Imds, Operation::Token))
        } else {
            let expected = format!("{} and {}", self.vault_host, self.cloud.login_host());
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

    async fn exchange(
        &self,
        request: &Request,
        service: Service,
        operation: Operation,
    ) -> Result<AsyncRawResponse, Unreachable> {
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let url = match service {
            Service::Imds => self.transport.imds_url(request.url()),
            Service::Entra | Service::Vault => request.url().clone(),
        };
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => Bytes::new(),
        };
        let counter = match service {
            Service::Vault => &self.tally.vault,
            Service::Entra | Service::Imds => &self.tally.token,
        };
        counter.fetch_add(1, Ordering::Relaxed);

        let Some(method) = method(request) else {
            return Err(Unreachable::Broken { host });
        };
        let started = Instant::now();
        let send = self.transport.send(method, &url, header_map(request), body);
        let answer = tokio::time::timeout_at(self.deadline.into(), send)
            .await
            .unwrap_or(Err(Unreachable::Deadline { host: host.clone() }));
        let outcome = match &answer {
            Ok(answer) => Outcome::Status(answer.status.as_u16()),
            Err(_) => Outcome::Unreachable,
        };
        if let Some(observer) = self.transport.observer() {
            observer.call(&Call {
                service,
                operation,
                outcome,
                duration: started.elapsed(),
            });
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error @ Unreachable::Deadline { .. }) => return Err(error),
            Err(error) => {
                self.remember(host, Failure::Unreachable(error.clone()));
                return Err(error);
            }
        };
        if !answer.status.is_success() {
            self.remember(host, Failure::Status(answer.status.as_u16()));
        }
        let status = StatusCode::from(answer.status.as_u16());
        let headers = azure_headers(&answer.headers);
        Ok(AsyncRawResponse::from_bytes(status, headers, answer.body))
    }
}

/// The SDK's view of a session. A type of its own, because neither [`Arc`] nor the trait is ours.
#[derive(Debug, Clone)]
pub(crate) struct SessionClient(pub(crate) Arc<Session>);

#[async_trait]
impl HttpClient for SessionClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let session = &self.0;
        let (service, operation) = session.route(request).map_err(into_azure)?;
        let authorized = request.headers().get_optional_str(&AUTHORIZATION).is_some();
        if service == Service::Vault && !authorized {
            return Ok(session.challenge());
        }
        session
            .exchange(request, service, operation)
            .await
            .map_err(into_azure)
    }
}

/// The SDK retries connection and I/O errors, and no others.
fn into_azure(error: Unreachable) -> azure_core::Error {
    let kind = if error.is_final() {
        azure_core::error::ErrorKind::Other
    } else {
        azure_core::error::ErrorKind::Io
    };
    azure_core::Error::new(kind, error)
}

fn method(request: &Request) -> Option<Method> {
    Method::from_bytes(request.method().as_ref().as_bytes()).ok()
}

fn header_map(request: &Request) -> HeaderMap {
    request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value.as_str()).ok()?;
            // Keeps tokens out of HPACK's shared table and out of Debug.
            value.set_sensitive(name == http::header::AUTHORIZATION);
            Some((name, value))
        })
        .collect()
}

fn azure_headers(map: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        if let Ok(value) = value.to_str() {
            headers.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    headers
}

#[cfg(test)]
mod tests;
