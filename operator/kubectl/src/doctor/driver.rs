//! The CSI driver and the provider: in the cluster, and on the nodes of the pods.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;
use vaultbind_operator::observed::Driver;
use vaultbind_operator::plan::{Holds, Reason, driver_finding};

use super::diagnosis::{Check, Finding, Step};
use super::pods::{DRIVER, Kind, Volume};
use super::snapshot::{Look, Snapshot};
use super::vault;

/// Values of the label `app` of pods of the driver.
const DRIVERS: [&str; 2] = ["secrets-store-csi-driver", "csi-secrets-store"];

/// Values of the label `app` of pods of the Azure provider, by its chart and by the AKS add-on.
const AZURE_PROVIDERS: [&str; 2] = [
    "csi-secrets-store-provider-azure",
    "secrets-store-provider-azure",
];

/// What the pods of a node are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Driver,
    Provider,
}

/// Which program a pod is, by its labels.
pub(super) fn program(pod: &Pod) -> Option<Program> {
    let label = |key: &str| pod.labels().get(key).map(String::as_str);
    let app = label("app")
        .or_else(|| label("k8s-app"))
        .unwrap_or_default();
    let ours = label("app.kubernetes.io/component") == Some("provider")
        || app == "vaultbind-provider"
        || AZURE_PROVIDERS.contains(&app);
    let driver = DRIVERS.contains(&app)
        || label("app.kubernetes.io/name").is_some_and(|name| DRIVERS.contains(&name));
    match (ours, driver) {
        (true, _) => Some(Program::Provider),
        (false, true) => Some(Program::Driver),
        (false, false) => None,
    }
}

/// `volumes` are those that matter: of the binding, or of the pod that was asked about.
pub(super) fn checks(
    snapshot: &Snapshot,
    binding: Option<&VaultBinding>,
    volumes: &[Volume<'_>],
) -> Vec<Check> {
    let mut checks = vec![object(snapshot, binding)];
    if checks.iter().any(|check| matches!(check, Check::Failed(_))) {
        return checks;
    }
    let nodes: BTreeSet<&str> = volumes.iter().filter_map(Volume::node).collect();
    for node in nodes {
        let waiting: Vec<&Volume<'_>> = volumes
            .iter()
            .filter(|volume| volume.node() == Some(node) && volume.waits())
            .collect();
        checks.push(registered(snapshot, node, &waiting));
        checks.extend(programs(snapshot, node, &waiting));
    }
    checks
}

/// What the CSIDriver object says, or what the operator says of it.
fn object(snapshot: &Snapshot, binding: Option<&VaultBinding>) -> Check {
    let audience = binding.map(|binding| {
        let spec = &binding.spec;
        spec.identity.audience(spec.vault.cloud)
    });
    let audience = audience.unwrap_or(vaultbind_crds::binding::Audience::Public);
    let told = || {
        let condition = vault::condition(binding?, ConditionType::DriverReady.as_str())?;
        Some(match condition.status.as_str() {
            "False" => Check::Failed(vault::finding(binding?, Step::Driver, condition)),
            _ if condition.reason == Reason::RepublishOff.as_str() => {
                Check::Warned(vault::finding(binding?, Step::Driver, condition))
            }
            _ => Check::passed(format!("the operator says: {}", condition.message)),
        })
    };
    let driver = match &snapshot.driver {
        Look::Seen(driver) => driver.as_ref(),
        Look::Not(why) => {
            return told().unwrap_or_else(|| Check::not_looked(format!("CSIDriver {DRIVER}"), why));
        }
    };
    let whole = snapshot.has_driver_kinds != Look::Seen(false);
    let driver = driver.filter(|_| whole).map(|driver| {
        let requests = driver.spec.token_requests.iter().flatten();
        Driver {
            audiences: requests.map(|request| request.audience.clone()).collect(),
            requires_republish: driver.spec.requires_republish == Some(true),
        }
    });
    let found = driver_finding(driver.as_ref(), audience.as_str());
    let finding = || {
        let mut finding = Finding::new(Step::Driver, found.reason.as_str(), &found.message);
        finding.commands.extend(vault::command(&found.message));
        match &driver {
            None => finding.seen(format!("there is no CSIDriver {DRIVER} with its kinds")),
            Some(driver) => finding.seen(format!(
                "tokenRequests has the audiences [{}]; requiresRepublish is {}",
                driver.audiences.join(", "),
                driver.requires_republish
            )),
        }
    };
    match (found.holds, found.reason) {
        (Holds::No | Holds::Unknown, _) => Check::Failed(finding()),
        (Holds::Yes, Reason::RepublishOff) => {
            Check::Warned(finding().why("Pods that run keep the version that they started with."))
        }
        (Holds::Yes, _) => Check::passed(&found.message),
    }
}

/// Whether kubelet of a node knows the driver.
fn registered(snapshot: &Snapshot, node: &str, waiting: &[&Volume<'_>]) -> Check {
    let said = waiting.iter().find_map(|volume| {
        let trouble = volume.trouble(snapshot)?;
        (trouble.kind == Kind::NotRegistered).then_some((*volume, trouble))
    });
    let node_object = match snapshot.nodes.get(node) {
        Some(Look::Seen(node)) => node.as_ref(),
        Some(Look::Not(why)) if said.is_none() => {
            return Check::not_looked(format!("CSINode {node}"), why);
        }
        None if said.is_none() => {
            return Check::not_looked(format!("CSINode {node}"), "it was not looked for");
        }
        Some(Look::Not(_)) | None => None,
    };
    let drivers = node_object.iter().flat_map(|node| &node.spec.drivers);
    let names: Vec<&str> = drivers.map(|driver| driver.name.as_str()).collect();
    if names.contains(&DRIVER) {
        return Check::passed(format!("the driver is registered on node {node}"));
    }
    let mut finding = Finding::new(
        Step::Driver,
        "DriverNotOnNode",
        format!("the CSI driver is not registered on node {node}"),
    );
    if let Some((volume, trouble)) = said {
        finding = finding.seen(format!("{}: {}", volume.described(), trouble.message));
    }
    if node_object.is_some()
        || snapshot
            .nodes
            .get(node)
            .is_some_and(|look| look.seen().is_some())
    {
        finding = finding.seen(format!(
            "CSINode {node} has the drivers [{}]",
            names.join(", ")
        ));
    }
    Check::Failed(on_node(finding, snapshot, node, Program::Driver))
}

/// Whether the pods of driver and provider are ready on a node.
fn programs(snapshot: &Snapshot, node: &str, waiting: &[&Volume<'_>]) -> Option<Check> {
    let said = waiting.iter().find_map(|volume| {
        let trouble = volume.trouble(snapshot)?;
        match &trouble.kind {
            Kind::NoProvider(provider) => Some((*volume, provider.clone(), trouble.message)),
            _ => None,
        }
    });
    let finding = match (&snapshot.node_pods, said) {
        (_, Some((volume, provider, message))) => Finding::new(
            Step::Driver,
            "ProviderNotOnNode",
            format!("the driver on node {node} has no provider \"{provider}\""),
        )
        .seen(format!("{}: {message}", volume.described())),
        (Look::Not(why), None) => {
            return Some(Check::not_looked(
                format!("pods of the provider on node {node}"),
                why,
            ));
        }
        (Look::Seen(_), None) => {
            let own = on(snapshot, node, Program::Provider);
            if let Some(pod) = own.iter().find(|pod| is_ready(pod)) {
                return Some(Check::passed(format!(
                    "{} is ready on node {node}",
                    pod.name_any()
                )));
            }
            let what = format!("no provider is ready on node {node}");
            Finding::new(Step::Driver, "ProviderNotOnNode", what)
        }
    };
    let finding = on_node(finding, snapshot, node, Program::Provider);
    // Mounted volumes stay as they are.
    Some(if waiting.is_empty() {
        Check::Warned(finding.why("Pods that run keep their files, and get no newer versions."))
    } else {
        Check::Failed(finding)
    })
}

fn on<'a>(snapshot: &'a Snapshot, node: &str, wanted: Program) -> Vec<&'a Pod> {
    let pods = snapshot.node_pods.all().iter();
    pods.filter(|pod| {
        let on = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        on == Some(node) && program(pod) == Some(wanted)
    })
    .collect()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    ready.any(|condition| condition.status == "True")
}

/// What to look at where a program lacks on a node.
fn on_node(finding: Finding, snapshot: &Snapshot, node: &str, wanted: Program) -> Finding {
    let selector = match wanted {
        Program::Driver => "app=secrets-store-csi-driver",
        Program::Provider => {
            "app.kubernetes.io/name=vaultbind,app.kubernetes.io/component=provider"
        }
    };
    let list =
        format!("kubectl get pods -A -l {selector} --field-selector spec.nodeName={node} -o wide");
    if snapshot.node_pods.seen().is_none() {
        return finding.remedy("ask whoever keeps the nodes").command(list);
    }
    let pods = on(snapshot, node, wanted);
    let Some(pod) = pods.first() else {
        return finding
            .seen(format!("no pod of it is on node {node}"))
            .remedy("its DaemonSet must tolerate the node's taints and select its labels")
            .command(format!("kubectl describe node {node}"))
            .command(format!("kubectl get daemonsets -A -l {selector} -o yaml"));
    };
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let word = if is_ready(pod) {
        "is ready"
    } else {
        "is not ready"
    };
    finding
        .seen(format!("pod {namespace}/{name} {word}"))
        .command(format!("kubectl describe pod {name} -n {namespace}"))
        .command(format!(
            "kubectl logs {name} -n {namespace} --all-containers --tail 50"
        ))
}
