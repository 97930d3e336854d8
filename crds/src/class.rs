//! VaultClass: what the platform team allows bindings and presets for them. Cluster scoped; whoever
//! writes a binding needs the RBAC verb `use` on its class.

mod selector;

use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use selector::{NamespaceSelector, Requirement, SelectorOperator};

use crate::binding::SecretType;
use crate::binding::rotation::{
    DEFAULT_CHECK_INTERVAL, LONGEST_CHECK_INTERVAL, SHORTEST_CHECK_INTERVAL,
};
use crate::duration::{self, GoDuration};
use crate::rules::quoted;

/// What is allowed and preset.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "vaultbind.dev",
    version = "v1alpha1",
    kind = "VaultClass",
    plural = "vaultclasses",
    derive = "PartialEq",
    category = "vaultbind",
    doc = "A VaultClass says what bindings of the class may reach, and presets what they leave open. The \
           annotation `vaultbind.dev/is-default-class: \"true\"` makes it the class of bindings that name \
           none.",
    selectable = ".spec.detection",
    printcolumn(
        name = "Default",
        type_ = "string",
        json_path = r".metadata.annotations.vaultbind\.dev/is-default-class"
    ),
    printcolumn(name = "Detection", type_ = "string", json_path = ".spec.detection"),
    printcolumn(
        name = "Check",
        type_ = "string",
        json_path = ".spec.defaults.checkInterval",
        description = "Preset time between two checks of a vault"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Vaults",
        type_ = "string",
        json_path = ".spec.vaults",
        priority = 1
    ),
    printcolumn(
        name = "Names",
        type_ = "string",
        json_path = ".spec.objectNames",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct VaultClassSpec {
    /// Labels of the namespaces whose bindings may use the class. Default: all namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<NamespaceSelector>,

    /// The vaults that bindings may name: patterns for the name, or for the host of the URI, in which `*`
    /// stands for any characters. Case does not matter. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 253)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(vault, vault.matches('^[A-Za-z0-9.*-]+$'))").message(
            "must be patterns for names or hosts of vaults, not URIs: letters, digits, -, . and *"
        )
    )]
    pub vaults: Option<Vec<String>>,

    /// The names in the vault that bindings may ask for: patterns in which `*` stands for any characters and
    /// `{namespace}` for the binding's namespace. A selection must lie in one of them as a whole: its
    /// prefix. Case does not matter. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 253)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new(r"self.all(name, name.matches('^([A-Za-z0-9*-]|\\{namespace\\})+$'))").message(
            "must be patterns for names of objects: letters, digits, -, * and {namespace}"
        )
    )]
    pub object_names: Option<Vec<String>>,

    /// The user assigned managed identities for which bindings may have the operator make federated identity
    /// credentials and role assignments: patterns for their resource ids in which `*` stands for any
    /// characters and `{namespace}` for the binding's namespace. Case does not matter. Default: none, so the
    /// operator changes nothing in Azure. Whoever may write bindings of the class can become these
    /// identities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 400)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = patterns_of_identities()
    )]
    pub identities: Option<Vec<String>>,

    /// Names of the Azure roles that bindings may have the operator assign to `identities`. Default: Key Vault
    /// Secrets User, Key Vault Certificate User and Key Vault Reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub role_names: Option<Vec<String>>,

    /// Types of Kubernetes Secrets that bindings may have the operator make. Default: none. What is in a
    /// Secret can be read by whoever may read Secrets in the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub secret_types: Option<Vec<SecretType>>,

    /// Who lists the versions in a vault. `Workload`: the operator with the workload's token, so it needs no
    /// role in the vault. `Operator`: the operator as itself, with the role Key Vault Reader; no token of
    /// a ServiceAccount is asked for, so no Kubernetes Secrets can be made.
    #[serde(default)]
    pub detection: Detection,

    /// How much the bindings of the class may cost.
    #[serde(default)]
    pub budgets: Budgets,

    /// What bindings leave open.
    #[serde(default)]
    pub defaults: Defaults,
}

/// Patterns that an identity's resource id can be of, in which nothing has a meaning in a regular expression but
/// dots, parentheses and stars: a policy makes them one.
fn patterns_of_identities() -> Rule {
    const PART: &str = r"([\pL\pN_.()*-]|\{namespace\})+";
    let pattern = format!(
        "^(?i:/subscriptions/){PART}(?i:/resourceGroups/){PART}\
         (?i:/providers/Microsoft[.]ManagedIdentity/userAssignedIdentities/){PART}$"
    );
    Rule::new(format!("self.all(id, id.matches({}))", quoted(&pattern))).message(
        "must be resource ids of user assigned managed identities, or patterns for them: \
         /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{namespace}_*",
    )
}

/// Who lists the versions in a vault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Detection {
    /// The operator, as the workload.
    #[default]
    Workload,
    /// The operator, as itself.
    Operator,
}

/// How much the bindings of a class may cost.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budgets {
    /// Requests per second that the operator sends to one vault, over all bindings. Key Vault's own limit is
    /// 4000 in 10 seconds, for everyone together.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 400))]
    pub vault_requests_per_second: i32,

    /// Bindings of this class in one namespace. What is over it, the youngest first, is `Stalled`.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 10000))]
    pub bindings_per_namespace: i32,
}

fn fifty() -> i32 {
    50
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            vault_requests_per_second: fifty(),
            bindings_per_namespace: fifty(),
        }
    }
}

/// What bindings leave open.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// `rotation.checkInterval` of bindings that do not say it, 30s to 24h.
    #[serde(default = "check_interval")]
    #[x_kube(validation = duration::between(SHORTEST_CHECK_INTERVAL, LONGEST_CHECK_INTERVAL))]
    pub check_interval: GoDuration,
}

fn check_interval() -> GoDuration {
    DEFAULT_CHECK_INTERVAL
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            check_interval: check_interval(),
        }
    }
}
