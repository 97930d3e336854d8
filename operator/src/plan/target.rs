//! What is done about the SecretProviderClass of a binding.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;

use super::pins::PREVIOUS_ANNOTATION;
use super::reason::{Reason, Stall};
use super::render::{BINDING_LABEL, MANAGED_BY_LABEL, MANAGER};
use crate::observed::Cluster;
use crate::secrets_store::SecretProviderClass;

/// What is done about the SecretProviderClass.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Nothing: it is as wanted, or must not be touched.
    Keep,
    /// This is applied: exactly the fields that are the operator's, for server-side apply.
    Apply(Box<SecretProviderClass>),
}

/// Whether a SecretProviderClass is the binding's: it has both labels, or the binding owns it.
pub(super) fn is_ours(class: &SecretProviderClass, binding: &VaultBinding) -> bool {
    let label = |name: &str| class.labels().get(name).map(String::as_str);
    let labelled = label(MANAGED_BY_LABEL) == Some(MANAGER)
        && label(BINDING_LABEL) == binding.metadata.name.as_deref();
    let uid = binding.metadata.uid.as_deref();
    let owned = (class.owner_references().iter()).any(|owner| Some(owner.uid.as_str()) == uid);
    labelled || owned
}

/// Refuses a binding whose name somebody else's SecretProviderClass has.
pub(super) fn is_free(binding: &VaultBinding, cluster: &Cluster) -> Result<(), Stall> {
    match &cluster.target {
        Some(class) if !is_ours(class, binding) => Err(Stall::new(
            Reason::NameTaken,
            format!(
                "there is a SecretProviderClass {name} that does not belong to this binding: delete it with \
                 kubectl delete secretproviderclass {name} -n {}, or rename the binding",
                binding.namespace().unwrap_or_default(),
                name = binding.name_any(),
            ),
        )),
        _ => Ok(()),
    }
}

/// Nothing if what is there has all that is wanted; what others have added is theirs.
pub(super) fn difference(
    binding: &VaultBinding,
    found: Option<&SecretProviderClass>,
    wanted: SecretProviderClass,
) -> Target {
    if found.is_some_and(|found| has_all(binding, found, &wanted)) {
        Target::Keep
    } else {
        Target::Apply(Box::new(wanted))
    }
}

fn has_all(
    binding: &VaultBinding,
    found: &SecretProviderClass,
    wanted: &SecretProviderClass,
) -> bool {
    let within = |wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>| {
        wanted
            .iter()
            .all(|(key, value)| found.get(key) == Some(value))
    };
    // What is ours alone must also be gone when it is not wanted.
    let previous =
        |class: &SecretProviderClass| class.annotations().get(PREVIOUS_ANNOTATION).cloned();
    let uid = binding.metadata.uid.as_deref();
    let owners = |class: &SecretProviderClass| {
        let mut owners = class.owner_references().to_vec();
        owners.retain(|owner| Some(owner.uid.as_str()) == uid);
        owners
    };
    within(wanted.labels(), found.labels())
        && previous(wanted) == previous(found)
        && owners(wanted) == owners(found)
        && wanted.spec.provider == found.spec.provider
        && within(&wanted.spec.parameters, &found.spec.parameters)
}
