//! Volumes of the CSI driver in pods, what kubelet said of them, and what changes them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{CSIVolumeSource, Event, Pod};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use vaultbind_keyvault::text::printable;

use super::diagnosis::Finding;
use super::snapshot::Snapshot;
use crate::shell::quoted;

/// Name of the CSI driver.
pub(super) const DRIVER: &str = "secrets-store.csi.k8s.io";

/// The volume attribute that names the SecretProviderClass.
pub(super) const CLASS: &str = "secretProviderClass";

/// Longest message of an event that is shown.
const LONGEST: usize = 700;

/// One volume of the driver in one pod.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume<'a> {
    pub(super) pod: &'a Pod,
    pub(super) name: &'a str,
    pub(super) source: &'a CSIVolumeSource,
}

/// All volumes of the driver in pods that are to run.
pub(super) fn volumes(snapshot: &Snapshot) -> impl Iterator<Item = Volume<'_>> {
    let pods = snapshot.pods.all().iter().filter(|pod| is_to_run(pod));
    pods.flat_map(|pod| {
        let volumes = pod
            .spec
            .iter()
            .flat_map(|spec| spec.volumes.iter().flatten());
        volumes.filter_map(move |volume| {
            let source = volume.csi.as_ref()?;
            (source.driver == DRIVER).then_some(Volume {
                pod,
                name: &volume.name,
                source,
            })
        })
    })
}

fn is_to_run(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

impl<'a> Volume<'a> {
    /// The SecretProviderClass.
    pub(super) fn class(&self) -> Option<&'a str> {
        let attributes = self.source.volume_attributes.as_ref()?;
        let class = attributes.get(CLASS)?;
        (!class.is_empty()).then_some(class.as_str())
    }

    /// Attributes besides the class: they go over what the class says.
    pub(super) fn overrides(&self) -> Vec<&'a str> {
        let attributes = self.source.volume_attributes.iter().flatten();
        let keys = attributes.map(|(key, _)| key.as_str());
        keys.filter(|key| *key != CLASS).collect()
    }

    pub(super) fn account(&self) -> &'a str {
        let spec = self.pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.as_deref());
        account.filter(|name| !name.is_empty()).unwrap_or("default")
    }

    pub(super) fn node(&self) -> Option<&'a str> {
        let node = self.pod.spec.as_ref()?.node_name.as_deref()?;
        (!node.is_empty()).then_some(node)
    }

    /// Whether the pod is on a node and its containers wait for their volumes.
    pub(super) fn waits(&self) -> bool {
        let Some(status) = &self.pod.status else {
            return self.node().is_some();
        };
        let init = status.init_container_statuses.iter().flatten();
        let mut containers = init.chain(status.container_statuses.iter().flatten());
        self.node().is_some()
            && status.phase.as_deref().unwrap_or("Pending") == "Pending"
            && containers.all(|container| {
                let state = container.state.as_ref();
                let waiting = state.and_then(|state| state.waiting.as_ref());
                let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
                matches!(reason, Some("ContainerCreating" | "PodInitializing"))
            })
    }

    /// Containers that mount single files of the volume, which never change in them.
    pub(super) fn by_sub_path(&self) -> Vec<&'a str> {
        let spec = self.pod.spec.iter();
        let containers = spec.flat_map(|spec| &spec.containers);
        let of_volume = containers.filter(|container| {
            let mut mounts = container.volume_mounts.iter().flatten();
            mounts.any(|mount| {
                mount.name == self.name
                    && (mount.sub_path.is_some() || mount.sub_path_expr.is_some())
            })
        });
        of_volume.map(|container| container.name.as_str()).collect()
    }

    /// What kubelet said last of this volume.
    pub(super) fn trouble(&self, snapshot: &'a Snapshot) -> Option<Trouble> {
        let events = snapshot.events.all().iter();
        let of_volume = events.filter(|event| {
            let object = &event.involved_object;
            object.kind.as_deref().unwrap_or("Pod") == "Pod"
                && object.name == self.pod.metadata.name
                && (object.uid.is_none() || object.uid == self.pod.metadata.uid)
                && event.reason.as_deref() == Some("FailedMount")
                && self.is_named(event.message.as_deref().unwrap_or_default())
        });
        let last = of_volume.max_by_key(|event| when(event))?;
        Some(Trouble::read(last.message.as_deref().unwrap_or_default()))
    }

    /// Whether an event is about this volume. Some name none, or a list of those that are awaited.
    fn is_named(&self, message: &str) -> bool {
        let Some((_, rest)) = message.split_once("for volume \"") else {
            return message.contains("desc = ") || message.contains(DRIVER);
        };
        rest.split('"').next() == Some(self.name)
    }

    /// The workload that makes the pod, as `kubectl` names it, if a change of it reaches the pod.
    pub(super) fn owner(&self) -> Option<(&'static str, String)> {
        let owners = self.pod.owner_references();
        let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
        match owner.kind.as_str() {
            "ReplicaSet" => {
                let hash = self.pod.labels().get("pod-template-hash")?;
                let name = owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
                Some(("deployment", name.to_owned()))
            }
            "StatefulSet" => Some(("statefulset", owner.name.clone())),
            "DaemonSet" => Some(("daemonset", owner.name.clone())),
            _ => None,
        }
    }

    /// Adds what changes the volume: a command where the pod has a workload that a patch reaches, else words.
    pub(super) fn changed(&self, finding: Finding, csi: &Value, field: &str) -> Finding {
        let namespace = self.pod.namespace().unwrap_or_default();
        let Some((kind, name)) = self.owner() else {
            let pod = self.pod.name_any();
            return finding
                .remedy(format!(
                    "a pod's volumes cannot be changed: {field} in the manifest of pod {pod}, volume {}, \
                     and make it anew",
                    self.name
                ))
                .command(format!("kubectl delete pod {pod} -n {namespace}"));
        };
        let patch = json!({"spec": {"template": {"spec": {"volumes": [{
            "name": self.name, "csi": csi,
        }]}}}});
        finding.command(format!(
            "kubectl patch {kind} {name} -n {namespace} -p {}",
            quoted(&patch.to_string())
        ))
    }

    /// The pod, for messages.
    pub(super) fn described(&self) -> String {
        match self.node() {
            Some(node) => format!(
                "pod {}, volume {}, on node {node}",
                self.pod.name_any(),
                self.name
            ),
            None => format!("pod {}, volume {}", self.pod.name_any(), self.name),
        }
    }
}

fn when(event: &Event) -> Option<Timestamp> {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    let at = event.event_time.as_ref().map(|time| time.0);
    [last, series.map(|time| time.0), at]
        .into_iter()
        .flatten()
        .max()
}

/// Why kubelet could not mount a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// The last word, which is the provider's if it got as far.
    pub(super) message: String,
}

/// Who could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Kubelet knows no such driver.
    NotRegistered,
    /// The driver knows no such provider.
    NoProvider(String),
    /// The driver found no such SecretProviderClass.
    NoClass,
    /// Nobody answered in time.
    Silent,
    /// The answer is larger than the driver takes.
    TooLarge,
    /// The provider, or the driver, said no with this code.
    Refused(String),
    /// Kubelet itself could not.
    Kubelet,
}

impl Trouble {
    fn read(message: &str) -> Self {
        let (before, last) = match message.rsplit_once("desc = ") {
            Some((before, last)) => (before, last),
            None => ("", message),
        };
        let code = before
            .rsplit_once("code = ")
            .map(|(_, code)| code.trim().to_owned());
        let provider = message.split_once("provider not found: provider \"");
        let provider = provider.and_then(|(_, rest)| rest.split('"').next());
        let kind = if message.contains("not found in the list of registered CSI drivers") {
            Kind::NotRegistered
        } else if let Some(provider) = provider {
            Kind::NoProvider(provider.to_owned())
        } else if message.contains("failed to get secretproviderclass") {
            Kind::NoClass
        } else if message.contains("received message larger than max") {
            Kind::TooLarge
        } else if matches!(code.as_deref(), Some("DeadlineExceeded" | "Canceled"))
            || last.contains("context deadline exceeded")
        {
            Kind::Silent
        } else if let Some(code) = code {
            Kind::Refused(code)
        } else {
            Kind::Kubelet
        };
        Self {
            kind,
            message: printable(last.trim(), LONGEST),
        }
    }
}
