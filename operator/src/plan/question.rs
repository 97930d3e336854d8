//! What the vault is asked for one binding, if it may be asked.

use std::collections::{BTreeMap, BTreeSet};

use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::class::{Budgets, Detection};
use vaultbind_keyvault::VersionId;

use super::azure::{self, Wanted};
use super::pins::Pins;
use super::reading::{Reading, What, key};
use super::reason::{Reason, Stall};
use super::{dialect, limits, target};
use crate::observed::{Asker, Caller, Cluster, Key, Question, Selection};

/// What has to be known of the vault.
///
/// # Errors
/// Why the vault must not be asked: what somebody has to change, or that the binding is suspended.
pub fn question(binding: &VaultBinding, cluster: &Cluster) -> Result<Question, Stall> {
    if binding.spec.reconcile_policy == ReconcilePolicy::Suspend {
        return Err(Stall::new(
            Reason::Suspended,
            "nothing is asked and nothing is changed: set spec.reconcilePolicy to Apply to go on",
        ));
    }
    target::is_free(binding, cluster)?;
    let reading = Reading::of(binding)?;
    let class = limits::class(cluster)?;
    if let Some(class) = class {
        limits::check(class, binding, &reading, cluster)?;
    }
    dialect::check(binding, &reading)?;
    azure::wanted(binding, &reading, cluster)?;

    let budgets = class.map_or_else(Budgets::default, |class| class.spec.budgets.clone());
    let caller = match class.map(|class| class.spec.detection) {
        None | Some(Detection::Workload) => Caller::Workload {
            client: reading.client.to_string(),
            namespace: binding.metadata.namespace.clone().unwrap_or_default(),
            service_account: binding.spec.identity.service_account_name.clone(),
            audience: reading.audience.as_str().to_owned(),
        },
        Some(Detection::Operator) => Caller::Operator,
    };
    let mut objects = BTreeSet::new();
    let mut selections = Vec::new();
    for wish in &reading.wishes {
        match &wish.what {
            What::Named(name, _) => {
                objects.insert(key(wish.object.type_, name));
            }
            What::Selected => {
                let select = wish.object.select.clone();
                let (prefix, tags, max) = select
                    .map(|select| (select.prefix, select.tags, select.max))
                    .unwrap_or_default();
                selections.push(Selection {
                    name: wish.object.name.clone(),
                    type_: wish.object.type_,
                    prefix: prefix.unwrap_or_default().to_ascii_lowercase(),
                    tags: tags.unwrap_or_default(),
                    max: usize::try_from(max).unwrap_or(0),
                });
            }
        }
    }
    Ok(Question {
        asker: Asker {
            cloud: reading.cloud,
            vault: reading.vault.clone(),
            tenant: reading.tenant.to_string(),
            caller,
        },
        held: held(binding, cluster, &reading),
        objects: objects.into_iter().collect(),
        selections,
        requests_per_second: u32::try_from(budgets.vault_requests_per_second).unwrap_or(1),
    })
}

/// What the binding wants in Azure, as far as its class admits it.
pub fn wanted(binding: &VaultBinding, cluster: &Cluster) -> Option<Wanted> {
    let reading = Reading::of(binding).ok()?;
    azure::wanted(binding, &reading, cluster).ok().flatten()
}

/// The versions that matter whether or not they are the newest: those that are pinned, were pinned before,
/// or are named.
fn held(
    binding: &VaultBinding,
    cluster: &Cluster,
    reading: &Reading<'_>,
) -> BTreeMap<Key, BTreeSet<VersionId>> {
    let mut held: BTreeMap<Key, BTreeSet<VersionId>> = BTreeMap::new();
    let mut hold = |key: Key, version: VersionId| {
        held.entry(key).or_default().insert(version);
    };
    for status in binding.status.iter().flat_map(|status| &status.objects) {
        let versions = [&status.pinned, &status.previous].into_iter().flatten();
        for version in versions.filter_map(|version| version.parse().ok()) {
            let name = status.object_name.to_ascii_lowercase();
            let type_ = status.type_;
            hold(Key { type_, name }, version);
        }
    }
    let pins = cluster.target.as_deref().map(Pins::of).unwrap_or_default();
    for wish in &reading.wishes {
        let type_ = wish.object.type_;
        if let What::Named(name, Some(version)) = &wish.what {
            hold(key(type_, name), version.clone());
        }
        for entry in &pins.entries {
            let wanted = match &wish.what {
                What::Named(name, _) => name.as_str().eq_ignore_ascii_case(entry.name.as_str()),
                What::Selected => true,
            };
            if let Some(version) = entry.version.as_ref().filter(|_| wanted) {
                hold(key(type_, &entry.name), version.clone());
            }
        }
    }
    for (previous, version) in &pins.previous {
        let Some((own, name)) = previous.split_once('/') else {
            continue;
        };
        let mut wishes = reading.wishes.iter();
        if let Some(wish) = wishes.find(|wish| wish.object.name == own) {
            let (type_, name) = (wish.object.type_, name.to_owned());
            hold(Key { type_, name }, version.clone());
        }
    }
    held
}
