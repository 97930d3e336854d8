//! VaultBinding: which objects of which vault a team's pods get, as whom they are read, and when a new
//! version reaches them.

pub mod access;
pub mod identity;
pub mod object;
pub mod rotation;
pub mod secret;
pub mod vault;

use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access::{Access, AssignmentScope, RoleAssignment};
pub use identity::{Audience, FederatedCredential, Identity, IdentityType};
pub use object::{Decode, Expiry, File, Object, ObjectType, Part, Select, VersionRef};
pub use rotation::{Rotation, RotationMode};
pub use secret::{KubernetesSecret, OnConflict, SecretKey, SecretType};
pub use vault::{Cloud, Vault};

use crate::rules;
use crate::status::VaultBindingStatus;

/// Most files that the objects of one binding may stand for, selections counted with their cap: the
/// class of pinned versions and the status stay far below what one Kubernetes object may hold.
pub const MOST_VAULT_OBJECTS: i64 = 500;

/// What is wanted.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "vaultbind.dev",
    version = "v1alpha1",
    kind = "VaultBinding",
    namespaced,
    status = "VaultBindingStatus",
    derive = "PartialEq",
    shortname = "vb",
    category = "vaultbind",
    doc = "A VaultBinding brings objects of an Azure Key Vault to the pods of its namespace. From it \
           comes a SecretProviderClass of the same name, with exact versions, for the volumes of the \
           pods.",
    validation = name_is_a_label(),
    validation = vault_moves_deliberately(),
    selectable = ".spec.reconcilePolicy",
    selectable = ".spec.vaultClassName",
    selectable = ".spec.vault.name",
    selectable = ".spec.vault.uri",
    selectable = ".spec.identity.clientID",
    selectable = ".spec.identity.serviceAccountName",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Vault", type_ = "string", json_path = ".status.summary.vault"),
    printcolumn(
        name = "Objects",
        type_ = "string",
        json_path = ".status.summary.objects",
        description = "Pinned of wanted"
    ),
    // A column of type date shows a time to come as <invalid>.
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.summary.expires",
        description = "When the first pinned version expires"
    ),
    printcolumn(
        name = "Next",
        type_ = "string",
        json_path = ".status.summary.next",
        description = "What happens next, and when"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Pods",
        type_ = "string",
        json_path = ".status.summary.pods",
        description = "Pods with the pinned versions of all pods",
        priority = 1
    ),
    printcolumn(
        name = "Policy",
        type_ = "string",
        json_path = ".spec.reconcilePolicy",
        priority = 1
    ),
    printcolumn(
        name = "Client",
        type_ = "string",
        json_path = ".spec.identity.clientID",
        description = "The client id of the identity that reads",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = secret::keys_come_from_objects(),
    validation = secret::parts_are_of_certificates(),
    validation = access::vault_is_the_vault(),
    validation = access::identity_is_said_once(),
    validation = access::objects_are_named()
)]
pub struct VaultBindingSpec {
    /// What is done about this binding. `Apply` keeps the SecretProviderClass as wanted. `Plan` only
    /// writes what would be done into `status.plan`. `Suspend` leaves everything as it is, pins
    /// included.
    #[serde(default)]
    pub reconcile_policy: ReconcilePolicy,

    /// Name of the VaultClass whose limits and presets apply. Without it: the class with the annotation
    /// `vaultbind.dev/is-default-class: "true"`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("VaultClass"))]
    pub vault_class_name: Option<String>,

    /// The vault.
    pub vault: Vault,

    /// As whom the vault is read.
    pub identity: Identity,

    /// What the operator does in Azure so that the vault answers the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,

    /// The objects of the vault, by names of the binding's own.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = object::paths_are_apart(),
        validation = object::few_enough()
    )]
    pub objects: Vec<Object>,

    /// Kubernetes Secrets made of the objects, for consumers that mount no volume: environment variables,
    /// ingresses, image pulls. The operator reads the values as the workload, so it takes a class that admits
    /// the types in `secretTypes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub secrets: Option<Vec<KubernetesSecret>>,

    /// When a new version reaches the pods.
    #[serde(default)]
    pub rotation: Rotation,

    /// The provider that mounts.
    #[serde(default)]
    pub provider: Provider,

    /// What becomes of the SecretProviderClass when the binding is deleted: `Delete` removes it, `Retain`
    /// leaves it without an owner. Running pods keep their files either way; without the class no new
    /// pod that mounts it starts.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// The name is also the value of the label `vaultbind.dev/binding` on what the binding owns. The message
/// says the field, for which a rule cannot point at metadata.
fn name_is_a_label() -> Rule {
    Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name must have at most 63 characters: it is also the value of a label")
}

/// Another vault replaces every pin at once, so it is looked at before it is applied. As long as
/// nothing is pinned there is nothing to protect, and a mistyped vault is simply corrected.
fn vault_moves_deliberately() -> Rule {
    // An optional's size is not bounded, so `vault.?name` would cost too much.
    let same = |field: &str| {
        let text = |whose: &str| {
            format!("(has({whose}.spec.vault.{field}) ? {whose}.spec.vault.{field} : '')")
        };
        format!("{} == {}", text("self"), text("oldSelf"))
    };
    Rule::new(format!(
        "self.spec.reconcilePolicy != 'Apply' || !has(self.status) || !has(self.status.objects) \
         || !self.status.objects.exists(o, has(o.pinned)) \
         || (self.spec.vault.cloud == oldSelf.spec.vault.cloud && {} && {})",
        same("name"),
        same("uri")
    ))
    .message(
        "spec.vault moves only with spec.reconcilePolicy Plan once versions are pinned: set Plan \
         together with the new vault, read status.plan, then set Apply",
    )
    .field_path(".spec.vault")
}

/// What is done about a binding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum ReconcilePolicy {
    /// The cluster is kept as the binding wants it.
    #[default]
    Apply,
    /// What would be done is written into the status, and nothing else is.
    Plan,
    /// Nothing is done.
    Suspend,
}

/// What becomes of what a binding made when the binding goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It is deleted too.
    #[default]
    Delete,
    /// It stays.
    Retain,
}

/// The provider of the Secrets Store CSI driver that mounts.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Name of the provider, as the driver knows it: its socket without `.sock`.
    #[serde(default = "vaultbind")]
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = rules::matches(
        "^[a-zA-Z0-9_-]+$",
        "must be the name of a provider's socket without .sock: letters, digits, _ and -"
    ))]
    pub name: String,

    /// What the SecretProviderClass may use. `Vaultbind` is all that vaultbind's provider understands,
    /// `Azure` only what the Go provider for Azure does too: a binding that needs more is `Stalled` with
    /// the reason `UnsupportedByProvider`.
    #[serde(default)]
    pub dialect: Dialect,
}

fn vaultbind() -> String {
    "vaultbind".to_owned()
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            name: vaultbind(),
            dialect: Dialect::default(),
        }
    }
}

/// What a SecretProviderClass may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Dialect {
    /// All that vaultbind's provider understands.
    #[default]
    Vaultbind,
    /// Only what the Go provider for Azure understands.
    Azure,
}
