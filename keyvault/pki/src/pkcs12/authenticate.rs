//! The MAC over a file's contents, which also tells whether the password is right.

use der::Tag;
use der::asn1::ObjectIdentifier;
use hmac::{Hmac, KeyInit, Mac as _};
use std::ops::RangeInclusive;

use super::derive::{self, Budget, Hash, Parameters, Password, Pbkdf2, Purpose, with_hash};
use super::error::Error;
use crate::asn1::Elements;

const PBMAC1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14");
/// Lengths of a PBMAC1 key, in bytes. With less than the RFC's minimum, a forger could choose a key
/// short enough for any password to match; more than the longest hash is of no use.
const KEY_LENGTHS: RangeInclusive<u64> = 20..=64;
const PART: &str = "MAC";

/// MacData.
pub(super) struct Mac<'a> {
    digest: &'a [u8],
    method: Method<'a>,
}

enum Method<'a> {
    Classic {
        hash: Hash,
        salt: &'a [u8],
        iterations: u64,
    },
    Pbmac1 {
        kdf: Pbkdf2<'a>,
        key_length: usize,
        hash: Hash,
    },
}

impl<'a> Mac<'a> {
    /// Reads the next element.
    pub(super) fn read(pfx: &mut Elements<'a>) -> Result<Self, Error> {
        let malformed = || Error::Malformed(PART);
        let mut elements = pfx.sequence().ok_or_else(malformed)?;
        let mut info = elements.sequence().ok_or_else(malformed)?;
        let algorithm = info.algorithm().ok_or_else(malformed)?;
        let digest = info.expect(Tag::OctetString).ok_or_else(malformed)?;
        let salt = elements.expect(Tag::OctetString).ok_or_else(malformed)?;
        let iterations = if elements.is_empty() {
            1
        } else {
            elements.unsigned().ok_or_else(malformed)?
        };

        let method = if algorithm.oid == PBMAC1 {
            // Salt and iterations stand in the parameters; those outside mean nothing.
            let mut parameters = algorithm.sequence().ok_or_else(malformed)?;
            let kdf = parameters.algorithm().ok_or_else(malformed)?;
            let scheme = parameters.algorithm().ok_or_else(malformed)?;
            let kdf = Pbkdf2::read(&kdf, PART)?;
            let key_length = kdf
                .key_length()
                .filter(|length| KEY_LENGTHS.contains(length));
            let key_length = key_length
                .and_then(|length| length.try_into().ok())
                .ok_or_else(malformed)?;
            Method::Pbmac1 {
                kdf,
                key_length,
                hash: Hash::from_hmac_oid(scheme.oid)?,
            }
        } else if iterations == 0 {
            return Err(malformed());
        } else {
            Method::Classic {
                hash: Hash::from_oid(algorithm.oid)?,
                salt,
                iterations,
            }
        };
        Ok(Self { digest, method })
    }

    /// Checks the MAC of `content`, in constant time once it is computed.
    pub(super) fn verify(
        &self,
        content: &[u8],
        password: &Password<'_>,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let (hash, key) = match &self.method {
            Method::Classic {
                hash,
                salt,
                iterations,
            } => {
                let iterations = budget.spend(*iterations)?;
                let parameters = Parameters {
                    hash: *hash,
                    salt,
                    iterations,
                };
                (
                    *hash,
                    derive::pkcs12(parameters, password, Purpose::Mac, hash.size()),
                )
            }
            Method::Pbmac1 {
                kdf,
                key_length,
                hash,
            } => (*hash, kdf.derive(password, *key_length, budget)?),
        };
        with_hash!(hash, D => {
            let mac = Hmac::<D>::new_from_slice(&key).map_err(|_| Error::Malformed(PART))?;
            mac.chain_update(content).verify_slice(self.digest).map_err(|_| Error::WrongPassword)
        })
    }
}
