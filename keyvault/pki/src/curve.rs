//! The NIST curves: identifiers, sizes and points.

use der::asn1::ObjectIdentifier;
use p256::elliptic_curve::sec1::ToSec1Point;
use std::str::FromStr;
use zeroize::Zeroizing;

use crate::spki::SpkiError;

pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// An elliptic curve whose public keys can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
}

macro_rules! on {
    ($curve:expr, $module:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                use p256 as $module;
                $body
            }
            Curve::P384 => {
                use p384 as $module;
                $body
            }
            Curve::P521 => {
                use p521 as $module;
                $body
            }
        }
    };
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid)
    }

    /// Bytes of a coordinate and of a private key.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// A number at the curve's size; `None` if it is longer than that.
    pub(crate) fn padded(self, number: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let digits = without_leading_zeros(number);
        let zeros = self.size().checked_sub(digits.len())?;
        let mut padded = Zeroizing::new(Vec::with_capacity(self.size()));
        padded.resize(zeros, 0);
        padded.extend_from_slice(digits);
        Some(padded)
    }

    /// The uncompressed form of a SEC1 point; `None` if it is not a point of the curve.
    pub(crate) fn uncompressed(self, point: &[u8]) -> Option<Vec<u8>> {
        on!(self, curve => {
            let key = curve::PublicKey::from_sec1_bytes(point).ok()?;
            Some(key.to_sec1_point(false).as_bytes().to_vec())
        })
    }

    /// The uncompressed public point of a private key; `None` if the key is out of range.
    pub(crate) fn public_point(self, private_key: &[u8]) -> Option<Vec<u8>> {
        let padded = self.padded(private_key)?;
        on!(self, curve => {
            let key = curve::SecretKey::from_slice(&padded).ok()?;
            Some(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        })
    }
}

impl FromStr for Curve {
    type Err = SpkiError;

    /// The names of JSON Web Keys: `P-256`, `P-384`, `P-521`.
    fn from_str(name: &str) -> Result<Self, SpkiError> {
        match name {
            "P-256" => Ok(Self::P256),
            "P-384" => Ok(Self::P384),
            "P-521" => Ok(Self::P521),
            _ => Err(SpkiError::UnsupportedCurve(name.into())),
        }
    }
}

pub(crate) fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
