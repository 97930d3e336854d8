//! Removes what is left, each after another look at whether a binding keeps it and whether it is the operator's.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use vaultbind_crds::status::AzureKind;
use vaultbind_operator::observed::{AzureCause, Seen};
use vaultbind_operator::surroundings::ORPHANS;

use super::decide::Candidate;
use super::look::{Looking, held, told};
use super::report::State;
use crate::exit::Failure;

/// Azure takes one write to the federated credentials of an identity in four seconds.
const PAUSE: Duration = Duration::from_secs(4);

/// Longest pause that Azure is granted, and how often.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const TRIES: usize = 6;

/// Who removes.
pub(super) struct Removing<'a> {
    pub(super) looking: &'a Looking<'a>,
    pub(super) issuer: &'a str,
}

impl Removing<'_> {
    /// Removes all that may be, and says of each what came of it.
    pub(super) async fn remove_all(
        &self,
        candidates: &mut [Candidate],
        notes: &mut Vec<String>,
    ) -> Result<(), Failure> {
        for candidate in candidates {
            if candidate.shown.state == State::Left {
                self.remove(candidate).await?;
            }
            let is_done = match candidate.shown.state {
                State::Removed | State::Gone | State::Kept => true,
                State::Left | State::Foreign | State::Unknown | State::Failed => false,
            };
            if let Some(key) = candidate.record.as_deref().filter(|_| is_done) {
                match self.forget(key).await {
                    Ok(()) => candidate.shown.recorded = false,
                    Err(why) => notes.push(format!(
                        "entry {key} stays in ConfigMap {}/{ORPHANS}: {why}",
                        self.looking.args.operator_namespace
                    )),
                }
            }
        }
        Ok(())
    }

    async fn remove(&self, candidate: &mut Candidate) -> Result<(), Failure> {
        let (kind, id) = (candidate.shown.kind, &candidate.id);
        let there = self.looking.resource(kind, id).await;
        let namespace = candidate.namespace.as_deref();
        let is_ours = match &there {
            Ok(None) => {
                candidate.shown.state = State::Gone;
                return Ok(());
            }
            Ok(Some(resource)) => resource.made_for(self.issuer, namespace).is_some(),
            Err(error) => {
                candidate.shown.state = State::Failed;
                candidate.shown.error = Some(told(error));
                return Ok(());
            }
        };
        if !is_ours {
            candidate.shown.state = State::Foreign;
            return Ok(());
        }
        // Names follow from what is made, so a new binding may have come upon it meanwhile.
        if held(&self.looking.bindings().await?).contains(id.key()) {
            candidate.shown.state = State::Kept;
            return Ok(());
        }
        match self.delete(candidate).await {
            Ok(()) => candidate.shown.state = State::Removed,
            Err(error) => {
                candidate.shown.state = State::Failed;
                candidate.shown.error = Some(told(&error));
            }
        }
        Ok(())
    }

    async fn delete(&self, candidate: &Candidate) -> Seen<()> {
        let (client, cloud) = (self.looking.client, self.looking.cloud);
        let id = &candidate.id;
        let mut tries = 1;
        loop {
            let deleted = match candidate.shown.kind {
                AzureKind::FederatedCredential => client.delete_credential(cloud, id).await,
                AzureKind::RoleAssignment => client.delete_assignment(cloud, id).await,
            };
            match deleted {
                Ok(_) => return Ok(()),
                Err(error) => match &error.cause {
                    AzureCause::Busy { retry_after, .. } if tries < TRIES => {
                        tries += 1;
                        let pause = retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
                        tokio::time::sleep(pause).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Takes an entry off the operator's list.
    async fn forget(&self, key: &str) -> Result<(), String> {
        let Looking { args, cluster, .. } = self.looking;
        let namespace = &args.operator_namespace;
        let api: Api<ConfigMap> = cluster.api(Some(namespace));
        let patch = Patch::Merge(json!({"data": {key: null}}));
        let patched = api.patch(ORPHANS, &PatchParams::default(), &patch).await;
        let what = format!("patch configmap {ORPHANS} in namespace {namespace}");
        let patched = patched.map_err(|error| cluster.error(&what, error));
        patched.map(drop).map_err(|error| error.to_string())
    }
}
