//! What the order of a chain needs to know of a certificate.

use der::Tag;
use der::asn1::ObjectIdentifier;

use crate::asn1::{Elements, explicit, implicit, whole};
use crate::spki::PublicKey;

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");

/// A certificate, as far as it is read. Names are compared as bytes.
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    subject_key: Option<&'a [u8]>,
    authority_key: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut tbs = Elements::of_sequence(der)?.sequence()?;
        // The version is absent in certificates of version 1.
        tbs.optional(explicit(0));
        tbs.expect(Tag::Integer)?;
        tbs.expect(Tag::Sequence)?;
        let issuer = tbs.expect(Tag::Sequence)?;
        tbs.expect(Tag::Sequence)?;
        let subject = tbs.expect(Tag::Sequence)?;
        let spki = tbs.raw()?;
        let mut certificate = Self {
            der,
            issuer,
            subject,
            spki,
            subject_key: None,
            authority_key: None,
        };
        while !tbs.is_empty() {
            let element = tbs.peek()?;
            let content = tbs.any()?.value();
            if element == explicit(3) {
                certificate.read_extensions(content)?;
            }
        }
        Some(certificate)
    }

    fn read_extensions(&mut self, content: &'a [u8]) -> Option<()> {
        let mut extensions = Elements::of_sequence(content)?;
        while !extensions.is_empty() {
            let mut extension = extensions.sequence()?;
            let oid = extension.expect(Tag::ObjectIdentifier)?;
            extension.optional(Tag::Boolean);
            let value = extension.expect(Tag::OctetString)?;
            if oid == SUBJECT_KEY_IDENTIFIER.as_bytes() {
                self.subject_key = Some(whole(value, Tag::OctetString)?);
            } else if oid == AUTHORITY_KEY_IDENTIFIER.as_bytes() {
                self.authority_key = Elements::of_sequence(value)?.optional(implicit(0));
            }
        }
        Some(())
    }

    /// Whether the key identifiers name `other` as the issuer.
    pub(super) fn is_named_by_key_of(&self, other: &Self) -> bool {
        self.authority_key.is_some() && self.authority_key == other.subject_key
    }

    /// Whether the names do, and the key identifiers have no say.
    pub(super) fn is_named_by_subject_of(&self, other: &Self) -> bool {
        let silent = self.authority_key.is_none() || other.subject_key.is_none();
        silent && self.issuer == other.subject && self.der != other.der
    }

    /// Whether the certificate names itself as its issuer.
    pub(super) fn is_root(&self) -> bool {
        let same_key = self.authority_key.is_none() || self.authority_key == self.subject_key;
        self.issuer == self.subject && same_key
    }

    /// The public key, if it is RSA or on a NIST curve.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_spki(self.spki)
    }
}
