//! What is written into the cluster for each binding, by server-side apply: one SecretProviderClass, one
//! status, and [Kubernetes Secrets](secrets) where it asks for them.
//!
//! A write says what it was decided on: the version of the object that was looked at. If that is not the last
//! one any more, the API server refuses, and everything is looked at anew. Fields that somebody else has
//! changed in an object that is ours are taken back; an object that is not ours is never forced.

mod orphans;
mod secrets;

use std::time::Duration;

use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, timeout};
use vaultbind_crds::{VaultBinding, VaultBindingStatus};

use crate::cluster::Name;
use crate::lease::Leadership;
use crate::secrets_store::SecretProviderClass;

pub use orphans::{LIST as ORPHANS, Orphan};
pub(crate) use secrets::{Looked, difference, is_forbidden, is_of_other_type};

/// Field manager of all that is written.
const MANAGER: &str = "vaultbind";

/// Keeps a binding until what it made in Azure is removed.
pub(crate) const AZURE_FINALIZER: &str = "vaultbind.dev/azure";

/// How long one request may take, repetitions counted.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Another replica may lead by now.
    #[error("this replica does not lead any more")]
    NotLeading,
    /// It was decided on what is not there any more.
    #[error("it has changed in between")]
    Conflict(#[source] kube::Error),
    /// It went meanwhile.
    #[error("it is gone")]
    Gone,
    /// No answer.
    #[error("the API server did not answer within {}s", PATIENCE.as_secs())]
    Timeout,
    /// The API server refused, or could not be reached.
    #[error("{0}")]
    Refused(#[source] kube::Error),
}

/// Writes, as long as this replica leads.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    leadership: Leadership,
}

impl Writer {
    pub(crate) fn new(client: Client, leadership: Leadership) -> Self {
        Self { client, leadership }
    }

    /// The SecretProviderClass of a name, whoever it belongs to.
    pub(crate) async fn find(
        &self,
        name: &Name,
    ) -> Result<Option<SecretProviderClass>, WriteError> {
        let api: Api<SecretProviderClass> = self.api(&name.namespace);
        within(api.get_opt(&name.name)).await
    }

    /// Makes the SecretProviderClass as wanted. `found` is the one that is there, which is ours.
    pub(crate) async fn class(
        &self,
        mut wanted: SecretProviderClass,
        found: Option<&SecretProviderClass>,
    ) -> Result<SecretProviderClass, WriteError> {
        self.leads()?;
        let mut parameters = PatchParams::apply(MANAGER);
        parameters.force = found.is_some();
        wanted.metadata.resource_version =
            found.and_then(|found| found.metadata.resource_version.clone());
        let name = Name::of(&wanted.metadata);
        let api: Api<SecretProviderClass> = self.api(&name.namespace);
        within(api.patch(&name.name, &parameters, &Patch::Apply(&wanted))).await
    }

    /// Writes the status of a binding, which is as it was looked at.
    pub(crate) async fn status(
        &self,
        binding: &VaultBinding,
        status: &VaultBindingStatus,
    ) -> Result<VaultBinding, WriteError> {
        self.leads()?;
        let name = Name::of(&binding.metadata);
        let patch = json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": "VaultBinding",
            "metadata": {
                "name": name.name,
                "namespace": name.namespace,
                "resourceVersion": binding.metadata.resource_version,
            },
            "status": status,
        });
        let api: Api<VaultBinding> = self.api(&name.namespace);
        let parameters = PatchParams::apply(MANAGER).force();
        within(api.patch_status(&name.name, &parameters, &Patch::Apply(&patch))).await
    }

    /// Puts the finalizer on a binding, which is as it was looked at, or takes it off. Nothing else is written.
    pub(crate) async fn finalizer(
        &self,
        binding: &VaultBinding,
        present: bool,
    ) -> Result<VaultBinding, WriteError> {
        self.leads()?;
        let name = Name::of(&binding.metadata);
        let others = binding.metadata.finalizers.iter().flatten();
        let mut finalizers: Vec<&str> = others
            .map(String::as_str)
            .filter(|one| *one != AZURE_FINALIZER)
            .collect();
        if present {
            finalizers.push(AZURE_FINALIZER);
        }
        let patch = json!({"metadata": {
            "resourceVersion": binding.metadata.resource_version,
            "finalizers": finalizers,
        }});
        let api: Api<VaultBinding> = self.api(&name.namespace);
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        within(api.patch(&name.name, &parameters, &Patch::Merge(&patch))).await
    }

    fn leads(&self) -> Result<(), WriteError> {
        if self.leadership.holds(Instant::now()) {
            Ok(())
        } else {
            Err(WriteError::NotLeading)
        }
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

async fn within<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
    match timeout(PATIENCE, request).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(error)) => Err(match &error {
            kube::Error::Api(status) if status.code == 409 => WriteError::Conflict(error),
            kube::Error::Api(status) if status.code == 404 => WriteError::Gone,
            _ => WriteError::Refused(error),
        }),
        Err(_) => Err(WriteError::Timeout),
    }
}
