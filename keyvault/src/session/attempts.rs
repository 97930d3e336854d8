//! Tries of one call until there is an answer that ends it: each with leave of the service's budget,
//! all of them within the session's deadline.
//!
//! | a try ends with | then |
//! | --- | --- |
//! | success, or a refusal that another try does not change | the call ends |
//! | 429, or 503 with Retry-After | the budget holds everyone back; tried again until the deadline |
//! | 408, 5xx; 404 and 410 of the managed identity endpoint | tried again until the deadline, after 0.2 s doubled up to 4 s |
//! | no answer | tried again after such a pause, five times in all |
//!
//! A write of Resource Manager is sent once: it is tried again only after a 429, or when it never left.
//! Whoever asked repeats it when the time comes, with what is true by then.
//!
//! A wait that would not end before the deadline is not begun: the call ends with what was seen last.

use std::time::{Duration, Instant};

use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Failure, Session};
use crate::budget::{self, Budget, NotAdmitted, UNANSWERED};
use crate::transport::{Answer, Call, Operation, Outcome, Outgoing, Service, Unreachable};

/// The pause after the first failure; doubled by each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What a try came to.
enum Verdict {
    /// Its result ends the call.
    Final,
    /// Everyone asks too often.
    Throttled { retry_after: Option<Duration> },
    /// The service fails for now.
    Failing,
    /// No answer, and another try may get one.
    Unanswered(Unreachable),
}

impl Verdict {
    fn of(service: Service, result: &Result<Answer, Unreachable>, now: OffsetDateTime) -> Self {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) if error.is_final() => return Self::Final,
            Err(error) => return Self::Unanswered(error.clone()),
        };
        let retry_after = budget::retry_after(&answer.headers, now);
        match answer.status.as_u16() {
            429 => Self::Throttled { retry_after },
            503 if retry_after.is_some() => Self::Throttled { retry_after },
            408 | 500.. => Self::Failing,
            404 | 410 if service == Service::Imds => Self::Failing,
            _ => Self::Final,
        }
    }
}

/// What the tries of one call have come to so far.
#[derive(Default)]
struct Tries {
    failing: u32,
    unanswered: u32,
    /// The last answer that was none to end with.
    last: Option<Answer>,
}

impl Session {
    pub(super) async fn exchange(
        &self,
        request: &Request,
        service: Service,
        operation: Operation,
    ) -> Result<AsyncRawResponse, Unreachable> {
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let outgoing = self.outgoing(request, service)?;
        let budget = self.transport.budget(service, &host, request.url().path());
        let mut tries = Tries::default();
        let mut again = false;
        loop {
            let unanswered = &mut tries.unanswered;
            let admitted = budget.admit(self.deadline, again, unanswered).await;
            again = true;
            let permit = match admitted {
                Ok(permit) => permit,
                Err(refusal) => return self.not_admitted(&host, service, refusal, tries.last),
            };
            let result = self
                .one_try(&host, &outgoing, service, operation, permit.budget())
                .await;
            match &result {
                Ok(answer) if answer.status.is_success() => {}
                Ok(answer) => {
                    let status = answer.status.as_u16();
                    self.remember(host.clone(), Failure::Status(status));
                }
                Err(Unreachable::Deadline { .. }) => {}
                Err(error) => self.remember(host.clone(), Failure::Unreachable(error.clone())),
            }
            let verdict = Verdict::of(service, &result, OffsetDateTime::now_utc());
            permit.settle(match (&verdict, &result) {
                (Verdict::Throttled { retry_after }, Ok(answer)) => budget::Outcome::Throttled {
                    status: answer.status.as_u16(),
                    retry_after: *retry_after,
                },
                (Verdict::Unanswered(error), _) => {
                    budget::Outcome::Unanswered(Failure::Unreachable(error.clone()))
                }
                (_, Ok(_)) => budget::Outcome::Answered,
                (_, Err(_)) => budget::Outcome::Unknown,
            });
            if outgoing.once && !may_go_again(&result) {
                return result.and_then(|answer| finish(&host, service, answer));
            }
            match verdict {
                Verdict::Final => return result.and_then(|answer| finish(&host, service, answer)),
                // The budget makes it wait.
                Verdict::Throttled { .. } => tries.last = result.ok(),
                Verdict::Failing => {
                    tries.failing += 1;
                    if !self.pause(&budget, tries.failing).await {
                        return result.and_then(|answer| finish(&host, service, answer));
                    }
                    tries.last = result.ok();
                }
                Verdict::Unanswered(error) => {
                    tries.unanswered += 1;
                    if tries.unanswered >= UNANSWERED
                        || !self.pause(&budget, tries.unanswered).await
                    {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn outgoing(&self, request: &Request, service: Service) -> Result<Outgoing<'_>, Unreachable> {
        let url = match service {
            Service::Imds => self.transport.imds_url(request.url()),
            Service::Entra | Service::Vault | Service::ResourceManager => request.url().clone(),
        };
        let method = method(request).ok_or_else(|| Unreachable::Broken {
            host: url.host_str().unwrap_or_default().to_owned(),
        })?;
        Ok(Outgoing {
            method,
            url,
            headers: header_map(request),
            body: match request.body() {
                Body::Bytes(bytes) => bytes.clone(),
                Body::SeekableStream(_) => bytes::Bytes::new(),
            },
            // A token that is asked for twice is as good.
            once: service == Service::ResourceManager
                && request.method() != azure_core::http::Method::Get,
            sent: match service {
                Service::Vault => &self.tally.vault,
                Service::ResourceManager => &self.tally.management,
                Service::Entra | Service::Imds => &self.tally.token,
            },
        })
    }

    async fn one_try(
        &self,
        host: &str,
        outgoing: &Outgoing<'_>,
        service: Service,
        operation: Operation,
        budget: &Budget,
    ) -> Result<Answer, Unreachable> {
        let started = Instant::now();
        let attempt = self.transport.attempt(service, outgoing, budget);
        let result = tokio::time::timeout_at(self.deadline.into(), attempt)
            .await
            .unwrap_or_else(|_| {
                Err(Unreachable::Deadline {
                    host: host.to_owned(),
                })
            });
        if let Some(observer) = self.transport.observer() {
            observer.call(&Call {
                service,
                operation,
                outcome: match &result {
                    Ok(answer) => Outcome::Status(answer.status.as_u16()),
                    Err(_) => Outcome::Unreachable,
                },
                duration: started.elapsed(),
            });
        }
        result
    }

    /// The call ends without another try.
    fn not_admitted(
        &self,
        host: &str,
        service: Service,
        NotAdmitted { reason }: NotAdmitted,
        last: Option<Answer>,
    ) -> Result<AsyncRawResponse, Unreachable> {
        match (reason, last) {
            (Some(Failure::Unreachable(error)), _) => {
                self.remember(host.to_owned(), Failure::Unreachable(error.clone()));
                Err(error)
            }
            (_, Some(answer)) => finish(host, service, answer),
            (reason, None) => {
                // Nobody has to be refused in person to know why.
                if let Some(failure) = reason {
                    self.remember(host.to_owned(), failure);
                }
                Err(Unreachable::Deadline {
                    host: host.to_owned(),
                })
            }
        }
    }

    /// Waits before the next try. False, at once, when there would be no time for it.
    async fn pause(&self, budget: &Budget, failures: u32) -> bool {
        let pause = pause(failures, budget.jitter());
        let now = tokio::time::Instant::now();
        if now + pause >= self.deadline.into() {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

/// Whether a request that is sent once has had no effect.
fn may_go_again(result: &Result<Answer, Unreachable>) -> bool {
    match result {
        Ok(answer) => answer.status == http::StatusCode::TOO_MANY_REQUESTS,
        Err(error) => error.is_before_sending(),
    }
}

/// From half of the exponential pause to all of it.
fn pause(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(8);
    let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    pause.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

/// Hands an answer to the SDK.
fn finish(host: &str, service: Service, answer: Answer) -> Result<AsyncRawResponse, Unreachable> {
    let status = answer.status.as_u16();
    if service == Service::Imds && matches!(status, 404 | 410 | 429 | 500..) {
        // Its credential would try again for more than a minute. The session remembers the status.
        return Err(Unreachable::Deadline {
            host: host.to_owned(),
        });
    }
    let headers = azure_headers(&answer.headers);
    let status = StatusCode::from(status);
    Ok(AsyncRawResponse::from_bytes(status, headers, answer.body))
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
