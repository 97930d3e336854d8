//! One try of a request: sent on a connection, answered within its time, and sent once more on
//! another connection when the answer is late.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use tokio::sync::Notify;
use url::Url;

use super::http2::Http2;
use super::pool::{NotAnswered, Pool};
use super::{Hedge, Unreachable};
use crate::budget::Budget;

/// The largest answer read. A secret has at most 25 KB, a page of a list some tens.
const MAX_ANSWER: usize = 2 * 1024 * 1024;

/// A request.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it is not sent again once it may have arrived.
    pub(crate) once: bool,
    /// Counts how often it was sent.
    pub(crate) sent: &'a AtomicU32,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// When a request left, and on what if that is shared.
#[derive(Clone)]
struct Departure {
    at: Instant,
    connection: Option<Arc<Http2>>,
}

/// The latest departure of a request.
#[derive(Default)]
struct Departures {
    latest: Mutex<Option<Departure>>,
    left: Notify,
}

impl Departures {
    fn note(&self, departure: Departure) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(departure);
        self.left.notify_one();
    }

    fn latest(&self) -> Option<Departure> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }
}

/// Where a request goes.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// On the connection that everybody uses.
    Usual,
    /// On any but this one.
    Beside(&'a Arc<Http2>),
}

/// Sends a request and reads the answer. With a `hedge` delay it is sent once more when there is no
/// answer that long after it left, if the budget has credit; the first good answer is taken and the
/// other try is cancelled.
pub(super) async fn attempt(
    pool: &Arc<Pool>,
    outgoing: &Outgoing<'_>,
    try_timeout: Duration,
    hedge: Option<Duration>,
    budget: &Budget,
) -> Result<Answer, Unreachable> {
    let departures = Departures::default();
    let first = send(pool, outgoing, Way::Usual, try_timeout, &departures, budget);
    let Some(delay) = hedge else {
        return first.await;
    };
    let mut first = pin!(first);
    let late = async {
        departures.left.notified().await;
        tokio::time::sleep(delay).await;
    };
    tokio::select! {
        biased;
        result = &mut first => return result,
        () = late => {}
    }
    if !budget.hedge() {
        return first.await;
    }

    let beside = departures
        .latest()
        .and_then(|departure| departure.connection);
    // A connection over HTTP/1.1 is in use for the first try, so the usual way is another.
    let way = beside.as_ref().map_or(Way::Usual, Way::Beside);
    let hedge_departures = Departures::default();
    let second = send(pool, outgoing, way, try_timeout, &hedge_departures, budget);
    let mut second = pin!(second);
    tokio::select! {
        biased;
        result = &mut first => match result {
            // Also a throttle, of which everyone has to hear.
            result if is_good(&result) => result,
            result => better(result, second.await),
        },
        result = &mut second => {
            if is_good(&result) {
                budget.tell_hedge(Hedge::Won);
                if let Some(Departure { at, connection: Some(connection) }) = departures.latest() {
                    pool.retire_if_silent(&connection, at);
                }
                return result;
            }
            better(first.await, result)
        },
    }
}

/// Whether an answer is worth more than whatever else may come.
fn is_good(result: &Result<Answer, Unreachable>) -> bool {
    result.as_ref().is_ok_and(|answer| {
        !answer.status.is_server_error() && answer.status != StatusCode::REQUEST_TIMEOUT
    })
}

fn better(
    first: Result<Answer, Unreachable>,
    second: Result<Answer, Unreachable>,
) -> Result<Answer, Unreachable> {
    if is_good(&second) || (first.is_err() && second.is_ok()) {
        second
    } else {
        first
    }
}

/// Sends once, within its time; a request that fails on a connection that had idled once more on
/// another, if it may be or never left.
async fn send(
    pool: &Arc<Pool>,
    outgoing: &Outgoing<'_>,
    way: Way<'_>,
    try_timeout: Duration,
    departures: &Departures,
    budget: &Budget,
) -> Result<Answer, Unreachable> {
    let host = || pool.host().to_owned();
    let resent = || tracing::debug!(host = pool.host(), "request sent again on a new connection");
    let mut fresh = true;
    loop {
        let lease = match way {
            Way::Usual => pool.lease().await?,
            Way::Beside(one) => pool.lease_beside(one).await?,
        };
        let again = fresh && lease.may_be_stale();
        fresh = false;
        let request = outgoing
            .build(lease.is_http2())
            .ok_or_else(|| Unreachable::Broken { host: host() })?;
        let connection = lease.connection().cloned();
        let at = Instant::now();
        departures.note(Departure {
            at,
            connection: connection.clone(),
        });
        outgoing.sent.fetch_add(1, Ordering::Relaxed);
        let answer = lease.send(pool, request, |response| async move {
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            Ok((parts, body))
        });
        match tokio::time::timeout(try_timeout, answer).await {
            Ok(Ok((parts, Ok(body)))) => {
                budget.observe_latency(at.elapsed());
                return Ok(Answer {
                    status: parts.status,
                    headers: parts.headers,
                    body: body.to_bytes(),
                });
            }
            Ok(Ok((_, Err(error)))) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Unreachable::TooLarge {
                    host: host(),
                    limit: MAX_ANSWER,
                });
            }
            Ok(Err(NotAnswered { left: false })) if again => resent(),
            Ok(Ok((_, Err(_))) | Err(_)) if again && !outgoing.once => resent(),
            Ok(Ok((_, Err(_))) | Err(_)) => return Err(Unreachable::Broken { host: host() }),
            Err(_) => {
                if let Some(connection) = connection {
                    pool.retire_if_silent(&connection, at);
                }
                return Err(Unreachable::Silent { host: host() });
            }
        }
    }
}

impl Outgoing<'_> {
    fn build(&self, http2: bool) -> Option<Request<Full<Bytes>>> {
        let url = &self.url;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        if http2 {
            *request.uri_mut() = url.as_str().parse::<Uri>().ok()?;
        } else {
            let mut target = url.path().to_owned();
            if let Some(query) = url.query() {
                target.push('?');
                target.push_str(query);
            }
            *request.uri_mut() = target.parse::<Uri>().ok()?;
            let host = match url.port() {
                Some(port) => format!("{}:{port}", url.host_str()?),
                None => url.host_str()?.to_owned(),
            };
            request
                .headers_mut()
                .insert(header::HOST, HeaderValue::from_str(&host).ok()?);
        }
        // hyper writes the length itself, and HTTP/2 forbids what belongs to one connection.
        for name in [
            header::CONTENT_LENGTH,
            header::CONNECTION,
            header::TRANSFER_ENCODING,
        ] {
            request.headers_mut().remove(&name as &HeaderName);
        }
        Some(request)
    }
}
