//! Whether the API server has the kinds, and whether an operator runs and looks at the binding. The operator
//! cannot say this of itself.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;

use super::diagnosis::{Check, Finding, Step};
use super::snapshot::{Look, Snapshot};

/// How long an operator may take to say something of a change. It takes seconds, and minutes where a vault
/// gives no answer and is asked again.
const SLOW: SignedDuration = SignedDuration::from_mins(5);

/// So many times its duration a Lease may be old: clocks differ, and another replica needs some time.
const LEASE_DURATIONS: i32 = 3;

/// What a Lease holds for that does not say it.
const LEASE_SECONDS: i32 = 15;

/// What selects the operator, as its chart labels it.
pub(super) const LABELS: &str =
    "app.kubernetes.io/name=vaultbind,app.kubernetes.io/component=operator";

const INSTALL: &str = "helm upgrade --install vaultbind charts/vaultbind --namespace kube-system \
                       --reset-then-reuse-values";

pub(super) fn api(snapshot: &Snapshot) -> Vec<Check> {
    vec![match &snapshot.has_bindings {
        Look::Seen(true) => Check::passed("the API server has vaultbind.dev/v1alpha1"),
        Look::Seen(false) => Check::Failed(
            Finding::new(
                Step::Api,
                "KindsMissing",
                "the API server has no kind VaultBinding of vaultbind.dev/v1alpha1",
            )
            .remedy("install the definitions: the chart brings them, and so does the folder crds")
            .command("kubectl apply -f crds/"),
        ),
        Look::Not(why) => Check::not_looked("the kinds of the API server", why),
    }]
}

pub(super) fn checks(
    snapshot: &Snapshot,
    binding: Option<&VaultBinding>,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = vec![runs(snapshot, now)];
    checks.extend(watches(snapshot));
    if let Some(binding) = binding {
        checks.push(keeps_up(binding, now));
    }
    checks
}

/// The Lease that was renewed last.
fn newest(leases: &[Lease]) -> Option<&Lease> {
    leases.iter().max_by_key(|lease| renewed(lease))
}

fn renewed(lease: &Lease) -> Option<Timestamp> {
    let spec = lease.spec.as_ref()?;
    spec.renew_time.as_ref().map(|time| time.0)
}

fn full_name(namespace: Option<String>, name: &str) -> String {
    format!("{}/{name}", namespace.unwrap_or_default())
}

fn runs(snapshot: &Snapshot, now: Timestamp) -> Check {
    let leases = match &snapshot.leases {
        Look::Seen(leases) => leases,
        Look::Not(why) => return Check::not_looked("the operator and its Lease", why),
    };
    let deployment = snapshot.operators.all().first();
    let Some(lease) = newest(leases) else {
        return without_lease(snapshot, deployment);
    };
    let name = full_name(lease.namespace(), &lease.name_any());
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.unwrap_or_default();
    if holder.is_empty() {
        let finding = Finding::new(
            Step::Operator,
            "NoLeader",
            format!("no operator leads: nobody holds the Lease {name}"),
        );
        return Check::Failed(start(finding, deployment));
    }
    let seconds = spec.lease_duration_seconds.unwrap_or(LEASE_SECONDS);
    let longest = SignedDuration::from_secs(i64::from(seconds.saturating_mul(LEASE_DURATIONS)));
    let age = renewed(lease).map(|at| now.duration_since(at));
    match age {
        Some(age) if age <= longest => Check::passed(format!("{holder} leads, by Lease {name}")),
        _ => {
            let since = renewed(lease).map_or_else(
                || "it was never renewed".to_owned(),
                |at| format!("it was last renewed at {at:.0}"),
            );
            let finding = Finding::new(
                Step::Operator,
                "LeaderGone",
                format!("no operator leads: {holder} does not renew the Lease {name}"),
            )
            .seen(since);
            Check::Failed(start(finding, deployment))
        }
    }
}

/// One replica may go without a Lease.
fn without_lease(snapshot: &Snapshot, deployment: Option<&Deployment>) -> Check {
    let Some(deployment) = deployment else {
        let finding = Finding::new(
            Step::Operator,
            "OperatorMissing",
            "the cluster has no operator: there is no Lease of one, and no Deployment",
        );
        return match &snapshot.operators {
            Look::Seen(_) => Check::Failed(finding.command(INSTALL)),
            Look::Not(why) => Check::not_looked("the operator's Deployment", why),
        };
    };
    if ready(deployment) > 0 {
        return Check::passed(format!(
            "Deployment {} has {} ready replicas",
            full_name(deployment.namespace(), &deployment.name_any()),
            ready(deployment)
        ));
    }
    let finding = Finding::new(
        Step::Operator,
        "NoLeader",
        "no operator leads: there is no Lease of one",
    );
    Check::Failed(start(finding, Some(deployment)))
}

fn ready(deployment: &Deployment) -> i32 {
    let status = deployment.status.as_ref();
    status.and_then(|status| status.ready_replicas).unwrap_or(0)
}

/// What starts the operator, or says why it does not run.
fn start(finding: Finding, deployment: Option<&Deployment>) -> Finding {
    let Some(deployment) = deployment else {
        return finding
            .seen("no Deployment of the operator was seen")
            .command(format!("kubectl get deployment -A -l {LABELS}"));
    };
    let (name, namespace) = (
        deployment.name_any(),
        deployment.namespace().unwrap_or_default(),
    );
    let spec = deployment.spec.as_ref();
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let finding = finding.seen(format!(
        "Deployment {namespace}/{name} has {} of {replicas} replicas ready",
        ready(deployment)
    ));
    if replicas == 0 {
        return finding.command(format!(
            "kubectl scale deployment {name} -n {namespace} --replicas=2"
        ));
    }
    let conditions = deployment
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut finding = finding;
    for condition in conditions.filter(|condition| {
        let bad = if condition.type_ == "ReplicaFailure" {
            "True"
        } else {
            "False"
        };
        condition.status == bad
    }) {
        let message = condition.message.as_deref().unwrap_or_default();
        finding = finding.seen(format!("condition {} of it: {message}", condition.type_));
    }
    finding
        .remedy(
            "see why its pods do not run or do not get the Lease, by their events and their log",
        )
        .command(format!("kubectl describe pods -n {namespace} -l {LABELS}"))
        .command(format!(
            "kubectl logs deployment/{name} -n {namespace} --tail 50"
        ))
}

/// Whether the namespace is one of those that the operator looks after.
fn watches(snapshot: &Snapshot) -> Option<Check> {
    let namespace = &snapshot.namespace;
    let deployments = snapshot.operators.seen()?;
    let watched: Vec<(&Deployment, Vec<String>)> =
        deployments.iter().map(|one| (one, watched(one))).collect();
    let looks_after = |names: &[String]| names.is_empty() || names.contains(namespace);
    let (deployment, names) = watched.first()?;
    if watched.iter().any(|(_, names)| looks_after(names)) {
        return Some(Check::passed(format!(
            "it looks after namespace {namespace}"
        )));
    }
    let mut wanted = names.clone();
    wanted.push(namespace.clone());
    let release = deployment.labels().get("app.kubernetes.io/instance");
    let release = release.map_or("vaultbind", String::as_str);
    let finding = Finding::new(
        Step::Operator,
        "NamespaceNotWatched",
        format!("the operator does not look after namespace {namespace}"),
    )
    .seen(format!(
        "Deployment {} has --watch-namespaces={}",
        full_name(deployment.namespace(), &deployment.name_any()),
        names.join(",")
    ))
    .command(format!(
        "helm upgrade {release} charts/vaultbind --namespace {} --reset-then-reuse-values --set \
         'operator.watchNamespaces={{{}}}'",
        deployment.namespace().unwrap_or_default(),
        wanted.join(",")
    ));
    Some(Check::Failed(finding))
}

/// Namespaces that a Deployment's arguments or environment name.
fn watched(deployment: &Deployment) -> Vec<String> {
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let mut names = Vec::new();
    for container in containers {
        let mut arguments = container.args.iter().flatten();
        while let Some(argument) = arguments.next() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (argument.as_str(), None),
            };
            if matches!(flag, "--watch-namespaces" | "--watch-namespace") {
                names.extend(value.or_else(|| arguments.next().map(String::as_str)));
            }
        }
        let environment = container.env.iter().flatten();
        let named = environment.filter(|one| one.name == "VAULTBIND_WATCH_NAMESPACES");
        names.extend(named.filter_map(|one| one.value.as_deref()));
    }
    let names = names.into_iter().flat_map(|names| names.split(','));
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether the status is about the binding as it is.
fn keeps_up(binding: &VaultBinding, now: Timestamp) -> Check {
    let generation = binding.metadata.generation;
    let observed = binding
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    let name = binding.name_any();
    if observed.is_some() && observed == generation {
        return Check::passed(format!(
            "the status of {name} is about the binding as it is"
        ));
    }
    let waited = written(binding).map(|at| now.duration_since(at));
    if waited.is_none_or(|waited| waited <= SLOW) {
        return Check::not_looked(
            "what the operator says of the binding",
            "the binding was written some minutes ago at most, and the operator has not said anything yet",
        );
    }
    let what = match observed {
        None => format!("the operator has said nothing of {name}"),
        Some(_) => format!("the operator has said nothing of the last change of {name}"),
    };
    let shown =
        |generation: Option<i64>| generation.map_or("none".to_owned(), |one| one.to_string());
    let written = written(binding).map_or_else(String::new, |at| format!(", written at {at:.0}"));
    Check::Failed(
        Finding::new(Step::Operator, "NotObserved", what)
            .seen(format!(
                "metadata.generation is {}{written}; status.observedGeneration is {}",
                shown(generation),
                shown(observed)
            ))
            .remedy(
                "see whether the operator runs and looks after this namespace (--watch-namespaces), and \
                 what it logs",
            )
            .command(format!(
                "kubectl get deployment -A -l {LABELS} -o \
                 jsonpath='{{.items[*].spec.template.spec.containers[*].args}}'"
            ))
            .command(format!("kubectl logs -n kube-system -l {LABELS} --tail 50")),
    )
}

/// When somebody last wrote what is wanted. Annotations are something else: whoever asks for a check writes one.
fn written(binding: &VaultBinding) -> Option<Timestamp> {
    let managers = binding.managed_fields().iter();
    let of_spec = managers.filter(|entry| {
        let fields = entry.fields_v1.as_ref();
        fields.is_some_and(|fields| fields.0.get("f:spec").is_some())
    });
    let times = of_spec.filter_map(|entry| entry.time.as_ref().map(|time| time.0));
    let created = binding.metadata.creation_timestamp.as_ref();
    times.chain(created.map(|time| time.0)).max()
}
