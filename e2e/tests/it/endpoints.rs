//! The HTTP ports, which anybody may call, and the socket, whose name may get lost.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vaultbind_e2e::driver::mount_request;
use vaultbind_e2e::stage::{Stage, class};

use crate::support::{eventually, http_get, secret, stage_with_secrets};

async fn stage() -> (Stage, String) {
    let value = secret("value");
    (stage_with_secrets(&[("db", &value)]).await, value)
}

/// Connections that send this much of a request.
async fn callers(address: SocketAddr, number: usize, sent: &str) -> Vec<TcpStream> {
    let mut callers = Vec::new();
    for _ in 0..number {
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_all(sent.as_bytes()).await.unwrap();
        callers.push(caller);
    }
    callers
}

/// How many of them are still connected.
fn connected(callers: &[TcpStream]) -> usize {
    let waits = |caller: &&TcpStream| {
        let read = caller.try_read(&mut [0; 1024]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    callers.iter().filter(waits).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_say_nothing_or_half_a_request_do_not_pile_up() {
    let (stage, _) = stage().await;
    for address in [
        stage.provider.health_address(),
        stage.provider.metrics_address(),
    ] {
        let idle = callers(address, 200, "").await;
        let slow = callers(address, 200, "GET /readyz HTTP/1.1\r\nHost: ").await;
        // Probes are answered in the middle of it.
        assert_eq!(http_get(address, "/nowhere").await.0, 404);
        eventually("only the last 64 are left", || {
            connected(&idle) == 0 && connected(&slow) <= 64
        })
        .await;
        eventually("they too are disconnected", || connected(&slow) == 0).await;
    }
    let health = stage.provider.health_address();
    assert_eq!(http_get(health, "/healthz").await, (200, "ok".to_owned()));
}

#[tokio::test]
async fn a_body_is_not_read_and_endless_headers_are_refused() {
    let (stage, _) = stage().await;
    let address = stage.provider.health_address();
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(32 * 1024));
    for (request, status) in [
        (
            "POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\nbody",
            "HTTP/1.1 405",
        ),
        // The answer may be lost with the rest of the request.
        (long.as_str(), ""),
    ] {
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The connection ends, although the request has not.
        let read = caller.read_to_end(&mut answer);
        let ended = tokio::time::timeout(Duration::from_secs(30), read).await;
        assert!(ended.is_ok(), "still connected");
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(status) && !answer.contains(" 200 "),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_socket_was_deleted_is_not_ready_until_it_has_bound_it_again() {
    let (stage, value) = stage().await;
    let health = stage.provider.health_address();
    let socket = stage.provider.socket();
    // It looks after its socket every few seconds, perhaps just now.
    let mut status = 200;
    for _ in 0..10 {
        std::fs::remove_file(socket).unwrap();
        status = http_get(health, "/readyz").await.0;
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 503);
    eventually("the socket is there again", || socket.exists()).await;
    assert_eq!(http_get(health, "/readyz").await.0, 200);
    assert_eq!(http_get(health, "/healthz").await.0, 200);
    let request = mount_request(
        &class("array:\n- |\n  objectName: db\n  objectType: secret\n"),
        &stage.pod().unwrap(),
    );
    let response = stage.driver().unwrap().mount(request).await.unwrap();
    assert_eq!(&response.files[0].contents[..], value.as_bytes());
    let (_, metrics) = http_get(stage.provider.metrics_address(), "/metrics").await;
    let rebinds = metrics
        .lines()
        .find_map(|line| line.strip_prefix("vaultbind_socket_rebinds_total "))
        .unwrap();
    assert!(rebinds.parse::<u32>().unwrap() >= 1, "{rebinds}");
}
