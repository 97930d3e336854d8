//! Kubernetes Secrets that are made of the objects, without a pod that mounts them.

use kube::KubeSchema;
use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeletionPolicy, Part};
use crate::rules;

/// One Secret of the binding's namespace.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = needs("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    validation = Rule::new(
        "self.type != 'kubernetes.io/basic-auth' || self.data.exists(d, d.key == 'username' || d.key == 'password')"
    )
    .message("data must have the key username or password, which the type kubernetes.io/basic-auth needs")
    .field_path(".data"),
    validation = needs("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    validation = needs("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"])
)]
pub struct KubernetesSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("Secret"))]
    pub name: String,

    /// Type of the Secret. The class must admit it in `secretTypes`. Kubernetes does not let a type change:
    /// with another one the Secret is deleted and made anew.
    #[serde(default, rename = "type")]
    pub type_: SecretType,

    /// What it holds.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub data: Vec<SecretKey>,

    /// What is done about a Secret of the name that the binding has not made. `Fail` leaves it alone.
    /// `Adopt` takes it over once its owner has put the labels `app.kubernetes.io/managed-by: vaultbind`
    /// and `vaultbind.dev/binding` with the name of the binding on it. Keys that others have added stay
    /// either way.
    #[serde(default)]
    pub on_conflict: OnConflict,

    /// What becomes of the Secret when the binding is deleted, or no longer names it: `Delete` removes it,
    /// `Retain` leaves it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// One key of a Secret.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The key.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::matches(
        r"^(\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)$",
        "must be a key of a Secret: letters, digits, ., _ and -, not two dots at the beginning"
    ))]
    pub key: String,

    /// The `name` of the entry of `objects` whose value it has, decoded as `file.decode` of the entry
    /// says. A selection has no name of its own for each object and cannot be used. Of a key it is the
    /// public part as PEM.
    #[schemars(length(min = 1, max = 127))]
    pub from: String,

    /// Which part of a certificate, whichever of them become files. Must be set for certificates, and only
    /// for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// Types of Secrets that a binding may make. Those that hold tokens of Kubernetes are not among them.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Deserialize,
    Serialize,
    JsonSchema,
)]
pub enum SecretType {
    /// Any keys.
    #[default]
    Opaque,
    /// A certificate and its key: `tls.crt` and `tls.key`.
    #[serde(rename = "kubernetes.io/tls")]
    Tls,
    /// `username` or `password`, or both.
    #[serde(rename = "kubernetes.io/basic-auth")]
    BasicAuth,
    /// `ssh-privatekey`.
    #[serde(rename = "kubernetes.io/ssh-auth")]
    SshAuth,
    /// `.dockerconfigjson`, for `imagePullSecrets`.
    #[serde(rename = "kubernetes.io/dockerconfigjson")]
    DockerConfigJson,
}

impl SecretType {
    /// The word that Kubernetes has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "Opaque",
            Self::Tls => "kubernetes.io/tls",
            Self::BasicAuth => "kubernetes.io/basic-auth",
            Self::SshAuth => "kubernetes.io/ssh-auth",
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
        }
    }
}

/// What is done about a Secret that the binding has not made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum OnConflict {
    /// It is left alone.
    #[default]
    Fail,
    /// It is taken over once its owner has put the binding's labels on it.
    Adopt,
}

/// The keys that a type needs: the API server refuses the Secret without them.
fn needs(type_: &str, keys: &[&str]) -> Rule {
    let has = |key: &&str| format!("self.data.exists(d, d.key == {})", rules::quoted(key));
    let all: Vec<String> = keys.iter().map(has).collect();
    let noun = if keys.len() == 1 { "key" } else { "keys" };
    Rule::new(format!(
        "self.type != {} || ({})",
        rules::quoted(type_),
        all.join(" && ")
    ))
    .message(Message::Message(format!(
        "data must have the {noun} {}, which the type {type_} needs",
        keys.join(" and ")
    )))
    .field_path(".data")
}

/// Each key is of an object that the binding names.
pub(super) fn keys_come_from_objects() -> Rule {
    Rule::new(
        "!has(self.secrets) || self.secrets.all(s, s.data.all(d, \
         self.objects.exists(o, o.name == d.from && !has(o.select))))",
    )
    .message(
        "from must be the name of an entry of spec.objects that is no selection: add the object, or \
         correct from",
    )
    .field_path(".secrets")
}

/// A part is of a certificate, and a certificate has parts only.
pub(super) fn parts_are_of_certificates() -> Rule {
    Rule::new(
        "!has(self.secrets) || self.secrets.all(s, s.data.all(d, \
         self.objects.all(o, o.name != d.from || has(d.part) == (o.type == 'Certificate'))))",
    )
    .message(
        "part must be set where from is a certificate, one of FullChain, PrivateKey, CA, Leaf and PFX, \
         and nowhere else",
    )
    .field_path(".secrets")
}
