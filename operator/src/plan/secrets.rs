//! The Kubernetes Secrets of a binding: which may be, what they are made of, and how they are.
//!
//! A Secret is wanted with the pinned versions, the same that pods mount, and with all of its keys or
//! not at all: while an object has no version, the Secret stays as it is. What it was made of stands in
//! [an annotation](MADE_FROM_ANNOTATION) as names and versions, so nobody has to read a value to see
//! that it is up to date.

mod findings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use serde_json::json;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{
    Decode, DeletionPolicy, KubernetesSecret, ObjectType, OnConflict, Part, SecretKey, SecretType,
};
use vaultbind_crds::class::Detection;
use vaultbind_crds::status::SecretState;
use vaultbind_keyvault::{ObjectName, VersionId};

use super::objects::{Item, Objects};
use super::outcome::Shown;
use super::render;
use crate::observed::{ClassChoice, Cluster};

/// The annotation that says of which versions a Secret was made, and how.
pub const MADE_FROM_ANNOTATION: &str = "vaultbind.dev/made-from";

/// What is done about one Kubernetes Secret.
#[derive(Debug, Clone, PartialEq)]
pub enum SecretTask {
    /// It is to be like this.
    Keep(Box<WantedSecret>),
    /// It is to go, if it is the binding's.
    Remove(String),
}

impl SecretTask {
    /// Name of the Secret.
    pub fn name(&self) -> &str {
        match self {
            Self::Keep(wanted) => &wanted.name,
            Self::Remove(name) => name,
        }
    }
}

/// A Secret as it is wanted, without the values.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedSecret {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_: SecretType,
    /// Whether it is taken over once its owner hands it over.
    pub adopt: bool,
    /// Its metadata, as far as it is the operator's.
    pub metadata: ObjectMeta,
    /// What it holds, in the order of the keys.
    pub data: Vec<WantedKey>,
}

/// One key of a wanted Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKey {
    /// The key.
    pub key: String,
    /// Type of the object.
    pub type_: ObjectType,
    /// Its name in the vault.
    pub object: ObjectName,
    /// Its version.
    pub version: VersionId,
    /// Which part of a certificate.
    pub part: Option<Part>,
    /// How a secret is decoded.
    pub decode: Decode,
}

impl WantedSecret {
    /// What the annotation says of it.
    pub fn made_from(&self) -> &str {
        let annotations = self.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get(MADE_FROM_ANNOTATION))
            .map_or("", String::as_str)
    }
}

impl WantedKey {
    /// Of what it is made, as text without anything of the value.
    fn source(&self) -> String {
        let word = render::word(self.type_);
        let name = self.object.as_str().to_ascii_lowercase();
        let mut text = format!("{word}/{name}/{}", self.version);
        let how = match (self.part, self.decode) {
            (Some(Part::FullChain), _) => "/FullChain",
            (Some(Part::PrivateKey), _) => "/PrivateKey",
            (Some(Part::CA), _) => "/CA",
            (Some(Part::Leaf), _) => "/Leaf",
            (Some(Part::PFX), _) => "/PFX",
            (None, Decode::None) => "",
            (None, Decode::Base64) => "/Base64",
            (None, Decode::Hex) => "/Hex",
        };
        text.push_str(how);
        text
    }
}

/// All Secrets of a binding.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) all: Vec<Planned>,
}

/// One Secret, and what is done about it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) type_: SecretType,
    pub(super) policy: DeletionPolicy,
    pub(super) what: Decision,
}

/// What is done about a Secret.
#[derive(Debug)]
pub(super) enum Decision {
    /// This.
    Do(SecretTask),
    /// Nothing, and why.
    Hold(SecretState, String),
}

impl Secrets {
    /// Decides. `shown` is what each object has once the SecretProviderClass is as wanted.
    pub(super) fn of(
        binding: &VaultBinding,
        cluster: &Cluster,
        objects: &Objects<'_>,
        shown: &[Shown],
    ) -> Self {
        let wanted = binding.spec.secrets.iter().flatten();
        let refusal = refusal(cluster);
        let mut all: Vec<Planned> = wanted
            .map(|secret| {
                let refusal = refusal
                    .clone()
                    .or_else(|| type_refusal(cluster, secret.type_));
                let what = match refusal {
                    Some(message) => Decision::Hold(SecretState::NotAllowed, message),
                    None => decide(binding, secret, objects, shown),
                };
                Planned {
                    name: secret.name.clone(),
                    type_: secret.type_,
                    policy: secret.deletion_policy,
                    what,
                }
            })
            .collect();
        let told = binding.status.iter().flat_map(|status| &status.secrets);
        let dropped = told.filter(|told| {
            let mut wanted = binding.spec.secrets.iter().flatten();
            told.deletion_policy == DeletionPolicy::Delete
                && !wanted.any(|secret| secret.name == told.name)
        });
        all.extend(dropped.map(|told| Planned {
            name: told.name.clone(),
            type_: told.type_,
            policy: told.deletion_policy,
            what: Decision::Do(SecretTask::Remove(told.name.clone())),
        }));
        Self { all }
    }

    /// What is to be looked at, and done if that is what the binding wants.
    pub(super) fn tasks(&self) -> Vec<SecretTask> {
        let tasks = self.all.iter().filter_map(|planned| match &planned.what {
            Decision::Do(task) => Some(task.clone()),
            Decision::Hold(..) => None,
        });
        tasks.collect()
    }
}

/// Why the binding may have no Secret at all.
fn refusal(cluster: &Cluster) -> Option<String> {
    if !cluster.writes_secrets {
        return Some(
            "this operator writes no Secrets: set operator.secrets.enabled in the values of the chart"
                .to_owned(),
        );
    }
    match &cluster.class {
        ClassChoice::Chosen(class) if class.spec.detection == Detection::Operator => Some(format!(
            "VaultClass {} has detection: Operator, with which no token of the workload is asked for, and \
             the operator reads no value as itself: use a class with detection: Workload",
            name(class)
        )),
        ClassChoice::Chosen(_) => None,
        // Anything else than no class at all is Stalled.
        ClassChoice::None | ClassChoice::Missing(_) | ClassChoice::Several(_) => Some(
            "Secrets take a VaultClass that admits their types: set spec.vaultClassName to a class with \
             secretTypes, or have one made the default"
                .to_owned(),
        ),
    }
}

fn type_refusal(cluster: &Cluster, type_: SecretType) -> Option<String> {
    let ClassChoice::Chosen(class) = &cluster.class else {
        return None;
    };
    let admitted = class.spec.secret_types.as_deref().unwrap_or_default();
    if admitted.contains(&type_) {
        return None;
    }
    let words: Vec<&str> = admitted.iter().map(|type_| type_.as_str()).collect();
    let only = if words.is_empty() {
        "no Secrets".to_owned()
    } else {
        format!("only {}", words.join(", "))
    };
    Some(format!(
        "VaultClass {} does not admit Secrets of type {}, {only}: use another class, or have {} added \
         to its spec.secretTypes",
        name(class),
        type_.as_str(),
        type_.as_str()
    ))
}

fn name(class: &vaultbind_crds::VaultClass) -> &str {
    class.metadata.name.as_deref().unwrap_or_default()
}

fn decide(
    binding: &VaultBinding,
    secret: &KubernetesSecret,
    objects: &Objects<'_>,
    shown: &[Shown],
) -> Decision {
    let mut data = Vec::new();
    let mut without = Vec::new();
    for key in &secret.data {
        match wanted_key(key, objects, shown) {
            Ok(wanted) => data.push(wanted),
            // An optional object is left out as its file is, where the type lets a key be absent.
            Err(Some(item))
                if item.object.optional && item.known && secret.type_ == SecretType::Opaque => {}
            Err(_) => without.push(key.from.as_str()),
        }
    }
    without.dedup();
    if !without.is_empty() || data.is_empty() {
        if without.is_empty() {
            without.extend(secret.data.iter().map(|key| key.from.as_str()));
        }
        let objects = without.join(", ");
        return Decision::Hold(
            SecretState::Waiting,
            format!("waits for a version of {objects}: see ObjectsResolved"),
        );
    }
    data.sort_by(|one, other| one.key.cmp(&other.key));
    Decision::Do(SecretTask::Keep(Box::new(WantedSecret {
        name: secret.name.clone(),
        type_: secret.type_,
        adopt: secret.on_conflict == OnConflict::Adopt,
        metadata: metadata(binding, secret, &data),
        data,
    })))
}

fn wanted_key<'a, 'b>(
    key: &SecretKey,
    objects: &'b Objects<'a>,
    shown: &[Shown],
) -> Result<WantedKey, Option<&'b Item<'a>>> {
    let mut items = objects.items.iter().zip(shown);
    let (item, shown) = items
        .find(|(item, _)| item.object.name == key.from)
        .ok_or(None)?;
    let object = item.object;
    Ok(WantedKey {
        key: key.key.clone(),
        type_: object.type_,
        object: item.name.clone(),
        version: shown.pinned.clone().ok_or(Some(item))?,
        part: key.part,
        decode: object.file.decode,
    })
}

fn metadata(binding: &VaultBinding, secret: &KubernetesSecret, data: &[WantedKey]) -> ObjectMeta {
    let sources: BTreeMap<&str, String> = data
        .iter()
        .map(|key| (key.key.as_str(), key.source()))
        .collect();
    // The type is part of it: nothing else tells of what type a Secret is to one who may not read it.
    let made_from = json!({"type": secret.type_.as_str(), "data": sources}).to_string();
    ObjectMeta {
        name: Some(secret.name.clone()),
        namespace: binding.metadata.namespace.clone(),
        labels: Some(render::labels(binding)),
        annotations: Some(BTreeMap::from([(
            MADE_FROM_ANNOTATION.to_owned(),
            made_from,
        )])),
        owner_references: owner(binding, secret).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The binding as the owner, so that the Secret goes with it.
fn owner(binding: &VaultBinding, secret: &KubernetesSecret) -> Option<OwnerReference> {
    match secret.deletion_policy {
        DeletionPolicy::Delete => binding.controller_owner_ref(&()),
        DeletionPolicy::Retain => None,
    }
}
