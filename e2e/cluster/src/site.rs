//! A scenario's own corner of cluster and Azure.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Secret, ServiceAccount};
use kube::api::{Api, AttachParams, DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use vaultbind_azure::vault::{Collection, RoleAssignment, SetSecret};
use vaultbind_azure::{Action, EnabledChange, Fault, FaultId, Match, Revocation, Service};

use crate::cluster::Cluster;
use crate::manifest;
use crate::wait::{eventually, within};

/// A namespace, a ServiceAccount `workload`, a tenant with an identity that trusts it, and a vault that
/// the identity may read.
pub struct Site {
    /// The cluster it is in.
    pub cluster: Cluster,
    /// The namespace.
    pub namespace: String,
    /// The tenant.
    pub tenant: String,
    /// Client id of the identity.
    pub client_id: String,
    /// The vault.
    pub vault: String,
}

impl Site {
    /// Makes a site; `vault` is YAML for the vault's contents, indented by two.
    ///
    /// # Errors
    /// When cluster or Azure refuse.
    pub async fn new(cluster: &Cluster, name: &str, vault: &str) -> anyhow::Result<Self> {
        let site = Self::bare(cluster, name).await?;
        let seed = site.seed(vault).await?;
        site.cluster.azure.seed(&seed).await?;
        Ok(site)
    }

    /// A namespace with its ServiceAccount, and names for the rest.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn bare(cluster: &Cluster, name: &str) -> anyhow::Result<Self> {
        // Unique also when a suite is run again on the same cluster.
        let id = uuid();
        let short = id.get(..8).unwrap_or_default();
        let site = Self {
            cluster: cluster.clone(),
            namespace: format!("{name}-{short}"),
            tenant: id.clone(),
            client_id: uuid(),
            vault: format!("kv-{short}"),
        };
        site.namespace(&site.namespace).await?;
        Ok(site)
    }

    /// The seed of a site whose vault holds this: YAML, indented by two.
    ///
    /// # Errors
    /// When the API server does not tell its issuer.
    pub async fn seed(&self, vault: &str) -> anyhow::Result<String> {
        let Self {
            tenant,
            client_id,
            namespace,
            ..
        } = self;
        let issuer = self.issuer().await?;
        Ok(format!(
            "tenants:
- tenantID: {tenant}
  applications:
  - clientID: {client_id}
    name: workload
    federatedCredentials:
    - {{name: cluster, issuer: '{issuer}', subject: 'system:serviceaccount:{namespace}:workload'}}
vaults:
- name: {}
  tenantID: {tenant}
  roleAssignments: [{{principal: {client_id}, role: Key Vault Administrator}}]
{vault}",
            self.vault
        ))
    }

    async fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.cluster.client.clone());
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
        let account = serde_json::from_value(json!({ "metadata": { "name": "workload" } }))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.cluster.client.clone(), name);
        accounts.create(&PostParams::default(), &account).await?;
        Ok(())
    }

    /// The issuer of the cluster's ServiceAccount tokens.
    ///
    /// # Errors
    /// When the API server does not tell.
    pub async fn issuer(&self) -> anyhow::Result<String> {
        let request = http_get("/.well-known/openid-configuration")?;
        let text = self.cluster.client.request_text(request).await?;
        let document: Value = serde_json::from_str(&text)?;
        let issuer = document.get("issuer").and_then(Value::as_str);
        Ok(issuer
            .context("no issuer in the discovery document")?
            .to_owned())
    }

    /// The usual parameters with these objects.
    pub fn parameters(&self, objects: &str) -> Value {
        json!({
            "keyvaultName": self.vault,
            "tenantID": self.tenant,
            "clientID": self.client_id,
            "objects": objects,
        })
    }

    /// Applies a SecretProviderClass with the usual parameters.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn class(&self, name: &str, objects: &str) -> anyhow::Result<()> {
        self.apply_class(manifest::class(name, &self.parameters(objects)))
            .await
    }

    /// Applies a SecretProviderClass.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn apply_class(&self, class: Value) -> anyhow::Result<()> {
        let api = self
            .cluster
            .secrets_store("SecretProviderClass", &self.namespace);
        let class: DynamicObject = serde_json::from_value(class)?;
        api.create(&PostParams::default(), &class).await?;
        Ok(())
    }

    /// Gives a secret of the vault a new version.
    ///
    /// # Errors
    /// When the vault refuses.
    pub async fn set_secret(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let secret = SetSecret::new(value);
        self.cluster
            .azure
            .set_secret(&self.vault, name, &secret)
            .await?;
        Ok(())
    }

    /// Enables or disables the current version of a secret.
    ///
    /// # Errors
    /// When there is none.
    pub async fn enable(&self, name: &str, enabled: bool) -> anyhow::Result<()> {
        let change = EnabledChange {
            enabled,
            version: None,
        };
        self.cluster
            .azure
            .set_enabled(&self.vault, Collection::Secrets, name, &change)
            .await
    }

    /// Gives an identity a role on the vault.
    ///
    /// # Errors
    /// When the vault refuses.
    pub async fn assign(&self, principal: &str, role: &str) -> anyhow::Result<()> {
        let assignment = RoleAssignment {
            principal: principal.to_owned(),
            role: role.to_owned(),
            object: None,
        };
        self.cluster
            .azure
            .assign_role(&self.vault, &assignment)
            .await
    }

    /// Takes all rights on the vault from the site's identity.
    ///
    /// # Errors
    /// When the vault refuses.
    pub async fn revoke(&self) -> anyhow::Result<()> {
        let revocation = Revocation {
            principal: self.client_id.clone(),
            role: None,
            object: None,
        };
        self.cluster.azure.revoke(&self.vault, &revocation).await
    }

    /// Replaces the federated credential of the site's identity; `credential` is YAML.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn credential(&self, credential: &str) -> anyhow::Result<()> {
        let credential = serde_yaml::from_str(credential)?;
        self.cluster
            .azure
            .put_federated_credential(&self.client_id, &credential)
            .await
    }

    /// The vault's host.
    pub fn vault_host(&self) -> String {
        format!("{}.vault.azure.net", self.vault)
    }

    /// Puts a fault in the way of calls to the vault.
    ///
    /// # Errors
    /// When Azure refuses.
    pub async fn fault(&self, action: Action) -> anyhow::Result<FaultId> {
        let matches = Match {
            service: Some(Service::Vault),
            host: Some(self.vault_host()),
            ..Match::default()
        };
        self.cluster
            .azure
            .add_fault(&Fault::new(matches, action))
            .await
    }

    /// Takes a fault away.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn mend(&self, fault: FaultId) -> anyhow::Result<()> {
        self.cluster.azure.remove_fault(fault).await
    }

    /// Waits until the vault has had so many more calls.
    ///
    /// # Errors
    /// When it has not.
    pub async fn calls_more(&self, more: usize) -> anyhow::Result<()> {
        let host = self.vault_host();
        let count = async || -> anyhow::Result<usize> {
            let calls = self.cluster.azure.calls().await?;
            Ok(calls.iter().filter(|call| call.host == host).count())
        };
        let target = count().await? + more;
        let enough = || async { Ok((count().await? >= target).then_some(())) };
        within(Duration::from_secs(240), "more calls to the vault", enough).await
    }

    /// The pods of the namespace.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// The Secrets of the namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// The Deployments of the namespace.
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// Makes a pod and waits until it runs.
    ///
    /// # Errors
    /// What its events say, when it does not.
    pub async fn run(&self, pod: &manifest::PodSpec) -> anyhow::Result<String> {
        let name = self.create(pod).await?;
        self.running(&name).await?;
        Ok(name)
    }

    /// Makes a pod.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn create(&self, pod: &manifest::PodSpec) -> anyhow::Result<String> {
        let pod: Pod = serde_json::from_value(pod.pod())?;
        let created = self.pods().create(&PostParams::default(), &pod).await?;
        created.metadata.name.context("a pod without a name")
    }

    /// Waits until a pod runs.
    ///
    /// # Errors
    /// What its events say, when it does not.
    pub async fn running(&self, name: &str) -> anyhow::Result<Pod> {
        let ask = || async {
            let pod = self.pods().get(name).await?;
            Ok(is_running(&pod).then_some(pod))
        };
        let running = within(Duration::from_secs(120), "the pod runs", ask).await;
        if running.is_err() {
            let events = self.events(name).await.unwrap_or_default().join("\n");
            return running.with_context(|| format!("pod {name}; its events:\n{events}"));
        }
        running
    }

    /// The messages of a pod's events.
    ///
    /// # Errors
    /// When the cluster does not tell.
    pub async fn events(&self, pod: &str) -> anyhow::Result<Vec<String>> {
        let api: Api<Event> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let selector = format!("involvedObject.name={pod}");
        let events = api.list(&ListParams::default().fields(&selector)).await?;
        Ok(events
            .items
            .into_iter()
            .filter_map(|event| event.message)
            .collect())
    }

    /// Waits for an event of a pod that holds `text`; the event.
    ///
    /// # Errors
    /// The events there were, when there is none.
    pub async fn event(&self, pod: &str, text: &str) -> anyhow::Result<String> {
        let ask = || async {
            let events = self.events(pod).await?;
            Ok(events.into_iter().find(|event| event.contains(text)))
        };
        let found = eventually(text, ask).await;
        if found.is_err() {
            let events = self.events(pod).await.unwrap_or_default().join("\n");
            return found.with_context(|| format!("events of pod {pod}:\n{events}"));
        }
        found
    }

    /// Runs a command in a pod; what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub async fn exec(&self, pod: &str, command: &[&str]) -> anyhow::Result<Vec<u8>> {
        let params = AttachParams::default().stdout(true).stderr(true);
        let mut process = self
            .pods()
            .exec(pod, command.iter().copied(), &params)
            .await?;
        let status = process.take_status().context("no status")?;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        if let Some(mut stdout) = process.stdout() {
            stdout.read_to_end(&mut out).await?;
        }
        if let Some(mut stderr) = process.stderr() {
            stderr.read_to_end(&mut err).await?;
        }
        process.join().await?;
        let status = status.await.context("no status")?;
        if status.status.as_deref() != Some("Success") {
            bail!("{command:?} failed: {}", String::from_utf8_lossy(&err));
        }
        Ok(out)
    }

    /// The bytes of a file, read in the pod.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn read(&self, pod: &str, path: &str) -> anyhow::Result<Vec<u8>> {
        self.exec(pod, &["/bin/busybox", "cat", path]).await
    }

    /// Waits until a file has these bytes.
    ///
    /// # Errors
    /// When it does not get them.
    pub async fn reads(&self, pod: &str, path: &str, expected: &[u8]) -> anyhow::Result<()> {
        let ask = || async {
            let bytes = self.read(pod, path).await?;
            Ok((bytes == expected).then_some(()))
        };
        within(Duration::from_secs(180), path, ask).await
    }

    /// Object ids and versions of the SecretProviderClassPodStatus of a pod and class.
    ///
    /// # Errors
    /// When there is none.
    pub async fn recorded(
        &self,
        pod: &str,
        class: &str,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let api = self
            .cluster
            .secrets_store("SecretProviderClassPodStatus", &self.namespace);
        let name = format!("{pod}-{}-{class}", self.namespace);
        let status = api.get(&name).await?;
        let objects = status
            .data
            .pointer("/status/objects")
            .and_then(Value::as_array);
        let text = |object: &Value, field: &str| {
            object
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(objects
            .context("no objects")?
            .iter()
            .map(|object| (text(object, "id"), text(object, "version")))
            .collect())
    }

    /// Deletes a pod and waits until it is gone.
    ///
    /// # Errors
    /// When it stays.
    pub async fn delete(&self, pod: &str) -> anyhow::Result<()> {
        self.pods().delete(pod, &DeleteParams::default()).await?;
        let ask = || async { Ok(self.pods().get_opt(pod).await?.is_none().then_some(())) };
        eventually("the pod is gone", ask).await
    }

    /// Changes a pod's annotation, which makes kubelet sync it, and so republish its volumes.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn touch(&self, pod: &str) -> anyhow::Result<()> {
        let patch = json!({ "metadata": { "annotations": { "vaultbind.dev/refresh": uuid() } } });
        let patch = kube::api::Patch::Merge(patch);
        self.pods()
            .patch(pod, &kube::api::PatchParams::default(), &patch)
            .await?;
        Ok(())
    }
}

fn is_running(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let ready = status
        .container_statuses
        .iter()
        .flatten()
        .all(|container| container.ready);
    status.phase.as_deref() == Some("Running") && ready
}

/// A new id, as Azure gives them to tenants and identities.
pub fn uuid() -> String {
    let digits = vaultbind_e2e::stage::random("");
    let digits = digits.trim_start_matches('-');
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

fn http_get(path: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}
