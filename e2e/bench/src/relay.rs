//! A TCP relay that puts a round-trip time between a provider and the emulated Azure.
//!
//! Bytes are handed on half a round trip after they came, in their order, and a connection takes a
//! round trip to be set up: what a client sends before counts as sent then. Nothing is lost and
//! nothing limits the rate.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes handed on at once.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction of a connection, after which reading waits.
const IN_FLIGHT: usize = 1024;

/// A running relay; it ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    round_trip_micros: AtomicU64,
    connections: AtomicU64,
}

impl Relay {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            round_trip_micros: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        let listener = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => accepting.relay(stream),
                    // Out of descriptors, or a client that left early.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        Ok(Self {
            address,
            shared,
            listener,
        })
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the round-trip time of bytes that come from now on.
    pub fn set_round_trip(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.shared
            .round_trip_micros
            .store(micros, Ordering::Relaxed);
    }

    /// Connections since the start.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Shared {
    fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_micros.load(Ordering::Relaxed))
    }

    fn relay(self: &Arc<Self>, client: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let open = Instant::now() + shared.round_trip();
            let Ok(server) = TcpStream::connect(shared.target).await else {
                return;
            };
            let smooth = client.set_nodelay(true).and(server.set_nodelay(true));
            if smooth.is_err() {
                return;
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // An end of one direction leaves the other one open; an error ends both.
            let _ = tokio::try_join!(
                shared.direction(from_client, to_server, open),
                shared.direction(from_server, to_client, open),
            );
        });
    }

    async fn direction(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        open: Instant,
    ) -> io::Result<()> {
        let (queue, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
        let read = async move {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                from.read_buf(&mut chunk).await?;
                let end = chunk.is_empty();
                let at = Instant::now().max(open) + self.round_trip() / 2;
                if queue.send((at, chunk)).await.is_err() || end {
                    return Ok::<_, io::Error>(());
                }
            }
        };
        let write = async move {
            let timer = Timer::new()?;
            while let Some((at, chunk)) = due.recv().await {
                timer.wait_until(at).await?;
                match chunk.is_empty() {
                    true => to.shutdown().await?,
                    false => to.write_all(&chunk).await?,
                }
            }
            Ok(())
        };
        tokio::try_join!(read, write).map(drop)
    }
}

/// A timer of the kernel: tokio's own rounds up to a millisecond, which is much of 2.5.
struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    // Its successor is unsafe because a descriptor could be closed from outside; one that is owned
    // here is not.
    #[allow(deprecated)]
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(timerfd_create(
            TimerfdClockId::Monotonic,
            flags,
        )?)?))
    }

    async fn wait_until(&self, at: Instant) -> io::Result<()> {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let zero = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let value = Timespec::try_from(left).map_err(io::Error::other)?;
            let once = Itimerspec {
                it_interval: zero,
                it_value: value,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            let mut ready = self.0.readable().await?;
            // Setting it anew takes the expiry back, so it need not be read.
            ready.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets, and closes when the client does.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    let _ = to.shutdown().await;
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Duration {
        let started = Instant::now();
        stream.write_all(bytes).await.unwrap();
        let mut answer = vec![0; bytes.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, bytes);
        started.elapsed()
    }

    #[tokio::test]
    async fn bytes_keep_their_order_and_the_end_follows_them() {
        let relay = Relay::start(echo().await).await.unwrap();
        relay.set_round_trip(Duration::from_millis(4));
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let stream = TcpStream::connect(relay.address()).await.unwrap();
        let (mut from, mut to) = stream.into_split();
        let expected = sent.clone();
        let sending = tokio::spawn(async move {
            for chunk in sent.chunks(70_001) {
                to.write_all(chunk).await.unwrap();
            }
            to.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        from.read_to_end(&mut received).await.unwrap();
        sending.await.unwrap();
        assert!(received == expected);
        assert_eq!(relay.connections(), 1);
    }

    // Lower bounds only: a busy machine may be later, never earlier.
    #[tokio::test]
    async fn a_round_trip_takes_its_time_and_a_new_connection_another() {
        let relay = Relay::start(echo().await).await.unwrap();
        let time = Duration::from_millis(20);
        relay.set_round_trip(time);
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        assert!(ask(&mut stream, b"first").await >= 2 * time - time / 10);
        let later = ask(&mut stream, b"later").await;
        assert!(later >= time, "{later:?}");
    }

    #[tokio::test]
    async fn a_client_that_cannot_be_served_is_let_go() {
        let closed = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        let relay = Relay::start(closed).await.unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        assert!(read.is_err() || answer.is_empty());
    }
}
