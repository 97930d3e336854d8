//! What a binding and its class say.

use std::collections::BTreeMap;

use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;
use vaultbind_e2e::driver;
use vaultbind_operator::secrets_store::SecretProviderClass;

/// Status and reason of a condition.
pub(crate) fn condition(binding: &VaultBinding, type_: ConditionType) -> Option<(&str, &str)> {
    let conditions = &binding.status.as_ref()?.conditions;
    let mut found = conditions.iter().filter(|one| one.type_ == type_.as_str());
    found
        .next()
        .map(|one| (one.status.as_str(), one.reason.as_str()))
}

/// Message of a condition.
pub(crate) fn message(binding: &VaultBinding, type_: ConditionType) -> &str {
    let conditions = &binding.status.as_ref().unwrap().conditions;
    let mut found = conditions.iter().filter(|one| one.type_ == type_.as_str());
    &found.next().unwrap().message
}

/// Whether the status is about the binding as it is now.
pub(crate) fn is_observed(binding: &VaultBinding) -> bool {
    let observed = binding
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    observed.is_some() && observed == binding.metadata.generation
}

/// Whether the binding as it is now is ready.
pub(crate) fn is_ready(binding: &VaultBinding) -> bool {
    let ready = condition(binding, ConditionType::Ready);
    is_observed(binding) && ready.is_some_and(|(status, _)| status == "True")
}

/// The pinned version of each object in the status, by its name in the vault.
pub(crate) fn pinned(binding: &VaultBinding) -> BTreeMap<String, String> {
    let objects = binding.status.iter().flat_map(|status| &status.objects);
    let pinned = objects.filter_map(|one| Some((one.object_name.clone(), one.pinned.clone()?)));
    pinned.collect()
}

/// The version of each object in a class, by its name in the vault; empty where there is none.
pub(crate) fn versions(class: &SecretProviderClass) -> BTreeMap<String, String> {
    let class = serde_json::to_value(class).unwrap();
    let class: driver::SecretProviderClass = serde_json::from_value(class).unwrap();
    let objects = class.objects().unwrap().into_iter().map(|mut object| {
        let version = object.remove("objectVersion").unwrap_or_default();
        (object["objectName"].clone(), version)
    });
    objects.collect()
}
