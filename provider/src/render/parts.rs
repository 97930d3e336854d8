//! A certificate as the files that servers and their clients want: chain, key, authorities, leaf, PFX.

use bytes::Bytes;
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Content, Sensitive};
use vaultbind_pki::chain::{self, Roles};
use vaultbind_pki::pem;
use zeroize::Zeroizing;

use super::certificate::{PEM, PFX};
use super::opening::{Opened, Opening};
use super::{RenderError, RenderWarning, Rendered, RenderedFile, decode, file};
use crate::request::{Object, Part};

pub(super) fn render(
    object: &Object,
    content: &Content,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, RenderError>,
) -> Result<Rendered, RenderError> {
    let (value, content_type) = match content {
        Content::Certificate(der) => {
            let leaf = pem::encode(pem::CERTIFICATE, der);
            return Ok(Rendered {
                files: vec![part_file(object, Part::Leaf, leaf.into())],
                warning: None,
            });
        }
        Content::Secret {
            value,
            content_type,
            of_certificate: true,
        } => (value, content_type.as_deref()),
        Content::Secret { .. } | Content::Key(_) => return Err(RenderError::NotOfCertificate),
    };
    let opening = match content_type {
        Some(PFX) => Opening::Pfx { chain: true },
        Some(PEM) if object.parts.contains(Part::Pfx) => return Err(RenderError::PfxOfPem),
        Some(PEM) => Opening::Pem,
        other => {
            let other = printable(other.unwrap_or("none"), 60);
            return Err(RenderError::ContentType(other));
        }
    };
    let opened = if object.parts.need_opening() {
        let opened = open(value, opening).map_err(|error| match error {
            RenderError::Pfx(error) => RenderError::PfxForParts(error),
            other => other,
        })?;
        Some(opened)
    } else {
        None
    };
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
    let roles = roles.as_ref().ok_or(RenderError::NoChain);
    if opened.as_ref().is_some_and(|opened| opened.foreign_key) {
        return Err(RenderError::KeyOfAnother);
    }
    let files = object.parts.iter().map(|part| {
        let contents = match part {
            Part::FullChain => full_chain(roles.clone()?),
            Part::PrivateKey => private_key(key.ok_or(RenderError::NoKey)?),
            Part::Ca => authorities(roles.clone()?)?,
            Part::Leaf => pem::encode(pem::CERTIFICATE, roles.clone()?.leaf).into(),
            Part::Pfx => decode::base64(value.expose())
                .ok_or(RenderError::PfxNotBase64)?
                .into(),
        };
        Ok(part_file(object, part, contents))
    });
    let files = files.collect::<Result<_, RenderError>>()?;
    let incomplete = opened.is_some_and(|opened| opened.incomplete);
    Ok(Rendered {
        files,
        warning: incomplete.then_some(RenderWarning::OutsideChain),
    })
}

fn full_chain(roles: &Roles<'_>) -> Bytes {
    let chain = std::iter::once(&roles.leaf).chain(&roles.intermediates);
    blocks(chain).into()
}

fn authorities(roles: &Roles<'_>) -> Result<Bytes, RenderError> {
    if roles.authorities.is_empty() {
        return Err(RenderError::NoIssuer);
    }
    Ok(blocks(roles.authorities.iter()).into())
}

fn blocks<'a>(certificates: impl Iterator<Item = &'a &'a [u8]>) -> String {
    certificates
        .map(|der| pem::encode(pem::CERTIFICATE, der))
        .collect()
}

fn private_key(der: &[u8]) -> Bytes {
    let text = Zeroizing::new(pem::encode(pem::PRIVATE_KEY, der));
    Bytes::copy_from_slice(text.as_bytes())
}

fn part_file(object: &Object, part: Part, contents: Bytes) -> RenderedFile {
    file(object, &format!("/{}", part.file()), contents)
}
