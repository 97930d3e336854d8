//! Asks the cluster for bindings and the operator's list, and Azure for what is there.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::AzureKind;
use vaultbind_keyvault::Cloud;
use vaultbind_keyvault::text::printable;
use vaultbind_operator::azure::{Client, ResourceId};
use vaultbind_operator::observed::{AzureCause, AzureError, Seen};
use vaultbind_operator::surroundings::{ORPHANS, Orphan};

use super::decide::{Found, Record, Resource};
use super::report::{GcReport, IdentityReport};
use super::{GcArgs, IDENTITY, VAULT};
use crate::cluster::{Cluster, ClusterError};
use crate::exit::Failure;

/// So many questions to Azure at a time.
const AT_A_TIME: usize = 4;

/// Resources by the id in lower case.
type Ids = BTreeMap<String, ResourceId>;

/// Whom to ask.
pub(super) struct Looking<'a> {
    pub(super) args: &'a GcArgs,
    pub(super) cluster: &'a Cluster,
    pub(super) client: &'a Client,
    pub(super) cloud: Cloud,
}

/// Where to look.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) identities: Ids,
    pub(super) vaults: Ids,
}

impl Places {
    /// The identity or the vault that something is in or on.
    pub(super) fn of_resource(&mut self, kind: AzureKind, id: &str) {
        // Subscription, group, provider and name of a resource are nine parts, the empty one at the begin counted.
        let parts: Vec<&str> = id.split('/').take(9).collect();
        let id = parts.join("/");
        match kind {
            AzureKind::FederatedCredential => self.identity(&id),
            AzureKind::RoleAssignment => self.vault(&id),
        }
    }

    fn identity(&mut self, id: &str) {
        add(&mut self.identities, id, IDENTITY);
    }

    fn vault(&mut self, id: &str) {
        add(&mut self.vaults, id, VAULT);
    }

    /// What a binding names.
    pub(super) fn of_binding(&mut self, binding: &VaultBinding) {
        if let Some(credential) = &binding.spec.identity.federated_credential {
            self.identity(&credential.identity_resource_id);
        }
        let access = binding.spec.access.as_ref();
        if let Some(role) = access.and_then(|access| access.role_assignment.as_ref()) {
            self.vault(&role.vault_resource_id);
            if let Some(identity) = &role.identity_resource_id {
                self.identity(identity);
            }
        }
        for kept in binding.status.iter().flat_map(|status| &status.azure) {
            self.of_resource(kept.kind, &kept.id);
        }
    }
}

fn add(ids: &mut Ids, id: &str, resource_type: &str) {
    if let Ok(id) = id.parse::<ResourceId>()
        && id.is_a(resource_type)
    {
        ids.insert(id.key().to_owned(), id);
    }
}

/// What bindings keep, by the id in lower case.
pub(super) fn held(bindings: &[VaultBinding]) -> BTreeSet<String> {
    let kept = bindings.iter().filter_map(|one| one.status.as_ref());
    let kept = kept.flat_map(|status| &status.azure);
    kept.map(|one| one.id.to_ascii_lowercase()).collect()
}

impl Looking<'_> {
    /// Whether a namespace is asked about: without --namespace all are.
    pub(super) fn is_asked(&self, namespace: Option<&str>) -> bool {
        let asked = self.args.cluster.namespace.as_deref();
        asked.is_none() || asked == namespace
    }

    /// All bindings of the cluster. Without them nobody knows what is kept.
    pub(super) async fn bindings(&self) -> Result<Vec<VaultBinding>, ClusterError> {
        let api: Api<VaultBinding> = self.cluster.api(None);
        let listed = api.list(&ListParams::default()).await;
        let listed = listed
            .map_err(|error| (self.cluster).error("list vaultbindings in all namespaces", error))?;
        Ok(listed.items)
    }

    /// What there is, and a report that says where it was looked for, and where it could not be.
    pub(super) async fn look(&self, issuer: String) -> Result<(Found, GcReport), Failure> {
        let mut report = GcReport {
            issuer: issuer.clone(),
            delete: self.args.delete,
            ..GcReport::default()
        };
        let mut places = Places::default();
        for id in &self.args.identities {
            places.identity(id.as_str());
        }
        for id in &self.args.vaults {
            places.vault(id.as_str());
        }
        let mut entries = self.entries(&mut report).await?;
        entries.retain(|(_, orphan)| self.is_asked(orphan.namespace()));
        for (_, orphan) in &entries {
            places.of_resource(orphan.kind, &orphan.id);
        }
        let mut elsewhere = 0_usize;
        for binding in &self.bindings().await? {
            if !self.is_asked(binding.metadata.namespace.as_deref()) {
                continue;
            }
            if cloud(binding) == self.cloud {
                places.of_binding(binding);
            } else {
                elsewhere += 1;
            }
        }
        if elsewhere > 0 {
            report.unseen.push(format!(
                "bindings of another cloud: {elsewhere}; name it with --cloud to look there, too"
            ));
        }
        let mut found = Found {
            issuer,
            ..Found::default()
        };
        self.credentials(&places, &mut found, &mut report).await?;
        self.assignments(&places, &mut found, &mut report).await?;
        self.records(entries, &mut found, &mut report).await?;
        // Last: what a binding keeps stands in its status before it is there.
        found.held = held(&self.bindings().await?);
        Ok((found, report))
    }

    async fn credentials(
        &self,
        places: &Places,
        found: &mut Found,
        report: &mut GcReport,
    ) -> Result<(), Failure> {
        let ask = |id| async move {
            let seen = self.client.credentials(self.cloud, id).await;
            (id, seen)
        };
        let asked: Vec<_> = places.identities.values().map(ask).collect();
        let all: Vec<_> = (stream::iter(asked).buffered(AT_A_TIME).collect()).await;
        for (id, seen) in all {
            if let Some(credentials) = or_told(seen, report)? {
                report.identities.push(IdentityReport {
                    id: id.to_string(),
                    credentials: credentials.len(),
                });
                found.credentials.push((id.clone(), credentials));
            }
        }
        Ok(())
    }

    async fn assignments(
        &self,
        places: &Places,
        found: &mut Found,
        report: &mut GcReport,
    ) -> Result<(), Failure> {
        let ask = |id| self.client.all_assignments(self.cloud, id);
        let asked: Vec<_> = places.vaults.values().map(ask).collect();
        let all: Vec<_> = (stream::iter(asked).buffered(AT_A_TIME).collect()).await;
        for seen in all {
            found
                .assignments
                .extend(or_told(seen, report)?.into_iter().flatten());
        }
        Ok(())
    }

    async fn records(
        &self,
        entries: Vec<(String, Orphan)>,
        found: &mut Found,
        report: &mut GcReport,
    ) -> Result<(), Failure> {
        for (key, orphan) in entries {
            let Ok(id) = orphan.id.parse::<ResourceId>() else {
                let id = printable(&orphan.id, 200);
                report
                    .unseen
                    .push(format!("entry {key} of {ORPHANS}: {id} is no resource id"));
                continue;
            };
            let there = match self.resource(orphan.kind, &id).await {
                Ok(there) => Ok(there),
                Err(error) => {
                    fatal(&error)?;
                    Err(told(&error))
                }
            };
            found.records.push(Record {
                key,
                orphan,
                id,
                there,
            });
        }
        Ok(())
    }

    /// What there is of an id.
    pub(super) async fn resource(
        &self,
        kind: AzureKind,
        id: &ResourceId,
    ) -> Seen<Option<Resource>> {
        let (client, cloud) = (self.client, self.cloud);
        Ok(match kind {
            AzureKind::FederatedCredential => {
                let found = client.credential(cloud, id).await?;
                found.map(Resource::Credential)
            }
            AzureKind::RoleAssignment => {
                let found = client.assignment(cloud, id).await?;
                found.map(Resource::Assignment)
            }
        })
    }

    /// The operator's list.
    async fn entries(&self, report: &mut GcReport) -> Result<Vec<(String, Orphan)>, Failure> {
        let namespace = &self.args.operator_namespace;
        let api: Api<ConfigMap> = self.cluster.api(Some(namespace));
        let list = match api.get(ORPHANS).await {
            Ok(list) => list,
            Err(error) => {
                let what = format!("get configmap {ORPHANS} in namespace {namespace}");
                match self.cluster.error(&what, error) {
                    ClusterError::NotFound { .. } => report.unseen.push(format!(
                        "the operator's list: there is no ConfigMap {ORPHANS} in namespace {namespace}; name the \
                         operator's with --operator-namespace"
                    )),
                    ClusterError::Forbidden { what, message } => {
                        report
                            .unseen
                            .push(format!("the operator's list: may not {what}: {message}"));
                    }
                    error => return Err(error.into()),
                }
                return Ok(Vec::new());
            }
        };
        let mut entries = Vec::new();
        for (key, text) in list.data.unwrap_or_default() {
            match serde_json::from_str(&text) {
                Ok(orphan) => entries.push((key, orphan)),
                Err(_) => report.unseen.push(format!(
                    "entry {key} of {ORPHANS} is not what the operator writes: look at it, and remove it"
                )),
            }
        }
        Ok(entries)
    }
}

/// What was seen; otherwise it is told why not.
fn or_told<T>(seen: Seen<T>, report: &mut GcReport) -> Result<Option<T>, Failure> {
    match seen {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            fatal(&error)?;
            report.unseen.push(told(&error));
            Ok(None)
        }
    }
}

/// Without a token nothing can be asked.
fn fatal(error: &AzureError) -> Result<(), Failure> {
    match &error.cause {
        AzureCause::NoToken { text, .. } => Err(Failure::Azure(text.clone())),
        _ => Ok(()),
    }
}

/// The error, in words for whoever asks; those of the cause are about the operator.
pub(super) fn told(error: &AzureError) -> String {
    let AzureError { action, id, cause } = error;
    match cause {
        AzureCause::Forbidden { code } => {
            format!("{id}: Azure refuses you {action} (HTTP 403, {code}): get a role with it there")
        }
        cause => format!("{id}: {cause}"),
    }
}

fn cloud(binding: &VaultBinding) -> Cloud {
    use vaultbind_crds::binding::Cloud as Named;
    match binding.spec.vault.cloud {
        Named::AzurePublic => Cloud::Public,
        Named::AzureUSGovernment => Cloud::UsGovernment,
        Named::AzureChina => Cloud::China,
    }
}
