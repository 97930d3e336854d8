//! `SubjectPublicKeyInfo` from the numbers of a JSON Web Key.
//!
//! The numbers are big-endian. They are checked, because a key that no client can use is worse
//! than an error.

use der::Encode;
use der::Tag;
use der::asn1::{AnyRef, BitStringRef, Null, ObjectIdentifier, UintRef};
use pkcs1::RsaPublicKeyRef;
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfoRef};

use crate::asn1::{Elements, octets};
use crate::curve::{EC_PUBLIC_KEY, without_leading_zeros};

pub use crate::curve::Curve;

pub(crate) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Shortest modulus, in bits: half of the shortest that a vault makes.
pub const MIN_MODULUS_BITS: usize = 1024;
/// Longest modulus, in bits.
pub const MAX_MODULUS_BITS: usize = 16384;

/// Why numbers are no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpkiError {
    /// The modulus is empty, shorter than [`MIN_MODULUS_BITS`] or longer than [`MAX_MODULUS_BITS`].
    #[error("RSA modulus of {bits} bits, expected {MIN_MODULUS_BITS} to {MAX_MODULUS_BITS}")]
    ModulusSize {
        /// Bits of the modulus given.
        bits: usize,
    },
    /// The modulus is even.
    #[error("RSA modulus is even")]
    ModulusEven,
    /// The exponent is empty, even, less than 3 or not smaller than the modulus.
    #[error("RSA public exponent is empty, even or out of range")]
    Exponent,
    /// The curve is none of [`Curve`].
    #[error("unsupported curve {0:?}, expected P-256, P-384 or P-521")]
    UnsupportedCurve(String),
    /// A coordinate is longer than the curve's field.
    #[error("EC coordinate is longer than the curve allows")]
    CoordinateSize,
    /// The coordinates are no point of the curve.
    #[error("EC coordinates are no point of the curve")]
    NotOnCurve,
    /// The key could not be written as DER.
    #[error("public key cannot be encoded")]
    Encoding(#[source] der::Error),
}

/// DER of an RSA public key with modulus `n` and public exponent `e`.
///
/// Leading zeros are dropped.
///
/// # Errors
/// [`SpkiError::ModulusSize`], [`SpkiError::ModulusEven`], [`SpkiError::Exponent`].
pub fn rsa_public_key(n: &[u8], e: &[u8]) -> Result<Vec<u8>, SpkiError> {
    let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
    let bits = bits(n);
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) {
        return Err(SpkiError::ModulusSize { bits });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(n) {
        return Err(SpkiError::ModulusEven);
    }
    let smaller = e.len() < n.len() || (e.len() == n.len() && e < n);
    if !odd(e) || e == [1] || !smaller {
        return Err(SpkiError::Exponent);
    }
    let encode = || -> der::Result<Vec<u8>> {
        let key = RsaPublicKeyRef {
            modulus: UintRef::new(n)?,
            public_exponent: UintRef::new(e)?,
        };
        spki(RSA_ENCRYPTION, Null.into(), &key.to_der()?)
    };
    encode().map_err(SpkiError::Encoding)
}

/// DER of the public key at the point (`x`, `y`) of a curve.
///
/// Coordinates of any length are brought to the curve's size.
///
/// # Errors
/// [`SpkiError::CoordinateSize`], [`SpkiError::NotOnCurve`].
pub fn ec_public_key(curve: Curve, x: &[u8], y: &[u8]) -> Result<Vec<u8>, SpkiError> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let padded = curve.padded(coordinate).ok_or(SpkiError::CoordinateSize)?;
        point.extend_from_slice(&padded);
    }
    let point = curve.uncompressed(&point).ok_or(SpkiError::NotOnCurve)?;
    spki(EC_PUBLIC_KEY, (&curve.oid()).into(), &point).map_err(SpkiError::Encoding)
}

fn spki(oid: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> der::Result<Vec<u8>> {
    SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifier {
            oid,
            parameters: Some(parameters),
        },
        subject_public_key: BitStringRef::from_bytes(key)?,
    }
    .to_der()
}

fn bits(number: &[u8]) -> usize {
    let Some(first) = number.first() else {
        return 0;
    };
    let leading = usize::try_from(first.leading_zeros()).unwrap_or(0);
    number.len() * 8 - leading
}

/// A public key, for comparing a certificate with a private key.
#[derive(PartialEq, Eq)]
pub(crate) enum PublicKey {
    Rsa { modulus: Vec<u8> },
    Ec { curve: Curve, point: Vec<u8> },
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`. `None` for other kinds of keys.
    pub(crate) fn from_spki(der: &[u8]) -> Option<Self> {
        let mut elements = Elements::of_sequence(der)?;
        let algorithm = elements.algorithm()?;
        let key = octets(elements.expect(Tag::BitString)?)?;
        match algorithm.oid {
            RSA_ENCRYPTION => {
                let modulus = Elements::of_sequence(key)?.expect(Tag::Integer)?;
                Some(Self::Rsa {
                    modulus: without_leading_zeros(modulus).to_vec(),
                })
            }
            EC_PUBLIC_KEY => {
                let oid = algorithm.content(Tag::ObjectIdentifier)?;
                let curve = Curve::from_oid(ObjectIdentifier::from_bytes(oid).ok()?)?;
                Some(Self::Ec {
                    curve,
                    point: curve.uncompressed(key)?,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
