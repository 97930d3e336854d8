//! Names of vaults, collections and objects, and version ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One of the three kinds of objects a vault holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Collection {
    /// `/secrets`
    Secrets,
    /// `/keys`
    Keys,
    /// `/certificates`
    Certificates,
}

impl Collection {
    /// The first path segment, such as `secrets`.
    pub fn segment(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Keys => "keys",
            Self::Certificates => "certificates",
        }
    }

    pub(super) fn deleted_segment(self) -> &'static str {
        match self {
            Self::Secrets => "deletedsecrets",
            Self::Keys => "deletedkeys",
            Self::Certificates => "deletedcertificates",
        }
    }

    /// The kind in the words of Azure's messages: `Secret`.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Secrets => "Secret",
            Self::Keys => "Key",
            Self::Certificates => "Certificate",
        }
    }

    /// The kind inside a sentence: `secret`.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Secrets => "secret",
            Self::Keys => "key",
            Self::Certificates => "certificate",
        }
    }

    /// The kind of a path segment and whether it names the deleted ones.
    pub(super) fn from_segment(segment: &str) -> Option<(Self, bool)> {
        [Self::Secrets, Self::Keys, Self::Certificates]
            .into_iter()
            .find_map(|kind| {
                if segment.eq_ignore_ascii_case(kind.segment()) {
                    Some((kind, false))
                } else if segment.eq_ignore_ascii_case(kind.deleted_segment()) {
                    Some((kind, true))
                } else {
                    None
                }
            })
    }
}

/// Whether a vault may have this name.
pub(super) fn is_vault_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
}

/// Whether an object may have this name.
pub(super) fn is_object_name(name: &str) -> bool {
    (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether a path segment is a version id.
pub(super) fn is_version(segment: &str) -> bool {
    segment.len() == 32 && segment.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A new version id. A UUID has fixed bits that would show in the sort order, its hash has not.
pub(super) fn new_version() -> String {
    let digest = Sha256::digest(uuid::Uuid::new_v4().as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Base64 as JSON web keys and thumbprints have it.
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
