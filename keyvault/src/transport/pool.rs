//! The connections of one origin: over HTTP/2 one that is shared and at most one beside it, over
//! HTTP/1.1 a bounded number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::dial::{Connection, Dialer, Origin};
use super::http2::{Http2, Slot};
use super::{ConnectionEvent, Observer, Unreachable};

/// Over HTTP/1.1, where each request in flight needs a connection of its own.
const MAX_HTTP1_CONNECTIONS: usize = 24;

/// What stands between us and Azure forgets idle connections without a word, some after four
/// minutes. HTTP/1.1 has no ping that would tell: a request would wait for its deadline.
const MAX_HTTP1_IDLE: Duration = Duration::from_secs(60);

/// A second connection that nobody has needed for so long is closed.
const MAX_ALTERNATE_IDLE: Duration = Duration::from_secs(60);

/// Connections that may end between being there and being used, before a request gives up.
const MAX_LEASES: usize = 3;

type Http1 = http1::SendRequest<Full<Bytes>>;
type Dialling = Shared<BoxFuture<'static, Result<(), Unreachable>>>;
type Dial = dyn Fn() -> BoxFuture<'static, Result<Connection, Unreachable>> + Send + Sync;

/// The connections to one origin. A dial is single flight: however many requests come while there
/// is no connection, one is opened, in a task of its own so that no caller's end cancels it.
pub(super) struct Pool {
    host: String,
    dial: Box<Dial>,
    observer: Option<Arc<dyn Observer>>,
    state: Mutex<State>,
    http1_slots: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    /// The peer chose HTTP/1.1 when it was last asked.
    http1: bool,
    primary: Option<Arc<Http2>>,
    /// Where second tries go, while the primary may be the reason for them.
    alternate: Option<Arc<Http2>>,
    alternate_used: Option<Instant>,
    dialling: Option<Dialling>,
    dialling_alternate: Option<Dialling>,
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

    /// The connection to send on. The alternate takes the place of a primary that has ended.
    fn primary(&mut self) -> Option<Arc<Http2>> {
        self.primary.take_if(|primary| !primary.is_open());
        self.alternate.take_if(|alternate| !alternate.is_open());
        if self.primary.is_none() {
            self.primary = self.alternate.take();
        }
        self.primary.clone()
    }

    /// Any connection but that one.
    fn other_than(&mut self, one: &Arc<Http2>, now: Instant) -> Option<Arc<Http2>> {
        let another = |connection: &Arc<Http2>| !Arc::ptr_eq(connection, one);
        if let Some(primary) = self.primary().filter(another) {
            return Some(primary);
        }
        self.alternate_used = Some(now);
        self.alternate.clone().filter(another)
    }

    fn drop_unused_alternate(&mut self, now: Instant) {
        let unused = self
            .alternate_used
            .is_some_and(|used| now.saturating_duration_since(used) >= MAX_ALTERNATE_IDLE);
        if unused {
            self.alternate = None;
        }
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        !self.sender.is_closed() && now.saturating_duration_since(self.since) < MAX_HTTP1_IDLE
    }
}

/// Which connection is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Primary,
    Alternate,
}

impl State {
    fn dialling(&mut self, place: Place) -> &mut Option<Dialling> {
        match place {
            Place::Primary => &mut self.dialling,
            Place::Alternate => &mut self.dialling_alternate,
        }
    }
}

/// Ends a dial in the pool's books, also when it panics.
struct Dialled {
    pool: Arc<Pool>,
    place: Place,
}

impl Drop for Dialled {
    fn drop(&mut self) {
        *self.pool.state().dialling(self.place) = None;
    }
}

/// No answer came on a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotAnswered {
    /// Whether the request may have left.
    pub(super) left: bool,
}

impl<T> From<TrySendError<T>> for NotAnswered {
    fn from(error: TrySendError<T>) -> Self {
        Self {
            left: error.message().is_none(),
        }
    }
}

impl From<hyper::Error> for NotAnswered {
    fn from(_: hyper::Error) -> Self {
        Self { left: true }
    }
}

/// What a request goes out on.
pub(super) enum Lease {
    Http2(Slot),
    Http1 {
        sender: Http1,
        reused: bool,
        permit: OwnedSemaphorePermit,
    },
}

impl Pool {
    pub(super) fn new(
        origin: Origin,
        dialer: Arc<Dialer>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        let host = origin.host.clone();
        let origin = Arc::new(origin);
        let dial = move || {
            let (dialer, origin) = (Arc::clone(&dialer), Arc::clone(&origin));
            async move { dialer.dial(&origin).await }.boxed()
        };
        Self::with_dial(host, Box::new(dial), observer)
    }

    fn with_dial(host: String, dial: Box<Dial>, observer: Option<Arc<dyn Observer>>) -> Arc<Self> {
        Arc::new(Self {
            host,
            dial,
            observer,
            state: Mutex::default(),
            http1_slots: Arc::new(Semaphore::new(MAX_HTTP1_CONNECTIONS)),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self) -> Unreachable {
        Unreachable::Broken {
            host: self.host.clone(),
        }
    }

    fn tell(&self, event: ConnectionEvent) {
        if let Some(observer) = &self.observer {
            observer.connection(event);
        }
    }

    /// Whether there is a connection, or one on its way.
    pub(super) fn is_connected(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.dialling.is_some()
            || state.primary().is_some()
            || state.idle.iter().any(|idle| idle.is_fresh(now))
            || self.http1_slots.available_permits() < MAX_HTTP1_CONNECTIONS
    }

    pub(super) fn is_dialling(&self) -> bool {
        self.state().dialling.is_some()
    }

    /// When a connection was last asked for.
    pub(super) fn last_used(&self) -> Option<Instant> {
        self.state().used
    }

    /// Makes sure that there is a connection, or that the peer is known to speak HTTP/1.1.
    pub(super) async fn warm(self: &Arc<Self>) -> Result<(), Unreachable> {
        let dialling = {
            let mut state = self.state();
            let now = Instant::now();
            state.used = Some(now);
            state.drop_unused_alternate(now);
            if state.primary().is_some() || state.http1 {
                return Ok(());
            }
            self.dialling(&mut state, Place::Primary)
        };
        dialling.await
    }

    fn dialling(self: &Arc<Self>, state: &mut State, place: Place) -> Dialling {
        let dialling = state.dialling(place);
        dialling
            .get_or_insert_with(|| self.spawn_dial(place))
            .clone()
    }

    fn spawn_dial(self: &Arc<Self>, place: Place) -> Dialling {
        let pool = Arc::clone(self);
        let task = tokio::spawn(async move {
            let dialled = Dialled { pool, place };
            let pool = &dialled.pool;
            match pool.open().await? {
                Connection::Http2(sender, heard, room) => {
                    pool.install(Http2::new(sender, heard, room));
                }
                Connection::Http1(sender) => {
                    let mut state = pool.state();
                    state.http1 = true;
                    state.put_idle(sender, Instant::now());
                }
            }
            Ok(())
        });
        let broken = self.broken();
        async move { task.await.unwrap_or(Err(broken)) }
            .boxed()
            .shared()
    }

    /// One connection, told to the observer.
    async fn open(&self) -> Result<Connection, Unreachable> {
        let result = (self.dial)().await;
        self.tell(match &result {
            Ok(_) => ConnectionEvent::Dialled,
            Err(_) => ConnectionEvent::Failed,
        });
        result
    }

    fn install(&self, connection: Arc<Http2>) {
        let mut state = self.state();
        state.http1 = false;
        // While the second one was dialled the first may have ended, or come.
        if state.primary().is_some() {
            state.alternate = Some(connection);
            state.alternate_used = Some(Instant::now());
        } else {
            state.primary = Some(connection);
        }
    }

    /// A connection to send one request on.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Unreachable> {
        // Between the end of a dial and our turn the connection may have ended, so what is there is
        // looked at anew each time.
        for _ in 0..MAX_LEASES {
            self.warm().await?;
            let (primary, http1) = {
                let mut state = self.state();
                (state.primary(), state.http1)
            };
            if let Some(connection) = primary {
                if let Some(slot) = connection.slot().await {
                    return Ok(Lease::Http2(slot));
                }
            } else if http1 {
                return self.lease_http1().await;
            }
        }
        Err(self.broken())
    }

    /// A connection other than this one to send one request on.
    pub(super) async fn lease_beside(
        self: &Arc<Self>,
        one: &Arc<Http2>,
    ) -> Result<Lease, Unreachable> {
        for _ in 0..MAX_LEASES {
            let dialling = {
                let mut state = self.state();
                match state.other_than(one, Instant::now()) {
                    Some(connection) => Err(connection),
                    None if state.http1 => break,
                    None => Ok(self.dialling(&mut state, Place::Alternate)),
                }
            };
            match dialling {
                Ok(dialling) => dialling.await?,
                Err(connection) => {
                    if let Some(slot) = connection.slot().await {
                        return Ok(Lease::Http2(slot));
                    }
                }
            }
        }
        if self.state().http1 {
            return self.lease_http1().await;
        }
        Err(self.broken())
    }

    async fn lease_http1(&self) -> Result<Lease, Unreachable> {
        let permit = Arc::clone(&self.http1_slots)
            .acquire_owned()
            .await
            .map_err(|_| self.broken())?;
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
        match self.open().await? {
            Connection::Http1(mut sender) => {
                sender.ready().await.map_err(|_| self.broken())?;
                Ok(Lease::Http1 {
                    sender,
                    reused: false,
                    permit,
                })
            }
            Connection::Http2(sender, heard, room) => {
                // The peer has changed its mind: from now on everybody shares this one.
                let connection = Http2::new(sender, heard, room);
                self.install(Arc::clone(&connection));
                let slot = connection.slot().await;
                slot.map(Lease::Http2).ok_or_else(|| self.broken())
            }
        }
    }

    /// Takes back an HTTP/1.1 connection whose answer has been read to its end.
    fn give_back(&self, sender: Http1) {
        if !sender.is_closed() {
            self.state().put_idle(sender, Instant::now());
        }
    }

    /// Sends nothing more on a connection on which nothing has arrived since a request left on it.
    /// A connection over HTTP/1.1 ends with its request.
    pub(super) fn retire_if_silent(&self, connection: &Http2, since: Instant) {
        if !connection.is_silent_since(since) || !connection.retire() {
            return;
        }
        // What is retired is no longer open, so this replaces it where it stands.
        self.state().primary();
        tracing::debug!(host = self.host, "silent connection retired");
        self.tell(ConnectionEvent::Retired);
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

    /// The connection, where it is shared.
    pub(super) fn connection(&self) -> Option<&Arc<Http2>> {
        match self {
            Self::Http2(slot) => Some(slot.connection()),
            Self::Http1 { .. } => None,
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
    ) -> Result<T, NotAnswered>
    where
        F: FnOnce(Response<Incoming>) -> R,
        R: Future<Output = Result<T, hyper::Error>>,
    {
        match self {
            Self::Http2(slot) => {
                let mut sender = slot.sender();
                let ready = sender.ready().await;
                ready.map_err(|_| NotAnswered { left: false })?;
                Ok(read(sender.try_send_request(request).await?).await?)
            }
            Self::Http1 {
                mut sender,
                reused: _,
                permit,
            } => {
                let answer = read(sender.try_send_request(request).await?).await?;
                pool.give_back(sender);
                drop(permit);
                Ok(answer)
            }
        }
    }
}

#[cfg(test)]
mod tests;
