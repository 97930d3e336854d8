//! The private side of a certificate: a secret that holds PEM or a PFX.

use bytes::Bytes;
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{Content, Fetched, Sensitive};
use vaultbind_pki::pem;
use zeroize::Zeroizing;

use super::pfx::Opened;
use super::{RenderError, RenderOptions, RenderWarning, Rendered, decode, file};
use crate::request::{Encoding, Format, Object};

const PEM: &str = "application/x-pem-file";
const PFX: &str = "application/x-pkcs12";

/// The value that has to be opened before the object can be rendered.
pub(super) fn pfx_to_open<'a>(object: &Object, fetched: &'a Fetched) -> Option<&'a Sensitive> {
    match &fetched.content {
        Content::Secret {
            value,
            content_type: Some(content_type),
            of_certificate: true,
        } if content_type == PFX && object.format == Format::Pem => Some(value),
        _ => None,
    }
}

pub(super) fn render(
    object: &Object,
    value: &Sensitive,
    content_type: Option<&str>,
    options: RenderOptions,
    open: impl FnOnce(&Sensitive) -> Result<Opened, RenderError>,
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
            let opened = open(value)?;
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
