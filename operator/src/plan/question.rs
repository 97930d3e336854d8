//! What the vault is asked for one binding, if it may be asked.

use std::collections::BTreeSet;

use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::class::{Budgets, Detection};

use super::reading::{Reading, What, key};
use super::reason::{Reason, Stall};
use super::{dialect, limits, target};
use crate::observed::{Asker, Caller, Cluster, Question, Selection};

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
            vault: reading.vault,
            tenant: reading.tenant.to_string(),
            caller,
        },
        objects: objects.into_iter().collect(),
        selections,
        requests_per_second: u32::try_from(budgets.vault_requests_per_second).unwrap_or(1),
    })
}
