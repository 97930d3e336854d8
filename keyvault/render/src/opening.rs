//! A certificate's secret as PEM text: its keys, then its certificates. Deriving the keys of a PFX is
//! the one step of rendering that costs.

use std::fmt;

use vaultbind_pki::{chain, pem, pkcs12, private_key};
use zeroize::Zeroizing;

use crate::{Error, decode};

/// How a secret is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// As the base64 of a PFX; with `chain`, its certificates go from leaf to root.
    Pfx {
        /// Whether they are put in order.
        chain: bool,
    },
    /// As PEM, whose certificates go from leaf to root.
    Pem,
}

/// What is in a certificate's secret: its keys first, then its certificates.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// As PEM.
    pub text: Zeroizing<String>,
    /// The certificates were to be ordered and do not all belong to one chain.
    pub incomplete: bool,
    /// The certificates were ordered, and none is the key's.
    pub foreign_key: bool,
    /// How many of the certificates are the chain; 0 if they were not ordered.
    pub chain: u32,
}

/// Without the text, which has keys in it.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("incomplete", &self.incomplete)
            .field("foreign_key", &self.foreign_key)
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl Opening {
    /// Tells the ways apart.
    pub fn tag(self) -> u8 {
        match self {
            Self::Pfx { chain } => u8::from(chain),
            Self::Pem => 2,
        }
    }

    /// Opens a secret's value. A PFX can cost as much computing as its author likes, up to a limit.
    ///
    /// # Errors
    /// [`Error::PfxNotBase64`] and [`Error::Pfx`].
    pub fn open(self, value: &[u8]) -> Result<Opened, Error> {
        match self {
            Self::Pfx { chain } => pfx(value, chain),
            Self::Pem => Ok(pem(value)),
        }
    }
}

fn pfx(base64: &[u8], chain: bool) -> Result<Opened, Error> {
    let der = decode::base64(base64).ok_or(Error::PfxNotBase64)?;
    let der = Zeroizing::new(der);
    let contents = pkcs12::decode(&der, "").map_err(Error::Pfx)?;
    Ok(text(&contents.keys, contents.certificates, chain))
}

/// What is neither a key nor a certificate, or cannot be read as one, is left out.
fn pem(value: &[u8]) -> Opened {
    let value = Zeroizing::new(String::from_utf8_lossy(value).into_owned());
    let (mut keys, mut certificates) = (Vec::new(), Vec::new());
    for block in pem::split(&value) {
        if block.label == pem::CERTIFICATE {
            certificates.push(block.der.to_vec());
        } else if block.label.ends_with(pem::PRIVATE_KEY) {
            keys.extend(private_key::to_pkcs8(&block.der));
        }
    }
    text(&keys, certificates, true)
}

fn text(keys: &[Zeroizing<Vec<u8>>], certificates: Vec<Vec<u8>>, chain: bool) -> Opened {
    let mut opened = Opened {
        text: Zeroizing::default(),
        incomplete: false,
        foreign_key: false,
        chain: 0,
    };
    for key in keys {
        let block = Zeroizing::new(pem::encode(pem::PRIVATE_KEY, key));
        opened.text.push_str(&block);
    }
    let certificates = if chain {
        let key = keys.first().map(|key| key.as_slice());
        let ordered = chain::order_for_key(certificates, key);
        opened.incomplete = !ordered.complete;
        let matches = ordered.leaf_matches_key != Some(false);
        opened.foreign_key = ordered.chain_length > 0 && !matches;
        opened.chain = u32::try_from(ordered.chain_length).unwrap_or_default();
        ordered.certificates
    } else {
        certificates
    };
    for certificate in &certificates {
        opened
            .text
            .push_str(&pem::encode(pem::CERTIFICATE, certificate));
    }
    opened
}
