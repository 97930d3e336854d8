//! Whole plans: a scene is a binding, what is around it and what the vault has, and time passes over it.

mod access;
mod classes;
mod decoder;
mod policies;
mod properties;
mod rotation;
mod snapshots;
mod status;

pub(super) use classes::table as table_of_wrong_bindings;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use vaultbind_crds::binding::ObjectType;
use vaultbind_crds::status::ObjectStatus;
use vaultbind_crds::{VaultBinding, VaultClass};
use vaultbind_keyvault::error::FetchProblem;
use vaultbind_keyvault::metadata::{Attributes, List, ListError, Version};
use vaultbind_keyvault::{ObjectType as VaultType, Validity};

use super::{Input, Plan, Stall, Target, plan, question};
use crate::observed::{Answer, ClassChoice, Cluster, Driver, Key, Mount, Subject, VaultAnswer};
use crate::secrets_store::{MountedObject, SecretProviderClass};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
pub(super) const TENANT: &str = "11111111-2222-3333-4444-555555555555";

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// The id of version `number`.
pub(super) fn id(number: u32) -> String {
    format!("{number:08x}{}", "0".repeat(24))
}

/// Version `number`, made that many seconds after a start long ago.
pub(super) fn version(number: u32) -> Version {
    Version {
        id: id(number).parse().unwrap(),
        attributes: Attributes {
            enabled: true,
            created: Some(NOW - 1_000_000 + i64::from(number)),
            updated: None,
            validity: Validity::default(),
        },
    }
}

pub(super) fn disabled(mut version: Version) -> Version {
    version.attributes.enabled = false;
    version
}

pub(super) fn expiring(mut version: Version, after: i64) -> Version {
    version.attributes.validity.expires = Some(NOW + after);
    version
}

pub(super) fn from(mut version: Version, after: i64) -> Version {
    version.attributes.validity.not_before = Some(NOW + after);
    version
}

pub(super) fn secret(name: &str) -> Key {
    Key {
        type_: ObjectType::Secret,
        name: name.to_owned(),
    }
}

pub(super) fn refusal(problem: FetchProblem) -> Arc<ListError> {
    Arc::new(ListError {
        problem,
        list: List::Versions(VaultType::Secret, "db".parse().unwrap()),
        host: "kv-payments.vault.azure.net".to_owned(),
        identity: CLIENT.to_owned(),
        status: Some(403),
        code: None,
        request_id: Some("must-not-show".to_owned()),
    })
}

/// How the vault answers.
#[derive(Debug, Clone)]
pub(super) enum Answers {
    /// With what it has.
    Well,
    /// With this.
    So(Answer),
}

/// A binding and its surroundings.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) binding: VaultBinding,
    pub(super) cluster: Cluster,
    pub(super) vault: VaultAnswer,
    pub(super) answers: Answers,
    pub(super) now: i64,
}

impl Scene {
    /// A binding with these objects, in YAML, in a cluster where nothing is missing.
    pub(super) fn new(objects: &str) -> Self {
        let objects: Value = serde_yaml::from_str(objects).unwrap();
        let binding = json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": "VaultBinding",
            "metadata": {
                "name": "payments",
                "namespace": "shop",
                "uid": "0f8fad5b-d9cb-469f-a165-70867728950e",
                "generation": 3,
            },
            "spec": {
                "vault": {"name": "kv-payments", "tenantID": TENANT},
                "identity": {"clientID": CLIENT, "serviceAccountName": "api"},
                "objects": objects,
            },
        });
        Self {
            binding: serde_json::from_value(binding).unwrap(),
            cluster: Cluster {
                driver: Some(Driver {
                    audiences: vec!["api://AzureADTokenExchange".to_owned()],
                    requires_republish: true,
                }),
                class: ClassChoice::None,
                namespace_labels: BTreeMap::from([("tier".to_owned(), "prod".to_owned())]),
                older_of_class: 0,
                target: None,
                mounts: Vec::new(),
                azure: None,
                azure_shared: std::collections::BTreeSet::new(),
                writes_secrets: true,
                secrets: BTreeMap::new(),
            },
            vault: VaultAnswer {
                at: at(NOW),
                subject: Some(Subject {
                    issuer: "https://oidc.example.com/cluster/".to_owned(),
                    subject: "system:serviceaccount:shop:api".to_owned(),
                    audience: "api://AzureADTokenExchange".to_owned(),
                }),
                versions: BTreeMap::new(),
                selected: BTreeMap::new(),
            },
            answers: Answers::Well,
            now: NOW,
        }
    }

    /// Merges JSON into the spec, as a JSON merge patch.
    pub(super) fn spec(mut self, patch: Value) -> Self {
        let mut json = serde_json::to_value(&self.binding).unwrap();
        merge(&mut json["spec"], patch);
        self.binding = serde_json::from_value(json).unwrap();
        self
    }

    pub(super) fn class(mut self, spec: &Value) -> Self {
        let class = json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": "VaultClass",
            "metadata": {"name": "prod"},
            "spec": spec,
        });
        let class: VaultClass = serde_json::from_value(class).unwrap();
        self.cluster.class = ClassChoice::Chosen(Arc::new(class));
        self
    }

    pub(super) fn has(mut self, key: Key, versions: &[Version]) -> Self {
        self.set(key, versions);
        self
    }

    pub(super) fn set(&mut self, key: Key, versions: &[Version]) {
        self.vault.versions.insert(key, Ok(versions.to_vec()));
    }

    pub(super) fn selects(mut self, own: &str, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.vault.selected.insert(own.to_owned(), Ok(names));
        self
    }

    pub(super) fn answer(&self) -> Result<Answer, Stall> {
        question(&self.binding, &self.cluster)?;
        Ok(match &self.answers {
            Answers::Well => Answer::Vault(VaultAnswer {
                at: at(self.now),
                ..self.vault.clone()
            }),
            Answers::So(answer) => answer.clone(),
        })
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&Input {
            binding: &self.binding,
            cluster: &self.cluster,
            answer: &self.answer(),
            now: at(self.now),
        })
    }

    /// Does what a plan says, as the API server would: the status goes through its JSON.
    pub(super) fn done(&mut self, plan: &Plan) {
        if let Target::Apply(wanted) = &plan.target {
            self.cluster.target = Some(Arc::new((**wanted).clone()));
        }
        let status = serde_json::to_value(&plan.status).unwrap();
        self.binding.status = Some(serde_json::from_value(status).unwrap());
    }

    /// Plans and does it.
    pub(super) fn step(&mut self) -> Plan {
        let plan = self.plan();
        self.done(&plan);
        plan
    }

    pub(super) fn outage(&mut self) {
        self.answers = Answers::So(self.all_refused(&FetchProblem::Failing(503)));
    }

    pub(super) fn all_refused(&self, problem: &FetchProblem) -> Answer {
        let mut vault = self.vault.clone();
        for versions in vault.versions.values_mut() {
            *versions = Err(refusal(problem.clone()));
        }
        for names in vault.selected.values_mut() {
            *names = Err(refusal(problem.clone()));
        }
        Answer::Vault(vault)
    }

    pub(super) fn mounted(&mut self, pod: &str, objects: &[(&str, &str)]) {
        self.cluster.mounts.push(Mount {
            pod: pod.to_owned(),
            objects: objects
                .iter()
                .map(|(id, version)| MountedObject {
                    id: (*id).to_owned(),
                    version: (*version).to_owned(),
                })
                .collect(),
        });
    }
}

fn merge(whole: &mut Value, patch: Value) {
    match (whole, patch) {
        (Value::Object(whole), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    whole.remove(&key);
                } else {
                    merge(whole.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (whole, patch) => *whole = patch,
    }
}

/// Two secrets with a version each.
pub(super) fn two() -> Scene {
    Scene::new("[{name: db}, {name: mail, objectName: Mail-Password}]")
        .has(secret("db"), &[version(1)])
        .has(secret("mail-password"), &[version(11)])
}

impl Plan {
    pub(super) fn applied(&self) -> &SecretProviderClass {
        match &self.target {
            Target::Apply(class) => class,
            Target::Keep => panic!("nothing is applied: {:#?}", self.status.conditions),
        }
    }

    /// `status reason` of a condition; empty if it is not there.
    pub(super) fn condition(&self, type_: &str) -> String {
        let found = self.status.conditions.iter().find(|c| c.type_ == type_);
        found.map_or(String::new(), |c| format!("{} {}", c.status, c.reason))
    }

    pub(super) fn message(&self, type_: &str) -> &str {
        let found = self.status.conditions.iter().find(|c| c.type_ == type_);
        found.map_or("", |c| &c.message)
    }

    pub(super) fn object(&self, object_name: &str) -> &ObjectStatus {
        let mut objects = self.status.objects.iter();
        objects
            .find(|object| object.object_name == object_name)
            .unwrap()
    }

    pub(super) fn reasons(&self) -> Vec<&'static str> {
        self.notes.iter().map(|note| note.reason).collect()
    }
}
