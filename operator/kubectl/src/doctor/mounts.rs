//! Whether pods get the files: pods that wait for a volume, and pods whose versions are behind.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Map, Value, json};
use vaultbind_crds::VaultBinding;

use super::diagnosis::{Check, Finding, Step};
use super::pods::{CLASS, Kind, Trouble, Volume};
use super::running::running;
use super::snapshot::{Look, Snapshot};

/// How long a pod may wait before somebody has to say why.
const WAITS: SignedDuration = SignedDuration::from_mins(3);

/// `volumes` are those of the binding, or of the pod that was asked about.
pub(super) fn checks(
    snapshot: &Snapshot,
    binding: Option<&VaultBinding>,
    volumes: &[Volume<'_>],
    now: Timestamp,
) -> Vec<Check> {
    if let Look::Not(why) = &snapshot.pods {
        return vec![Check::not_looked("pods", why)];
    }
    let mut checks: Vec<Check> = binding
        .and_then(|one| class_of(snapshot, one))
        .into_iter()
        .collect();
    let mut well = 0;
    for volume in volumes {
        let found = one(snapshot, binding, volume, now);
        if found.is_empty() {
            well += 1;
        }
        for check in found {
            add(&mut checks, check);
        }
    }
    if let Look::Not(why) = &snapshot.events
        && volumes.iter().any(Volume::waits)
    {
        checks.push(Check::not_looked("events of pods that wait", why));
    }
    if let Look::Not(why) = &snapshot.mounts {
        checks.push(Check::not_looked("versions that pods have", why));
    }
    if well > 0 {
        let pods = if well == 1 {
            "volume has"
        } else {
            "volumes have"
        };
        checks.push(Check::passed(format!("{well} {pods} what is pinned")));
    } else if volumes.is_empty() {
        checks.push(Check::passed("no pod mounts it"));
    }
    checks
}

/// Pods of one workload have the same trouble: it is told once.
fn add(checks: &mut Vec<Check>, check: Check) {
    let same = checks.iter_mut().find_map(|before| match (before, &check) {
        (Check::Failed(before), Check::Failed(new))
        | (Check::Warned(before), Check::Warned(new)) => {
            let same = before.reason == new.reason
                && before.commands.first() == new.commands.first()
                && !before.commands.is_empty();
            same.then_some((before, new))
        }
        _ => None,
    });
    match same {
        Some((before, new)) => before.evidence.extend(new.evidence.iter().take(1).cloned()),
        None => checks.push(check),
    }
}

/// Whether the SecretProviderClass of a binding is there.
fn class_of(snapshot: &Snapshot, binding: &VaultBinding) -> Option<Check> {
    let name = binding.name_any();
    let classes = match &snapshot.classes {
        Look::Seen(classes) => classes,
        Look::Not(why) => return Some(Check::not_looked("SecretProviderClasses", why)),
    };
    classes
        .iter()
        .any(|class| class.name_any() == name)
        .then(|| Check::passed(format!("SecretProviderClass {name} is there")))
}

fn one(
    snapshot: &Snapshot,
    binding: Option<&VaultBinding>,
    volume: &Volume<'_>,
    now: Timestamp,
) -> Vec<Check> {
    if !volume.waits() {
        return running(snapshot, binding, volume, now);
    }
    let trouble = volume.trouble(snapshot);
    let said = |finding: Finding| match &trouble {
        Some(trouble) => finding
            .seen(volume.described())
            .seen(format!("kubelet says: {}", trouble.message)),
        None => finding.seen(volume.described()),
    };
    let mut found: Vec<Finding> = built(snapshot, binding, volume)
        .into_iter()
        .map(said)
        .collect();
    if found.is_empty() {
        found.extend(
            trouble
                .as_ref()
                .and_then(|trouble| told(snapshot, volume, trouble)),
        );
    }
    if found.is_empty() {
        return vec![silence(snapshot, volume, trouble.is_some(), now)];
    }
    found.into_iter().map(Check::Failed).collect()
}

/// What is wrong with the volume as it is written.
fn built(snapshot: &Snapshot, binding: Option<&VaultBinding>, volume: &Volume<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let finding = |reason: &str, what: String| Finding::new(Step::Mounts, reason, what);
    let pod = volume.pod.name_any();
    if volume.source.read_only != Some(true) {
        let what = format!("volume {} of pod {pod} is not read-only", volume.name);
        let finding = finding("NotReadOnly", what).why("The driver mounts nothing else.");
        found.push(volume.changed(
            finding,
            &json!({"readOnly": true}),
            "set csi.readOnly: true",
        ));
    }
    match volume.class() {
        None => {
            let what = format!("volume {} of pod {pod} names no {CLASS}", volume.name);
            found.push(class(snapshot, volume, finding("ClassNotNamed", what)));
        }
        Some(named) if is_missing(snapshot, named) => {
            let what =
                format!("pod {pod} names the SecretProviderClass {named}, which does not exist");
            found.push(class(snapshot, volume, finding("ClassNotFound", what)));
        }
        Some(_) => {}
    }
    let Some(binding) = binding.filter(|one| volume.class() == Some(one.name_any().as_str()))
    else {
        return found;
    };
    let overrides = volume.overrides();
    if !overrides.is_empty() {
        let what = format!(
            "volumeAttributes of pod {pod} replace what the binding says: {}",
            overrides.join(", ")
        );
        let finding =
            finding("Overridden", what).why("The pod asks for something else than the binding.");
        found.push(volume.changed(
            finding,
            &without(&overrides),
            "remove these volumeAttributes",
        ));
    }
    if let Some(secret) = &volume.source.node_publish_secret_ref {
        let what = format!(
            "volume {} of pod {pod} has nodePublishSecretRef {}, which a binding has no use for",
            volume.name, secret.name
        );
        let finding = finding("SecretRef", what).why(
            "Files are read as the workload; kubelet mounts nothing while that Secret is missing.",
        );
        let csi = json!({"nodePublishSecretRef": null});
        found.push(volume.changed(finding, &csi, "remove csi.nodePublishSecretRef"));
    }
    found.extend(account(snapshot, binding, volume));
    found
}

pub(super) fn without(attributes: &[&str]) -> Value {
    let removed: Map<String, Value> = attributes
        .iter()
        .map(|key| ((*key).to_owned(), Value::Null))
        .collect();
    json!({"volumeAttributes": removed})
}

fn is_missing(snapshot: &Snapshot, name: &str) -> bool {
    let known = snapshot.classes.seen();
    // What a binding of the name lacks is told in the steps before.
    let bound = snapshot
        .bindings
        .all()
        .iter()
        .any(|binding| binding.name_any() == name);
    known.is_some_and(|classes| classes.iter().all(|class| class.name_any() != name)) && !bound
}

/// Which binding a pod that names none probably means.
fn class(snapshot: &Snapshot, volume: &Volume<'_>, finding: Finding) -> Finding {
    let namespace = &snapshot.namespace;
    let finding = finding.why("The driver reads from it what to mount.");
    let bindings = snapshot.bindings.all();
    let names: Vec<String> = bindings.iter().map(ResourceExt::name_any).collect();
    let finding = if names.is_empty() {
        finding.seen(format!("namespace {namespace} has no bindings"))
    } else {
        finding.seen(format!(
            "namespace {namespace} has the bindings {}",
            names.join(", ")
        ))
    };
    let same_account: Vec<&VaultBinding> = bindings
        .iter()
        .filter(|binding| binding.spec.identity.service_account_name == volume.account())
        .collect();
    let meant = match (same_account.as_slice(), bindings) {
        ([one], _) => Some(*one),
        ([], [one]) => Some(one),
        _ => None,
    };
    let Some(meant) = meant else {
        return finding
            .remedy(format!(
                "set {CLASS} to the name of a binding, or make the binding"
            ))
            .command(format!("kubectl get vaultbindings -n {namespace}"));
    };
    let meant = meant.name_any();
    let csi = json!({"volumeAttributes": {CLASS: meant}});
    volume.changed(finding, &csi, &format!("set {CLASS}: {meant}"))
}

/// A pod that runs as another ServiceAccount than the binding's.
fn account(snapshot: &Snapshot, binding: &VaultBinding, volume: &Volume<'_>) -> Option<Finding> {
    let wanted = &binding.spec.identity.service_account_name;
    if volume.account() == wanted {
        return None;
    }
    let (pod, name) = (volume.pod.name_any(), binding.name_any());
    let mut finding = Finding::new(
        Step::Mounts,
        "ServiceAccountMismatch",
        format!(
            "pod {pod} runs as ServiceAccount {}, and binding {name} is for {wanted}",
            volume.account()
        ),
    )
    .why("Entra knows the identity by the pod's ServiceAccount.");
    let own: Vec<String> = (snapshot.bindings.all().iter())
        .filter(|other| other.spec.identity.service_account_name == volume.account())
        .map(ResourceExt::name_any)
        .collect();
    if let [own] = own.as_slice() {
        finding = finding.seen(format!("binding {own} is for {}", volume.account()));
        let csi = json!({"volumeAttributes": {CLASS: own}});
        return Some(volume.changed(finding, &csi, &format!("set {CLASS}: {own}")));
    }
    Some(match volume.owner() {
        Some((kind, owner)) => finding.command(format!(
            "kubectl set serviceaccount {kind} {owner} {wanted} -n {}",
            snapshot.namespace
        )),
        None => finding
            .remedy(format!("set spec.serviceAccountName: {wanted} in the manifest of pod {pod}, and make it anew"))
            .command(format!("kubectl delete pod {pod} -n {}", snapshot.namespace)),
    })
}

/// What kubelet, the driver or the provider said, where nothing else explains it.
fn told(snapshot: &Snapshot, volume: &Volume<'_>, trouble: &Trouble) -> Option<Finding> {
    let node = volume.node().unwrap_or_default();
    let describe = format!(
        "kubectl describe pod {} -n {}",
        volume.pod.name_any(),
        snapshot.namespace
    );
    let (reason, what) = match &trouble.kind {
        // The step of the driver tells these.
        Kind::NotRegistered | Kind::NoProvider(_) => return None,
        Kind::NoClass => ("ClassNotFound".to_owned(), trouble.message.clone()),
        Kind::Silent => (
            "ProviderSilent".to_owned(),
            format!(
                "nobody answered the driver on node {node} within its time: {}",
                trouble.message
            ),
        ),
        Kind::TooLarge => (
            "TooLarge".to_owned(),
            format!(
                "the files are larger than the driver takes: raise its --max-call-recv-msg-size, or split \
                 the binding: {}",
                trouble.message
            ),
        ),
        Kind::Refused(code) => (code.clone(), trouble.message.clone()),
        Kind::Kubelet => ("FailedMount".to_owned(), trouble.message.clone()),
    };
    let mut finding = Finding::new(Step::Mounts, reason, what).seen(volume.described());
    finding
        .commands
        .push(match super::vault::command(&trouble.message) {
            Some(command) => command,
            None if trouble.kind == Kind::Silent => format!(
                "kubectl get pods -A -l app.kubernetes.io/component=provider --field-selector \
             spec.nodeName={node} -o wide"
            ),
            None => describe,
        });
    Some(finding)
}

/// A pod that waits, of which nobody says why.
fn silence(snapshot: &Snapshot, volume: &Volume<'_>, trouble: bool, now: Timestamp) -> Check {
    if trouble {
        return Check::not_looked(
            volume.described(),
            "it waits for what the step Driver tells",
        );
    }
    let made = volume
        .pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0);
    let Some(made) = made.filter(|made| now.duration_since(*made) > WAITS) else {
        return Check::not_looked(
            volume.described(),
            "it waits for its volumes, and kubelet has not said why yet",
        );
    };
    let pod = volume.pod.name_any();
    Check::Failed(
        Finding::new(
            Step::Mounts,
            "Waiting",
            format!("pod {pod} waits for its volumes, and no event says why"),
        )
        .seen(format!("{}, made at {made:.0}", volume.described()))
        .command(format!(
            "kubectl describe pod {pod} -n {}",
            snapshot.namespace
        )),
    )
}
