//! One HTTP/2 connection and the streams it has room for.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::heard::Heard;

/// A connection that requests share. Everyone who sends on it holds a [`Slot`], of which there are
/// as many as the peer takes streams: what waits for one has not been sent, and its time does not run.
pub(super) struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    heard: Heard,
    retired: AtomicBool,
    in_use: Mutex<usize>,
    /// Held by whoever gets the next slot.
    turn: tokio::sync::Mutex<()>,
    room: Arc<Room>,
}

/// How many streams the peer takes. It may say another number at any time.
#[derive(Default)]
pub(super) struct Room {
    streams: AtomicUsize,
    /// Tells whoever is next to look again.
    freed: Notify,
}

/// Moves a connection along until it ends, and what the peer says about its streams to `room`.
pub(super) async fn drive<S>(
    mut connection: Connection<TokioIo<S>, Full<Bytes>, TokioExecutor>,
    room: Arc<Room>,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    poll_fn(|context| {
        let ended = Pin::new(&mut connection).poll(context);
        if ended.is_pending() {
            let streams = connection.current_max_send_streams();
            if room.streams.swap(streams, Ordering::Relaxed) < streams {
                room.freed.notify_one();
            }
        }
        ended
    })
    .await
}

/// Room for one stream, as long as it lives.
pub(super) struct Slot(Arc<Http2>);

impl Http2 {
    pub(super) fn new(
        sender: SendRequest<Full<Bytes>>,
        heard: Heard,
        room: Arc<Room>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sender,
            heard,
            retired: AtomicBool::new(false),
            in_use: Mutex::new(0),
            turn: tokio::sync::Mutex::new(()),
            room,
        })
    }

    /// Whether requests may be sent on it.
    pub(super) fn is_open(&self) -> bool {
        !self.retired.load(Ordering::Relaxed) && !self.sender.is_closed()
    }

    /// Whether nothing at all has arrived since then.
    pub(super) fn is_silent_since(&self, then: Instant) -> bool {
        !self.heard.since(then)
    }

    /// Ends it for new requests. It is closed when those under way have ended. False if it was
    /// retired before.
    pub(super) fn retire(&self) -> bool {
        let first = !self.retired.swap(true, Ordering::Relaxed);
        self.room.freed.notify_one();
        first
    }

    fn in_use(&self) -> MutexGuard<'_, usize> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, first come, first served. `None` when the connection ends first.
    pub(super) async fn slot(self: &Arc<Self>) -> Option<Slot> {
        let _turn = self.turn.lock().await;
        loop {
            if !self.is_open() {
                return None;
            }
            {
                let room = self.room.streams.load(Ordering::Relaxed);
                let mut in_use = self.in_use();
                // With none under way nobody would tell us of room: the request finds out.
                if *in_use < room.max(1) {
                    *in_use += 1;
                    return Some(Slot(Arc::clone(self)));
                }
            }
            self.room.freed.notified().await;
        }
    }
}

impl Slot {
    pub(super) fn connection(&self) -> &Arc<Http2> {
        &self.0
    }

    pub(super) fn sender(&self) -> SendRequest<Full<Bytes>> {
        self.0.sender.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.in_use() -= 1;
        self.0.room.freed.notify_one();
    }
}
