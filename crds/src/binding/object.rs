//! Which objects of the vault, which version of each, and the files they become.

mod file;
mod select;
mod version;

use kube::KubeSchema;
use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use file::{Decode, File};
pub use select::Select;
pub use version::VersionRef;

use super::MOST_VAULT_OBJECTS;
use crate::duration::{self, GoDuration};
use crate::rules;

/// One object of the vault, or a selection of objects, under a name of the binding's own.
#[derive(KubeSchema, Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.objectName) || !has(self.select)")
        .message("objectName and select exclude each other: an object is named or selected"),
    validation = name_names_the_object(),
    validation = Rule::new("self.type == 'Certificate' || !has(self.parts)")
        .message("parts is for type Certificate only: remove it or set type: Certificate")
        .field_path(".parts"),
    validation = Rule::new("self.type == 'Secret' || self.file.decode == 'None'")
        .message("file.decode is for type Secret only: remove it")
        .field_path(".file.decode"),
    validation = Rule::new("!has(self.select) || self.version == 'Latest'")
        .message("version must be Latest with select: name the object with objectName to pin its version")
        .field_path(".version")
)]
pub struct Object {
    /// The binding's own name of the object, and the file's unless `file.path` is set. Letters, digits,
    /// ., _ and -; first a letter or digit.
    #[schemars(length(min = 1, max = 127))]
    #[x_kube(validation = rules::matches(
        "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        "must be a file name of letters, digits, ., _ and -, first a letter or digit; a folder goes into file.path"
    ))]
    pub name: String,

    /// Name of the object in the vault. Default: `name`. Key Vault's rule: 1 to 127 letters, digits or
    /// dashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 127))]
    #[x_kube(validation = rules::matches(
        "^[A-Za-z0-9-]+$",
        "must be the name of an object in the vault, without its version: letters, digits and dashes"
    ))]
    pub object_name: Option<String>,

    /// In place of `objectName`: all objects of the type that have a prefix, or tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,

    /// What kind of object it is. Of a key only the public part can be read.
    #[serde(default, rename = "type")]
    pub type_: ObjectType,

    /// `Latest`, the newest version that is enabled, active and not expired, or the id of a version: the 32
    /// hexadecimal digits at the end of its identifier.
    #[serde(default)]
    pub version: VersionRef,

    /// Which parts of a certificate become files, in the folder `file.path`. `FullChain` is `tls.crt`, the
    /// leaf and the intermediates; `PrivateKey` is `tls.key`; `CA` is `ca.crt`, what the chain ends in;
    /// `Leaf` is `leaf.crt`; `PFX` is `tls.p12`. `Leaf` alone is read from the certificate; all others
    /// need its secret. Default for certificates: `FullChain` and `PrivateKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub parts: Option<Vec<Part>>,

    /// The file, or the files.
    #[serde(default)]
    pub file: File,

    /// When the end of a version is near.
    #[serde(default)]
    pub expiry: Expiry,

    /// Whether pods start without the object while the vault does not have it.
    #[serde(default)]
    pub optional: bool,
}

impl Object {
    /// The name in the vault; nothing for a selection.
    pub fn object_name(&self) -> Option<&str> {
        match (&self.object_name, &self.select) {
            (Some(name), _) => Some(name),
            (None, None) => Some(&self.name),
            (None, Some(_)) => None,
        }
    }

    /// The file's path; the folder's for certificates and selections.
    pub fn path(&self) -> &str {
        self.file.path.as_deref().unwrap_or(&self.name)
    }

    /// The parts of a certificate; nothing for other types.
    pub fn parts(&self) -> &[Part] {
        match (self.type_, &self.parts) {
            (ObjectType::Certificate, None) => &[Part::FullChain, Part::PrivateKey],
            (ObjectType::Certificate, Some(parts)) => parts,
            (ObjectType::Secret | ObjectType::Key, _) => &[],
        }
    }
}

fn name_names_the_object() -> Rule {
    Rule::new(
        "has(self.objectName) || has(self.select) || self.name.matches('^[A-Za-z0-9-]+$')",
    )
    .message(
        "objectName must be set, because no object in a vault can have this name: letters, digits \
         and dashes only",
    )
    .field_path(".objectName")
}

/// A file can be neither another's file nor the folder of another.
pub(super) fn paths_are_apart() -> Rule {
    let path =
        |object: &str| format!("(has({object}.file.path) ? {object}.file.path : {object}.name)");
    Rule::new(format!(
        "self.all(o, self.exists_one(p, ({} + '/').startsWith({} + '/')))",
        path("o"),
        path("p")
    ))
    .message(
        "two objects may not have the same path, nor one lie in the other's: set file.path, which \
         is name by default and a folder for certificates and selections",
    )
}

pub(super) fn few_enough() -> Rule {
    Rule::new(format!(
        "self.map(o, has(o.select) ? o.select.max : 1).sum() <= {MOST_VAULT_OBJECTS}"
    ))
    .message(Message::Message(format!(
        "at most {MOST_VAULT_OBJECTS} objects of the vault in one binding, selections counted with \
         their max: lower max or use a second binding"
    )))
}

/// The kinds of objects that a vault holds.
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
pub enum ObjectType {
    /// A secret.
    #[default]
    Secret,
    /// The public part of a key.
    Key,
    /// A certificate, with its chain and private key if they are asked for.
    Certificate,
}

/// What of a certificate becomes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Part {
    /// The leaf and the intermediates, without the root: `tls.crt`.
    FullChain,
    /// The private key: `tls.key`.
    PrivateKey,
    /// What the chain ends in: `ca.crt`.
    CA,
    /// The certificate alone: `leaf.crt`.
    Leaf,
    /// Key and chain as PKCS#12: `tls.p12`.
    PFX,
}

impl Part {
    /// Name of the file in the object's folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::FullChain => "tls.crt",
            Self::PrivateKey => "tls.key",
            Self::CA => "ca.crt",
            Self::Leaf => "leaf.crt",
            Self::PFX => "tls.p12",
        }
    }
}

/// When the end of a version is near.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// How long before the pinned version expires the binding says so, 0s to 8760h. 0s: once it has.
    #[serde(default = "thirty_days")]
    #[x_kube(validation = duration::between(GoDuration::from_secs(0), GoDuration::from_hours(8760)))]
    pub warn_before: GoDuration,
}

fn thirty_days() -> GoDuration {
    GoDuration::from_hours(720)
}

impl Default for Expiry {
    fn default() -> Self {
        Self {
            warn_before: thirty_days(),
        }
    }
}
