//! What `/metrics` shows. Every label comes from a closed set.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tonic::Code;
use vaultbind_keyvault::cache::{CacheObserver, Evicted, Source, TokenEvent};
use vaultbind_keyvault::transport::{Call, ConnectionEvent, Hedge, Observer, Outcome, Service};

use crate::status;

/// Seconds, from a warm answer to the driver's patience.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The metrics of one provider.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    mounts: Family<MountLabels, Counter>,
    mount_seconds: Histogram,
    mounts_running: Gauge,
    vault_requests: Family<RequestLabels, Counter>,
    vault_seconds: Histogram,
    token_requests: Family<TokenLabels, Counter>,
    token_seconds: Histogram,
    cache_reads: Family<SourceLabels, Counter>,
    cache_evictions: Family<ReasonLabels, Counter>,
    cache_objects: Gauge,
    cache_bytes: Gauge,
    stale_served: Counter,
    tokens: Family<EventLabels, Counter>,
    throttled: Family<ServiceLabels, Counter>,
    throttle_wait_seconds: Histogram,
    hedged: Family<HedgeLabels, Counter>,
    connections: Family<ConnectionLabels, Counter>,
    circuits_open: Family<ServiceLabels, Gauge>,
    socket_rebinds: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MountLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    source: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HedgeLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    event: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vaultbind");
        let histogram = || Histogram::new(BUCKETS);
        let metrics = Self {
            mounts: Family::default(),
            mount_seconds: histogram(),
            mounts_running: Gauge::default(),
            vault_requests: Family::default(),
            vault_seconds: histogram(),
            token_requests: Family::default(),
            token_seconds: histogram(),
            cache_reads: Family::default(),
            cache_evictions: Family::default(),
            cache_objects: Gauge::default(),
            cache_bytes: Gauge::default(),
            stale_served: Counter::default(),
            tokens: Family::default(),
            throttled: Family::default(),
            throttle_wait_seconds: histogram(),
            hedged: Family::default(),
            connections: Family::default(),
            circuits_open: Family::default(),
            socket_rebinds: Counter::default(),
            registry: Registry::default(),
        };
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Version of the provider", Info::new(build));
        registry.register(
            "mount_requests",
            "Mounts by gRPC code",
            metrics.mounts.clone(),
        );
        registry.register_with_unit(
            "mount_duration",
            "Time from request to answer of a mount",
            Unit::Seconds,
            metrics.mount_seconds.clone(),
        );
        registry.register(
            "mounts_in_flight",
            "Mounts that are running",
            metrics.mounts_running.clone(),
        );
        registry.register(
            "vault_requests",
            "Requests sent to vaults by operation and HTTP status",
            metrics.vault_requests.clone(),
        );
        registry.register_with_unit(
            "vault_request_duration",
            "Time from a request to a vault to its whole answer",
            Unit::Seconds,
            metrics.vault_seconds.clone(),
        );
        registry.register(
            "token_requests",
            "Token requests by source and HTTP status",
            metrics.token_requests.clone(),
        );
        registry.register_with_unit(
            "token_request_duration",
            "Time from a token request to its whole answer",
            Unit::Seconds,
            metrics.token_seconds.clone(),
        );
        registry.register(
            "cache_reads",
            "Objects of mounts by where they came from",
            metrics.cache_reads.clone(),
        );
        registry.register(
            "cache_evictions",
            "Objects that left the memory by reason",
            metrics.cache_evictions.clone(),
        );
        registry.register(
            "cache_objects",
            "Objects that are in memory",
            metrics.cache_objects.clone(),
        );
        registry.register_with_unit(
            "cache",
            "Size of what is in memory",
            Unit::Bytes,
            metrics.cache_bytes.clone(),
        );
        registry.register(
            "stale_served",
            "Objects served from memory because the vault or Entra did not answer",
            metrics.stale_served.clone(),
        );
        registry.register(
            "token_events",
            "What became of access tokens",
            metrics.tokens.clone(),
        );
        registry.register(
            "throttled_requests",
            "Requests that Azure refused because there were too many, by service",
            metrics.throttled.clone(),
        );
        registry.register_with_unit(
            "throttle_wait",
            "Time that requests waited for leave to be sent, of those that had to",
            Unit::Seconds,
            metrics.throttle_wait_seconds.clone(),
        );
        registry.register(
            "hedged_requests",
            "Requests sent a second time because the answer was late, and those answered first",
            metrics.hedged.clone(),
        );
        registry.register(
            "connections",
            "Connections to Azure dialled, failed to be dialled, and retired because of silence",
            metrics.connections.clone(),
        );
        registry.register(
            "circuit_open",
            "Vaults and other services that give no answers and are asked by one request at a time",
            metrics.circuits_open.clone(),
        );
        registry.register(
            "socket_rebinds",
            "Times that the socket's name was lost and taken again",
            metrics.socket_rebinds.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Counts a mount as running until the guard is dropped.
    pub(crate) fn mount_started(&self) -> Running {
        self.mounts_running.inc();
        Running(self.mounts_running.clone())
    }

    pub(crate) fn mount_ended(&self, code: Code, duration: Duration) {
        self.mounts
            .get_or_create(&MountLabels {
                code: status::name(code),
            })
            .inc();
        self.mount_seconds.observe(duration.as_secs_f64());
    }

    /// Counts the times that the socket's name was taken again.
    pub(crate) fn socket_rebinds(&self) -> Counter {
        self.socket_rebinds.clone()
    }

    /// The metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A mount that is running.
pub(crate) struct Running(Gauge<i64, AtomicI64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts the calls of the transport in the metrics.
#[derive(Debug)]
pub(crate) struct CallMetrics(pub(crate) Arc<Metrics>);

impl Observer for CallMetrics {
    fn call(&self, call: &Call) {
        let Self(metrics) = self;
        let code = outcome(call.outcome);
        let seconds = call.duration.as_secs_f64();
        if call.service == Service::Vault {
            let operation = call.operation.as_str();
            metrics
                .vault_requests
                .get_or_create(&RequestLabels { operation, code })
                .inc();
            metrics.vault_seconds.observe(seconds);
            return;
        }
        let source = service(call.service);
        metrics
            .token_requests
            .get_or_create(&TokenLabels { source, code })
            .inc();
        metrics.token_seconds.observe(seconds);
    }

    fn throttled(&self, of: Service, _: u16) {
        let labels = ServiceLabels {
            service: service(of),
        };
        self.0.throttled.get_or_create(&labels).inc();
    }

    fn waited(&self, _: Service, duration: Duration) {
        self.0.throttle_wait_seconds.observe(duration.as_secs_f64());
    }

    fn hedge(&self, _: Service, hedge: Hedge) {
        let result = match hedge {
            Hedge::Sent => "sent",
            Hedge::Won => "won",
        };
        self.0.hedged.get_or_create(&HedgeLabels { result }).inc();
    }

    fn circuit(&self, of: Service, open: bool) {
        let labels = ServiceLabels {
            service: service(of),
        };
        let gauge = self.0.circuits_open.get_or_create(&labels);
        if open {
            gauge.inc()
        } else {
            gauge.dec()
        };
    }

    fn connection(&self, event: ConnectionEvent) {
        let event = match event {
            ConnectionEvent::Dialled => "dialled",
            ConnectionEvent::Failed => "failed",
            ConnectionEvent::Retired => "retired",
        };
        let labels = ConnectionLabels { event };
        self.0.connections.get_or_create(&labels).inc();
    }
}

fn service(service: Service) -> &'static str {
    match service {
        Service::Vault => "vault",
        Service::Entra => "entra",
        Service::Imds => "managed_identity",
    }
}

/// Counts what the memory does in the metrics.
#[derive(Debug)]
pub(crate) struct MemoryMetrics(pub(crate) Arc<Metrics>);

impl CacheObserver for MemoryMetrics {
    fn read(&self, source: Source) {
        let Self(metrics) = self;
        let labels = SourceLabels {
            source: source.as_str(),
        };
        metrics.cache_reads.get_or_create(&labels).inc();
        if source == Source::Stale {
            metrics.stale_served.inc();
        }
    }

    fn evicted(&self, reason: Evicted, values: usize) {
        let labels = ReasonLabels {
            reason: reason.as_str(),
        };
        let counter = self.0.cache_evictions.get_or_create(&labels);
        counter.inc_by(u64::try_from(values).unwrap_or(u64::MAX));
    }

    fn size(&self, objects: usize, bytes: usize) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.0.cache_objects.set(number(objects));
        self.0.cache_bytes.set(number(bytes));
    }

    fn token(&self, event: TokenEvent) {
        let labels = EventLabels {
            event: event.as_str(),
        };
        self.0.tokens.get_or_create(&labels).inc();
    }
}

/// The statuses that Azure sends, by number; anything else by its class, so that no peer can make
/// new series at will.
fn outcome(outcome: Outcome) -> &'static str {
    let Outcome::Status(status) = outcome else {
        return "unreachable";
    };
    match status {
        200 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        408 => "408",
        409 => "409",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        201..=299 => "2xx",
        300..=399 => "3xx",
        402..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use vaultbind_keyvault::transport::Operation;

    use super::*;

    #[test]
    fn counts_and_durations_are_shown_under_the_documented_names() {
        let metrics = Arc::new(Metrics::default());
        let running = metrics.mount_started();
        metrics.mount_ended(Code::NotFound, Duration::from_millis(3));
        let call = |service, operation, outcome| {
            CallMetrics(Arc::clone(&metrics)).call(&Call {
                service,
                operation,
                outcome,
                duration: Duration::from_millis(2),
            });
        };
        call(Service::Vault, Operation::GetSecret, Outcome::Status(404));
        call(Service::Vault, Operation::GetSecret, Outcome::Status(418));
        call(Service::Entra, Operation::Token, Outcome::Unreachable);
        let observer = CallMetrics(Arc::clone(&metrics));
        observer.throttled(Service::Vault, 429);
        observer.waited(Service::Vault, Duration::from_secs(2));
        observer.hedge(Service::Vault, Hedge::Sent);
        observer.hedge(Service::Vault, Hedge::Won);
        observer.circuit(Service::Entra, true);
        observer.circuit(Service::Vault, true);
        observer.circuit(Service::Vault, false);
        observer.connection(ConnectionEvent::Dialled);
        let text = metrics.render().unwrap();
        for line in [
            "vaultbind_mount_requests_total{code=\"NotFound\"} 1",
            "vaultbind_mounts_in_flight 1",
            "vaultbind_mount_duration_seconds_bucket{le=\"0.005\"} 1",
            "vaultbind_vault_requests_total{operation=\"get_secret\",code=\"404\"} 1",
            "vaultbind_vault_requests_total{operation=\"get_secret\",code=\"4xx\"} 1",
            "vaultbind_token_requests_total{source=\"entra\",code=\"unreachable\"} 1",
            "vaultbind_throttled_requests_total{service=\"vault\"} 1",
            "vaultbind_throttle_wait_seconds_bucket{le=\"2.5\"} 1",
            "vaultbind_hedged_requests_total{result=\"sent\"} 1",
            "vaultbind_hedged_requests_total{result=\"won\"} 1",
            "vaultbind_circuit_open{service=\"entra\"} 1",
            "vaultbind_circuit_open{service=\"vault\"} 0",
            "vaultbind_connections_total{event=\"dialled\"} 1",
            "vaultbind_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(running);
        assert!(
            metrics
                .render()
                .unwrap()
                .contains("vaultbind_mounts_in_flight 0")
        );
    }
}
