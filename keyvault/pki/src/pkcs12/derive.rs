//! Keys from passwords: PKCS#12's own derivation (RFC 7292, appendix B) and PBKDF2.

use der::Tag;
use der::asn1::ObjectIdentifier;
use sha2::digest::Digest;
use sha2::digest::block_api::BlockSizeUser;
use std::cell::Cell;
use zeroize::Zeroizing;

use super::error::{Error, Limit};
use crate::asn1::Algorithm;

const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");

/// The hash functions that files use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Evaluates an expression with a type that stands for the hash function.
macro_rules! with_hash {
    ($hash:expr, $type:ident => $body:expr) => {
        match $hash {
            $crate::pkcs12::derive::Hash::Sha1 => {
                type $type = sha1::Sha1;
                $body
            }
            $crate::pkcs12::derive::Hash::Sha224 => {
                type $type = sha2::Sha224;
                $body
            }
            $crate::pkcs12::derive::Hash::Sha256 => {
                type $type = sha2::Sha256;
                $body
            }
            $crate::pkcs12::derive::Hash::Sha384 => {
                type $type = sha2::Sha384;
                $body
            }
            $crate::pkcs12::derive::Hash::Sha512 => {
                type $type = sha2::Sha512;
                $body
            }
        }
    };
}
pub(super) use with_hash;

impl Hash {
    /// The function with this identifier.
    pub(super) fn from_oid(oid: ObjectIdentifier) -> Result<Self, Error> {
        match oid.to_string().as_str() {
            "1.3.14.3.2.26" => Ok(Self::Sha1),
            "2.16.840.1.101.3.4.2.4" => Ok(Self::Sha224),
            "2.16.840.1.101.3.4.2.1" => Ok(Self::Sha256),
            "2.16.840.1.101.3.4.2.2" => Ok(Self::Sha384),
            "2.16.840.1.101.3.4.2.3" => Ok(Self::Sha512),
            _ => Err(Error::unsupported(oid)),
        }
    }

    /// The function under the HMAC with this identifier.
    pub(super) fn from_hmac_oid(oid: ObjectIdentifier) -> Result<Self, Error> {
        match oid.to_string().as_str() {
            "1.2.840.113549.2.7" => Ok(Self::Sha1),
            "1.2.840.113549.2.8" => Ok(Self::Sha224),
            "1.2.840.113549.2.9" => Ok(Self::Sha256),
            "1.2.840.113549.2.10" => Ok(Self::Sha384),
            "1.2.840.113549.2.11" => Ok(Self::Sha512),
            _ => Err(Error::unsupported(oid)),
        }
    }

    /// Length of its output, in bytes.
    pub(super) fn size(self) -> usize {
        with_hash!(self, D => <D as Digest>::output_size())
    }
}

/// A password in the forms that PKCS#12 knows.
pub(super) struct Password<'a> {
    utf8: &'a str,
    utf16: Zeroizing<Vec<u8>>,
    utf16_used: Cell<bool>,
}

impl<'a> Password<'a> {
    /// The forms to be tried, in order: big-endian UTF-16 with a terminator, and for the empty
    /// password also without.
    pub(super) fn forms(password: &'a str) -> Vec<Self> {
        let form = |utf16: Vec<u8>| Self {
            utf8: password,
            utf16: Zeroizing::new(utf16),
            utf16_used: Cell::new(false),
        };
        // Two bytes at most for each byte of UTF-8, so that the vector never moves.
        let mut terminated = Vec::with_capacity(2 * password.len() + 2);
        terminated.extend(password.encode_utf16().flat_map(u16::to_be_bytes));
        terminated.extend([0, 0]);
        let mut forms = vec![form(terminated)];
        if password.is_empty() {
            forms.push(form(Vec::new()));
        }
        forms
    }

    /// Whether a key was derived in a way that tells the forms apart.
    pub(super) fn form_was_used(&self) -> bool {
        self.utf16_used.get()
    }
}

/// Iterations of key derivation that may still be spent.
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn new(iterations: u64) -> Self {
        Self(iterations)
    }

    /// Takes the iterations of one derivation.
    pub(super) fn spend(&mut self, iterations: u64) -> Result<u32, Error> {
        let too_expensive = || Error::TooExpensive(Limit::Iterations);
        self.0 = self.0.checked_sub(iterations).ok_or_else(too_expensive)?;
        u32::try_from(iterations).map_err(|_| too_expensive())
    }
}

/// What derived bytes are for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    InitializationVector = 2,
    Mac = 3,
}

/// Salt and cost of PKCS#12's own derivation.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub(super) hash: Hash,
    pub(super) salt: &'a [u8],
    /// At least 1, and paid for.
    pub(super) iterations: u32,
}

/// PKCS#12's own derivation.
pub(super) fn pkcs12(
    parameters: Parameters<'_>,
    password: &Password<'_>,
    purpose: Purpose,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    password.utf16_used.set(true);
    with_hash!(parameters.hash, D => pkcs12_with::<D>(parameters, &password.utf16, purpose, length))
}

fn pkcs12_with<D: Digest + BlockSizeUser>(
    parameters: Parameters<'_>,
    password: &[u8],
    purpose: Purpose,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = D::block_size();
    let repeated = |bytes: &[u8]| bytes.len().div_ceil(block) * block;
    let salt_length = repeated(parameters.salt);
    let mut input = Zeroizing::new(Vec::with_capacity(salt_length + repeated(password)));
    input.extend(parameters.salt.iter().copied().cycle().take(salt_length));
    input.extend(password.iter().copied().cycle().take(repeated(password)));

    let diversifier = vec![purpose as u8; block];
    let mut derived = Zeroizing::new(Vec::with_capacity(length + <D as Digest>::output_size()));
    loop {
        let mut hash = D::new()
            .chain_update(&diversifier)
            .chain_update(&*input)
            .finalize();
        for _ in 1..parameters.iterations {
            hash = D::digest(&hash);
        }
        derived.extend_from_slice(&hash);
        if derived.len() >= length {
            derived.truncate(length);
            return derived;
        }
        // Each block of the input grows by the hash repeated to a block's length, plus one.
        let addend = Zeroizing::new(
            hash.iter()
                .copied()
                .cycle()
                .take(block)
                .collect::<Vec<u8>>(),
        );
        for chunk in input.chunks_mut(block) {
            let mut carry = 1;
            for (byte, added) in chunk.iter_mut().zip(addend.iter()).rev() {
                let sum = u16::from(*byte) + u16::from(*added) + carry;
                let [high, low] = sum.to_be_bytes();
                *byte = low;
                carry = u16::from(high);
            }
        }
    }
}

/// PBKDF2 with its parameters.
pub(super) struct Pbkdf2<'a> {
    salt: &'a [u8],
    iterations: u64,
    key_length: Option<u64>,
    hash: Hash,
}

impl<'a> Pbkdf2<'a> {
    pub(super) fn read(algorithm: &Algorithm<'a>, part: &'static str) -> Result<Self, Error> {
        if algorithm.oid != PBKDF2 {
            return Err(Error::unsupported(algorithm.oid));
        }
        let malformed = || Error::Malformed(part);
        let mut elements = algorithm.sequence().ok_or_else(malformed)?;
        let salt = elements.expect(Tag::OctetString).ok_or_else(malformed)?;
        let iterations = elements.unsigned().ok_or_else(malformed)?;
        let key_length = match elements.peek() {
            Some(Tag::Integer) => Some(elements.unsigned().ok_or_else(malformed)?),
            _ => None,
        };
        let hash = if elements.is_empty() {
            Hash::Sha1
        } else {
            Hash::from_hmac_oid(elements.algorithm().ok_or_else(malformed)?.oid)?
        };
        if iterations == 0 {
            return Err(malformed());
        }
        Ok(Self {
            salt,
            iterations,
            key_length,
            hash,
        })
    }

    /// The length of key that the parameters ask for, in bytes.
    pub(super) fn key_length(&self) -> Option<u64> {
        self.key_length
    }

    pub(super) fn derive(
        &self,
        password: &Password<'_>,
        length: usize,
        budget: &mut Budget,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let iterations = budget.spend(self.iterations)?;
        let mut key = Zeroizing::new(vec![0; length]);
        let password = password.utf8.as_bytes();
        with_hash!(self.hash, D => {
            pbkdf2::pbkdf2_hmac::<D>(password, self.salt, iterations, &mut key);
        });
        Ok(key)
    }
}
