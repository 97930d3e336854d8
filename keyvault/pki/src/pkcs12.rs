//! A reader for PKCS#12 (RFC 7292): the private keys and certificates of a password-protected file.
//!
//! Reads what is found in the field: PBES1 with 3DES and RC2, PBES2 with AES and 3DES, the classic
//! MAC and PBMAC1 (RFC 9579), files without a MAC and without encryption. The file must be DER.
//!
//! An empty password has two forms in PKCS#12: the terminator of an empty string (two zero bytes),
//! and no bytes at all, which is how Windows and thereby vaults write it. Both are tried.

mod authenticate;
mod bags;
mod decrypt;
mod derive;
mod error;

use der::Tag;
use std::fmt;
use zeroize::Zeroizing;

use crate::asn1::{Elements, explicit};
use authenticate::Mac;
use bags::Reader;
use derive::{Budget, Password};

pub use error::{Error, Limit};

/// Largest file that is read, in bytes.
pub const MAX_SIZE: usize = 1024 * 1024;
/// Most iterations of key derivation that one file may cost, over all its parts.
pub const MAX_ITERATIONS: u64 = 1_000_000;
/// Most bags in one file, nested ones included.
pub const MAX_BAGS: usize = 1000;
/// How deep bags may be nested.
pub const MAX_DEPTH: usize = 4;

/// What a file holds, in the order of its bags.
#[derive(Default)]
pub struct Contents {
    /// Private keys, DER of PKCS#8 version 0 without attributes. Keys on the NIST curves have
    /// their public point, whether or not the file has it.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
    /// Certificates, DER, byte for byte as in the file. They are not parsed.
    pub certificates: Vec<Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("keys", &self.keys.len())
            .field("certificates", &self.certificates.len())
            .finish()
    }
}

/// Reads a file.
///
/// Revocation lists in it are passed over; other bags that are neither key nor certificate are an
/// error, so that nothing gets lost unnoticed.
///
/// Key derivation keeps a processor busy: milliseconds for usual files, about a second for one at
/// the limit of [`MAX_ITERATIONS`]. Asynchronous callers hand it to a thread for blocking work.
///
/// # Errors
/// See [`Error`]. Texts are stable and hold nothing of the file but the identifier of an
/// unsupported algorithm.
pub fn decode(der: &[u8], password: &str) -> Result<Contents, Error> {
    decode_within(der, password, MAX_ITERATIONS)
}

fn decode_within(der: &[u8], password: &str, iterations: u64) -> Result<Contents, Error> {
    if der.len() > MAX_SIZE {
        return Err(Error::TooExpensive(Limit::Size));
    }
    let file = File::read(der)?;
    let mut budget = Budget::new(iterations);
    let mut outcome = Err(Error::WrongPassword);
    for password in Password::forms(password) {
        outcome = file.open(&password, &mut budget);
        // Without PKCS#12's own key derivation both forms are the same password.
        let other_form = matches!(outcome, Err(Error::WrongPassword)) && password.form_was_used();
        if !other_form {
            break;
        }
    }
    let contents = outcome?;
    if contents.keys.is_empty() && contents.certificates.is_empty() {
        return Err(Error::Empty);
    }
    Ok(contents)
}

/// The outermost structure, PFX.
struct File<'a> {
    authenticated_safe: &'a [u8],
    mac: Option<Mac<'a>>,
}

impl<'a> File<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Error> {
        let malformed = || Error::Malformed("file");
        let mut outside = Elements::of(der).ok_or_else(malformed)?;
        let mut pfx = outside.sequence().ok_or_else(malformed)?;
        if !outside.is_empty() {
            return Err(Error::TrailingData);
        }
        if pfx.unsigned().ok_or_else(malformed)? != 3 {
            return Err(Error::Malformed("version"));
        }
        let mut content = pfx.sequence().ok_or_else(malformed)?;
        let kind = content.oid().ok_or_else(malformed)?;
        if kind != bags::DATA {
            return Err(Error::unsupported(kind));
        }
        let authenticated_safe = content
            .expect(explicit(0))
            .and_then(|content| crate::asn1::whole(content, Tag::OctetString))
            .ok_or_else(malformed)?;
        let mac = if pfx.is_empty() {
            None
        } else {
            Some(Mac::read(&mut pfx)?)
        };
        Ok(Self {
            authenticated_safe,
            mac,
        })
    }

    fn open(&self, password: &Password<'_>, budget: &mut Budget) -> Result<Contents, Error> {
        if let Some(mac) = &self.mac {
            mac.verify(self.authenticated_safe, password, budget)?;
        }
        let mut reader = Reader::new(password, budget, self.mac.is_some());
        reader.authenticated_safe(self.authenticated_safe)?;
        Ok(reader.into_contents())
    }
}

#[cfg(test)]
mod tests;
