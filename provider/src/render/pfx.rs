//! A PFX as PEM text. Deriving the keys of a PFX is the one step of rendering that costs.

use vaultbind_pki::{chain, pem, pkcs12};
use zeroize::Zeroizing;

use super::{RenderError, decode};

/// What is in a PFX: its keys first, then its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) text: Zeroizing<String>,
    /// The certificates were to be ordered and do not all belong to one chain.
    pub(super) incomplete: bool,
}

/// Opens the base64 of a PFX; with `chain`, its certificates go from leaf to root.
pub(super) fn open(base64: &[u8], chain: bool) -> Result<Opened, RenderError> {
    let der = decode::base64(base64).ok_or(RenderError::PfxNotBase64)?;
    let der = Zeroizing::new(der);
    let contents = pkcs12::decode(&der, "").map_err(RenderError::Pfx)?;
    let mut text = Zeroizing::new(String::new());
    for key in &contents.keys {
        text.push_str(&Zeroizing::new(pem::encode(pem::PRIVATE_KEY, key)));
    }
    let mut incomplete = false;
    let certificates = if chain {
        let key = contents.keys.first().map(|key| key.as_slice());
        let ordered = chain::order_for_key(contents.certificates, key);
        incomplete = !ordered.complete;
        ordered.certificates
    } else {
        contents.certificates
    };
    for certificate in &certificates {
        text.push_str(&pem::encode(pem::CERTIFICATE, certificate));
    }
    Ok(Opened { text, incomplete })
}
