//! Health and metrics over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use vaultbind_telemetry::ports::{self, Addresses, Port, PortError};

use crate::metrics::Metrics;

/// Whether the replica could work: it has seen all that there is, and no stop has been asked for. One that
/// does not lead is ready too, or an upgrade would wait for ever.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Starts the servers; they end with `stop`.
pub(crate) async fn serve(
    address: IpAddr,
    healthz_port: u16,
    prometheus_port: u16,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: &CancellationToken,
) -> Result<Addresses, PortError> {
    let health = Port {
        address: SocketAddr::new(address, healthz_port),
        purpose: "health",
        flag: "healthz-port",
        routes: Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .with_state(readiness),
        patience: Duration::ZERO,
    };
    let metrics = Port {
        address: SocketAddr::new(address, prometheus_port),
        purpose: "metrics",
        flag: "prometheus-port",
        routes: Router::new()
            .route("/metrics", get(render))
            .with_state(metrics),
        patience: Duration::ZERO,
    };
    ports::listen_both(health, metrics, stop).await
}

/// Alive: the process answers. A leader that cannot work ends by itself.
async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    if readiness.get() {
        (StatusCode::OK, "ok").into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the cluster is not known yet",
        )
            .into_response()
    }
}

async fn render(State(metrics): State<Arc<Metrics>>) -> Response {
    ports::metrics(metrics.render())
}
