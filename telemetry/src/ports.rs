//! HTTP for health and metrics.
//!
//! Whoever reaches the pod reaches these ports, so a caller can cost little: one request for each
//! connection, within a time, and no body is read. Of too many connections the oldest is closed,
//! which is that of a caller who takes his time; a probe is answered long before it is the oldest.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Connections to one port at a time.
const MOST_CONNECTIONS: usize = 64;
/// How long a caller may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller may take to read the answer, once it is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The request line and the headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// After an accept that failed, for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// One port.
#[derive(Debug)]
pub struct Port {
    /// Where.
    pub address: SocketAddr,
    /// What for.
    pub purpose: &'static str,
    /// The flag that says which.
    pub flag: &'static str,
    /// What is answered.
    pub routes: Router,
    /// How long an answer may take to make.
    pub patience: Duration,
}

/// Why a port is not served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: {source}; choose a free port with --{flag}")]
pub struct PortError {
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
    #[source]
    source: std::io::Error,
}

/// Where health is told and where metrics are shown.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Health.
    pub health: SocketAddr,
    /// Metrics; may be the same.
    pub metrics: SocketAddr,
}

/// Serves health and metrics, on one port if both have the same.
///
/// # Errors
/// When a port cannot be had.
pub async fn listen_both(
    health: Port,
    metrics: Port,
    stop: &CancellationToken,
) -> Result<Addresses, PortError> {
    // Port 0 is any free port, so two zeros are two servers.
    if health.address == metrics.address && health.address.port() != 0 {
        let routes = health.routes.merge(metrics.routes);
        let address = listen(Port { routes, ..health }, stop).await?;
        return Ok(Addresses {
            health: address,
            metrics: address,
        });
    }
    Ok(Addresses {
        health: listen(health, stop).await?,
        metrics: listen(metrics, stop).await?,
    })
}

/// Serves a port until `stop`; returns its address, for which port 0 is any free one.
///
/// # Errors
/// When the port cannot be had.
pub async fn listen(port: Port, stop: &CancellationToken) -> Result<SocketAddr, PortError> {
    let failed = |source| PortError {
        address: port.address,
        purpose: port.purpose,
        flag: port.flag,
        source,
    };
    let listener = TcpListener::bind(port.address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let stop = stop.clone();
    tokio::spawn(async move { stop.run_until_cancelled(accept(&listener, &port)).await });
    Ok(bound)
}

async fn accept(listener: &TcpListener, port: &Port) {
    let mut connections = Connections::default();
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                let answer = answer(stream, port.routes.clone());
                let limit = HEADER_TIMEOUT + port.patience + ANSWER_TIMEOUT;
                connections.add(tokio::spawn(async move {
                    let _ = tokio::time::timeout(limit, answer).await;
                }));
            }
            Err(error) => {
                if !failing {
                    let purpose = port.purpose;
                    tracing::warn!(%error, purpose, "cannot accept connections, trying again");
                }
                failing = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connections of one port, the oldest first. They end with the port.
#[derive(Default)]
struct Connections(VecDeque<JoinHandle<()>>);

impl Connections {
    fn add(&mut self, connection: JoinHandle<()>) {
        self.0.retain(|connection| !connection.is_finished());
        if self.0.len() >= MOST_CONNECTIONS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(connection);
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for connection in &self.0 {
            connection.abort();
        }
    }
}

async fn answer(stream: TcpStream, routes: Router) {
    let service = service_fn(move |request: Request<Incoming>| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(routes.oneshot(request).await.into_response()) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

/// The answer of `/metrics`.
pub fn metrics(text: Result<String, fmt::Error>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
