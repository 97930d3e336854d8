//! The SDK's calls and models, turned into ours.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_certificates::models::CertificateClientGetCertificateOptions;
use azure_security_keyvault_certificates::{CertificateClient, CertificateClientOptions};
use azure_security_keyvault_keys::models::{JsonWebKey, KeyClientGetKeyOptions};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};

use super::{Content, Fetched, ObjectId, PublicKey, Validity};
use crate::error::{FetchError, FetchProblem};
use crate::identity::client_options;
use crate::session::Session;
use crate::{ObjectType, Sensitive, VaultHost, VersionId};

/// Why a read failed, before it is known to whom it is told.
pub(super) enum ReadError {
    /// The SDK's error.
    Azure(azure_core::Error),
    /// The vault answered, but not with what was asked for.
    Answer(FetchProblem),
}

impl From<azure_core::Error> for ReadError {
    fn from(error: azure_core::Error) -> Self {
        Self::Azure(error)
    }
}

impl ReadError {
    pub(super) fn into_fetch_error(
        self,
        session: &Session,
        identity: &str,
        object: &ObjectId,
    ) -> FetchError {
        match self {
            Self::Azure(error) => FetchError::from_azure(session, identity, object, &error),
            Self::Answer(problem) => FetchError::new(session, identity, object, problem),
        }
    }
}

fn missing(what: &'static str) -> ReadError {
    ReadError::Answer(FetchProblem::BadAnswer { what })
}

/// The last segment of an object's identifier.
fn version(id: Option<&str>) -> Result<VersionId, ReadError> {
    id.and_then(|id| id.rsplit('/').next())
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| missing("has no version"))
}

fn seconds(time: Option<OffsetDateTime>) -> Option<i64> {
    time.map(OffsetDateTime::unix_timestamp)
}

/// Reads one object.
pub(super) async fn object(
    session: &Arc<Session>,
    token: Arc<dyn TokenCredential>,
    object: &ObjectId,
) -> Result<Fetched, ReadError> {
    let endpoint = format!("https://{}", session.target_host());
    let client_options = client_options(session);
    // The SDK wants the resource to be a parent of the vault's host, which it cannot be of a host
    // elsewhere. What keeps the token to the cloud's vaults is the token itself, in both cases.
    let verify_challenge_resource = Some(!session.vault().is_some_and(VaultHost::is_foreign));
    match object.object_type {
        ObjectType::Secret => {
            let options = SecretClientOptions {
                client_options,
                verify_challenge_resource,
                ..Default::default()
            };
            secret(&SecretClient::new(&endpoint, token, Some(options))?, object).await
        }
        ObjectType::Key => {
            let options = KeyClientOptions {
                client_options,
                verify_challenge_resource,
                ..Default::default()
            };
            key(&KeyClient::new(&endpoint, token, Some(options))?, object).await
        }
        ObjectType::Certificate => {
            let options = CertificateClientOptions {
                client_options,
                verify_challenge_resource,
                ..Default::default()
            };
            let client = CertificateClient::new(&endpoint, token, Some(options))?;
            certificate(&client, object).await
        }
    }
}

async fn secret(client: &SecretClient, id: &ObjectId) -> Result<Fetched, ReadError> {
    let options = SecretClientGetSecretOptions {
        secret_version: id.version.as_ref().map(ToString::to_string),
        ..Default::default()
    };
    let mut secret = client
        .get_secret(id.name.as_str(), Some(options))
        .await?
        .into_model()?;
    let attributes = secret.attributes.take().unwrap_or_default();
    let value = secret
        .value
        .take()
        .map(Sensitive::from)
        .ok_or_else(|| missing("has no value"))?;
    Ok(Fetched {
        version: version(secret.id.as_deref())?,
        validity: Validity {
            not_before: seconds(attributes.not_before),
            expires: seconds(attributes.expires),
        },
        content: Content::Secret {
            value,
            content_type: secret.content_type.take(),
            of_certificate: secret.kid.as_deref().is_some_and(|kid| !kid.is_empty()),
        },
    })
}

async fn key(client: &KeyClient, id: &ObjectId) -> Result<Fetched, ReadError> {
    let options = KeyClientGetKeyOptions {
        key_version: id.version.as_ref().map(ToString::to_string),
        ..Default::default()
    };
    let key = client
        .get_key(id.name.as_str(), Some(options))
        .await?
        .into_model()?;
    let jwk = key.key.ok_or_else(|| missing("has no key"))?;
    let attributes = key.attributes.unwrap_or_default();
    // A disabled key is served all the same; what was switched off must not be mounted.
    if attributes.enabled == Some(false) {
        return Err(ReadError::Answer(FetchProblem::Disabled));
    }
    Ok(Fetched {
        version: version(jwk.kid.as_deref())?,
        validity: Validity {
            not_before: seconds(attributes.not_before),
            expires: seconds(attributes.expires),
        },
        content: Content::Key(public_key(jwk)?),
    })
}

fn public_key(jwk: JsonWebKey) -> Result<PublicKey, ReadError> {
    let kind = jwk
        .kty
        .ok_or_else(|| missing("has no key type"))?
        .to_string();
    match kind.as_str() {
        "RSA" | "RSA-HSM" => Ok(PublicKey::Rsa {
            n: jwk.n.ok_or_else(|| missing("has no modulus"))?,
            e: jwk.e.ok_or_else(|| missing("has no exponent"))?,
        }),
        "EC" | "EC-HSM" => Ok(PublicKey::Ec {
            curve: jwk.crv.ok_or_else(|| missing("has no curve"))?.to_string(),
            x: jwk.x.ok_or_else(|| missing("has no x coordinate"))?,
            y: jwk.y.ok_or_else(|| missing("has no y coordinate"))?,
        }),
        _ => Err(ReadError::Answer(FetchProblem::UnsupportedKey { kind })),
    }
}

async fn certificate(client: &CertificateClient, id: &ObjectId) -> Result<Fetched, ReadError> {
    let options = CertificateClientGetCertificateOptions {
        certificate_version: id.version.as_ref().map(ToString::to_string),
        ..Default::default()
    };
    let answer = client
        .get_certificate(id.name.as_str(), Some(options))
        .await?;
    let certificate = answer.into_model()?;
    let attributes = certificate.attributes.unwrap_or_default();
    // Creation that is under way or has failed shows as a disabled certificate without bytes.
    let der = certificate.cer.filter(|der| !der.is_empty());
    let der = der.ok_or(ReadError::Answer(FetchProblem::NotIssued))?;
    if attributes.enabled == Some(false) {
        return Err(ReadError::Answer(FetchProblem::Disabled));
    }
    Ok(Fetched {
        version: version(certificate.id.as_deref())?,
        validity: Validity {
            not_before: seconds(attributes.not_before),
            expires: seconds(attributes.expires),
        },
        content: Content::Certificate(der),
    })
}
