//! `kubectl vaultbind status`: how bindings are, from what the operator says of them and what the CSI driver
//! says of the pods. No vault is asked.

mod report;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::collections::BTreeMap;

use clap::Args as ClapArgs;
use kube::Api;
use kube::api::ListParams;
use vaultbind_crds::VaultBinding;
use vaultbind_operator::observed::Mount;
use vaultbind_operator::secrets_store::SecretProviderClassPodStatus;

use crate::args::ClusterArgs;
use crate::cluster::{Cluster, ClusterError};
use crate::exit::Failure;
use crate::output::Format;

pub use report::{BindingReport, ConditionReport, ObjectReport, PodReport, StatusReport};

/// Of which bindings.
#[derive(Debug, ClapArgs)]
pub struct StatusArgs {
    /// Bindings; all of the namespace if none is named
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Bindings of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["names", "namespace"])]
    pub all_namespaces: bool,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Asks the cluster.
///
/// # Errors
/// When it does not answer, or a named binding is not there.
pub async fn run(args: &StatusArgs, cluster: &Cluster) -> Result<StatusReport, Failure> {
    let namespace = (!args.all_namespaces).then(|| cluster.namespace());
    let bindings = bindings(args, cluster, namespace).await?;
    let (mounts, unseen) = match mounts(cluster, namespace).await {
        Ok(mounts) => (Some(mounts), None),
        Err(error) => (
            None,
            Some(format!("which pods mount is not shown: {error}")),
        ),
    };
    let reports = bindings.iter().map(|binding| {
        let of = mounts.as_ref().map(|mounts| {
            let of = mounts.get(&key(binding));
            of.map(Vec::as_slice).unwrap_or_default()
        });
        BindingReport::of(binding, of)
    });
    Ok(StatusReport {
        bindings: reports.collect(),
        notes: unseen.into_iter().collect(),
        named: !args.names.is_empty(),
        place: namespace.map_or_else(
            || "any namespace".to_owned(),
            |namespace| format!("namespace {namespace}"),
        ),
    })
}

async fn bindings(
    args: &StatusArgs,
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<VaultBinding>, ClusterError> {
    let api: Api<VaultBinding> = cluster.api(namespace);
    if args.names.is_empty() {
        let listed = api.list(&ListParams::default()).await;
        let listed = listed.map_err(|error| cluster.error("list vaultbindings", error))?;
        return Ok(listed.items);
    }
    let mut bindings = Vec::new();
    for name in &args.names {
        let binding = api.get(name).await;
        let what = format!(
            "get vaultbinding {name} in namespace {}",
            cluster.namespace()
        );
        bindings.push(binding.map_err(|error| cluster.error(&what, error))?);
    }
    Ok(bindings)
}

/// Namespace and name.
type Key = (String, String);

fn key(binding: &VaultBinding) -> Key {
    let metadata = &binding.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// The volumes of pods by the SecretProviderClass, which has its binding's name.
async fn mounts(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<BTreeMap<Key, Vec<Mount>>, ClusterError> {
    let api: Api<SecretProviderClassPodStatus> = cluster.api(namespace);
    let listed = api.list(&ListParams::default()).await;
    let listed =
        listed.map_err(|error| cluster.error("list secretproviderclasspodstatuses", error))?;
    let mut mounts: BTreeMap<Key, Vec<Mount>> = BTreeMap::new();
    for object in listed.items {
        let (namespace, status) = (object.metadata.namespace, object.status);
        if status.mounted {
            let class = (
                namespace.unwrap_or_default(),
                status.secret_provider_class_name,
            );
            mounts.entry(class).or_default().push(Mount {
                pod: status.pod_name,
                objects: status.objects,
            });
        }
    }
    Ok(mounts)
}
