//! What is told of a binding, as data.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use vaultbind_crds::binding::ObjectType;
use vaultbind_crds::status::{
    AzureResource, ConditionType, IdentityStatus, ObjectState, ObjectStatus, PlannedChange,
    PodCount, SecretStatus,
};
use vaultbind_crds::{VaultBinding, VaultBindingStatus};
use vaultbind_operator::observed::Mount;
use vaultbind_operator::plan::mounts_version;

/// Of all that were asked about.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// The bindings.
    pub bindings: Vec<BindingReport>,
    /// What could not be seen, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether they were asked for by name.
    #[serde(skip)]
    pub(super) named: bool,
    /// Where they were looked for.
    #[serde(skip)]
    pub(super) place: String,
}

/// Of one binding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingReport {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether its last change has been looked at by the operator.
    pub observed: bool,
    /// `True`, `False` or `Unknown`.
    pub ready: String,
    /// The conditions that the operator states.
    pub conditions: Vec<ConditionReport>,
    /// Host of the vault, or what the spec says of it.
    pub vault: String,
    /// Client id of the identity that reads.
    pub client_id: String,
    /// Who that is as the vault's side sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,
    /// The objects in the vault.
    pub objects: Vec<ObjectReport>,
    /// The Kubernetes Secrets, without anything that they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretStatus>,
    /// What the operator keeps in Azure for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub azure: Vec<AzureResource>,
    /// Pods that have all pinned versions, of all that mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_count: Option<PodCount>,
    /// The pods that mount; absent if they cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Vec<PodReport>>,
    /// When the vault was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_check: Option<Timestamp>,
    /// When it is asked next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_check: Option<Timestamp>,
    /// When a pin last moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_promotion: Option<Timestamp>,
    /// What happens next, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What would be done, with `reconcilePolicy: Plan`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedChange>,
}

/// One condition.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionReport {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, as one word.
    pub reason: String,
    /// Why, and what to do.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// One object of the vault.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReport {
    /// The name in `spec.objects`.
    pub name: String,
    /// The name in the vault.
    pub object_name: String,
    /// What kind of object it is.
    #[serde(rename = "type")]
    pub type_: ObjectType,
    /// How it is.
    pub state: ObjectState,
    /// The version that pods get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The newest version that could be pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// The version that was pinned before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When the pinned version expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Pods by version, as the operator counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodCount>,
}

/// One pod that mounts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    /// Its name.
    pub name: String,
    /// Whether it has every pinned version.
    pub current: bool,
    /// Names in `spec.objects` of those that it has another version of, or lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<String>,
}

impl BindingReport {
    /// Of a binding and the volumes of pods that are of its SecretProviderClass, if they can be seen.
    pub fn of(binding: &VaultBinding, mounts: Option<&[Mount]>) -> Self {
        let metadata = &binding.metadata;
        let nothing = VaultBindingStatus::default();
        let status = binding.status.as_ref().unwrap_or(&nothing);
        let rotation = status.rotation.clone().unwrap_or_default();
        let summary = status.summary.clone().unwrap_or_default();
        let vault = &binding.spec.vault;
        let conditions: Vec<_> = status.conditions.iter().map(ConditionReport::of).collect();
        let ready = conditions
            .iter()
            .find(|condition| condition.type_ == ConditionType::Ready.as_str())
            .map_or("Unknown", |condition| condition.status.as_str())
            .to_owned();
        let pods = mounts.map(|mounts| pods(mounts, &status.objects));
        let counted = status.objects.iter().find_map(|object| object.pods);
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            observed: status.observed_generation == metadata.generation,
            ready,
            conditions,
            vault: (summary.vault)
                .or_else(|| vault.name.clone())
                .or_else(|| vault.uri.clone())
                .unwrap_or_default(),
            client_id: binding.spec.identity.client_id.clone(),
            identity: status.identity.clone(),
            objects: status.objects.iter().map(ObjectReport::of).collect(),
            secrets: status.secrets.clone(),
            azure: status.azure.clone(),
            pod_count: pods.as_ref().map_or(counted, |pods| Some(count(pods))),
            pods,
            last_check: rotation.last_check.map(|time| time.0),
            next_check: rotation.next_check.map(|time| time.0),
            last_promotion: rotation.last_promotion.map(|time| time.0),
            next: summary.next,
            plan: status.plan.clone(),
        }
    }

    /// Whether nothing is wrong with it, and nothing newer than what the operator saw.
    pub fn is_well(&self) -> bool {
        self.ready == "True" && self.observed
    }

    /// A condition by its type.
    pub fn condition(&self, of: ConditionType) -> Option<&ConditionReport> {
        let mut conditions = self.conditions.iter();
        conditions.find(|condition| condition.type_ == of.as_str())
    }
}

impl ConditionReport {
    /// Of a condition.
    pub fn of(condition: &Condition) -> Self {
        Self {
            type_: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            since: condition.last_transition_time.0,
        }
    }
}

impl ObjectReport {
    fn of(object: &ObjectStatus) -> Self {
        Self {
            name: object.name.clone(),
            object_name: object.object_name.clone(),
            type_: object.type_,
            state: object.state,
            pinned: object.pinned.clone(),
            latest: object.latest.clone(),
            previous: object.previous.clone(),
            expires: object.expires.as_ref().map(|time| time.0),
            pods: object.pods,
        }
    }
}

fn pods(mounts: &[Mount], objects: &[ObjectStatus]) -> Vec<PodReport> {
    let mut pods: Vec<_> = mounts
        .iter()
        .map(|mount| {
            let lacks = |object: &&ObjectStatus| {
                object.pinned.as_ref().is_some_and(|pinned| {
                    !mounts_version(mount, object.type_, &object.object_name, pinned)
                })
            };
            let behind: Vec<_> = objects
                .iter()
                .filter(lacks)
                .map(|object| object.name.clone())
                .collect();
            PodReport {
                name: mount.pod.clone(),
                current: behind.is_empty(),
                behind,
            }
        })
        .collect();
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    pods
}

fn count(pods: &[PodReport]) -> PodCount {
    let bounded = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    PodCount {
        current: bounded(pods.iter().filter(|pod| pod.current).count()),
        total: bounded(pods.len()),
    }
}
