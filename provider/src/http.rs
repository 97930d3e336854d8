//! Health and metrics over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::probe;

/// What the HTTP servers need.
#[derive(Debug, Clone)]
pub(crate) struct HttpOptions {
    pub(crate) address: IpAddr,
    pub(crate) healthz_port: u16,
    pub(crate) healthz_path: String,
    pub(crate) prometheus_port: u16,
}

/// What the handlers look at.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) socket: PathBuf,
    pub(crate) ready: AtomicBool,
    pub(crate) timeout: Duration,
}

/// The HTTP servers' addresses: health, metrics.
pub(crate) type Addresses = (SocketAddr, SocketAddr);

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
    stop: &CancellationToken,
) -> Result<Addresses, HttpError> {
    let health_routes = Router::new()
        .route(&options.healthz_path, get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health);
    let metrics_routes = Router::new()
        .route("/metrics", get(render))
        .with_state(metrics);

    let health_address = SocketAddr::new(options.address, options.healthz_port);
    let metrics_address = SocketAddr::new(options.address, options.prometheus_port);
    // Port 0 is any free port, so two zeros are two servers.
    if health_address == metrics_address && health_address.port() != 0 {
        let routes = health_routes.merge(metrics_routes);
        let address = listen(health_address, "health", "healthz-port", routes, stop).await?;
        return Ok((address, address));
    }
    let health = listen(
        health_address,
        "health",
        "healthz-port",
        health_routes,
        stop,
    )
    .await?;
    let metrics = listen(
        metrics_address,
        "metrics",
        "prometheus-port",
        metrics_routes,
        stop,
    )
    .await?;
    Ok((health, metrics))
}

async fn listen(
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
    routes: Router,
    stop: &CancellationToken,
) -> Result<SocketAddr, HttpError> {
    let failed = |source| HttpError {
        address,
        purpose,
        flag,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let stop = stop.clone();
    tokio::spawn(async move {
        let server = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = server.await {
            tracing::error!(%error, purpose, "HTTP server ended");
        }
    });
    Ok(bound)
}

/// Alive: the provider answers a health check on its own socket.
async fn healthz(State(health): State<Arc<Health>>) -> Response {
    match tokio::time::timeout(health.timeout, probe::check(&health.socket)).await {
        Ok(Ok(())) => (StatusCode::OK, "ok").into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "no answer in time").into_response(),
    }
}

/// Ready: the socket is there and no stop has been asked for.
async fn readyz(State(health): State<Arc<Health>>) -> Response {
    if health.ready.load(Ordering::Relaxed) && health.socket.exists() {
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
