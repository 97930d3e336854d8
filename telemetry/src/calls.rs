//! The metrics of the calls to Azure. Every label comes from a closed set.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;
use vaultbind_keyvault::transport::{Call, ConnectionEvent, Hedge, Observer, Outcome, Service};

/// Seconds, from a warm answer to the patience of who waits.
pub const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Counts what the transport tells.
#[derive(Debug)]
pub struct Calls {
    vault_requests: Family<RequestLabels, Counter>,
    vault_seconds: Histogram,
    token_requests: Family<TokenLabels, Counter>,
    token_seconds: Histogram,
    management_requests: Family<RequestLabels, Counter>,
    management_seconds: Histogram,
    throttled: Family<ServiceLabels, Counter>,
    throttle_wait_seconds: Histogram,
    hedged: Family<HedgeLabels, Counter>,
    connections: Family<ConnectionLabels, Counter>,
    circuits_open: Family<ServiceLabels, Gauge>,
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

impl Calls {
    /// Metrics that the registry shows.
    pub fn register(registry: &mut Registry) -> Self {
        let histogram = || Histogram::new(BUCKETS);
        let calls = Self {
            vault_requests: Family::default(),
            vault_seconds: histogram(),
            token_requests: Family::default(),
            token_seconds: histogram(),
            management_requests: Family::default(),
            management_seconds: histogram(),
            throttled: Family::default(),
            throttle_wait_seconds: histogram(),
            hedged: Family::default(),
            connections: Family::default(),
            circuits_open: Family::default(),
        };
        registry.register(
            "vault_requests",
            "Requests sent to vaults by operation and HTTP status",
            calls.vault_requests.clone(),
        );
        registry.register_with_unit(
            "vault_request_duration",
            "Time from a request to a vault to its whole answer",
            Unit::Seconds,
            calls.vault_seconds.clone(),
        );
        registry.register(
            "token_requests",
            "Token requests by source and HTTP status",
            calls.token_requests.clone(),
        );
        registry.register_with_unit(
            "token_request_duration",
            "Time from a token request to its whole answer",
            Unit::Seconds,
            calls.token_seconds.clone(),
        );
        registry.register(
            "throttled_requests",
            "Requests that Azure refused because there were too many, by service",
            calls.throttled.clone(),
        );
        registry.register_with_unit(
            "throttle_wait",
            "Time that requests waited for leave to be sent, of those that had to",
            Unit::Seconds,
            calls.throttle_wait_seconds.clone(),
        );
        registry.register(
            "hedged_requests",
            "Requests sent a second time because the answer was late, and those answered first",
            calls.hedged.clone(),
        );
        registry.register(
            "connections",
            "Connections to Azure dialled, failed to be dialled, and retired because of silence",
            calls.connections.clone(),
        );
        registry.register(
            "circuit_open",
            "Vaults and other services that give no answers and are asked by one request at a time",
            calls.circuits_open.clone(),
        );
        calls
    }

    /// The same for a program that asks Resource Manager, too.
    pub fn register_with_management(registry: &mut Registry) -> Self {
        let calls = Self::register(registry);
        registry.register(
            "resource_manager_requests",
            "Requests sent to Azure Resource Manager by operation and HTTP status",
            calls.management_requests.clone(),
        );
        registry.register_with_unit(
            "resource_manager_request_duration",
            "Time from a request to Azure Resource Manager to its whole answer",
            Unit::Seconds,
            calls.management_seconds.clone(),
        );
        calls
    }
}

impl Observer for Calls {
    fn call(&self, call: &Call) {
        let code = outcome(call.outcome);
        let seconds = call.duration.as_secs_f64();
        let of_operation = match call.service {
            Service::Vault => Some((&self.vault_requests, &self.vault_seconds)),
            Service::ResourceManager => Some((&self.management_requests, &self.management_seconds)),
            Service::Entra | Service::Imds => None,
        };
        if let Some((requests, duration)) = of_operation {
            let operation = call.operation.as_str();
            requests
                .get_or_create(&RequestLabels { operation, code })
                .inc();
            duration.observe(seconds);
            return;
        }
        let source = service(call.service);
        self.token_requests
            .get_or_create(&TokenLabels { source, code })
            .inc();
        self.token_seconds.observe(seconds);
    }

    fn throttled(&self, of: Service, _: u16) {
        let labels = ServiceLabels {
            service: service(of),
        };
        self.throttled.get_or_create(&labels).inc();
    }

    fn waited(&self, _: Service, duration: Duration) {
        self.throttle_wait_seconds.observe(duration.as_secs_f64());
    }

    fn hedge(&self, _: Service, hedge: Hedge) {
        let result = match hedge {
            Hedge::Sent => "sent",
            Hedge::Won => "won",
        };
        self.hedged.get_or_create(&HedgeLabels { result }).inc();
    }

    fn circuit(&self, of: Service, open: bool) {
        let labels = ServiceLabels {
            service: service(of),
        };
        let gauge = self.circuits_open.get_or_create(&labels);
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
        self.connections.get_or_create(&labels).inc();
    }
}

fn service(service: Service) -> &'static str {
    match service {
        Service::Vault => "vault",
        Service::Entra => "entra",
        Service::Imds => "managed_identity",
        Service::ResourceManager => "resource_manager",
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
