//! A certificate as what servers and their clients want: chain, key, authorities, leaf, PFX.

use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Content, ObjectType, Sensitive};
use vaultbind_pki::chain::{self, Roles};
use vaultbind_pki::pem;

use crate::opening::{Opened, Opening};
use crate::whole::{PEM, PFX};
use crate::{Error, decode};

/// What can be made of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The leaf and its intermediates.
    FullChain,
    /// The private key.
    PrivateKey,
    /// Whom to trust.
    Ca,
    /// The leaf alone.
    Leaf,
    /// The PFX.
    Pfx,
}

impl Part {
    /// Every part there is, in the order of their files.
    pub const ALL: [Self; 5] = [
        Self::FullChain,
        Self::PrivateKey,
        Self::Ca,
        Self::Leaf,
        Self::Pfx,
    ];

    /// How classes and bindings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullChain => "FullChain",
            Self::PrivateKey => "PrivateKey",
            Self::Ca => "CA",
            Self::Leaf => "Leaf",
            Self::Pfx => "PFX",
        }
    }

    /// Its file, in the object's folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::FullChain => "tls.crt",
            Self::PrivateKey => "tls.key",
            Self::Ca => "ca.crt",
            Self::Leaf => "leaf.crt",
            Self::Pfx => "tls.p12",
        }
    }

    /// What is read of the vault for it alone: chain and key are in the certificate's secret only.
    pub fn read_as(self) -> ObjectType {
        match self {
            Self::Leaf => ObjectType::Certificate,
            Self::FullChain | Self::PrivateKey | Self::Ca | Self::Pfx => ObjectType::Secret,
        }
    }
}

/// Parts of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Each with its bytes, in the order in which they were asked for.
    pub files: Vec<(Part, Sensitive)>,
    /// The certificates do not all belong to one chain; those outside it are left out.
    pub incomplete: bool,
}

/// The value that has to be opened before the parts can be made, and how. A leaf is in a certificate as
/// it is, and a PFX is a secret as it is.
pub fn parts_opening<'a>(content: &'a Content, parts: &[Part]) -> Option<(&'a Sensitive, Opening)> {
    let Content::Secret {
        value,
        content_type: Some(content_type),
        of_certificate: true,
    } = content
    else {
        return None;
    };
    if parts.iter().all(|part| *part == Part::Pfx) {
        return None;
    }
    let opening = match content_type.as_str() {
        PFX => Opening::Pfx { chain: true },
        PEM => Opening::Pem,
        _ => return None,
    };
    Some((value, opening))
}

/// Makes parts of a certificate or of its secret, whichever [`Part::read_as`] says; `open` does what
/// [`parts_opening`] says.
///
/// # Errors
/// When one of them cannot be made.
pub fn parts(
    content: &Content,
    parts: &[Part],
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, Error>,
) -> Result<Parts, Error> {
    let (value, content_type) = match content {
        Content::Certificate(der) if parts.iter().all(|part| *part == Part::Leaf) => {
            let leaf = |part: &Part| (*part, pem::encode(pem::CERTIFICATE, der).into());
            return Ok(Parts {
                files: parts.iter().map(leaf).collect(),
                incomplete: false,
            });
        }
        Content::Secret {
            value,
            content_type,
            of_certificate: true,
        } => (value, content_type.as_deref()),
        Content::Certificate(_) | Content::Secret { .. } | Content::Key(_) => {
            return Err(Error::NotOfCertificate);
        }
    };
    match content_type {
        Some(PFX) => {}
        Some(PEM) if parts.contains(&Part::Pfx) => return Err(Error::PfxOfPem),
        Some(PEM) => {}
        other => {
            let other = printable(other.unwrap_or("none"), 60);
            return Err(Error::ContentType(other));
        }
    }
    let opened = parts_opening(content, parts).map(|(value, opening)| open(value, opening));
    let opened = opened.transpose().map_err(|error| match error {
        Error::Pfx(error) => Error::PfxForParts(error),
        other => other,
    })?;
    let blocks = opened
        .as_ref()
        .map_or_else(Vec::new, |o| pem::split(&o.text));
    let mut certificates = Vec::new();
    let mut key = None;
    for block in &blocks {
        if block.label == pem::CERTIFICATE {
            certificates.push(block.der.as_slice());
        } else {
            key = key.or(Some(block.der.as_slice()));
        }
    }
    let chain = opened.as_ref().map_or(0, |opened| opened.chain);
    let roles = chain::roles(&certificates, usize::try_from(chain).unwrap_or_default());
    let roles = roles.as_ref().ok_or(Error::NoChain);
    if opened.as_ref().is_some_and(|opened| opened.foreign_key) {
        return Err(Error::KeyOfAnother);
    }
    let files = parts.iter().map(|part| {
        let bytes = match part {
            Part::FullChain => full_chain(roles.clone()?),
            Part::PrivateKey => pem::encode(pem::PRIVATE_KEY, key.ok_or(Error::NoKey)?).into(),
            Part::Ca => authorities(roles.clone()?)?,
            Part::Leaf => pem::encode(pem::CERTIFICATE, roles.clone()?.leaf).into(),
            Part::Pfx => decode::base64(value.expose())
                .map(Sensitive::new)
                .ok_or(Error::PfxNotBase64)?,
        };
        Ok((*part, bytes))
    });
    Ok(Parts {
        files: files.collect::<Result<_, Error>>()?,
        incomplete: opened.is_some_and(|opened| opened.incomplete),
    })
}

fn full_chain(roles: &Roles<'_>) -> Sensitive {
    let chain = std::iter::once(&roles.leaf).chain(&roles.intermediates);
    blocks(chain).into()
}

fn authorities(roles: &Roles<'_>) -> Result<Sensitive, Error> {
    if roles.authorities.is_empty() {
        return Err(Error::NoIssuer);
    }
    Ok(blocks(roles.authorities.iter()).into())
}

fn blocks<'a>(certificates: impl Iterator<Item = &'a &'a [u8]>) -> String {
    certificates
        .map(|der| pem::encode(pem::CERTIFICATE, der))
        .collect()
}
