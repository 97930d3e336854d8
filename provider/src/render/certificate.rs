//! The private side of a certificate: a secret that holds PEM or a PFX.

use bytes::Bytes;
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Content, Fetched, Sensitive};
use vaultbind_pki::pem;
use zeroize::Zeroizing;

use super::opening::{Opened, Opening};
use super::{RenderError, RenderOptions, RenderWarning, Rendered, decode, file};
use crate::request::{Encoding, Format, Object};

pub(super) const PEM: &str = "application/x-pem-file";
pub(super) const PFX: &str = "application/x-pkcs12";

/// The value that has to be opened before the object can be rendered, and how.
pub(super) fn to_open<'a>(
    object: &Object,
    fetched: &'a Fetched,
    options: RenderOptions,
) -> Option<(&'a Sensitive, Opening)> {
    let Content::Secret {
        value,
        content_type: Some(content_type),
        of_certificate: true,
    } = &fetched.content
    else {
        return None;
    };
    let parts = object.parts;
    let opening = match content_type.as_str() {
        PFX if parts.need_opening() => Opening::Pfx { chain: true },
        PEM if parts.need_opening() => Opening::Pem,
        PFX if parts.is_empty() && object.format == Format::Pem => Opening::Pfx {
            chain: options.construct_pem_chain,
        },
        _ => return None,
    };
    Some((value, opening))
}

pub(super) fn render(
    object: &Object,
    value: &Sensitive,
    content_type: Option<&str>,
    options: RenderOptions,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, RenderError>,
) -> Result<Rendered, RenderError> {
    let (text, warning) = match content_type {
        Some(PEM) => (
            Zeroizing::new(String::from_utf8_lossy(value.expose()).into_owned()),
            None,
        ),
        Some(PFX) if object.format == Format::Pfx => {
            // There is nothing to split in a PFX, so separate files are not written for it.
            let contents = decode::value(value.expose(), object.encoding)?;
            return Ok(Rendered {
                files: vec![file(object, "", contents)],
                warning: None,
            });
        }
        Some(PFX) => {
            let chain = options.construct_pem_chain;
            let opened = open(value, Opening::Pfx { chain })?;
            let warning = opened.incomplete.then_some(RenderWarning::IncompleteChain);
            (opened.text, warning)
        }
        Some(other) => {
            return Err(RenderError::ContentType(printable(other, 60)));
        }
        None => return Err(RenderError::ContentType("none".to_owned())),
    };
    if !object.encoding.is_text() {
        return encoded(object, &text);
    }

    let mut files = Vec::new();
    if options.separate_files {
        let (certificates, others) = split(&text);
        let parts = [(".crt", certificates), (".key", others)];
        // A part that does not exist gets no file: an empty key file only misleads.
        files.extend(
            parts
                .into_iter()
                .filter(|(_, part)| !part.is_empty())
                .map(|(suffix, part)| {
                    file(object, suffix, Bytes::copy_from_slice(part.as_bytes()))
                }),
        );
    }
    files.push(file(object, "", Bytes::copy_from_slice(text.as_bytes())));
    Ok(Rendered { files, warning })
}

/// PEM text is neither base64 nor hexadecimal as a whole, so this only ever succeeds for a PEM
/// secret that someone stored encoded under a PEM content type.
fn encoded(object: &Object, text: &str) -> Result<Rendered, RenderError> {
    match object.encoding {
        Encoding::Utf8 | Encoding::Base64 | Encoding::Hex => {
            let contents = decode::value(text.as_bytes(), object.encoding)
                .map_err(|_| RenderError::EncodedPem)?;
            Ok(Rendered {
                files: vec![file(object, "", contents)],
                warning: None,
            })
        }
    }
}

fn split(text: &str) -> (Zeroizing<String>, Zeroizing<String>) {
    let mut certificates = Zeroizing::new(String::new());
    let mut others = Zeroizing::new(String::new());
    for block in pem::split(text) {
        let part = if block.label == pem::CERTIFICATE {
            &mut certificates
        } else {
            &mut others
        };
        // Written anew, as the Go provider does, but for a block with headers, which an encoder
        // of plain blocks would lose.
        if block.text.contains(':') {
            part.push_str(block.text);
            part.push('\n');
        } else {
            part.push_str(&Zeroizing::new(pem::encode(block.label, &block.der)));
        }
    }
    (certificates, others)
}
