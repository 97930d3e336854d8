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
use vaultbind_keyvault::transport::Observer;
use vaultbind_telemetry::calls::{BUCKETS, Calls};

use crate::status;

/// The metrics of one provider.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Arc<Calls>,
    mounts: Family<MountLabels, Counter>,
    mount_seconds: Histogram,
    mounts_running: Gauge,
    cache_reads: Family<SourceLabels, Counter>,
    cache_evictions: Family<ReasonLabels, Counter>,
    cache_objects: Gauge,
    cache_bytes: Gauge,
    stale_served: Counter,
    tokens: Family<EventLabels, Counter>,
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

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vaultbind");
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Version of the provider", Info::new(build));
        let metrics = Self {
            calls: Arc::new(Calls::register(&mut registry)),
            mounts: Family::default(),
            mount_seconds: Histogram::new(BUCKETS),
            mounts_running: Gauge::default(),
            cache_reads: Family::default(),
            cache_evictions: Family::default(),
            cache_objects: Gauge::default(),
            cache_bytes: Gauge::default(),
            stale_served: Counter::default(),
            tokens: Family::default(),
            socket_rebinds: Counter::default(),
            registry: Registry::default(),
        };
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

    /// Counts the calls of the transport.
    pub(crate) fn calls(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.calls) as Arc<dyn Observer>
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

#[cfg(test)]
mod tests {
    use vaultbind_keyvault::transport::{
        Call, ConnectionEvent, Hedge, Operation, Outcome, Service,
    };

    use super::*;

    #[test]
    fn counts_and_durations_are_shown_under_the_documented_names() {
        let metrics = Metrics::default();
        let running = metrics.mount_started();
        metrics.mount_ended(Code::NotFound, Duration::from_millis(3));
        let call = |service, operation, outcome| {
            metrics.calls().call(&Call {
                service,
                operation,
                outcome,
                duration: Duration::from_millis(2),
            });
        };
        call(Service::Vault, Operation::GetSecret, Outcome::Status(404));
        call(Service::Vault, Operation::GetSecret, Outcome::Status(418));
        call(Service::Entra, Operation::Token, Outcome::Unreachable);
        let observer = metrics.calls();
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
