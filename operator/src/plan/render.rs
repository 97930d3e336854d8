//! The SecretProviderClass of a binding, as text that is the same whenever it means the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{
    Decode, DeletionPolicy, Dialect, IdentityType, Object, ObjectType, Part,
};
use vaultbind_keyvault::{ObjectName, VersionId};

use super::pins::PREVIOUS_ANNOTATION;
use super::reading::Reading;
use crate::observed::VaultRef;
use crate::secrets_store::{SecretProviderClass, SecretProviderClassSpec};

/// Label of everything that the operator makes, with the value [`MANAGER`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Who manages.
pub const MANAGER: &str = "vaultbind";
/// Label with the name of the binding.
pub const BINDING_LABEL: &str = "vaultbind.dev/binding";

/// One object of the vault that is mounted.
#[derive(Debug)]
pub(super) struct Mounted<'a> {
    pub(super) object: &'a Object,
    pub(super) name: &'a ObjectName,
    pub(super) version: &'a VersionId,
    /// The file, or the folder of the parts.
    pub(super) path: &'a str,
}

/// The SecretProviderClass. `previous` is what was pinned before, by its key in the annotation.
pub(super) fn class(
    binding: &VaultBinding,
    reading: &Reading<'_>,
    mounted: &[Mounted<'_>],
    previous: &BTreeMap<String, VersionId>,
) -> SecretProviderClass {
    let spec = &binding.spec;
    let vault = match &reading.vault {
        VaultRef::Name(name) => ("keyvaultName", name.clone()),
        VaultRef::Host(host) => ("vaultURI", format!("https://{host}")),
    };
    let mut parameters = vec![
        vault,
        ("cloudName", reading.cloud.name().to_owned()),
        ("tenantID", reading.tenant.to_string()),
        ("clientID", reading.client.to_string()),
        ("objects", objects(spec.provider.dialect, mounted)),
    ];
    if spec.identity.type_ == IdentityType::AKSIdentityBinding {
        parameters.push(("useAzureTokenProxy", "true".to_owned()));
    }
    SecretProviderClass {
        metadata: ObjectMeta {
            name: binding.metadata.name.clone(),
            namespace: binding.metadata.namespace.clone(),
            labels: Some(labels(binding)),
            annotations: annotation(previous),
            owner_references: owner(binding).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: SecretProviderClassSpec {
            provider: Some(spec.provider.name.clone()),
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        },
    }
}

/// The labels of everything that a binding makes.
pub fn labels(binding: &VaultBinding) -> BTreeMap<String, String> {
    let name = binding.metadata.name.clone().unwrap_or_default();
    [
        (MANAGED_BY_LABEL, MANAGER.to_owned()),
        (BINDING_LABEL, name),
    ]
    .map(|(label, value)| (label.to_owned(), value))
    .into()
}

fn annotation(previous: &BTreeMap<String, VersionId>) -> Option<BTreeMap<String, String>> {
    if previous.is_empty() {
        return None;
    }
    let previous: serde_json::Map<_, _> = previous
        .iter()
        .map(|(key, version)| (key.clone(), version.as_str().into()))
        .collect();
    let text = serde_json::Value::Object(previous).to_string();
    Some(BTreeMap::from([(PREVIOUS_ANNOTATION.to_owned(), text)]))
}

/// The binding as the owner, so that the class goes with it.
pub(super) fn owner(binding: &VaultBinding) -> Option<OwnerReference> {
    if binding.spec.deletion_policy == DeletionPolicy::Retain {
        return None;
    }
    binding.controller_owner_ref(&())
}

/// A field of an entry and its value, both as they are written.
type Field = (&'static str, String);

/// The parameter `objects`: for vaultbind a list of maps, for the Azure provider a list of texts.
fn objects(dialect: Dialect, mounted: &[Mounted<'_>]) -> String {
    let mut text = String::new();
    match dialect {
        Dialect::Vaultbind => {
            for object in mounted {
                entry(&mut text, "- ", "  ", vaultbind(object));
            }
            if mounted.is_empty() {
                text.push_str("[]\n");
            }
        }
        Dialect::Azure => {
            text.push_str("array:\n");
            for fields in mounted.iter().flat_map(azure) {
                text.push_str("  - |\n");
                entry(&mut text, "    ", "    ", fields);
            }
        }
    }
    text
}

fn entry(text: &mut String, first: &str, rest: &str, fields: Vec<Field>) {
    let mut indent = first;
    for (name, value) in fields {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{indent}{name}: {value}");
        indent = rest;
    }
}

fn vaultbind(mounted: &Mounted<'_>) -> Vec<Field> {
    let object = mounted.object;
    let mut fields = common(mounted, word(object.type_), mounted.path);
    if let Some(encoding) = encoding(object.file.decode) {
        fields.push(encoding);
    }
    let parts = object.parts();
    if !parts.is_empty() {
        let names: Vec<_> = ALL_PARTS
            .iter()
            .filter(|(part, _)| parts.contains(part))
            .map(|(_, name)| *name)
            .collect();
        fields.push(("parts", quoted(&names.join(","))));
    }
    if object.optional {
        fields.push(("optional", quoted("true")));
    }
    fields
}

const ALL_PARTS: [(Part, &str); 5] = [
    (Part::FullChain, "FullChain"),
    (Part::PrivateKey, "PrivateKey"),
    (Part::CA, "CA"),
    (Part::Leaf, "Leaf"),
    (Part::PFX, "PFX"),
];

/// One entry for each file. The parts that the Azure provider cannot make are refused before.
fn azure(mounted: &Mounted<'_>) -> Vec<Vec<Field>> {
    let object = mounted.object;
    if object.type_ != ObjectType::Certificate {
        let mut fields = common(mounted, word(object.type_), mounted.path);
        fields.extend(encoding(object.file.decode));
        return vec![fields];
    }
    let parts = ALL_PARTS.iter().map(|(part, _)| part);
    parts
        .filter(|part| object.parts().contains(part))
        .filter_map(|part| {
            let path = format!("{}/{}", mounted.path, part.file_name());
            match part {
                Part::Leaf => Some(common(mounted, "cert", &path)),
                Part::PFX => {
                    let mut fields = common(mounted, "secret", &path);
                    fields.push(("objectFormat", "pfx".to_owned()));
                    fields.push(("objectEncoding", "base64".to_owned()));
                    Some(fields)
                }
                Part::FullChain | Part::PrivateKey | Part::CA => None,
            }
        })
        .collect()
}

/// Texts are quoted: names such as `null` or `1e3` are texts.
fn common(mounted: &Mounted<'_>, type_: &str, path: &str) -> Vec<Field> {
    let mut fields = vec![
        ("objectName", quoted(mounted.name.as_str())),
        ("objectType", type_.to_owned()),
        ("objectVersion", quoted(mounted.version.as_str())),
        ("filePermission", quoted(&mounted.object.file.mode)),
    ];
    if path != mounted.name.as_str() {
        fields.insert(1, ("objectAlias", quoted(path)));
    }
    fields
}

fn encoding(decode: Decode) -> Option<Field> {
    let word = match decode {
        Decode::None => return None,
        Decode::Base64 => "base64",
        Decode::Hex => "hex",
    };
    Some(("objectEncoding", word.to_owned()))
}

/// A JSON text is a YAML text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The word of a type in a SecretProviderClass.
pub(super) fn word(type_: ObjectType) -> &'static str {
    match type_ {
        ObjectType::Secret => "secret",
        ObjectType::Key => "key",
        ObjectType::Certificate => "cert",
    }
}
