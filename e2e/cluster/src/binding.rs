//! VaultBindings of a site, and what the operator makes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vaultbind_azure::Service;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::{ConditionType, ObjectStatus};

use crate::site::{Site, uuid};
use crate::wait::within;

/// Longer than any check interval of a scenario.
const PATIENCE: Duration = Duration::from_secs(90);

impl Site {
    /// The bindings of the namespace.
    pub fn bindings(&self) -> Api<VaultBinding> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// The SecretProviderClasses of the namespace.
    pub fn classes(&self) -> Api<DynamicObject> {
        self.cluster
            .secrets_store("SecretProviderClass", &self.namespace)
    }

    /// A binding of objects in the site's vault for the site's ServiceAccount, as one would write it.
    pub fn binding(&self, name: &str, objects: &Value) -> Value {
        json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": "VaultBinding",
            "metadata": { "name": name },
            "spec": {
                "vault": { "name": self.vault, "tenantID": self.tenant },
                "identity": { "clientID": self.client_id, "serviceAccountName": "workload" },
                "objects": objects,
                "rotation": { "checkInterval": "30s" },
            },
        })
    }

    /// Creates a binding.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn bind(&self, binding: Value) -> anyhow::Result<()> {
        let binding = serde_json::from_value(binding)?;
        self.bindings()
            .create(&PostParams::default(), &binding)
            .await?;
        Ok(())
    }

    /// Changes a binding by a merge patch.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn change(&self, binding: &str, patch: Value) -> anyhow::Result<()> {
        self.bindings()
            .patch(binding, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Asks for a check now, as users do.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn ask_for_check(&self, binding: &str) -> anyhow::Result<()> {
        let annotations = json!({ "vaultbind.dev/check-requested-at": uuid() });
        self.change(
            binding,
            json!({ "metadata": { "annotations": annotations } }),
        )
        .await
    }

    /// Waits until a binding, with a status about its present spec, is as wanted.
    ///
    /// # Errors
    /// With its status, when it does not become so.
    pub async fn becomes(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&VaultBinding) -> bool,
    ) -> anyhow::Result<VaultBinding> {
        let ask = || async {
            let binding = self.bindings().get(name).await?;
            let observed = binding
                .status
                .as_ref()
                .and_then(|status| status.observed_generation);
            Ok((observed == binding.metadata.generation && wanted(&binding)).then_some(binding))
        };
        let found = within(PATIENCE, what, ask).await;
        if found.is_err() {
            let status = self.bindings().get(name).await?.status;
            let status = serde_json::to_string_pretty(&status)?;
            return found.with_context(|| format!("binding {name}, its status: {status}"));
        }
        found
    }

    /// Waits until a condition of a binding has this status and reason; its message.
    ///
    /// # Errors
    /// With the binding's status, when it does not get them.
    pub async fn condition(
        &self,
        binding: &str,
        type_: ConditionType,
        status: &str,
        reason: &str,
    ) -> anyhow::Result<String> {
        let found = self
            .becomes(binding, &format!("{type_} is {status} {reason}"), |binding| {
                matches!(condition(binding, type_), Some(found) if (found.0, found.1) == (status, reason))
            })
            .await?;
        let (_, _, message) = condition(&found, type_).context("it was just there")?;
        Ok(message.to_owned())
    }

    /// Waits until a binding is Ready.
    ///
    /// # Errors
    /// With its status, when it does not become so.
    pub async fn ready(&self, binding: &str) -> anyhow::Result<VaultBinding> {
        self.becomes(binding, "Ready", |binding| {
            matches!(condition(binding, ConditionType::Ready), Some(("True", ..)))
        })
        .await
    }

    /// Waits until a binding's SecretProviderClass has other versions than these; the new ones.
    ///
    /// # Errors
    /// When it keeps them.
    pub async fn pins_other_than(
        &self,
        class: &str,
        before: &BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let ask = || async {
            let pins = self.pins(class).await?;
            Ok((pins != *before).then_some(pins))
        };
        within(PATIENCE, "other versions in the SecretProviderClass", ask).await
    }

    /// The version that a SecretProviderClass gives each object, by the object's name in the vault.
    ///
    /// # Errors
    /// When it is not there, or an object has none.
    pub async fn pins(&self, class: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let class = self.classes().get(class).await?;
        let objects = class.data.pointer("/spec/parameters/objects");
        let objects = objects.and_then(Value::as_str).context("no objects")?;
        let objects: Value = serde_yaml::from_str(objects)?;
        let entries = objects.get("array").unwrap_or(&objects);
        let mut pins = BTreeMap::new();
        for entry in entries.as_array().context("objects are no list")? {
            // An entry may also be text that holds the map.
            let entry = match entry.as_str() {
                Some(text) => serde_yaml::from_str(text)?,
                None => entry.clone(),
            };
            let text = |field: &str| entry.get(field).and_then(Value::as_str);
            let name = text("objectName").context("an object without a name")?;
            let version = text("objectVersion")
                .with_context(|| format!("{name} has no version: {objects}"))?;
            pins.insert(name.to_owned(), version.to_owned());
        }
        Ok(pins)
    }

    /// The warnings about a binding, in the form of its events.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub async fn warnings(&self, binding: &str) -> anyhow::Result<Vec<String>> {
        let api: Api<Event> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let selector = format!("regarding.kind=VaultBinding,regarding.name={binding}");
        let events = api.list(&ListParams::default().fields(&selector)).await?;
        Ok(events
            .items
            .into_iter()
            .filter(|event| event.type_.as_deref() == Some("Warning"))
            .map(|event| {
                let reason = event.reason.unwrap_or_default();
                format!("{reason}: {}", event.note.unwrap_or_default())
            })
            .collect())
    }

    /// The paths asked of the site's vault so far.
    ///
    /// # Errors
    /// When Azure does not tell.
    pub async fn asked(&self) -> anyhow::Result<Vec<String>> {
        let host = self.vault_host();
        let calls = self.cluster.azure.calls().await?;
        Ok(calls
            .into_iter()
            .filter(|call| call.service == Service::Vault && call.host == host)
            .map(|call| call.path)
            .collect())
    }
}

/// Status, reason and message of a condition.
pub fn condition(binding: &VaultBinding, type_: ConditionType) -> Option<(&str, &str, &str)> {
    let conditions = &binding.status.as_ref()?.conditions;
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())?;
    Some((&found.status, &found.reason, &found.message))
}

/// What a status says of one object.
///
/// # Errors
/// When it says nothing of it.
pub fn object_status<'a>(
    binding: &'a VaultBinding,
    name: &str,
) -> anyhow::Result<&'a ObjectStatus> {
    let objects = binding.status.iter().flat_map(|status| &status.objects);
    let mut found = objects.filter(|object| object.name == name);
    match (found.next(), found.next()) {
        (Some(object), None) => Ok(object),
        _ => bail!("not one status of object {name}"),
    }
}
