//! The part of a turn that brings about what a binding wants in Azure: before the vault is asked it is looked
//! at, written into the status and made; what is no longer wanted goes once the workload was let in.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{DeletionPolicy, ReconcilePolicy};
use vaultbind_crds::status::{AzureResource, AzureState, ConditionType};
use vaultbind_keyvault::Cloud;

use super::{ReconcileError, Reconciler, planned};
use crate::apply::AZURE_FINALIZER;
use crate::cluster::Name;
use crate::observed::{Answer, Cluster};
use crate::plan::{self, AzureStep, Plan, Wanted};
use crate::provision::Removal;
use crate::queue::Class;

/// How old an answer of Azure may be for somebody who has asked for a check.
const ASKED: Duration = Duration::from_secs(10);
/// How old one may be for a binding that is not as it should be.
const UNSETTLED: Duration = Duration::from_secs(60);
/// How old one may be for a binding with which all is well.
const SETTLED: Duration = Duration::from_secs(30 * 60);

impl Reconciler {
    /// Looks at Azure and makes what is wanted there, as far as it is this binding's turn.
    pub(super) async fn provide(
        &self,
        name: &Name,
        binding: Arc<VaultBinding>,
        cluster: &mut Cluster,
        class: Class,
    ) -> Result<Arc<VaultBinding>, ReconcileError> {
        let wanted = plan::wanted(&binding, cluster);
        let kept = (binding.status.as_ref()).is_some_and(|status| !status.azure.is_empty());
        if wanted.is_none() && !kept {
            return Ok(binding);
        }
        let uid = binding.metadata.uid.as_deref().unwrap_or_default();
        let settled = is_settled(&binding, wanted.as_ref());
        if settled && class > Class::Asked && !self.provision.is_due(uid, plan::fraction(uid)) {
            return Ok(binding);
        }
        let max_age = match (class, settled) {
            (Class::Asked, _) => ASKED,
            (_, true) => SETTLED,
            (_, false) => UNSETTLED,
        };
        cluster.azure_shared = self.view.azure_of_others(name);
        let seen = self.provision.look(uid, wanted.as_ref(), max_age).await;
        cluster.azure = Some(seen);
        match wanted {
            Some(wanted) if binding.spec.reconcile_policy == ReconcilePolicy::Apply => {
                self.make(name, binding, cluster, wanted.cloud).await
            }
            _ => Ok(binding),
        }
    }

    /// Makes what is wanted, after it stands in the status.
    async fn make(
        &self,
        name: &Name,
        mut binding: Arc<VaultBinding>,
        cluster: &mut Cluster,
        cloud: Cloud,
    ) -> Result<Arc<VaultBinding>, ReconcileError> {
        let mut steps = unasked(&binding, cluster).azure.steps;
        steps.retain(|step| {
            let waits = self.provision.waits(step);
            if let (Some(seen), Some(_)) = (&mut cluster.azure, waits) {
                seen.waits_until = waits;
            }
            waits.is_none()
        });
        if steps.is_empty() {
            return Ok(binding);
        }
        let plan = unasked(&binding, cluster);
        if plan.status.azure.iter().any(is_to_be_removed) {
            binding = self.finalizer(name, binding, true).await?;
        }
        self.say(&binding, &plan.status).await?;
        let binding = self.view.bindings.get(name).unwrap_or(binding);
        if let Some(seen) = &mut cluster.azure {
            for step in &steps {
                if !self.provision.carry(cloud, step, seen).await {
                    break;
                }
            }
        }
        Ok(binding)
    }

    /// Removes what is no longer wanted. Says whether the plan has to be made again.
    pub(super) async fn tidy(
        &self,
        binding: &VaultBinding,
        cluster: &mut Cluster,
        plan: &Plan,
    ) -> bool {
        if plan.azure.removals.is_empty() || binding.spec.reconcile_policy != ReconcilePolicy::Apply
        {
            return false;
        }
        let Some(seen) = &mut cluster.azure else {
            return false;
        };
        let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
        let cloud = cloud(binding);
        for step in &plan.azure.removals {
            let AzureStep::Remove { kind, id } = step else {
                continue;
            };
            let key = id.to_ascii_lowercase();
            match self.provision.remove(cloud, namespace, *kind, id).await {
                Ok(Removal::Gone | Removal::Foreign) => {
                    seen.removed.insert(key);
                }
                Err(error) => {
                    let silent = error.cause.is_passing();
                    seen.failed.insert(key, error);
                    if silent {
                        break;
                    }
                }
            }
        }
        true
    }

    /// A binding that keeps nothing in Azure any more may go at once.
    pub(super) async fn let_go(
        &self,
        name: &Name,
        binding: &Arc<VaultBinding>,
        plan: &Plan,
    ) -> Result<(), ReconcileError> {
        let keeps = plan.status.azure.iter().any(is_to_be_removed);
        if !keeps && has_finalizer(binding) {
            let binding = self.view.bindings.get(name);
            if let Some(binding) = binding.filter(|binding| has_finalizer(binding)) {
                self.finalizer(name, binding, false).await?;
            }
        }
        Ok(())
    }

    /// Puts the finalizer on a binding, or takes it off.
    pub(super) async fn finalizer(
        &self,
        name: &Name,
        binding: Arc<VaultBinding>,
        present: bool,
    ) -> Result<Arc<VaultBinding>, ReconcileError> {
        if has_finalizer(&binding) == present {
            return Ok(binding);
        }
        let written = self.writer.finalizer(&binding, present).await;
        let written = written.map_err(ReconcileError::of("change the finalizer"))?;
        if present {
            self.view.bindings.put(written);
        }
        Ok(self.view.bindings.get(name).unwrap_or(binding))
    }
}

/// What would be said and done if the vault were not asked.
fn unasked(binding: &VaultBinding, cluster: &Cluster) -> Plan {
    planned(binding, cluster, &Ok(Answer::NotAsked))
}

/// Whether a binding has the finalizer.
pub(super) fn has_finalizer(binding: &VaultBinding) -> bool {
    let finalizers = binding.metadata.finalizers.iter().flatten();
    finalizers.into_iter().any(|one| one == AZURE_FINALIZER)
}

/// Whether something goes with its binding.
pub(super) fn is_to_be_removed(resource: &AzureResource) -> bool {
    !resource.found && resource.deletion_policy == DeletionPolicy::Delete
}

/// The cloud of a binding.
pub(super) fn cloud(binding: &VaultBinding) -> Cloud {
    use vaultbind_crds::binding::Cloud as Named;
    match binding.spec.vault.cloud {
        Named::AzurePublic => Cloud::Public,
        Named::AzureUSGovernment => Cloud::UsGovernment,
        Named::AzureChina => Cloud::China,
    }
}

/// Whether all that a binding wants in Azure was there when it was looked at last, and the workload was let in
/// since.
fn is_settled(binding: &VaultBinding, wanted: Option<&Wanted>) -> bool {
    let (Some(status), Some(_)) = (&binding.status, wanted) else {
        return false;
    };
    let holds = |type_: ConditionType| {
        let mut conditions = status.conditions.iter();
        conditions.any(|one| one.type_ == type_.as_str() && one.status == "True")
    };
    status.observed_generation == binding.metadata.generation
        && !status.azure.is_empty()
        && (status.azure.iter()).all(|one| one.state == AzureState::Ready)
        && holds(ConditionType::IdentityReady)
        && holds(ConditionType::AccessReady)
}

/// How long ago a binding was deleted.
pub(super) fn deleted_for(binding: &VaultBinding) -> Duration {
    let at = binding.metadata.deletion_timestamp.as_ref();
    at.map_or(Duration::ZERO, |at| {
        Duration::try_from(Timestamp::now().duration_since(at.0)).unwrap_or_default()
    })
}
