//! Health and metrics over HTTP.
//!
//! Whoever reaches the pod reaches these ports, so a caller can cost little: one request for each
//! connection, within a time, and no body is read. Of too many connections the oldest is closed,
//! which is that of a caller who takes his time; a probe is answered long before it is the oldest.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::debug::{self, Insight};
use crate::metrics::Metrics;
use crate::probe;
use crate::serve::socket::is_live;

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

/// What the HTTP servers need.
#[derive(Debug, Clone)]
pub(crate) struct HttpOptions {
    pub(crate) address: IpAddr,
    pub(crate) healthz_port: u16,
    pub(crate) healthz_path: String,
    pub(crate) prometheus_port: u16,
    pub(crate) healthz_timeout: Duration,
    pub(crate) debug_port: Option<u16>,
}

/// What the handlers look at.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) socket: PathBuf,
    pub(crate) ready: AtomicBool,
    pub(crate) timeout: Duration,
}

/// One port.
struct Port {
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
    routes: Router,
    /// How long a connection may last.
    limit: Duration,
}

/// The HTTP servers' addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) health: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) debug: Option<SocketAddr>,
}

/// Why an HTTP server did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: {source}; choose a free port with --{flag}")]
pub struct HttpError {
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
    #[source]
    source: std::io::Error,
}

/// Starts the servers; they end with `stop`.
pub(crate) async fn serve(
    options: &HttpOptions,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    insight: Insight,
    stop: &CancellationToken,
) -> Result<Addresses, HttpError> {
    let debug = match options.debug_port {
        Some(port) => {
            let port = Port {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                purpose: "debugging",
                flag: "debug-port",
                routes: debug::routes(insight),
                limit: HEADER_TIMEOUT + ANSWER_TIMEOUT,
            };
            Some(listen(port, stop).await?)
        }
        None => None,
    };
    let health_routes = Router::new()
        .route(&options.healthz_path, get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health);
    let metrics_routes = Router::new()
        .route("/metrics", get(render))
        .with_state(metrics);

    let health_address = SocketAddr::new(options.address, options.healthz_port);
    let metrics_address = SocketAddr::new(options.address, options.prometheus_port);
    let health = Port {
        address: health_address,
        purpose: "health",
        flag: "healthz-port",
        routes: health_routes,
        limit: HEADER_TIMEOUT + options.healthz_timeout + ANSWER_TIMEOUT,
    };
    // Port 0 is any free port, so two zeros are two servers.
    if health_address == metrics_address && health_address.port() != 0 {
        let routes = health.routes.merge(metrics_routes);
        let address = listen(Port { routes, ..health }, stop).await?;
        return Ok(Addresses {
            health: address,
            metrics: address,
            debug,
        });
    }
    let metrics = Port {
        address: metrics_address,
        purpose: "metrics",
        flag: "prometheus-port",
        routes: metrics_routes,
        limit: HEADER_TIMEOUT + ANSWER_TIMEOUT,
    };
    Ok(Addresses {
        health: listen(health, stop).await?,
        metrics: listen(metrics, stop).await?,
        debug,
    })
}

async fn listen(port: Port, stop: &CancellationToken) -> Result<SocketAddr, HttpError> {
    let failed = |source| HttpError {
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
                let limit = port.limit;
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

/// Alive: the provider answers a health check on its own socket.
async fn healthz(State(health): State<Arc<Health>>) -> Response {
    match tokio::time::timeout(health.timeout, probe::check(&health.socket)).await {
        Ok(Ok(())) => (StatusCode::OK, "ok").into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "no answer in time").into_response(),
    }
}

/// Ready: a driver that connects now is served, and no stop has been asked for.
async fn readyz(State(health): State<Arc<Health>>) -> Response {
    if health.ready.load(Ordering::Relaxed) && is_live(&health.socket).await {
        (StatusCode::OK, "ok").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not serving").into_response()
    }
}

async fn render(State(metrics): State<Arc<Metrics>>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
