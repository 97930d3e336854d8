//! What the operator says of a binding. Whoever writes it stays inside the bounds of the schema: a status
//! that is out of them is refused as a whole.

mod azure;
mod condition;
mod object;
mod secret;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use azure::{AzureKind, AzureResource, AzureState};
pub use condition::ConditionType;
pub use object::{ObjectState, ObjectStatus, PodCount};
pub use secret::{SecretState, SecretStatus};

/// What is.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultBindingStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// `Ready`, `DriverReady`, `IdentityReady`, `AccessReady` and `ObjectsResolved` always; `SecretsSynced`
    /// with `spec.secrets`; `Reconciling`, `Stalled`, `ExpiringSoon` and `Throttled` only while they are
    /// true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,

    /// Who reads, as the vault's side sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityStatus>,

    /// What the operator keeps in Azure for the binding, also what is no longer wanted and still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 450))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub azure: Vec<AzureResource>,

    /// The objects in the vault, one entry each, also for those of a selection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into(), "objectName".into()]))]
    pub objects: Vec<ObjectStatus>,

    /// The Kubernetes Secrets, also those that are no longer wanted and still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub secrets: Vec<SecretStatus>,

    /// Where rotation stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,

    /// The same in few words, for people and for columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,

    /// What would be done, with `reconcilePolicy: Plan`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub plan: Vec<PlannedChange>,
}

/// Who reads.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStatus {
    /// Subject of the ServiceAccount's token, which the federated identity credential must have:
    /// `system:serviceaccount:NAMESPACE:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub subject: Option<String>,

    /// Issuer of the ServiceAccount's token, which the federated identity credential must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub issuer: Option<String>,

    /// Audience of the ServiceAccount's token, which the federated identity credential must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub audience: Option<String>,

    /// Object id of the managed identity's service principal, with something in `azure`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "principalID"
    )]
    #[schemars(length(max = 36))]
    pub principal_id: Option<String>,

    /// How many federated identity credentials the managed identity has, of 20 that it can have; with
    /// `federatedCredential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub credentials: Option<i32>,

    /// When the vault last answered this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub last_verified: Option<Time>,
}

/// Where rotation stands.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// When the vault was last asked for new versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub last_check: Option<Time>,

    /// When it is asked next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub next_check: Option<Time>,

    /// When a pin last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub last_promotion: Option<Time>,
}

/// The columns of `kubectl get`.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Host of the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 259))]
    pub vault: Option<String>,

    /// Pinned objects of wanted ones, such as `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub objects: Option<String>,

    /// Pods with the pinned versions of all pods that mount, such as `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pods: Option<String>,

    /// When the first pinned version expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub expires: Option<String>,

    /// What happens next, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub next: Option<String>,
}

/// One change that would be made.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// What would be done: `Create`, `Update` or `Delete` an object of the cluster, `Pin` a version or
    /// `Unpin` an object of the vault.
    pub action: PlannedAction,

    /// Kind of the object of the cluster, or type of the object of the vault.
    #[schemars(length(max = 63))]
    pub kind: String,

    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,

    /// The version that is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub from: Option<String>,

    /// The version that would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub to: Option<String>,
}

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum PlannedAction {
    /// An object of the cluster would be made.
    Create,
    /// An object of the cluster would be changed.
    Update,
    /// An object of the cluster would be removed.
    Delete,
    /// A version would become the pinned one.
    Pin,
    /// An object of the vault would no longer be mounted.
    Unpin,
}

/// The schema of a point in time.
struct Timestamp;

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}
