//! The connections of one origin: one shared over HTTP/2, a bounded number over HTTP/1.1.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Unreachable;
use super::dial::{Connection, Dialer, Origin};

/// Over HTTP/1.1, where each request in flight needs a connection of its own.
const MAX_HTTP1_CONNECTIONS: usize = 24;

/// What stands between us and Azure forgets idle connections without a word, some after four
/// minutes. HTTP/1.1 has no ping that would tell: a request would wait for its deadline.
const MAX_HTTP1_IDLE: Duration = Duration::from_secs(60);

type Http2 = http2::SendRequest<Full<Bytes>>;
type Http1 = http1::SendRequest<Full<Bytes>>;

/// The connections to one origin. The dial is single flight: however many requests come while there
/// is no connection, one is opened, in a task of its own so that no caller's end cancels it.
pub(super) struct Pool {
    origin: Origin,
    dialer: Arc<Dialer>,
    state: Mutex<State>,
    http1_slots: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    protocol: Protocol,
    /// The latest that was used comes last.
    idle: Vec<Idle>,
    used: Option<Instant>,
}

struct Idle {
    sender: Http1,
    since: Instant,
}

impl State {
    fn put_idle(&mut self, sender: Http1, now: Instant) {
        self.idle.retain(|idle| idle.is_fresh(now));
        self.idle.push(Idle { sender, since: now });
    }

    fn take_idle(&mut self, now: Instant) -> Option<Http1> {
        self.idle.retain(|idle| idle.is_fresh(now));
        self.idle.pop().map(|idle| idle.sender)
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        !self.sender.is_closed() && now.saturating_duration_since(self.since) < MAX_HTTP1_IDLE
    }
}

#[derive(Default)]
enum Protocol {
    #[default]
    Unknown,
    Dialling(Shared<BoxFuture<'static, Result<(), Unreachable>>>),
    Http2(Http2),
    Http1,
}

/// What a request goes out on.
pub(super) enum Lease {
    Http2(Http2),
    Http1 {
        sender: Http1,
        reused: bool,
        permit: OwnedSemaphorePermit,
    },
}

impl Pool {
    pub(super) fn new(origin: Origin, dialer: Arc<Dialer>) -> Arc<Self> {
        Arc::new(Self {
            origin,
            dialer,
            state: Mutex::default(),
            http1_slots: Arc::new(Semaphore::new(MAX_HTTP1_CONNECTIONS)),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.origin.host
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a connection, or one on its way.
    pub(super) fn is_connected(&self) -> bool {
        let state = self.state();
        match &state.protocol {
            Protocol::Unknown => false,
            Protocol::Dialling(_) => true,
            Protocol::Http2(sender) => !sender.is_closed(),
            Protocol::Http1 => {
                let now = Instant::now();
                state.idle.iter().any(|idle| idle.is_fresh(now))
                    || self.http1_slots.available_permits() < MAX_HTTP1_CONNECTIONS
            }
        }
    }

    pub(super) fn is_dialling(&self) -> bool {
        matches!(self.state().protocol, Protocol::Dialling(_))
    }

    /// When a connection was last asked for.
    pub(super) fn last_used(&self) -> Option<Instant> {
        self.state().used
    }

    /// Makes sure that there is a connection, or that the peer is known to speak HTTP/1.1.
    pub(super) async fn warm(self: &Arc<Self>) -> Result<(), Unreachable> {
        let dialling = {
            let mut state = self.state();
            state.used = Some(Instant::now());
            match &state.protocol {
                Protocol::Http1 => return Ok(()),
                Protocol::Http2(sender) if !sender.is_closed() => return Ok(()),
                Protocol::Dialling(shared) => shared.clone(),
                Protocol::Unknown | Protocol::Http2(_) => {
                    let shared = self.spawn_dial();
                    state.protocol = Protocol::Dialling(shared.clone());
                    shared
                }
            }
        };
        dialling.await
    }

    fn spawn_dial(self: &Arc<Self>) -> Shared<BoxFuture<'static, Result<(), Unreachable>>> {
        let pool = Arc::clone(self);
        let task = tokio::spawn(async move {
            let result = pool.dialer.dial(&pool.origin).await;
            let mut state = pool.state();
            match result {
                Ok(Connection::Http2(sender)) => {
                    state.protocol = Protocol::Http2(sender);
                    Ok(())
                }
                Ok(Connection::Http1(sender)) => {
                    state.protocol = Protocol::Http1;
                    state.put_idle(sender, Instant::now());
                    Ok(())
                }
                Err(error) => {
                    state.protocol = Protocol::Unknown;
                    Err(error)
                }
            }
        });
        let host = self.origin.host.clone();
        async move { task.await.unwrap_or(Err(Unreachable::Broken { host })) }
            .boxed()
            .shared()
    }

    /// A connection to send one request on.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Unreachable> {
        self.warm().await?;
        if let Protocol::Http2(sender) = &self.state().protocol {
            return Ok(Lease::Http2(sender.clone()));
        }
        let permit = Arc::clone(&self.http1_slots)
            .acquire_owned()
            .await
            .map_err(|_| Unreachable::Broken {
                host: self.origin.host.clone(),
            })?;
        loop {
            let idle = self.state().take_idle(Instant::now());
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(Lease::Http1 {
                    sender,
                    reused: true,
                    permit,
                });
            }
        }
        match self.dialer.dial(&self.origin).await? {
            Connection::Http1(mut sender) => {
                let ready = sender.ready().await;
                ready.map_err(|_| Unreachable::Broken {
                    host: self.origin.host.clone(),
                })?;
                Ok(Lease::Http1 {
                    sender,
                    reused: false,
                    permit,
                })
            }
            Connection::Http2(sender) => {
                // The peer has changed its mind: from now on everybody shares this one.
                self.state().protocol = Protocol::Http2(sender.clone());
                Ok(Lease::Http2(sender))
            }
        }
    }

    /// Takes back an HTTP/1.1 connection whose answer has been read to its end.
    fn give_back(&self, sender: Http1) {
        if !sender.is_closed() {
            self.state().put_idle(sender, Instant::now());
        }
    }
}

impl Lease {
    /// Whether the connection had idled, so that its silent end is not the request's fault.
    pub(super) fn may_be_stale(&self) -> bool {
        match self {
            Self::Http2(_) => true,
            Self::Http1 { reused, .. } => *reused,
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// Sends the request; `read` takes the answer, after which the connection is free again.
    pub(super) async fn send<T, F, R>(
        self,
        pool: &Pool,
        request: Request<Full<Bytes>>,
        read: F,
    ) -> Result<T, hyper::Error>
    where
        F: FnOnce(Response<Incoming>) -> R,
        R: Future<Output = Result<T, hyper::Error>>,
    {
        match self {
            Self::Http2(mut sender) => {
                sender.ready().await?;
                read(sender.send_request(request).await?).await
            }
            Self::Http1 {
                mut sender,
                reused: _,
                permit,
            } => {
                let answer = read(sender.send_request(request).await?).await?;
                pool.give_back(sender);
                drop(permit);
                Ok(answer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;

    use super::*;

    #[tokio::test]
    async fn an_http1_connection_that_idled_for_a_minute_is_not_used_again() {
        let (near, _far) = tokio::io::duplex(1024);
        let (sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut state = State::default();
        let start = Instant::now();
        state.put_idle(sender, start);
        let sender = state.take_idle(start + Duration::from_secs(59)).unwrap();
        state.put_idle(sender, start);
        assert!(state.take_idle(start + Duration::from_secs(60)).is_none());
        // It is closed, not only forgotten.
        connection.await.unwrap().unwrap();
    }
}
