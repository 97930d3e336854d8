//! `kubectl vaultbind render`: what bindings in files would make, and what is wrong with them, without a
//! cluster and without a vault. For pull requests of GitOps repositories.

mod offline;
mod report;
mod roles;
mod secret;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vaultbind_crds::{VaultBinding, VaultClass};
use vaultbind_operator::plan::{Plan, SecretTask, Target};

use self::offline::Surroundings;
use self::versions::Versions;
use crate::exit::Failure;
use crate::lint::{Finding, Kind, Lint};
use crate::manifests::{Manifest, Manifests, Place};
use crate::output::Format;

pub use offline::UNKNOWN_VERSION;
pub use report::{Problem, RenderReport};
pub(crate) use secret::without_values;

/// Of which files.
#[derive(Debug, ClapArgs)]
pub struct RenderArgs {
    /// File or folder with VaultBindings and VaultClasses, YAML or JSON, or - for standard input; repeatable
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub filenames: Vec<PathBuf>,

    /// Also read the folders in a folder
    #[arg(short = 'R', long)]
    pub recursive: bool,

    /// File with VaultClasses whose limits hold for the bindings; repeatable
    #[arg(long = "class", value_name = "FILE")]
    pub classes: Vec<PathBuf>,

    /// File with the versions of objects, in place of the vault
    #[arg(long, value_name = "FILE")]
    pub versions: Option<PathBuf>,

    /// Print no objects, only what is wrong
    #[arg(long)]
    pub lint_only: bool,

    /// Print only the ClusterRoles and ClusterRoleBindings that let the ServiceAccounts of bindings of type
    /// AKSIdentityBinding use their identities, for an administrator of the cluster to apply
    #[arg(long, conflicts_with = "lint_only")]
    pub identity_roles: bool,

    /// Namespace of what names none
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Format of the output; table is the YAML of the objects
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
}

/// Reads the files, judges and plans.
///
/// # Errors
/// When files cannot be read, or hold nothing of ours.
pub fn run(args: &RenderArgs, now: Timestamp) -> Result<RenderReport, Failure> {
    let manifests = Manifests::read(&args.filenames, args.recursive)?;
    let classes = Manifests::read(&args.classes, args.recursive)?;
    let versions = match &args.versions {
        Some(file) => Versions::read(file)?,
        None => Versions::default(),
    };
    let lint = Lint::new().map_err(|error| Failure::Format {
        format: "schema",
        reason: error.to_string(),
    })?;
    let work = Work {
        lint,
        namespace: args.namespace.clone(),
        identity_roles: args.identity_roles,
        report: RenderReport::default(),
    };
    let mut report = work.done(manifests, classes, versions, now);
    if args.lint_only {
        report.objects.clear();
    }
    if args.lint_only || args.identity_roles {
        report.unknown_versions.clear();
    }
    if report.looked_at == 0 && report.problems.is_empty() {
        return Err(Failure::Usage(
            "the files hold neither VaultBinding nor VaultClass: check -f, and add -R for the folders in a folder"
                .to_owned(),
        ));
    }
    Ok(report)
}

/// An object of ours, and where it is.
#[derive(Debug)]
struct Found<T> {
    place: Place,
    /// As it was read, `metadata` and all.
    told: String,
    object: T,
    /// Whether it names its namespace.
    namespaced: bool,
}

struct Work {
    lint: Lint,
    namespace: Option<String>,
    identity_roles: bool,
    report: RenderReport,
}

impl Work {
    fn done(
        mut self,
        manifests: Manifests,
        classes: Manifests,
        versions: Versions,
        now: Timestamp,
    ) -> RenderReport {
        let namespaces = namespaces(&manifests);
        let (bindings, mut found) = self.sorted(manifests);
        let (_, extra) = self.sorted(Manifests {
            objects: classes.objects,
            unreadable: classes.unreadable,
        });
        found.extend(extra);
        self.twice(&bindings);
        let surroundings = Surroundings {
            classes: found.into_iter().map(|found| found.object).collect(),
            namespaces,
            bindings: bindings.iter().map(|found| &found.object).collect(),
            versions,
        };
        for found in &bindings {
            match surroundings.plan(&found.object, now) {
                Ok(rendered) => {
                    if self.identity_roles {
                        self.roles(found);
                    } else {
                        self.keep(found, &rendered.plan);
                    }
                    let notes = rendered.notes.into_iter();
                    let notes = notes.map(|note| format!("{} {}: {note}", found.place, found.told));
                    self.report.notes.extend(notes);
                    let unknown = rendered.unknown.into_iter();
                    let unknown = unknown.map(|object| format!("{}: {object}", found.told));
                    self.report.unknown_versions.extend(unknown);
                }
                Err(message) => self.problem(
                    &found.place,
                    &found.told,
                    Finding {
                        field: String::new(),
                        message,
                    },
                ),
            }
        }
        self.report.problems.sort();
        self.report
    }

    /// The bindings and classes that are well; of the others it is told what is wrong.
    fn sorted(
        &mut self,
        manifests: Manifests,
    ) -> (Vec<Found<VaultBinding>>, Vec<Found<VaultClass>>) {
        for unreadable in manifests.unreadable {
            self.problem(
                &unreadable.place,
                "",
                Finding {
                    field: String::new(),
                    message: unreadable.message,
                },
            );
        }
        let mut bindings: Vec<Found<VaultBinding>> = Vec::new();
        let mut classes = Vec::new();
        for manifest in manifests.objects {
            let name = manifest
                .object
                .get("metadata")
                .and_then(|metadata| metadata.get("name"));
            let name = name.and_then(Value::as_str).unwrap_or("without a name");
            match Kind::of(&manifest.object) {
                Ok(None) => {}
                Ok(Some(Kind::Binding)) => {
                    let told = format!("VaultBinding {name}");
                    bindings.extend(self.judged(manifest, Kind::Binding, told));
                }
                Ok(Some(Kind::Class)) => {
                    let told = format!("VaultClass {name}");
                    classes.extend(self.judged(manifest, Kind::Class, told));
                }
                Err(finding) => self.problem(&manifest.place, name, finding),
            }
        }
        for found in &mut bindings {
            let namespace = &mut found.object.metadata.namespace;
            found.namespaced = namespace.is_some() || self.namespace.is_some();
            if namespace.is_none() {
                *namespace = Some(
                    self.namespace
                        .clone()
                        .unwrap_or_else(|| "default".to_owned()),
                );
            }
        }
        (bindings, classes)
    }

    fn judged<T: DeserializeOwned>(
        &mut self,
        manifest: Manifest,
        kind: Kind,
        told: String,
    ) -> Option<Found<T>> {
        self.report.looked_at += 1;
        let Manifest { place, object } = manifest;
        let object = Value::Object(object);
        let findings = self.lint.check(kind, &object);
        if !findings.is_empty() {
            for finding in findings {
                self.problem(&place, &told, finding);
            }
            return None;
        }
        match serde_json::from_value(object) {
            Ok(object) => Some(Found {
                place,
                told,
                object,
                namespaced: false,
            }),
            Err(error) => {
                self.problem(
                    &place,
                    &told,
                    Finding {
                        field: String::new(),
                        message: format!("cannot be read: {error}"),
                    },
                );
                None
            }
        }
    }

    /// Two bindings of one name are one object in the cluster.
    fn twice(&mut self, bindings: &[Found<VaultBinding>]) {
        let mut seen: BTreeMap<_, &Place> = BTreeMap::new();
        for found in bindings {
            let metadata = &found.object.metadata;
            let name = (metadata.namespace.clone(), metadata.name.clone());
            if let Some(first) = seen.get(&name) {
                self.problem(
                    &found.place,
                    &found.told,
                    Finding {
                        field: "metadata.name".to_owned(),
                        message: format!("is there twice, first at {first}: rename or remove one"),
                    },
                );
            } else {
                seen.insert(name, &found.place);
            }
        }
    }

    fn problem(&mut self, place: &Place, object: &str, finding: Finding) {
        self.report.problems.push(Problem {
            file: place.file.clone(),
            line: place.line,
            object: object.to_owned(),
            field: finding.field,
            message: finding.message,
        });
    }

    /// Keeps what lets the ServiceAccount use the identity, each once: several bindings may have one identity.
    fn roles(&mut self, found: &Found<VaultBinding>) {
        match roles::of(&found.object, found.namespaced) {
            Ok(objects) => {
                for object in objects {
                    if !self.report.objects.contains(&object) {
                        self.report.objects.push(object);
                    }
                }
            }
            Err(finding) => self.problem(&found.place, &found.told, finding),
        }
    }

    /// Keeps what a plan makes.
    fn keep(&mut self, found: &Found<VaultBinding>, plan: &Plan) {
        let mut objects = Vec::new();
        if let Target::Apply(class) = &plan.target {
            objects.push(serde_json::to_value(class));
        }
        for task in &plan.secrets {
            if let SecretTask::Keep(wanted) = task {
                objects.push(serde_json::to_value(without_values(wanted)));
            }
        }
        for object in objects.into_iter().flatten() {
            let mut object = object;
            let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
            if let Some(metadata) = metadata.filter(|_| !found.namespaced) {
                metadata.remove("namespace");
            }
            self.report.objects.push(object);
        }
    }
}

/// Labels of the namespaces among the files.
fn namespaces(manifests: &Manifests) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut namespaces = BTreeMap::new();
    for Manifest { object, .. } in &manifests.objects {
        let is =
            |field: &str, value: &str| object.get(field).and_then(Value::as_str) == Some(value);
        let Some(metadata) = object.get("metadata") else {
            continue;
        };
        let Some(name) = metadata["name"].as_str() else {
            continue;
        };
        if is("apiVersion", "v1") && is("kind", "Namespace") {
            let labels = metadata["labels"].as_object().into_iter().flatten();
            let labels = labels
                .filter_map(|(label, value)| Some((label.clone(), value.as_str()?.to_owned())));
            namespaces.insert(name.to_owned(), labels.collect());
        }
    }
    namespaces
}
