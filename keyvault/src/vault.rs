//! Reading objects from one vault as one identity.

mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_security_keyvault_certificates::{CertificateClient, CertificateClientOptions};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use futures::future::{Either, select};

use crate::error::{FetchError, TokenError};
use crate::identity::{self, Identity};
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

/// One vault, read as one identity, within one [`Session`].
pub struct Vault {
    session: Arc<Session>,
    identity: String,
    secrets: SecretClient,
    keys: KeyClient,
    certificates: CertificateClient,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("host", &self.session.vault_host())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Gets a token and, while it is being asked for, dials the vault.
    ///
    /// # Errors
    /// When there is no token to be had. An unreachable vault shows when it is read.
    pub async fn open(session: &Arc<Session>, identity: &Identity) -> Result<Self, TokenError> {
        let token = pin!(identity::acquire(session, identity));
        let dial = pin!(session.transport().warm(session.vault_host()));
        // The dial goes on without us. Whoever reads waits for it, within the deadline; a refusal
        // by Entra does not.
        let token = match select(token, dial).await {
            Either::Left((token, _)) => token?,
            Either::Right((_, token)) => token.await?,
        };
        tracing::debug!(
            identity = identity.name(),
            lifetime_seconds = token.lifetime().as_secs(),
            "token acquired"
        );
        Self::with_credential(session, identity, Arc::new(token))
            .map_err(|error| TokenError::from_azure(session, identity, &error))
    }

    fn with_credential(
        session: &Arc<Session>,
        identity: &Identity,
        credential: Arc<dyn TokenCredential>,
    ) -> azure_core::Result<Self> {
        let endpoint = format!("https://{}", session.vault_host());
        let secrets = SecretClientOptions {
            client_options: identity::client_options(session),
            ..Default::default()
        };
        let keys = KeyClientOptions {
            client_options: identity::client_options(session),
            ..Default::default()
        };
        let certificates = CertificateClientOptions {
            client_options: identity::client_options(session),
            ..Default::default()
        };
        Ok(Self {
            session: Arc::clone(session),
            identity: identity.name().to_owned(),
            secrets: SecretClient::new(&endpoint, Arc::clone(&credential), Some(secrets))?,
            keys: KeyClient::new(&endpoint, Arc::clone(&credential), Some(keys))?,
            certificates: CertificateClient::new(&endpoint, credential, Some(certificates))?,
        })
    }

    /// Reads one object.
    ///
    /// # Errors
    /// The vault's refusal with its reason, or that it cannot be reached.
    pub async fn get(&self, object: &ObjectId) -> Result<Fetched, FetchError> {
        let read = async {
            match object.object_type {
                ObjectType::Secret => read::secret(&self.secrets, object).await,
                ObjectType::Key => read::key(&self.keys, object).await,
                ObjectType::Certificate => read::certificate(&self.certificates, object).await,
            }
        };
        match tokio::time::timeout_at(self.session.deadline().into(), read).await {
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(error)) => Err(error.into_fetch_error(&self.session, &self.identity, object)),
            Err(_) => Err(FetchError::deadline(&self.session, &self.identity, object)),
        }
    }
}
