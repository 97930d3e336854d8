//! What the operator would know of the cluster around one binding, for whoever has the objects in another
//! way than by watches: the plugin for kubectl, which gets them once or has them from files.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::Client;
use kube::core::PartialObjectMeta;
use vaultbind_crds::{VaultBinding, VaultClass};

use crate::apply::Writer;
use crate::cluster::{Keeper as _, View};
use crate::lease::Leadership;
use crate::observed::{Cluster, Question, SecretSeen};
use crate::plan::SecretTask;
use crate::provision::Issuer;
use crate::resolve::Resolver;
use crate::secrets::Secrets;
use crate::secrets_store::{SecretProviderClass, SecretProviderClassPodStatus};

pub use crate::apply::{ORPHANS, Orphan};

/// The objects around a binding.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The bindings of its namespace, itself too.
    pub bindings: Vec<VaultBinding>,
    /// All classes.
    pub classes: Vec<VaultClass>,
    /// Its namespace.
    pub namespace: PartialObjectMeta<Namespace>,
    /// The CSI driver.
    pub driver: Option<CSIDriver>,
    /// The SecretProviderClass of its name, whoever it belongs to.
    pub target: Option<SecretProviderClass>,
    /// What the pods of the namespace mount.
    pub mounts: Vec<SecretProviderClassPodStatus>,
    /// Whether the operator may write Secrets.
    pub writes_secrets: bool,
}

impl Surroundings {
    /// What the operator would know of them; nothing if the namespace is being deleted.
    pub fn of(self, binding: &VaultBinding) -> Option<Cluster> {
        let Self {
            bindings,
            classes,
            namespace,
            driver,
            target,
            mounts,
            writes_secrets,
        } = self;
        let view = View::new(|_, _| {});
        bindings.into_iter().for_each(|one| view.bindings.put(one));
        classes.into_iter().for_each(|one| view.classes.put(one));
        view.namespaces.put(namespace);
        driver.into_iter().for_each(|one| view.drivers.put(one));
        (mounts.into_iter()).for_each(|one| view.mounts.applied(one));
        let mut cluster = view.around(binding)?;
        cluster.target = target.map(Arc::new);
        cluster.writes_secrets = writes_secrets;
        Some(cluster)
    }
}

/// Looks at the Secrets of a binding with the rights of a client, as the operator does, and does nothing
/// about them.
pub async fn look_at_secrets(
    client: Client,
    resolver: Arc<Resolver>,
    binding: &VaultBinding,
    question: &Question,
    tasks: &[SecretTask],
) -> BTreeMap<String, SecretSeen> {
    let writer = Writer::new(client, Leadership::alone());
    Secrets::new(writer, resolver)
        .look(binding, question, tasks)
        .await
}

/// The issuer of the cluster's ServiceAccount tokens, to the last character, asked for with the rights of a
/// client.
///
/// # Errors
/// Why it is not known, for people.
pub async fn issuer(client: Client) -> Result<String, String> {
    Issuer::new(client, "you").get().await
}
