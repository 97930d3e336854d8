//! The bags of a file: safes, encrypted or not, and in them keys and certificates.

use der::Tag;
use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::decrypt::decrypt;
use super::derive::{Budget, Password};
use super::error::{Error, Limit};
use super::{Contents, MAX_BAGS, MAX_DEPTH};
use crate::asn1::{Elements, explicit, implicit, whole};
use crate::private_key;

pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const REVOCATION_LIST_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.4");
const NESTED_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.6");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");

/// Where bytes come from, which decides what it means if they make no sense.
#[derive(Clone, Copy)]
enum Origin {
    /// From the file as it is.
    Plain,
    /// From a decryption whose key may have been wrong.
    Decrypted,
}

/// Reads bags into [`Contents`].
pub(super) struct Reader<'a> {
    password: &'a Password<'a>,
    budget: &'a mut Budget,
    authenticated: bool,
    bags: usize,
    contents: Contents,
}

impl<'a> Reader<'a> {
    /// `authenticated`: whether a MAC has proven the password.
    pub(super) fn new(
        password: &'a Password<'a>,
        budget: &'a mut Budget,
        authenticated: bool,
    ) -> Self {
        Self {
            password,
            budget,
            authenticated,
            bags: 0,
            contents: Contents::default(),
        }
    }

    pub(super) fn into_contents(self) -> Contents {
        self.contents
    }

    /// AuthenticatedSafe: a sequence of safes.
    pub(super) fn authenticated_safe(&mut self, der: &[u8]) -> Result<(), Error> {
        let malformed = || Error::Malformed("list of safes");
        let mut safes = Elements::of_sequence(der).ok_or_else(malformed)?;
        while !safes.is_empty() {
            let mut safe = safes.sequence().ok_or_else(malformed)?;
            let kind = safe.oid().ok_or_else(malformed)?;
            let content = safe.expect(explicit(0)).ok_or_else(malformed)?;
            match kind {
                DATA => {
                    let content = whole(content, Tag::OctetString).ok_or_else(malformed)?;
                    self.safe(content, Origin::Plain, 0)?;
                }
                ENCRYPTED_DATA => {
                    let content = self.encrypted_data(content)?;
                    self.safe(&content, Origin::Decrypted, 0)?;
                }
                other => return Err(Error::unsupported(other)),
            }
        }
        Ok(())
    }

    fn encrypted_data(&mut self, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let malformed = || Error::Malformed("encrypted safe");
        let mut elements = Elements::of_sequence(der).ok_or_else(malformed)?;
        elements.expect(Tag::Integer).ok_or_else(malformed)?;
        let mut info = elements.sequence().ok_or_else(malformed)?;
        let kind = info.oid().ok_or_else(malformed)?;
        if kind != DATA {
            return Err(Error::unsupported(kind));
        }
        let algorithm = info.algorithm().ok_or_else(malformed)?;
        let ciphertext = info.expect(implicit(0)).ok_or_else(malformed)?;
        decrypt(&algorithm, ciphertext, self.password, self.budget)
    }

    /// SafeContents: a sequence of bags.
    fn safe(&mut self, der: &[u8], origin: Origin, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooExpensive(Limit::Depth));
        }
        let error = self.error(origin, "safe");
        let malformed = || error.clone();
        let mut bags = Elements::of_sequence(der).ok_or_else(malformed)?;
        while !bags.is_empty() {
            self.bags += 1;
            if self.bags > MAX_BAGS {
                return Err(Error::TooExpensive(Limit::Bags));
            }
            let mut bag = bags.sequence().ok_or_else(malformed)?;
            let kind = bag.oid().ok_or_else(malformed)?;
            let value = bag.expect(explicit(0)).ok_or_else(malformed)?;
            match kind {
                KEY_BAG => self.key(value, origin)?,
                SHROUDED_KEY_BAG => self.shrouded_key(value, origin)?,
                CERTIFICATE_BAG => self.certificate(value, origin)?,
                NESTED_BAG => self.safe(value, origin, depth + 1)?,
                REVOCATION_LIST_BAG => {}
                other => return Err(Error::unsupported(other)),
            }
        }
        Ok(())
    }

    fn key(&mut self, der: &[u8], origin: Origin) -> Result<(), Error> {
        let key = private_key::to_pkcs8(der).ok_or_else(|| self.error(origin, "private key"))?;
        self.contents.keys.push(key);
        Ok(())
    }

    fn shrouded_key(&mut self, der: &[u8], origin: Origin) -> Result<(), Error> {
        let error = self.error(origin, "encrypted private key");
        let malformed = || error.clone();
        let mut elements = Elements::of_sequence(der).ok_or_else(malformed)?;
        let algorithm = elements.algorithm().ok_or_else(malformed)?;
        let ciphertext = elements.expect(Tag::OctetString).ok_or_else(malformed)?;
        let key = decrypt(&algorithm, ciphertext, self.password, self.budget)?;
        self.key(&key, Origin::Decrypted)
    }

    fn certificate(&mut self, der: &[u8], origin: Origin) -> Result<(), Error> {
        let error = self.error(origin, "certificate");
        let malformed = || error.clone();
        let mut elements = Elements::of_sequence(der).ok_or_else(malformed)?;
        let kind = elements.oid().ok_or_else(malformed)?;
        if kind != X509_CERTIFICATE {
            return Err(Error::unsupported(kind));
        }
        let value = elements.expect(explicit(0)).ok_or_else(malformed)?;
        let certificate = whole(value, Tag::OctetString).ok_or_else(malformed)?;
        whole(certificate, Tag::Sequence).ok_or_else(malformed)?;
        self.contents.certificates.push(certificate.to_vec());
        Ok(())
    }

    /// What it means if a part is not as it should be: of decrypted bytes that no MAC vouches for,
    /// most likely that the key was wrong and the padding right by chance.
    fn error(&self, origin: Origin, part: &'static str) -> Error {
        match origin {
            Origin::Decrypted if !self.authenticated => Error::WrongPassword,
            _ => Error::Malformed(part),
        }
    }
}
