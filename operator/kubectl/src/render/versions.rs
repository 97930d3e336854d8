//! Versions that a file tells in place of the vault.

use std::collections::BTreeMap;
use std::path::Path;

use vaultbind_crds::binding::ObjectType;
use vaultbind_keyvault::{ObjectName, VersionId};
use vaultbind_operator::observed::Key;

use crate::exit::Failure;

/// The version of each object, by the vault as the file names it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    vaults: BTreeMap<String, BTreeMap<Key, VersionId>>,
}

impl Versions {
    /// Reads a file: a map of vaults, by name or host, to maps of `secret/NAME`, `key/NAME` and
    /// `certificate/NAME` to versions.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| Failure::File {
            file: name.clone(),
            source,
        })?;
        Self::parse(&text).map_err(|message| Failure::Usage(format!("{name}: {message}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let read: BTreeMap<String, BTreeMap<String, String>> =
            serde_yaml::from_str(text).map_err(|error| {
                format!(
                    "is not a map of vaults to maps of objects to versions: {error}; write \
                     kv-payments: {{secret/db: 0123456789abcdef0123456789abcdef}}"
                )
            })?;
        let mut vaults = BTreeMap::new();
        for (vault, objects) in read {
            let mut of_vault = BTreeMap::new();
            for (object, version) in objects {
                let key = key(&object).ok_or_else(|| {
                    format!(
                        "{vault}: {object} is no object: write secret/NAME, key/NAME or certificate/NAME"
                    )
                })?;
                let version: VersionId = version
                    .parse()
                    .map_err(|error| format!("{vault}: {object}: {error}"))?;
                of_vault.insert(key, version);
            }
            vaults.insert(vault.to_ascii_lowercase(), of_vault);
        }
        Ok(Self { vaults })
    }

    /// The version of an object of a vault that has these names.
    pub(super) fn get(&self, vault: &[String], key: &Key) -> Option<&VersionId> {
        let mut vaults = vault.iter().filter_map(|name| self.vaults.get(name));
        vaults.find_map(|objects| objects.get(key))
    }

    /// Names of the objects of a type that begin so.
    pub(super) fn with_prefix(
        &self,
        vault: &[String],
        type_: ObjectType,
        prefix: &str,
    ) -> Vec<String> {
        let vaults = vault.iter().filter_map(|name| self.vaults.get(name));
        vaults
            .flat_map(BTreeMap::keys)
            .filter(|key| key.type_ == type_ && key.name.starts_with(prefix))
            .map(|key| key.name.clone())
            .collect()
    }
}

fn key(object: &str) -> Option<Key> {
    let (word, name) = object.split_once('/')?;
    let type_ = match word {
        "secret" => ObjectType::Secret,
        "key" => ObjectType::Key,
        "certificate" | "cert" => ObjectType::Certificate,
        _ => return None,
    };
    let name: ObjectName = name.parse().ok()?;
    Some(Key {
        type_,
        name: name.as_str().to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn objects_are_found_by_either_name_of_the_vault() {
        let text = format!("KV-a:\n  secret/Db-1: {ID}\n  cert/db-tls: {ID}\n");
        let versions = Versions::parse(&text).unwrap();
        let vault = ["kv-a".to_owned(), "kv-a.vault.azure.net".to_owned()];
        let key = |object| key(object).unwrap();
        assert_eq!(
            versions.get(&vault, &key("secret/db-1")).unwrap().as_str(),
            ID
        );
        assert!(versions.get(&vault, &key("key/db-1")).is_none());
        assert!(versions.get(&vault[1..], &key("secret/db-1")).is_none());
        let found = versions.with_prefix(&vault, ObjectType::Certificate, "db-");
        assert_eq!(found, ["db-tls"]);
    }

    #[test]
    fn what_is_no_version_is_told_with_its_place() {
        for (text, what) in [
            ("kv-a: 1", "map of vaults"),
            ("kv-a: {db: 1}", "kv-a: db is no object"),
            ("kv-a: [db]", "is not a map"),
            ("kv-a: {secret/db: latest}", "kv-a: secret/db:"),
        ] {
            let error = Versions::parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
