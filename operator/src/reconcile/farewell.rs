//! The end of a binding: what the operator made for it in Azure goes too. That has its time; after it the binding
//! goes all the same, and what is left stands in the list of orphans.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::AzureResource;
use vaultbind_keyvault::text::printable;

use super::provision::{cloud, deleted_for, has_finalizer, is_to_be_removed};
use super::{ReconcileError, Reconciler, Turn};
use crate::apply::Orphan;
use crate::cluster::Name;
use crate::metrics::Ended;
use crate::observed::AzureCause;
use crate::plan::Event;
use crate::provision::Removal;
use crate::queue::{Class, Outcome};

/// What could not be removed is tried again after a tenth of the time that has passed, within these bounds.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(30);

/// Something that is still there.
struct Left<'a> {
    resource: &'a AzureResource,
    why: String,
    /// Whether it is of no use to try again.
    lasting: bool,
    /// How long others come first.
    waits: Option<Duration>,
}

impl Reconciler {
    /// The turn of a binding that is being deleted.
    pub(super) async fn farewell(
        &self,
        name: &Name,
        binding: &Arc<VaultBinding>,
    ) -> Result<Turn, ReconcileError> {
        let gone = Turn {
            ended: Ended::Gone,
            outcome: Outcome::Gone,
        };
        if !has_finalizer(binding) {
            return Ok(gone);
        }
        let left = self.remove_all(name, binding).await;
        let passed = deleted_for(binding);
        let tried_enough = passed >= self.deletion_timeout;
        if left.iter().any(|left| !left.lasting) && !tried_enough {
            if let Some(left) = left
                .iter()
                .find(|left| !left.lasting && left.waits.is_none())
            {
                self.delayed(binding, left).await;
            }
            let waits = left.iter().filter_map(|left| left.waits).min();
            let after = waits.unwrap_or((passed / 10).clamp(SOONEST, LATEST));
            return Ok(Turn {
                ended: Ended::Failed,
                outcome: Outcome::Again {
                    class: Class::Deadline,
                    after: after.min(self.deletion_timeout.saturating_sub(passed)),
                },
            });
        }
        if !left.is_empty() {
            self.orphan(name, binding, &left).await?;
        }
        self.finalizer(name, Arc::clone(binding), false).await?;
        info!(binding = %name, "nothing of the deleted binding is kept in Azure any more");
        Ok(gone)
    }

    async fn remove_all<'a>(&self, name: &Name, binding: &'a VaultBinding) -> Vec<Left<'a>> {
        let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
        let shared = self.view.azure_of_others(name);
        let kept = binding.status.iter().flat_map(|status| &status.azure);
        let mut left = Vec::new();
        let mut removed = 0_usize;
        for resource in kept.filter(|resource| is_to_be_removed(resource)) {
            let id = &resource.id;
            if shared.contains(&id.to_ascii_lowercase()) {
                info!(id, "left in Azure: another binding uses it");
                continue;
            }
            // Whoever was silent is not waited for again in the same turn.
            let silent = |left: &&Left<'_>| !left.lasting && left.waits.is_none();
            if let Some(Left { why, .. }) = left.iter().find(silent) {
                left.push(Left {
                    resource,
                    why: String::clone(why),
                    lasting: false,
                    waits: None,
                });
                continue;
            }
            let kind = resource.kind;
            match self.provision.remove(cloud(binding), namespace, kind, id).await {
                Ok(Removal::Gone) => removed += 1,
                Ok(Removal::Foreign) => left.push(Left {
                    resource,
                    why: "it is not what the operator made: somebody has changed it, or the cluster's issuer is \
                          another one"
                        .to_owned(),
                    lasting: true,
                    waits: None,
                }),
                Err(error) => left.push(Left {
                    resource,
                    why: printable(&error.to_string(), 500),
                    lasting: false,
                    waits: match &error.cause {
                        AzureCause::Busy { retry_after, .. } => *retry_after,
                        _ => None,
                    },
                }),
            }
        }
        if removed > 0 {
            let event = Event::AccessRemoved;
            let message = format!("removed from Azure with the binding: {removed}");
            self.events
                .publish(binding, event.warning(), event.as_str(), &message)
                .await;
        }
        left
    }

    /// Says once for each reason that the binding stays for a while.
    async fn delayed(&self, binding: &VaultBinding, left: &Left<'_>) {
        let uid = binding.metadata.uid.as_deref().unwrap_or_default();
        if !self.provision.is_news(uid, &left.why) {
            return;
        }
        let event = Event::RemovalDelayed;
        let message = format!(
            "the binding stays until what it made in Azure is removed, at most {}s after its deletion: {}",
            self.deletion_timeout.as_secs(),
            left.why
        );
        self.events
            .publish(binding, event.warning(), event.as_str(), &message)
            .await;
    }

    /// Writes down what is left, and says so. Without that the binding does not go.
    async fn orphan(
        &self,
        name: &Name,
        binding: &VaultBinding,
        left: &[Left<'_>],
    ) -> Result<(), ReconcileError> {
        let since = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let orphans: Vec<Orphan> = (left.iter())
            .map(|left| Orphan {
                id: left.resource.id.clone(),
                kind: left.resource.kind,
                binding: name.to_string(),
                since: since.to_string(),
                why: left.why.clone(),
            })
            .collect();
        let written = self.writer.orphans(&self.namespace, &orphans).await;
        written.map_err(ReconcileError::of("write the list of orphans"))?;
        let first = orphans.first().map_or("", |orphan| orphan.id.as_str());
        warn!(binding = %name, count = orphans.len(), first, "left in Azure");
        let event = Event::OrphansLeft;
        let message = format!(
            "{} left in Azure, first {first}: see kubectl vaultbind gc; {}",
            orphans.len(),
            left.first().map_or("", |left| left.why.as_str())
        );
        self.events
            .publish(binding, event.warning(), event.as_str(), &message)
            .await;
        Ok(())
    }
}
