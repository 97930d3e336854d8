//! What `/metrics` shows. Every label comes from a closed set, but namespace, name and object of bindings, which
//! are those that the cluster has: their series come from the bindings themselves at every look, so
//! they go with them.

mod bindings;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text::encode,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use vaultbind_keyvault::transport::Observer;
use vaultbind_telemetry::calls::{BUCKETS, Calls};

use crate::cluster::{GUARDED, Name, View};
use crate::controller::Lead;
use crate::queue::{Class, Queue};
use crate::resolve::{ResolveObserver, Source, Sweep};

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    /// Nothing was to be written.
    Unchanged,
    /// A SecretProviderClass or a status was written.
    Written,
    /// Something had changed in between.
    Conflict,
    /// Something could not be written.
    Failed,
    /// It took too long.
    TimedOut,
    /// There is nothing to look after.
    Gone,
}

impl Ended {
    const ALL: [Self; 6] = [
        Self::Unchanged,
        Self::Written,
        Self::Conflict,
        Self::Failed,
        Self::TimedOut,
        Self::Gone,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Written => "written",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Gone => "gone",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// The metrics of one operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Arc<Calls>,
    questions: Arc<Questions>,
    reconciles: Family<ResultLabels, Counter>,
    reconcile_seconds: Histogram,
}

/// Counts what questions cost.
#[derive(Debug, Default)]
struct Questions {
    answers: Family<SourceLabels, Counter>,
    lists: Family<ListLabels, Counter>,
}

impl ResolveObserver for Questions {
    fn answered(&self, source: Source) {
        let source = source.as_str();
        self.answers.get_or_create(&SourceLabels { source }).inc();
    }

    fn swept(&self, sweep: &Sweep) {
        for (result, count) in [
            ("objects", sweep.list_pages),
            ("versions", sweep.version_pages),
            ("unchanged", sweep.unchanged),
            ("failed", sweep.failed),
        ] {
            let counter = self.lists.get_or_create(&ListLabels { result });
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}

impl Metrics {
    /// Metrics of these. With `each`, those of every binding.
    pub(crate) fn new(view: Arc<View>, queue: Arc<Queue<Name>>, lead: Lead, each: bool) -> Self {
        let mut registry = Registry::with_prefix("vaultbind");
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Version of the operator", Info::new(build));
        registry.register_collector(Box::new(State {
            view: Arc::clone(&view),
            queue,
            lead: lead.clone(),
        }));
        registry.register_collector(Box::new(bindings::Bindings { view, lead, each }));
        let reconciles = Family::default();
        registry.register(
            "reconcile",
            "Turns of bindings by how they ended",
            Family::clone(&reconciles),
        );
        let reconcile_seconds = Histogram::new(BUCKETS);
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a binding's turn took",
            Unit::Seconds,
            reconcile_seconds.clone(),
        );
        let questions = Questions::default();
        registry.register(
            "answers",
            "What bindings wanted to know of vaults, by where the answer came from",
            questions.answers.clone(),
        );
        registry.register(
            "sweep_results",
            "Pages of objects and of versions that were read, objects that needed none, and those that \
             could not be listed",
            questions.lists.clone(),
        );
        let calls = Arc::new(Calls::register_with_management(&mut registry));
        let metrics = Self {
            registry,
            calls,
            questions: Arc::new(questions),
            reconciles,
            reconcile_seconds,
        };
        // A rate needs a zero to start from.
        for ended in Ended::ALL {
            metrics.ended(ended);
        }
        metrics
    }

    /// Counts the calls of the transport.
    pub(crate) fn calls(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.calls) as Arc<dyn Observer>
    }

    /// Counts what the resolver does.
    pub(crate) fn questions(&self) -> Arc<dyn ResolveObserver> {
        Arc::clone(&self.questions) as Arc<dyn ResolveObserver>
    }

    pub(crate) fn reconciled(&self, ended: Ended, duration: Duration) {
        self.ended(ended).inc();
        self.reconcile_seconds.observe(duration.as_secs_f64());
    }

    fn ended(&self, ended: Ended) -> Counter {
        let result = ended.as_str();
        let counter = self.reconciles.get_or_create(&ResultLabels { result });
        counter.clone()
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

/// Shows what stands in queue and memory.
#[derive(Debug)]
struct State {
    view: Arc<View>,
    queue: Arc<Queue<Name>>,
    lead: Lead,
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let leads = ConstGauge::new(i64::from(self.lead.holds()));
        let help = "Whether this replica leads";
        let metric = encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?;
        leads.encode(metric)?;

        let waiting = self.queue.waiting();
        let help = "Bindings whose turn has come and that wait for a worker, by why they do";
        let mut metric = encoder.encode_descriptor("queue_depth", help, None, MetricType::Gauge)?;
        for (class, waiting) in Class::ALL.iter().zip(&waiting) {
            let class = class.as_str();
            let depth = ConstGauge::new(i64::try_from(waiting.depth).unwrap_or(i64::MAX));
            depth.encode(metric.encode_family(&ClassLabels { class })?)?;
        }
        let help = "For how long the oldest of them has waited";
        let unit = Some(&Unit::Seconds);
        let name = "queue_oldest_age";
        let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (class, waiting) in Class::ALL.iter().zip(&waiting) {
            let class = class.as_str();
            let oldest = ConstGauge::new(waiting.oldest.as_secs_f64());
            oldest.encode(metric.encode_family(&ClassLabels { class })?)?;
        }
        let help = "Objects that are not what their definition says, and are left alone";
        let name = "malformed_objects";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for kind in GUARDED {
            let count = self.view.malformed.count(kind);
            let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            count.encode(metric.encode_family(&KindLabels { kind })?)?;
        }
        Ok(())
    }
}
