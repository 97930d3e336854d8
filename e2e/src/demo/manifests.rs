//! What a team applies, as it stands in the examples folder: class and pod.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::driver::{SecretProviderClass, read_class};

/// The class, the pod that mounts it, and the objects in it.
#[derive(Debug)]
pub(super) struct Manifests {
    pub(super) class: SecretProviderClass,
    pub(super) pod: PodManifest,
    pub(super) objects: Vec<Object>,
}

/// The parts of a Pod that matter to the driver.
#[derive(Debug, Deserialize)]
pub(super) struct PodManifest {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
}

/// Name and namespace.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
}

/// ServiceAccount, and one volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) service_account_name: String,
    pub(super) volumes: Vec<Volume>,
}

/// A volume of the driver.
#[derive(Debug, Deserialize)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) csi: Csi,
}

/// Whose volume it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Csi {
    pub(super) driver: String,
    pub(super) volume_attributes: VolumeAttributes,
}

/// The class of a volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeAttributes {
    pub(super) secret_provider_class: String,
}

/// An object of the class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    #[serde(rename = "objectName")]
    pub(super) name: String,
    #[serde(rename = "objectType")]
    pub(super) kind: String,
    #[serde(rename = "objectAlias")]
    alias: Option<String>,
    file_permission: Option<String>,
}

impl Object {
    /// The file it becomes.
    pub(super) fn path(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// The file's mode.
    pub(super) fn mode(&self) -> anyhow::Result<u32> {
        let text = self.file_permission.as_deref().unwrap_or("0644");
        u32::from_str_radix(text, 8).with_context(|| format!("filePermission {text}"))
    }
}

impl Manifests {
    /// Reads class and pod.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let class = read_class(&folder.join("secretproviderclass.yaml"))?;
        let path = folder.join("pod.yaml");
        let place = || path.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(place)?;
        let pod: PodManifest = serde_yaml::from_str(&text).with_context(place)?;
        let attributes = &pod.volume()?.csi.volume_attributes;
        ensure!(
            pod.metadata.namespace == class.metadata.namespace
                && attributes.secret_provider_class == class.metadata.name,
            "expected {} to mount the class {}/{}",
            place(),
            class.metadata.namespace,
            class.metadata.name
        );
        let objects = parameter(&class, "objects").and_then(objects)?;
        Ok(Self {
            class,
            pod,
            objects,
        })
    }

    /// The class with the name of one object misspelt, and the wrong name.
    pub(super) fn misspelt(&self) -> anyhow::Result<(SecretProviderClass, String)> {
        let object = self.objects.last().context("the class has no objects")?;
        let wrong = format!("{}-2", object.name);
        let right = format!("objectName: {}\n", object.name);
        let objects = parameter(&self.class, "objects")?;
        let (before, after) = objects
            .rsplit_once(&right)
            .with_context(|| format!("expected {right:?} in the objects"))?;
        let objects = format!("{before}objectName: {wrong}\n{after}");
        Ok((self.class.clone().with("objects", &objects), wrong))
    }
}

impl PodManifest {
    /// Namespace and name.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// Its first volume.
    pub(super) fn volume(&self) -> anyhow::Result<&Volume> {
        self.spec.volumes.first().context("the pod has no volume")
    }
}

/// A parameter that the class must have.
pub(super) fn parameter<'a>(class: &'a SecretProviderClass, name: &str) -> anyhow::Result<&'a str> {
    let value = class.spec.parameters.get(name).map(String::as_str);
    value.with_context(|| format!("expected the class to have the parameter {name}"))
}

/// Objects are YAML in YAML in YAML.
fn objects(text: &str) -> anyhow::Result<Vec<Object>> {
    #[derive(Deserialize)]
    struct List {
        array: Vec<String>,
    }
    let list: List = serde_yaml::from_str(text).context("objects")?;
    let objects = list.array.iter().map(|text| serde_yaml::from_str(text));
    objects.collect::<Result<_, _>>().context("objects")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Manifests {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
        Manifests::read(Path::new(folder)).unwrap()
    }

    #[test]
    fn objects_have_a_path_and_a_mode() {
        let text = "array:\n- |\n  objectName: a\n  objectType: secret\n- |\n  objectName: b\n  \
                    objectType: key\n  objectAlias: c/d\n  filePermission: \"0400\"\n";
        let found: Vec<_> = objects(text)
            .unwrap()
            .iter()
            .map(|object| (object.path().to_owned(), object.mode().unwrap()))
            .collect();
        assert_eq!(found, [("a".to_owned(), 0o644), ("c/d".to_owned(), 0o400)]);
    }

    #[test]
    fn the_examples_fit_together() {
        let manifests = examples();
        assert_eq!(manifests.pod.volume().unwrap().name, "secrets");
        assert!(manifests.objects.len() > 1);
    }

    #[test]
    fn only_the_last_object_is_misspelt() {
        let manifests = examples();
        let (class, wrong) = manifests.misspelt().unwrap();
        let misspelt = objects(parameter(&class, "objects").unwrap()).unwrap();
        let (last, others) = misspelt.split_last().unwrap();
        assert_eq!(last.name, wrong);
        assert_eq!(others, &manifests.objects[..others.len()]);
    }
}
