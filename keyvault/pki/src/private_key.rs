//! Private keys brought to one form: PKCS#8 version 0 without attributes.

use der::asn1::{AnyRef, Null, ObjectIdentifier, OctetStringRef};
use der::{Encode, Tag};
use pkcs8::PrivateKeyInfoRef;
use sec1::EcPrivateKey;
use spki::AlgorithmIdentifier;
use zeroize::Zeroizing;

use crate::asn1::{Elements, explicit};
use crate::curve::{Curve, EC_PUBLIC_KEY, without_leading_zeros};
use crate::spki::{PublicKey, RSA_ENCRYPTION};

/// PKCS#8 of a key given as PKCS#8, PKCS#1 or SEC1. `None` if it is none of them.
///
/// Keys on the NIST curves are written the same however they came: parameters outside only, the
/// number at full length, and with the public point, which clients may want and files may lack.
/// What is inside other keys stays as it is.
#[must_use]
pub fn to_pkcs8(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut elements = Elements::of_sequence(der)?;
    elements.expect(Tag::Integer)?;
    match elements.peek()? {
        Tag::Sequence => {
            let algorithm = elements.algorithm()?;
            let key = elements.expect(Tag::OctetString)?;
            match algorithm.oid {
                RSA_ENCRYPTION => rsa(key),
                EC_PUBLIC_KEY => match algorithm.content(Tag::ObjectIdentifier) {
                    Some(oid) => ec(key, Some(ObjectIdentifier::from_bytes(oid).ok()?)),
                    None if algorithm.parameters.is_none_or(AnyRef::is_null) => ec(key, None),
                    // A curve described in place rather than named.
                    None => pkcs8(EC_PUBLIC_KEY, algorithm.parameters, key),
                },
                other => pkcs8(other, algorithm.parameters, key),
            }
        }
        Tag::Integer => rsa(der),
        Tag::OctetString => ec(der, None),
        _ => None,
    }
}

/// The public half of a PKCS#8 key. `None` for kinds of keys whose public half is not derived here.
pub(crate) fn public_key(pkcs8: &[u8]) -> Option<PublicKey> {
    let mut elements = Elements::of_sequence(pkcs8)?;
    elements.expect(Tag::Integer)?;
    let algorithm = elements.algorithm()?;
    let key = elements.expect(Tag::OctetString)?;
    match algorithm.oid {
        RSA_ENCRYPTION => {
            let mut numbers = Elements::of_sequence(key)?;
            numbers.expect(Tag::Integer)?;
            let modulus = without_leading_zeros(numbers.expect(Tag::Integer)?).to_vec();
            Some(PublicKey::Rsa { modulus })
        }
        EC_PUBLIC_KEY => {
            let outside = algorithm.content(Tag::ObjectIdentifier);
            let outside = outside.and_then(|oid| ObjectIdentifier::from_bytes(oid).ok());
            let ec = EcKey::read(key)?;
            let curve = Curve::from_oid(outside.or(ec.curve)?)?;
            Some(PublicKey::Ec {
                curve,
                point: curve.public_point(ec.number)?,
            })
        }
        _ => None,
    }
}

fn rsa(pkcs1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    pkcs1::RsaPrivateKeyRef::try_from(pkcs1).ok()?;
    pkcs8(RSA_ENCRYPTION, Some(Null.into()), pkcs1)
}

fn ec(sec1: &[u8], outside: Option<ObjectIdentifier>) -> Option<Zeroizing<Vec<u8>>> {
    let key = EcKey::read(sec1)?;
    let oid = outside.or(key.curve)?;
    let Some(curve) = Curve::from_oid(oid) else {
        return pkcs8(EC_PUBLIC_KEY, Some((&oid).into()), sec1);
    };
    let number = curve.padded(key.number)?;
    let point = curve.public_point(&number)?;
    let inner = EcPrivateKey {
        private_key: &number,
        parameters: None,
        public_key: Some(&point),
    };
    let inner = Zeroizing::new(inner.to_der().ok()?);
    pkcs8(EC_PUBLIC_KEY, Some((&oid).into()), &inner)
}

fn pkcs8(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    key: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let algorithm = AlgorithmIdentifier { oid, parameters };
    let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(key).ok()?);
    info.to_der().ok().map(Zeroizing::new)
}

/// What is needed of an `ECPrivateKey`.
struct EcKey<'a> {
    number: &'a [u8],
    curve: Option<ObjectIdentifier>,
}

impl<'a> EcKey<'a> {
    fn read(sec1: &'a [u8]) -> Option<Self> {
        let mut elements = Elements::of_sequence(sec1)?;
        if elements.unsigned()? != 1 {
            return None;
        }
        let number = elements.expect(Tag::OctetString)?;
        let curve = match elements.optional(explicit(0)) {
            Some(parameters) => Elements::of(parameters)?.oid(),
            None => None,
        };
        Some(Self { number, curve })
    }
}
