use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::*;
use crate::transport::heard::Listening;
use crate::transport::http2::{Room, drive};

/// A peer that answers every request to `/` and none to another path, and takes `streams` of them
/// at a time.
async fn http2_to_peer(streams: u32) -> Connection {
    http2_to_mortal_peer(streams).await.0
}

/// The same, with what ends the peer and what tells of requests that arrive there.
async fn http2_to_mortal_peer(streams: u32) -> (Connection, AbortHandle, Arc<Notify>) {
    let arrived = Arc::new(Notify::new());
    let tell = Arc::clone(&arrived);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let service = service_fn(move |request: Request<Incoming>| {
        tell.notify_one();
        async move {
            if request.uri().path() != "/" {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"answer"))))
        }
    });
    let peer = tokio::spawn(async move {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(streams)
            .serve_connection(TokioIo::new(far), service)
            .await
    });
    let (near, heard) = Listening::new(near);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
            .await
            .unwrap();
    let room = Arc::new(Room::default());
    tokio::spawn(drive(connection, Arc::clone(&room)));
    let connection = Connection::Http2(sender, heard, room);
    (connection, peer.abort_handle(), arrived)
}

/// A pool whose dials do what `dial` says, and their count.
fn pool<F, R>(dial: F) -> (Arc<Pool>, Arc<AtomicUsize>)
where
    F: Fn(usize) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Connection, Unreachable>> + Send + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let dial = move || dial(counter.fetch_add(1, Ordering::Relaxed)).boxed();
    let pool = Pool::with_dial("host".to_owned(), Box::new(dial), None);
    (pool, count)
}

/// The connection of a lease, and something to compare it by.
fn connection(lease: &Lease) -> Arc<Http2> {
    Arc::clone(lease.connection().unwrap())
}

fn same(one: &Arc<Http2>, other: &Arc<Http2>) -> bool {
    Arc::ptr_eq(one, other)
}

async fn get(pool: &Pool, lease: Lease, path: &str) -> Result<Bytes, NotAnswered> {
    let uri = format!("https://host{path}").parse::<http::Uri>().unwrap();
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri;
    lease
        .send(pool, request, |response| async move {
            use http_body_util::BodyExt as _;
            Ok(response.into_body().collect().await?.to_bytes())
        })
        .await
}

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

#[tokio::test]
async fn a_dial_that_panics_is_an_error_and_the_next_request_dials_again() {
    let (pool, dials) = pool(|n| async move {
        assert_ne!(n, 0, "the first dial panics");
        Ok(http2_to_peer(10).await)
    });
    let error = pool.lease().await.err();
    assert!(
        matches!(error, Some(Unreachable::Broken { .. })),
        "{error:?}"
    );
    assert!(!pool.is_dialling());
    pool.lease().await.unwrap();
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_that_ends_between_dial_and_use_is_replaced_and_not_taken_for_http1() {
    let (pool, dials) = pool(|n| async move {
        let connection = http2_to_peer(10).await;
        if n == 0
            && let Connection::Http2(sender, heard, room) = connection
        {
            // Closed before anybody can use it.
            let (near, far) = tokio::io::duplex(1024);
            drop(sender);
            let (closed, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
                    .await
                    .unwrap();
            drop(far);
            let _ = connection.await;
            assert!(closed.is_closed());
            return Ok(Connection::Http2(closed, heard, room));
        }
        Ok(connection)
    });
    let lease = pool.lease().await.unwrap();
    assert!(lease.is_http2());
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    assert_eq!(
        pool.http1_slots.available_permits(),
        MAX_HTTP1_CONNECTIONS,
        "nothing was leased as HTTP/1.1"
    );
}

#[tokio::test]
async fn requests_share_one_connection_and_second_tries_one_other() {
    let (pool, dials) = pool(|_| async { Ok(http2_to_peer(100).await) });
    let leases = futures::future::join_all((0..10).map(|_| pool.lease())).await;
    let first: Vec<_> = leases.iter().flatten().map(connection).collect();
    assert!(first.len() == 10 && first.iter().all(|other| same(other, &first[0])));
    let beside = futures::future::join_all((0..10).map(|_| pool.lease_beside(&first[0]))).await;
    let second: Vec<_> = beside.iter().flatten().map(connection).collect();
    assert!(second.len() == 10 && second.iter().all(|other| same(other, &second[0])));
    assert!(!same(&first[0], &second[0]));
    // A second try of what went out on the second connection goes out on the first.
    let third = pool.lease_beside(&second[0]).await.unwrap();
    assert!(same(&connection(&third), &first[0]));
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_second_connection_that_nobody_needed_for_a_minute_is_closed() {
    let (pool, dials) = pool(|_| async { Ok(http2_to_peer(100).await) });
    let first = connection(&pool.lease().await.unwrap());
    let second = connection(&pool.lease_beside(&first).await.unwrap());
    let now = Instant::now();
    for (seconds, kept) in [(59, true), (61, false)] {
        let mut state = pool.state();
        state.drop_unused_alternate(now + Duration::from_secs(seconds));
        assert_eq!(state.alternate.is_some(), kept);
    }
    // Nobody but the test holds it any more.
    assert_eq!(Arc::strong_count(&second), 1);
    let again = connection(&pool.lease_beside(&first).await.unwrap());
    assert!(!same(&again, &second));
    assert_eq!(dials.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_silent_connection_is_retired_and_the_second_takes_its_place() {
    let (pool, dials) = pool(|_| async { Ok(http2_to_peer(100).await) });
    let lease = pool.lease().await.unwrap();
    let first = connection(&lease);
    assert_eq!(&get(&pool, lease, "/").await.unwrap()[..], b"answer");
    let second = connection(&pool.lease_beside(&first).await.unwrap());

    let before = Instant::now() - Duration::from_secs(60);
    pool.retire_if_silent(&first, before);
    assert!(first.is_open(), "it had answered since");

    // The acknowledgement of settings may still be on its way.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let sent = Instant::now();
    let hanging = pool.lease().await.unwrap();
    let hanging = tokio::time::timeout(Duration::from_millis(50), get(&pool, hanging, "/hang"));
    assert!(hanging.await.is_err());
    pool.retire_if_silent(&first, sent);
    assert!(!first.is_open());
    assert!(same(&connection(&pool.lease().await.unwrap()), &second));
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn there_are_as_many_slots_as_the_peer_takes_streams() {
    let (pool, _) = pool(|_| async { Ok(http2_to_peer(3).await) });
    // The first answer comes after the peer's settings.
    let lease = pool.lease().await.unwrap();
    get(&pool, lease, "/").await.unwrap();
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(pool.lease().await.unwrap());
    }
    assert!(pool.lease().now_or_never().is_none());
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.lease().await.is_ok() }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    leases.pop();
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn who_waits_for_a_slot_of_a_retired_connection_gets_another_connection() {
    let (pool, dials) = pool(|_| async { Ok(http2_to_peer(1).await) });
    let lease = pool.lease().await.unwrap();
    get(&pool, lease, "/").await.unwrap();
    let held = pool.lease().await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.lease().await.map(|lease| connection(&lease)) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let retired = connection(&held);
    pool.retire_if_silent(&retired, Instant::now() + Duration::from_secs(1));
    for waiting in waiting {
        assert!(!same(&waiting.await.unwrap().unwrap(), &retired));
    }
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_request_that_never_left_is_told_from_one_that_may_have_arrived() {
    for (path, left) in [("/", false), ("/unanswered", true)] {
        let (connection_to_peer, peer, arrived) = http2_to_mortal_peer(10).await;
        let dialled = Mutex::new(Some(connection_to_peer));
        let (pool, _) = pool(move |_| {
            let connection = dialled.lock().unwrap().take();
            async { Ok(connection.unwrap()) }
        });
        let lease = pool.lease().await.unwrap();
        let shared = connection(&lease);
        let lost = if left {
            let ended = async {
                arrived.notified().await;
                peer.abort();
            };
            tokio::join!(get(&pool, lease, path), ended).0
        } else {
            peer.abort();
            while shared.is_open() {
                tokio::task::yield_now().await;
            }
            get(&pool, lease, path).await
        };
        assert_eq!(lost.unwrap_err().left, left, "{path}");
    }
}
