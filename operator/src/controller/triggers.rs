//! What gives a binding a turn.

#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::AzureState;

use crate::cluster::{Change, Happening, Name, View, is_default};
use crate::plan::check_interval;
use crate::queue::{Class, Queue};
use crate::reconcile::is_served;

/// Annotation of a binding by which people ask for a check: any new value.
const CHECK_REQUESTED: &str = "vaultbind.dev/check-requested-at";

/// Pods come and go in crowds; a binding looks at them together.
const PODS: Duration = Duration::from_secs(3);

/// What concerns many bindings is spread over so long.
const MANY: Duration = Duration::from_secs(10);

/// Bindings whose check is overdue when a replica begins to lead are spread over so long at most.
const OVERDUE: Duration = Duration::from_secs(300);

/// Gives turns to all bindings that something concerns.
pub(super) fn happened(view: &View, queue: &Queue<Name>, happening: &Happening) {
    let now = |name: Name, class| queue.add(name, class, Duration::ZERO);
    match happening {
        Happening::Binding(change) => {
            if let Some(binding) = change.object() {
                let name = Name::of(&binding.metadata);
                if change.after.is_none() {
                    queue.forget(&name);
                } else if let Some(class) = of_binding(change) {
                    now(name, class);
                }
            }
        }
        Happening::Target(change) => {
            // A SecretProviderClass has its binding's name.
            if let Some(target) = change.object() {
                let name = Name::of(&target.metadata);
                if view.bindings.get(&name).is_some() {
                    now(name, Class::Deadline);
                }
            }
        }
        Happening::Mounts(class) => {
            if view.bindings.get(class).is_some() {
                queue.add(class.clone(), Class::Periodic, PODS);
            }
        }
        Happening::Class(change) => {
            let same = match (&change.before, &change.after) {
                (Some(before), Some(after)) => {
                    before.spec == after.spec && is_default(before) == is_default(after)
                }
                _ => false,
            };
            if !same {
                let either = [&change.before, &change.after];
                let name = change.object().map(|class| class.name_any());
                let default = either.into_iter().flatten().any(|class| is_default(class));
                many(queue, view.bindings.all(), |binding| {
                    match &binding.spec.vault_class_name {
                        Some(named) => Some(named) == name.as_ref(),
                        None => default,
                    }
                });
            }
        }
        Happening::Namespace(change) => {
            let facts = |namespace: &Option<Arc<PartialObjectMeta<Namespace>>>| {
                let namespace = namespace.as_ref()?;
                let goes = namespace.metadata.deletion_timestamp.is_some();
                Some((namespace.labels().clone(), goes))
            };
            if facts(&change.before) != facts(&change.after)
                && let Some(namespace) = change.object()
            {
                many(queue, view.bindings.within(&namespace.name_any()), |_| true);
            }
        }
        Happening::Driver(change) => {
            let facts = |driver: &Option<Arc<CSIDriver>>| {
                let spec = &driver.as_ref()?.spec;
                Some((spec.token_requests.clone(), spec.requires_republish))
            };
            if facts(&change.before) != facts(&change.after) {
                many(queue, view.bindings.all(), |_| true);
            }
        }
        Happening::DriverKinds => many(queue, view.bindings.all(), |_| true),
    }
}

fn many(
    queue: &Queue<Name>,
    bindings: Vec<Arc<VaultBinding>>,
    concerned: impl Fn(&VaultBinding) -> bool,
) {
    for binding in bindings.into_iter().filter(|binding| concerned(binding)) {
        let after = spread(&binding, MANY);
        queue.add(Name::of(&binding.metadata), Class::Deadline, after);
    }
}

/// Why a changed binding gets a turn, if it does. Our own status is no reason.
fn of_binding(change: &Change<VaultBinding>) -> Option<Class> {
    let after = change.after.as_ref()?;
    let Some(before) = &change.before else {
        let served = after.status.as_ref().is_some_and(is_served);
        return Some(if served {
            Class::Asked
        } else {
            Class::NeverReady
        });
    };
    let requested = |binding: &VaultBinding| binding.annotations().get(CHECK_REQUESTED).cloned();
    let changed = before.metadata.uid != after.metadata.uid
        || before.metadata.generation != after.metadata.generation
        || requested(before) != requested(after)
        // What it made in Azure goes with it.
        || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp;
    changed.then_some(Class::Asked)
}

/// Gives every binding its turn when a replica begins to lead.
pub(super) fn start(view: &View, queue: &Queue<Name>) {
    let now = Timestamp::now();
    for binding in view.bindings.all() {
        let name = Name::of(&binding.metadata);
        let has_class = view.targets.get(&name).is_some();
        let interval = view
            .around(&binding)
            .map(|cluster| check_interval(&binding, &cluster));
        let overdue = interval.unwrap_or_default().min(OVERDUE);
        let (class, after) = first_turn(&binding, has_class, overdue, now);
        queue.add(name, class, after);
    }
}

/// A binding whose status is of now waits for its check. One whose check is overdue comes at a time of its own
/// within `overdue`: all at once would be more than the vaults are asked in the same time otherwise.
fn first_turn(
    binding: &VaultBinding,
    has_class: bool,
    overdue: Duration,
    now: Timestamp,
) -> (Class, Duration) {
    if binding.metadata.deletion_timestamp.is_some() {
        return (Class::Deadline, Duration::ZERO);
    }
    let served = binding.status.as_ref().filter(|status| is_served(status));
    let Some(status) = served else {
        return (Class::NeverReady, Duration::ZERO);
    };
    if status.observed_generation != binding.metadata.generation || is_asked(binding) {
        return (Class::Asked, Duration::ZERO);
    }
    // Something in Azure was under way.
    let unsettled = (status.azure.iter()).any(|one| one.state != AzureState::Ready);
    if !has_class || unsettled {
        return (Class::Deadline, Duration::ZERO);
    }
    let next = status
        .rotation
        .as_ref()
        .and_then(|rotation| rotation.next_check.as_ref());
    let until = next.map(|next| next.0.duration_since(now));
    match until.and_then(|until| Duration::try_from(until).ok()) {
        Some(until) if !until.is_zero() => (Class::Periodic, until),
        _ => (Class::Periodic, spread(binding, overdue)),
    }
}

/// Whether a check is asked for that may not have been made: it may have been asked for while nobody led.
fn is_asked(binding: &VaultBinding) -> bool {
    let Some(requested) = binding.annotations().get(CHECK_REQUESTED) else {
        return false;
    };
    let rotation = binding
        .status
        .iter()
        .filter_map(|status| status.rotation.as_ref());
    let mut checks = rotation.filter_map(|rotation| rotation.last_check.as_ref());
    match (requested.parse::<Timestamp>(), checks.next()) {
        (Ok(requested), Some(checked)) => requested > checked.0,
        _ => true,
    }
}

/// A time of the binding's own, the same in every process.
fn spread(binding: &VaultBinding, most: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    binding.metadata.uid.hash(&mut hasher);
    // The low 32 bits as a part of one.
    most.mul_f64(f64::from(hasher.finish() as u32) / f64::from(u32::MAX))
}
