//! Pods that run, with files that are not what is pinned.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;
use vaultbind_operator::observed::Mount;
use vaultbind_operator::plan::mounts_version;

use super::diagnosis::{Check, Finding, Step};
use super::mounts::without;
use super::pods::Volume;
use super::snapshot::Snapshot;

/// How long the driver may take to bring a new version into a pod: it asks every two minutes, and kubelet
/// syncs pods about as often.
const SLOW: SignedDuration = SignedDuration::from_mins(10);

const OLD: &str = "It works with them until it is made anew.";

/// What is to be said of the volume of a pod that does not wait for it.
pub(super) fn running(
    snapshot: &Snapshot,
    binding: Option<&VaultBinding>,
    volume: &Volume<'_>,
    now: Timestamp,
) -> Vec<Check> {
    let Some(binding) = binding.filter(|one| volume.class() == Some(one.name_any().as_str()))
    else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    if volume.node().is_none() {
        checks.push(Check::not_looked(
            volume.described(),
            "the pod is on no node yet, which is for the scheduler to say",
        ));
        return checks;
    }
    let overrides = volume.overrides();
    if !overrides.is_empty() {
        let what = format!(
            "volumeAttributes of pod {} replace what the binding says: {}",
            volume.pod.name_any(),
            overrides.join(", ")
        );
        let finding = Finding::new(Step::Mounts, "Overridden", what)
            .why("What is pinned does not hold for the pod.")
            .seen(volume.described());
        checks.push(Check::Warned(volume.changed(
            finding,
            &without(&overrides),
            "remove these volumeAttributes",
        )));
    }
    checks.extend(outdated(snapshot, binding, volume, now));
    checks
}

fn outdated(
    snapshot: &Snapshot,
    binding: &VaultBinding,
    volume: &Volume<'_>,
    now: Timestamp,
) -> Option<Check> {
    let pod = volume.pod.name_any();
    let class = binding.name_any();
    let mut mounts = snapshot.mounts.all().iter();
    let mount = mounts.find(|mount| {
        mount.status.pod_name == pod && mount.status.secret_provider_class_name == class
    })?;
    let mount = Mount {
        pod: pod.clone(),
        objects: mount.status.objects.clone(),
    };
    let status = binding.status.as_ref()?;
    let behind: BTreeSet<&str> = (status.objects.iter())
        .filter(|object| {
            object.pinned.as_deref().is_some_and(|pinned| {
                !mounts_version(&mount, object.type_, &object.object_name, pinned)
            })
        })
        .map(|object| object.name.as_str())
        .collect();
    let restart = restart(volume);
    let fixed = volume.by_sub_path();
    if behind.is_empty() {
        return (!fixed.is_empty()).then(|| {
            let what = format!(
                "container {} of pod {pod} mounts single files of the volume by subPath",
                fixed.join(", ")
            );
            Check::Warned(
                Finding::new(Step::Mounts, "SubPath", what)
                    .why("Such a file never changes in a container that runs.")
                    .seen(volume.described())
                    .remedy("mount the whole volume, without subPath")
                    .command(restart),
            )
        });
    }
    let list = behind.iter().copied().collect::<Vec<_>>().join(", ");
    let promoted = status
        .rotation
        .as_ref()
        .and_then(|rotation| rotation.last_promotion.as_ref());
    if promoted.is_some_and(|at| now.duration_since(at.0) <= SLOW) {
        return Some(Check::not_looked(
            format!("pod {pod}"),
            format!("versions of {list} were pinned some minutes ago and the pod gets them soon"),
        ));
    }
    let what = format!("pod {pod} has other versions of {list} than the pinned ones");
    let finding = Finding::new(Step::Mounts, "Outdated", what)
        .why(OLD)
        .seen(volume.described());
    let finding = match promoted {
        Some(at) => finding.seen(format!("the versions were pinned at {}", at.0)),
        None => finding,
    };
    let finding = match volume.trouble(snapshot) {
        Some(trouble) => finding.seen(format!("kubelet says: {}", trouble.message)),
        None => finding,
    };
    let republish = snapshot
        .driver
        .seen()
        .and_then(|driver| driver.as_ref()?.spec.requires_republish);
    let finding = match republish {
        Some(true) => finding.remedy(
            "rotation may be off in the driver (--enable-secret-rotation), or its mounts fail: the log of \
             the provider on the node says so. A pod that is made anew gets the pinned versions",
        ),
        Some(false) => finding
            .seen("CSIDriver secrets-store.csi.k8s.io has requiresRepublish: false"),
        None => finding,
    };
    Some(Check::Failed(finding.command(restart)))
}

/// What makes the pod anew.
fn restart(volume: &Volume<'_>) -> String {
    let namespace = volume.pod.namespace().unwrap_or_default();
    match volume.owner() {
        Some((kind, name)) => format!("kubectl rollout restart {kind} {name} -n {namespace}"),
        None => format!(
            "kubectl delete pod {} -n {namespace}",
            volume.pod.name_any()
        ),
    }
}
