//! Bindings in the metrics, from their status.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;

use crate::cluster::View;
use crate::controller::Lead;

/// Shows bindings, if this replica leads: two that show the same would be added up.
#[derive(Debug)]
pub(super) struct Bindings {
    pub(super) view: Arc<View>,
    pub(super) lead: Lead,
    /// Whether each is shown, or only how many there are.
    pub(super) each: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadyLabels {
    ready: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    name: String,
    r#type: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabels {
    namespace: String,
    name: String,
    object: String,
    object_name: String,
}

const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

/// The conditions that a binding has, of the known types and statuses.
fn conditions(binding: &VaultBinding) -> impl Iterator<Item = (ConditionType, &'static str)> {
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    conditions.filter_map(|condition| {
        let of = |known: &&ConditionType| known.as_str() == condition.type_;
        let status = STATUSES
            .into_iter()
            .find(|known| *known == condition.status);
        Some((*ConditionType::ALL.iter().find(of)?, status?))
    })
}

fn name(binding: &VaultBinding) -> (String, String) {
    let metadata = &binding.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

impl Collector for Bindings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bindings = if self.lead.holds() {
            self.view.bindings.all()
        } else {
            Vec::new()
        };
        let mut ready: BTreeMap<&str, i64> = STATUSES.map(|status| (status, 0)).into();
        for binding in &bindings {
            let status = conditions(binding)
                .find(|(of, _)| *of == ConditionType::Ready)
                .map_or("Unknown", |(_, status)| status);
            *ready.entry(status).or_default() += 1;
        }
        let help = "Bindings by the status of their condition Ready; Unknown if they have none yet";
        let mut metric = encoder.encode_descriptor("bindings", help, None, MetricType::Gauge)?;
        for ready_is in STATUSES {
            let count = ConstGauge::new(ready.get(ready_is).copied().unwrap_or_default());
            count.encode(metric.encode_family(&ReadyLabels { ready: ready_is })?)?;
        }
        if !self.each {
            return Ok(());
        }
        let help = "Conditions of bindings: 1 for the status that they have";
        let descriptor = "binding_condition";
        let mut metric = encoder.encode_descriptor(descriptor, help, None, MetricType::Gauge)?;
        for binding in &bindings {
            for (of, status) in conditions(binding) {
                let (namespace, name) = name(binding);
                let labels = ConditionLabels {
                    namespace,
                    name,
                    r#type: of.as_str(),
                    status,
                };
                ConstGauge::new(1_i64).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "When the pinned version of an object expires, of those that do, in Unix time";
        let descriptor = "object_expiry_timestamp";
        let unit = Some(&Unit::Seconds);
        let mut metric = encoder.encode_descriptor(descriptor, help, unit, MetricType::Gauge)?;
        for binding in &bindings {
            for object in binding.status.iter().flat_map(|status| &status.objects) {
                let (Some(expires), Some(_)) = (&object.expires, &object.pinned) else {
                    continue;
                };
                let (namespace, name) = name(binding);
                let labels = ObjectLabels {
                    namespace,
                    name,
                    object: object.name.clone(),
                    object_name: object.object_name.clone(),
                };
                ConstGauge::new(expires.0.as_second()).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
