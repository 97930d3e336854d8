//! Health and metrics over HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use vaultbind_telemetry::ports::{self, Port, PortError};

use crate::debug::{self, Insight};
use crate::metrics::Metrics;
use crate::probe;
use crate::serve::socket::is_live;

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

/// The HTTP servers' addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) health: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) debug: Option<SocketAddr>,
}

/// Starts the servers; they end with `stop`.
pub(crate) async fn serve(
    options: &HttpOptions,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    insight: Insight,
    stop: &CancellationToken,
) -> Result<Addresses, PortError> {
    let debug = match options.debug_port {
        Some(port) => {
            let port = Port {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                purpose: "debugging",
                flag: "debug-port",
                routes: debug::routes(insight),
                patience: Duration::ZERO,
            };
            Some(ports::listen(port, stop).await?)
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

    let health = Port {
        address: SocketAddr::new(options.address, options.healthz_port),
        purpose: "health",
        flag: "healthz-port",
        routes: health_routes,
        patience: options.healthz_timeout,
    };
    let metrics = Port {
        address: SocketAddr::new(options.address, options.prometheus_port),
        purpose: "metrics",
        flag: "prometheus-port",
        routes: metrics_routes,
        patience: Duration::ZERO,
    };
    let ports::Addresses { health, metrics } = ports::listen_both(health, metrics, stop).await?;
    Ok(Addresses {
        health,
        metrics,
        debug,
    })
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
    ports::metrics(metrics.render())
}
