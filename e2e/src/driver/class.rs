use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// The parts of a SecretProviderClass that the driver hands to a provider.
#[derive(Debug, Clone, Deserialize)]
pub struct SecretProviderClass {
    /// Always `secrets-store.csi.x-k8s.io/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `SecretProviderClass`.
    pub kind: String,
    /// Name and namespace.
    pub metadata: Metadata,
    /// Provider and parameters.
    pub spec: Spec,
}

/// Name and namespace.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The name that a volume refers to.
    pub name: String,
    /// The namespace of the pods that may.
    #[serde(default)]
    pub namespace: String,
}

/// Provider and parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct Spec {
    /// The stem of the provider's socket.
    pub provider: String,
    /// What the provider is given.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

impl SecretProviderClass {
    /// A class made in code.
    pub fn new(name: &str, parameters: &[(&str, &str)]) -> Self {
        Self {
            api_version: "secrets-store.csi.x-k8s.io/v1".to_owned(),
            kind: "SecretProviderClass".to_owned(),
            metadata: Metadata {
                name: name.to_owned(),
                namespace: String::new(),
            },
            spec: Spec {
                provider: "vaultbind".to_owned(),
                parameters: parameters
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
            },
        }
    }

    /// Reads a class from YAML.
    ///
    /// # Errors
    /// When the text is no SecretProviderClass, or one that the driver refuses.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let class: Self = serde_yaml::from_str(text).context("not a SecretProviderClass")?;
        if class.kind != "SecretProviderClass" {
            bail!("kind is {}, not SecretProviderClass", class.kind);
        }
        if class.spec.parameters.is_empty() {
            bail!("parameters not set");
        }
        Ok(class)
    }

    /// The fields of each entry of the parameter `objects`.
    ///
    /// # Errors
    /// When it is not there, or no list as the providers take it.
    pub fn objects(&self) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Objects {
            Plain(Vec<Entry>),
            Array { array: Vec<Entry> },
        }
        /// YAML, or YAML in a text.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            Fields(BTreeMap<String, serde_yaml::Value>),
            Text(String),
        }
        let text = self.spec.parameters.get("objects").context("no objects")?;
        let objects = serde_yaml::from_str(text).context("objects")?;
        let (Objects::Plain(entries) | Objects::Array { array: entries }) = objects;
        let fields = entries.into_iter().map(|entry| {
            let fields = match entry {
                Entry::Fields(fields) => fields,
                Entry::Text(text) => serde_yaml::from_str(&text)?,
            };
            let fields = fields.into_iter().map(|(name, value)| {
                let value = match value {
                    serde_yaml::Value::String(text) => text,
                    other => serde_yaml::to_string(&other)?.trim().to_owned(),
                };
                Ok((name, value))
            });
            fields.collect::<anyhow::Result<_>>()
        });
        fields.collect()
    }

    /// With a parameter set, or removed if it is empty.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        if value.is_empty() {
            self.spec.parameters.remove(key);
        } else {
            self.spec
                .parameters
                .insert(key.to_owned(), value.to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_in_both_forms() {
        for text in [
            "[{objectName: a, objectVersion: 0123, objectVersionHistory: 2}]",
            "array:\n  - |\n    objectName: a\n    objectVersion: \"0123\"\n    objectVersionHistory: 2\n",
        ] {
            let class = SecretProviderClass::new("c", &[("objects", text)]);
            let objects = class.objects().unwrap();
            assert_eq!(objects.len(), 1);
            assert_eq!(objects[0]["objectName"], "a");
            assert_eq!(objects[0]["objectVersionHistory"], "2");
        }
        let class = SecretProviderClass::new("c", &[("objects", "a")]);
        assert!(class.objects().is_err());
    }
}
