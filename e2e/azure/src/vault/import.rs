//! Certificates with their key as they come in: PKCS#12 in base64, or PEM, in base64 or not.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{Decode as _, Encode as _};
use vaultbind_pki::pem;

use super::error::ApiError;
use super::keys::PrivateKey;
use super::secrets::{PEM, PKCS12};

const PEM_BEGIN: &str = "-----BEGIN ";

/// A certificate to be imported.
pub(super) struct Imported {
    pub(super) key: PrivateKey,
    /// DER, the key's own certificate first.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) subject: String,
    pub(super) content_type: &'static str,
}

/// Keys in PKCS#8 and certificates, both DER, in the order of the file.
#[derive(Default)]
struct Contents {
    keys: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

/// Reads the `value` of an import and puts the key's own certificate first.
pub(super) fn certificate(value: &str, password: Option<&str>) -> Result<Imported, ApiError> {
    let (contents, content_type) = if let Some(text) = pem_text(value) {
        (pem_contents(&text)?, PEM)
    } else {
        (pfx_contents(value, password.unwrap_or_default())?, PKCS12)
    };
    let Contents {
        keys,
        certificates: mut chain,
    } = contents;
    let key = keys
        .first()
        .and_then(|der| PrivateKey::from_pkcs8(der))
        .ok_or_else(|| {
            ApiError::bad_parameter(
                "Private key is not specified in the specified X.509 certificate content, or is \
                 of no supported type",
            )
        })?;
    let public = key.public();
    let position = chain.iter().position(|certificate| {
        parse(certificate).is_some_and(|parsed| public.is_in(&spki(&parsed)))
    });
    let Some(position) = position else {
        return Err(ApiError::bad_parameter(
            "No certificate belongs to the private key",
        ));
    };
    let leaf = chain.remove(position);
    let subject = parse(&leaf)
        .map(|parsed| parsed.tbs_certificate().subject().to_string())
        .unwrap_or_default();
    chain.insert(0, leaf);
    Ok(Imported {
        key,
        chain,
        subject,
        content_type,
    })
}

fn parse(certificate: &[u8]) -> Option<x509_cert::Certificate> {
    x509_cert::Certificate::from_der(certificate).ok()
}

fn spki(certificate: &x509_cert::Certificate) -> Vec<u8> {
    certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .unwrap_or_default()
}

/// A PFX in base64 as PEM: keys, then certificates.
pub(super) fn pfx_to_pem(value: &str) -> Result<String, ApiError> {
    let Contents { keys, certificates } = pfx_contents(value, "")?;
    let keys = keys.iter().map(|key| pem::encode("PRIVATE KEY", key));
    let certificates = certificates
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der));
    Ok(keys.chain(certificates).collect())
}

/// The PEM of a value: the value itself, or what it is in base64, as the SDK for Python sends it.
fn pem_text(value: &str) -> Option<Cow<'_, str>> {
    if value.contains(PEM_BEGIN) {
        return Some(value.into());
    }
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    text.contains(PEM_BEGIN).then(|| text.into())
}

/// The one place that reads PKCS#12.
fn pfx_contents(value: &str, password: &str) -> Result<Contents, ApiError> {
    let unreadable = "The specified PKCS#12 X.509 certificate content can not be read";
    let compact: String = value.split_ascii_whitespace().collect();
    let der = STANDARD
        .decode(compact)
        .map_err(|_| ApiError::bad_parameter(unreadable))?;
    let contents = vaultbind_pki::pkcs12::decode(&der, password)
        .map_err(|error| ApiError::bad_parameter(format!("{unreadable}: {error}")))?;
    Ok(Contents {
        keys: contents.keys.iter().map(|key| key.to_vec()).collect(),
        certificates: contents.certificates,
    })
}

fn pem_contents(text: &str) -> Result<Contents, ApiError> {
    let mut contents = Contents::default();
    for block in pem::split(text) {
        let der = block.der.to_vec();
        match block.label {
            "CERTIFICATE" => contents.certificates.push(der),
            "PRIVATE KEY" => contents.keys.push(der),
            label => {
                return Err(ApiError::bad_parameter(format!(
                    "A PEM block {label} cannot be imported: use PRIVATE KEY and CERTIFICATE"
                )));
            }
        }
    }
    Ok(contents)
}
