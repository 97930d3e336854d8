//! A binding's plan without cluster and vault: classes and namespaces are those of the files, versions
//! those that a file or the binding's own status tells.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use kube::core::PartialObjectMeta;
use vaultbind_crds::binding::{ObjectType, ReconcilePolicy};
use vaultbind_crds::status::ConditionType;
use vaultbind_crds::{VaultBinding, VaultClass};
use vaultbind_keyvault::metadata::{Attributes, Version};
use vaultbind_keyvault::{NameError, Validity, VersionId};
use vaultbind_operator::observed::{
    Answer, Asker, ClassChoice, Cluster, Driver, Key, Question, Selection, VaultAnswer, VaultRef,
};
use vaultbind_operator::plan::{Input, Pins, Plan, Reason, Stall, Target, plan, question};
use vaultbind_operator::surroundings as operator;

use super::versions::Versions;
use crate::unseen::Unseen;

/// Stands for a version that only the vault knows.
pub const UNKNOWN_VERSION: &str = "00000000000000000000000000000000";

/// What the files hold beside the binding.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) classes: Vec<VaultClass>,
    /// Labels of the namespaces that are among the files.
    pub(super) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// All bindings of the files, in their order.
    pub(super) bindings: Vec<&'a VaultBinding>,
    pub(super) versions: Versions,
}

/// What comes of a binding.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) plan: Plan,
    /// Objects whose version is not known.
    pub(super) unknown: Vec<String>,
    /// What could not be looked at.
    pub(super) notes: Vec<String>,
}

impl Surroundings<'_> {
    /// Plans for a binding.
    ///
    /// # Errors
    /// With what the operator would be stalled by.
    pub(super) fn plan(&self, binding: &VaultBinding, now: Timestamp) -> Result<Rendered, String> {
        let mut notes = Vec::new();
        let mut binding = binding.clone();
        if binding.spec.reconcile_policy != ReconcilePolicy::Apply {
            notes.push(format!(
                "spec.reconcilePolicy is {:?}: what is shown is what Apply would make",
                binding.spec.reconcile_policy
            ));
            binding.spec.reconcile_policy = ReconcilePolicy::Apply;
        }
        let cluster = self.around(&binding, &mut notes);
        let question = question(&binding, &cluster).map_err(|stall| said(&stall))?;
        let unknown_version: VersionId =
            (UNKNOWN_VERSION.parse()).map_err(|error: NameError| error.to_string())?;
        let told = Told {
            question: &question,
            vault: names_of(&question.asker),
            versions: &self.versions,
            binding: &binding,
            unknown_version: unknown_version.clone(),
        };
        let answer = told.answer(now);
        for selection in &question.selections {
            if told.found(selection).is_empty() {
                notes.push(format!(
                    "selection {}: only the vault knows what it finds, so it is left out; name its \
                     objects with --versions",
                    selection.name
                ));
            }
        }
        // What a selection may find cannot stand in the way.
        let mut planned = binding.clone();
        for object in &mut planned.spec.objects {
            let mut selections = question.selections.iter();
            let selection = selections.find(|selection| selection.name == object.name);
            object.optional |= selection.is_some_and(|selection| told.found(selection).is_empty());
        }
        let plan = plan(&Input {
            binding: &planned,
            cluster: &cluster,
            answer: &Ok(answer),
            now,
        });
        let mut conditions = plan.status.conditions.iter();
        let stalled = ConditionType::Stalled.as_str();
        if let Some(stalled) = conditions.find(|condition| condition.type_ == stalled) {
            return Err(format!("{}: {}", stalled.reason, stalled.message));
        }
        let synced = ConditionType::SecretsSynced.as_str();
        let mut conditions = plan.status.conditions.iter();
        let refused = conditions.find(|condition| {
            condition.type_ == synced && condition.reason == Reason::SecretsNotAllowed.as_str()
        });
        if let Some(refused) = refused {
            return Err(format!("{}: {}", refused.reason, refused.message));
        }
        let pins = match &plan.target {
            Target::Apply(class) => Pins::of(class),
            Target::Keep => Pins::default(),
        };
        let mut unknown: Vec<String> = pins
            .entries
            .iter()
            .filter(|entry| entry.version.as_ref() == Some(&unknown_version))
            .map(|entry| format!("{} {}", word(entry.type_), entry.name))
            .collect();
        unknown.dedup();
        Ok(Rendered {
            plan,
            unknown,
            notes,
        })
    }

    fn around(&self, binding: &VaultBinding, notes: &mut Vec<String>) -> Cluster {
        let namespace = binding.namespace().unwrap_or_default();
        let mut labels = PartialObjectMeta::<Namespace>::default();
        labels.metadata.name = Some(namespace.clone());
        let known = self.namespaces.get(&namespace);
        labels.metadata.labels = known.cloned();
        let around = operator::Surroundings {
            bindings: self.bindings.iter().map(|one| (*one).clone()).collect(),
            classes: self.classes.clone(),
            namespace: labels,
            writes_secrets: true,
            ..operator::Surroundings::default()
        };
        // Only a namespace that is being deleted has none.
        let mut cluster = around.of(binding).unwrap_or_else(nothing);
        let audience = binding.spec.identity.audience(binding.spec.vault.cloud);
        cluster.driver = Some(Driver {
            audiences: vec![audience.as_str().to_owned()],
            requires_republish: true,
        });
        let unseen = Unseen {
            class: "is not among the files: give it with -f or --class",
            namespace: "the Namespace is not among the files",
        };
        cluster.class = unseen.class(cluster.class, binding, known.is_some(), notes);
        cluster
    }
}

fn nothing() -> Cluster {
    Cluster {
        driver: None,
        class: ClassChoice::None,
        namespace_labels: BTreeMap::new(),
        older_of_class: 0,
        target: None,
        mounts: Vec::new(),
        azure: None,
        azure_shared: BTreeSet::new(),
        writes_secrets: true,
        secrets: BTreeMap::new(),
    }
}

fn said(stall: &Stall) -> String {
    format!("{}: {}", stall.reason.as_str(), stall.message)
}

/// The names that a file may have for a vault.
fn names_of(asker: &Asker) -> Vec<String> {
    match &asker.vault {
        VaultRef::Name(name) => {
            let host = format!("{name}.{}", asker.cloud.vault_suffix());
            vec![name.to_ascii_lowercase(), host.to_ascii_lowercase()]
        }
        VaultRef::Host(host) => vec![host.clone()],
    }
}

/// The vault's part of a plan.
struct Told<'a> {
    question: &'a Question,
    vault: Vec<String>,
    versions: &'a Versions,
    binding: &'a VaultBinding,
    unknown_version: VersionId,
}

impl Told<'_> {
    /// What the vault would say as far as it is known.
    fn answer(&self, now: Timestamp) -> Answer {
        let mut versions = BTreeMap::new();
        let mut selected = BTreeMap::new();
        let mut keys: BTreeSet<Key> = self.question.objects.iter().cloned().collect();
        for selection in &self.question.selections {
            let names = self.found(selection);
            keys.extend(names.iter().map(|name| Key {
                type_: selection.type_,
                name: name.clone(),
            }));
            selected.insert(selection.name.clone(), Ok(names));
        }
        for key in keys {
            let newest = self.newest(&key);
            let newest = newest.unwrap_or_else(|| self.unknown_version.clone());
            let held = self.question.held.get(&key).into_iter().flatten();
            let older = held.filter(|id| **id != newest).map(|id| version(id, 1));
            let all: Vec<_> = [version(&newest, 2)].into_iter().chain(older).collect();
            versions.insert(key, Ok(all));
        }
        Answer::Vault(VaultAnswer {
            at: now,
            subject: None,
            versions,
            selected,
        })
    }

    /// The version that is told of an object: by the file, else by the status.
    fn newest(&self, key: &Key) -> Option<VersionId> {
        if let Some(version) = self.versions.get(&self.vault, key) {
            return Some(version.clone());
        }
        let status = self.binding.status.iter();
        let mut objects = status.flat_map(|status| &status.objects);
        let object = objects.find(|object| {
            object.type_ == key.type_ && object.object_name.eq_ignore_ascii_case(&key.name)
        })?;
        object.pinned.as_ref()?.parse().ok()
    }

    /// What a selection finds, as far as it is told. Tags are not.
    fn found(&self, selection: &Selection) -> Vec<String> {
        let told = (self.versions).with_prefix(&self.vault, selection.type_, &selection.prefix);
        if !told.is_empty() {
            return told;
        }
        let status = self.binding.status.iter();
        let objects = status.flat_map(|status| &status.objects);
        let names = objects.filter(|object| object.name == selection.name);
        let names: BTreeSet<_> = names
            .map(|object| object.object_name.to_ascii_lowercase())
            .collect();
        names.into_iter().collect()
    }
}

fn version(id: &VersionId, created: i64) -> Version {
    Version {
        id: id.clone(),
        attributes: Attributes {
            enabled: true,
            created: Some(created),
            updated: None,
            validity: Validity::default(),
        },
    }
}

/// The word that people have for a type.
pub(super) fn word(type_: ObjectType) -> &'static str {
    match type_ {
        ObjectType::Secret => "secret",
        ObjectType::Key => "key",
        ObjectType::Certificate => "certificate",
    }
}
