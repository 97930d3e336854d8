//! Versions read back from a SecretProviderClass: what was pinned is known even when no status is.
//!
//! The text of `objects` is read line by line, in linear time. It is ours, or was edited by somebody:
//! what is no line of ours is passed over, and a field that is lost is only a pin less.

use std::collections::BTreeMap;

use vaultbind_crds::binding::ObjectType;
use vaultbind_keyvault::{Cloud, ObjectName, VersionId};

use super::reading::Reading;
use crate::observed::VaultRef;
use crate::secrets_store::SecretProviderClass;

/// The annotation with the versions that were pinned before, as a JSON object: `name/objectName` to a
/// version.
pub const PREVIOUS_ANNOTATION: &str = "vaultbind.dev/previous";

/// Most entries that are read.
const MOST: usize = 1_000;

/// What a SecretProviderClass has pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// Name or URL of the vault, as it stands there.
    pub vault: String,
    /// Its cloud, if one is named that there is.
    pub cloud: Option<Cloud>,
    /// The entries of `objects`, in order.
    pub entries: Vec<Entry>,
    /// What was pinned before, by `name/objectName`, the latter in lower case.
    pub previous: BTreeMap<String, VersionId>,
}

/// One entry of `objects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The object's name in the vault.
    pub name: ObjectName,
    /// What is read: of a certificate perhaps the secret.
    pub type_: ObjectType,
    /// The file or folder.
    pub path: String,
    /// The version; absent where there is none, or what is none.
    pub version: Option<VersionId>,
}

/// Key of an object in [`PREVIOUS_ANNOTATION`].
pub(super) fn previous_key(own: &str, object_name: &str) -> String {
    format!("{own}/{}", object_name.to_ascii_lowercase())
}

impl Pins {
    /// Reads a SecretProviderClass of either dialect.
    pub fn of(class: &SecretProviderClass) -> Self {
        let parameter = |name: &str| class.spec.parameters.get(name).map_or("", String::as_str);
        let vault = match parameter("keyvaultName") {
            "" => parameter("vaultURI"),
            name => name,
        };
        let annotations = class.metadata.annotations.as_ref();
        let previous = annotations.and_then(|all| all.get(PREVIOUS_ANNOTATION));
        Self {
            vault: vault.trim().to_owned(),
            cloud: parameter("cloudName").trim().parse().ok(),
            entries: entries(parameter("objects")),
            previous: previous.map_or_else(BTreeMap::new, |text| versions(text)),
        }
    }

    /// Whether they are versions of that vault.
    pub(super) fn are_of(&self, reading: &Reading<'_>) -> bool {
        let vault = match &reading.vault {
            VaultRef::Name(name) => self.vault.eq_ignore_ascii_case(name),
            VaultRef::Host(host) => {
                let url = self.vault.trim_end_matches('/');
                url.eq_ignore_ascii_case(&format!("https://{host}"))
            }
        };
        vault && self.cloud.is_none_or(|cloud| cloud == reading.cloud)
    }

    /// What is pinned of an object whose file is `path`, or whose files are in that folder. Where nothing
    /// of it is there, as after a change of the path, the name decides if it has one version only.
    pub(super) fn version<'a>(&'a self, name: &'a str, path: &'a str) -> Option<&'a VersionId> {
        let named = |entry: &&Entry| entry.name.as_str().eq_ignore_ascii_case(name);
        let here = self.under(path).filter(named);
        let mut here = here.filter_map(|entry| entry.version.as_ref());
        here.next().or_else(|| {
            let named = self.entries.iter().filter(named);
            let mut versions = named.filter_map(|entry| entry.version.as_ref());
            let first = versions.next()?;
            versions.all(|other| other == first).then_some(first)
        })
    }

    /// The entries at a path and in that folder.
    pub(super) fn under<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| {
            let rest = entry.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

fn versions(json: &str) -> BTreeMap<String, VersionId> {
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    all.into_iter()
        .take(MOST)
        .filter_map(|(key, value)| Some((key, value.as_str()?.parse().ok()?)))
        .collect()
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    name: Option<&'a str>,
    alias: Option<&'a str>,
    version: Option<&'a str>,
}

impl Fields<'_> {
    fn entry(&self) -> Option<Entry> {
        let name: ObjectName = self.name?.parse().ok()?;
        let path = self.alias.filter(|alias| !alias.is_empty());
        Some(Entry {
            type_: match self.kind {
                Some("key") => ObjectType::Key,
                Some("cert") => ObjectType::Certificate,
                _ => ObjectType::Secret,
            },
            path: path.unwrap_or(name.as_str()).to_owned(),
            version: self.version.and_then(|text| text.parse().ok()),
            name,
        })
    }
}

/// Each dash begins an entry, and each `key: value` belongs to the entry before it.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields = Fields::default();
    for line in text.lines() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix('-') {
            entries.extend(fields.entry());
            if entries.len() >= MOST {
                return entries;
            }
            fields = Fields::default();
            line = rest.trim();
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let slot = match plain(key) {
            "objectName" => &mut fields.name,
            "objectType" => &mut fields.kind,
            "objectAlias" => &mut fields.alias,
            "objectVersion" => &mut fields.version,
            _ => continue,
        };
        *slot = Some(plain(value));
    }
    entries.extend(fields.entry());
    entries
}

/// A text without its quotes. What we write needs no escapes.
fn plain(text: &str) -> &str {
    let text = text.trim();
    let between = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests;
