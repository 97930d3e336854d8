//! An object as one file: a secret, a public key, a leaf, a certificate's secret with all that is in it.

use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Content, PublicKey, Sensitive};
use vaultbind_pki::{pem, spki};

use crate::opening::{Opened, Opening};
use crate::{Error, decode};

pub(crate) const PEM: &str = "application/x-pem-file";
pub(crate) const PFX: &str = "application/x-pkcs12";

/// How a secret's text becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Encoding {
    /// The text as it is.
    #[default]
    Utf8,
    /// The text is base64 of the bytes.
    Base64,
    /// The text is hexadecimal of the bytes.
    Hex,
}

/// What a certificate read as a secret becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// PEM blocks; a PFX is converted.
    #[default]
    Pem,
    /// A PFX as the vault serves it.
    Pfx,
}

/// How an object becomes one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whole {
    /// What a secret's text is.
    pub encoding: Encoding,
    /// What a certificate's secret becomes.
    pub format: Format,
    /// Whether the certificates of a PFX go from leaf to root.
    pub chain: bool,
}

impl Default for Whole {
    fn default() -> Self {
        Self {
            encoding: Encoding::default(),
            format: Format::default(),
            chain: true,
        }
    }
}

/// An object as one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The bytes.
    pub bytes: Sensitive,
    /// Whether they are the PEM of a certificate's secret.
    pub pem: bool,
    /// The certificates were to be ordered and do not all belong to one chain; those outside it come
    /// last.
    pub incomplete: bool,
}

/// The value that has to be opened before the object can be rendered, and how.
pub fn whole_opening(content: &Content, how: Whole) -> Option<(&Sensitive, Opening)> {
    match content {
        Content::Secret {
            value,
            content_type: Some(content_type),
            of_certificate: true,
        } if content_type == PFX && how.format == Format::Pem => {
            Some((value, Opening::Pfx { chain: how.chain }))
        }
        _ => None,
    }
}

/// Renders all of an object; `open` does what [`whole_opening`] says.
///
/// # Errors
/// When the content cannot take the form that is asked for.
pub fn whole(
    content: &Content,
    how: Whole,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, Error>,
) -> Result<Rendered, Error> {
    match content {
        Content::Secret {
            value,
            content_type,
            of_certificate: true,
        } => {
            let opened = whole_opening(content, how).map(|(value, opening)| open(value, opening));
            certificate(value, content_type.as_deref(), how, opened.transpose()?)
        }
        Content::Secret {
            value,
            of_certificate: false,
            ..
        } => decode::value(value, how.encoding).map(plain),
        Content::Key(key) => public_key(key).map(|text| plain(text.into())),
        Content::Certificate(der) => Ok(plain(pem::encode(pem::CERTIFICATE, der).into())),
    }
}

fn plain(bytes: Sensitive) -> Rendered {
    Rendered {
        bytes,
        pem: false,
        incomplete: false,
    }
}

fn certificate(
    value: &Sensitive,
    content_type: Option<&str>,
    how: Whole,
    opened: Option<Opened>,
) -> Result<Rendered, Error> {
    let (text, incomplete) = match (content_type, opened) {
        (Some(PFX), Some(opened)) => (Sensitive::from(opened.text.as_str()), opened.incomplete),
        (Some(PFX), None) => return decode::value(value, how.encoding).map(plain),
        (Some(PEM), _) => (text(value), false),
        (other, _) => {
            let other = printable(other.unwrap_or("none"), 60);
            return Err(Error::ContentType(other));
        }
    };
    match how.encoding {
        Encoding::Utf8 => Ok(Rendered {
            bytes: text,
            pem: true,
            incomplete,
        }),
        // PEM text is neither as a whole, so this only ever succeeds for a PEM secret that someone
        // stored encoded under a PEM content type.
        Encoding::Base64 | Encoding::Hex => decode::value(&text, how.encoding)
            .map(plain)
            .map_err(|_| Error::EncodedPem),
    }
}

/// The value as text, which it nearly always is.
fn text(value: &Sensitive) -> Sensitive {
    match value.expose_str() {
        Ok(_) => value.clone(),
        Err(_) => String::from_utf8_lossy(value.expose()).into_owned().into(),
    }
}

fn public_key(key: &PublicKey) -> Result<String, Error> {
    let der = match key {
        PublicKey::Rsa { n, e } => spki::rsa_public_key(n, e),
        PublicKey::Ec { curve, x, y } => {
            let curve = curve
                .parse()
                .map_err(|_| Error::Curve(printable(curve, 30)))?;
            spki::ec_public_key(curve, x, y)
        }
    };
    der.map(|der| pem::encode(pem::PUBLIC_KEY, &der))
        .map_err(Error::PublicKey)
}
