//! What was seen in the cluster, with the rights of whoever asks.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Pod, ServiceAccount};
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode};
use vaultbind_crds::VaultBinding;
use vaultbind_operator::secrets_store::{SecretProviderClass, SecretProviderClassPodStatus};

/// Something that was looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Look<T> {
    /// It was looked at.
    Seen(T),
    /// It could not be looked at, for this reason.
    Not(String),
}

impl<T> Look<T> {
    /// What was seen, if it was looked at.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::Not(_) => None,
        }
    }

    /// Why it was not looked at.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::Seen(_) => None,
            Self::Not(why) => Some(why),
        }
    }
}

impl<T> Look<Vec<T>> {
    /// What was seen; nothing if it was not looked at.
    pub fn all(&self) -> &[T] {
        match self {
            Self::Seen(all) => all,
            Self::Not(_) => &[],
        }
    }
}

/// All that was seen.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The namespace that was asked about.
    pub namespace: String,
    /// Whether the API server has the kind VaultBinding.
    pub has_bindings: Look<bool>,
    /// Whether the API server has the kinds of the CSI driver.
    pub has_driver_kinds: Look<bool>,
    /// Leases of operators.
    pub leases: Look<Vec<Lease>>,
    /// Deployments of operators.
    pub operators: Look<Vec<Deployment>>,
    /// The driver's object.
    pub driver: Look<Option<CSIDriver>>,
    /// Nodes that pods of the namespace run on; a node that is not here was not looked for.
    pub nodes: BTreeMap<String, Look<Option<CSINode>>>,
    /// Pods of the driver and of providers.
    pub node_pods: Look<Vec<Pod>>,
    /// Bindings of the namespace.
    pub bindings: Look<Vec<VaultBinding>>,
    /// ServiceAccounts of the namespace.
    pub accounts: Look<Vec<ServiceAccount>>,
    /// SecretProviderClasses of the namespace.
    pub classes: Look<Vec<SecretProviderClass>>,
    /// Pods of the namespace that have a volume of the driver.
    pub pods: Look<Vec<Pod>>,
    /// Warnings about pods of the namespace.
    pub events: Look<Vec<Event>>,
    /// What the driver says of mounted volumes.
    pub mounts: Look<Vec<SecretProviderClassPodStatus>>,
}
