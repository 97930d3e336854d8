//! The private side of a certificate: a secret that holds PEM or a PFX.

use bytes::Bytes;
use vaultbind_keyvault::Sensitive;
use vaultbind_pki::{chain, pem, pkcs12};
use zeroize::Zeroizing;

use super::{RenderError, RenderOptions, RenderWarning, Rendered, decode, file};
use crate::request::{Encoding, Format, Object};

pub(super) fn render(
    object: &Object,
    value: &Sensitive,
    content_type: Option<&str>,
    options: RenderOptions,
) -> Result<Rendered, RenderError> {
    let (text, warning) = match content_type {
        Some("application/x-pem-file") => (
            Zeroizing::new(String::from_utf8_lossy(value.expose()).into_owned()),
            None,
        ),
        Some("application/x-pkcs12") if object.format == Format::Pfx => {
            // There is nothing to split in a PFX, so separate files are not written for it.
            let contents = decode::value(value.expose(), object.encoding)?;
            return Ok(Rendered {
                files: vec![file(object, "", contents)],
                warning: None,
            });
        }
        Some("application/x-pkcs12") => pfx_to_pem(value, options)?,
        Some(other) => {
            return Err(RenderError::ContentType(other.chars().take(60).collect()));
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

/// Keys first, then the certificates from leaf to root.
fn pfx_to_pem(
    value: &Sensitive,
    options: RenderOptions,
) -> Result<(Zeroizing<String>, Option<RenderWarning>), RenderError> {
    let der = decode::base64(value.expose()).ok_or(RenderError::PfxNotBase64)?;
    let der = Zeroizing::new(der);
    let contents = pkcs12::decode(&der, "").map_err(RenderError::Pfx)?;
    let mut text = Zeroizing::new(String::new());
    for key in &contents.keys {
        text.push_str(&Zeroizing::new(pem::encode(pem::PRIVATE_KEY, key)));
    }
    let mut warning = None;
    let certificates = if options.construct_pem_chain {
        let key = contents.keys.first().map(|key| key.as_slice());
        let ordered = chain::order_for_key(contents.certificates, key);
        if !ordered.complete {
            warning = Some(RenderWarning::IncompleteChain);
        }
        ordered.certificates
    } else {
        contents.certificates
    };
    for certificate in &certificates {
        text.push_str(&pem::encode(pem::CERTIFICATE, certificate));
    }
    Ok((text, warning))
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
