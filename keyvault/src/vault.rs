//! Objects of a vault, and reading one.

mod read;

use std::fmt;
use std::sync::Arc;

use crate::error::FetchError;
use crate::identity::ResourceToken;
use crate::session::Session;
use crate::{ObjectName, ObjectType, Sensitive, VersionId};

/// An object to read: its type, name and version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// Secret, key or certificate.
    pub object_type: ObjectType,
    /// Its name in the vault.
    pub name: ObjectName,
    /// The version; absent for the latest.
    pub version: Option<VersionId>,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.object_type {
            ObjectType::Secret => write!(f, "secret {}", self.name)?,
            ObjectType::Key => write!(f, "key {}", self.name)?,
            ObjectType::Certificate => write!(f, "certificate {}", self.name)?,
        }
        match &self.version {
            Some(version) => write!(f, " (version {version})"),
            None => Ok(()),
        }
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The version that was served.
    pub version: VersionId,
    /// The object's own words about its validity.
    pub validity: Validity,
    /// The content.
    pub content: Content,
}

impl Fetched {
    /// Bytes of the content.
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Secret {
                value,
                content_type,
                ..
            } => value.len() + content_type.as_ref().map_or(0, String::len),
            Content::Key(PublicKey::Rsa { n, e }) => n.len() + e.len(),
            Content::Key(PublicKey::Ec { curve, x, y }) => curve.len() + x.len() + y.len(),
            Content::Certificate(der) => der.len(),
        }
    }
}

/// Unix seconds between which an object is meant to be used; Key Vault serves it outside, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub not_before: Option<i64>,
    /// Expiry.
    pub expires: Option<i64>,
}

/// The content of an object.
#[derive(Debug, Clone)]
pub enum Content {
    /// A secret's value.
    Secret {
        /// The value as the vault keeps it.
        value: Sensitive,
        /// What the vault says it is.
        content_type: Option<String>,
        /// Whether it is the private side of a certificate.
        of_certificate: bool,
    },
    /// A key's public part.
    Key(PublicKey),
    /// A certificate, DER.
    Certificate(Vec<u8>),
}

/// A public key as a JSON Web Key holds it: big-endian numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA, software or HSM protected.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Public exponent.
        e: Vec<u8>,
    },
    /// Elliptic curve, software or HSM protected.
    Ec {
        /// The curve's name, such as `P-256`.
        curve: String,
        /// X coordinate.
        x: Vec<u8>,
        /// Y coordinate.
        y: Vec<u8>,
    },
}

/// Reads one object with a token.
///
/// A client of the SDK lives for this one read: it keeps the token it has seen, and a token that is
/// replaced must not live on in it.
///
/// # Errors
/// The vault's refusal with its reason, or that it cannot be reached.
pub(crate) async fn fetch(
    session: &Arc<Session>,
    identity: &str,
    token: &Arc<ResourceToken>,
    object: &ObjectId,
) -> Result<Fetched, FetchError> {
    let read = read::object(session, token.clone(), object);
    match tokio::time::timeout_at(session.deadline().into(), read).await {
        Ok(Ok(fetched)) => Ok(fetched),
        Ok(Err(error)) => Err(error.into_fetch_error(session, identity, object)),
        Err(_) => Err(FetchError::deadline(session, identity, object)),
    }
}
