//! Decryption with a password: PBES1 in its PKCS#12 variants, and PBES2.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, BlockSizeUser, InnerIvInit, KeyInit};
use der::Tag;
use der::asn1::ObjectIdentifier;
use des::{TdesEde2, TdesEde3};
use rc2::Rc2;
use zeroize::Zeroizing;

use super::derive::{self, Budget, Hash, Parameters, Password, Pbkdf2, Purpose};
use super::error::Error;
use crate::asn1::Algorithm;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PART: &str = "encryption parameters";

/// A block cipher in CBC mode.
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    TwoKeyTripleDes,
    Rc2With128Bits,
    Rc2With40Bits,
}

impl Cipher {
    fn of_pbes1(oid: ObjectIdentifier) -> Result<Self, Error> {
        match oid.to_string().as_str() {
            "1.2.840.113549.1.12.1.3" => Ok(Self::TripleDes),
            "1.2.840.113549.1.12.1.4" => Ok(Self::TwoKeyTripleDes),
            "1.2.840.113549.1.12.1.5" => Ok(Self::Rc2With128Bits),
            "1.2.840.113549.1.12.1.6" => Ok(Self::Rc2With40Bits),
            _ => Err(Error::unsupported(oid)),
        }
    }

    fn of_pbes2(oid: ObjectIdentifier) -> Result<Self, Error> {
        match oid.to_string().as_str() {
            "2.16.840.1.101.3.4.1.2" => Ok(Self::Aes128),
            "2.16.840.1.101.3.4.1.22" => Ok(Self::Aes192),
            "2.16.840.1.101.3.4.1.42" => Ok(Self::Aes256),
            "1.2.840.113549.3.7" => Ok(Self::TripleDes),
            _ => Err(Error::unsupported(oid)),
        }
    }

    fn key_size(self) -> usize {
        match self {
            Self::Aes256 => 32,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes128 | Self::TwoKeyTripleDes | Self::Rc2With128Bits => 16,
            Self::Rc2With40Bits => 5,
        }
    }

    fn block_size(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            _ => 8,
        }
    }

    fn decrypt(self, key: &[u8], iv: &[u8], text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Aes128 => cbc::<Aes128>(key, iv, text),
            Self::Aes192 => cbc::<Aes192>(key, iv, text),
            Self::Aes256 => cbc::<Aes256>(key, iv, text),
            Self::TripleDes => cbc::<TdesEde3>(key, iv, text),
            Self::TwoKeyTripleDes => cbc::<TdesEde2>(key, iv, text),
            // The effective key length is the length of the key given.
            Self::Rc2With128Bits | Self::Rc2With40Bits => cbc::<Rc2>(key, iv, text),
        }
    }
}

/// Decrypts `ciphertext` as the algorithm says.
///
/// # Errors
/// [`Error::WrongPassword`] if the padding is wrong: nothing else tells.
pub(super) fn decrypt(
    algorithm: &Algorithm<'_>,
    ciphertext: &[u8],
    password: &Password<'_>,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if algorithm.oid == PBES2 {
        pbes2(algorithm, ciphertext, password, budget)
    } else {
        pbes1(algorithm, ciphertext, password, budget)
    }
}

fn pbes1(
    algorithm: &Algorithm<'_>,
    ciphertext: &[u8],
    password: &Password<'_>,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let malformed = || Error::Malformed(PART);
    let cipher = Cipher::of_pbes1(algorithm.oid)?;
    let mut elements = algorithm.sequence().ok_or_else(malformed)?;
    let salt = elements.expect(Tag::OctetString).ok_or_else(malformed)?;
    let iterations = elements
        .unsigned()
        .filter(|count| *count > 0)
        .ok_or_else(malformed)?;
    let iterations = budget.spend(iterations)?;
    let parameters = Parameters {
        hash: Hash::Sha1,
        salt,
        iterations,
    };
    let key = derive::pkcs12(parameters, password, Purpose::Key, cipher.key_size());
    let iv = derive::pkcs12(
        parameters,
        password,
        Purpose::InitializationVector,
        cipher.block_size(),
    );
    cipher.decrypt(&key, &iv, ciphertext)
}

fn pbes2(
    algorithm: &Algorithm<'_>,
    ciphertext: &[u8],
    password: &Password<'_>,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let malformed = || Error::Malformed(PART);
    let mut elements = algorithm.sequence().ok_or_else(malformed)?;
    let kdf = elements.algorithm().ok_or_else(malformed)?;
    let scheme = elements.algorithm().ok_or_else(malformed)?;
    let kdf = Pbkdf2::read(&kdf, PART)?;
    let cipher = Cipher::of_pbes2(scheme.oid)?;
    let iv = scheme.content(Tag::OctetString).ok_or_else(malformed)?;
    let size = cipher.key_size();
    if kdf
        .key_length()
        .is_some_and(|length| usize::try_from(length) != Ok(size))
    {
        return Err(malformed());
    }
    let key = kdf.derive(password, size, budget)?;
    cipher.decrypt(&key, iv, ciphertext)
}

fn cbc<C>(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error>
where
    C: BlockCipherDecrypt + BlockSizeUser + KeyInit,
{
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(C::block_size()) {
        return Err(Error::Malformed("encrypted content"));
    }
    let malformed = |_| Error::Malformed(PART);
    let cipher = C::new_from_slice(key).map_err(malformed)?;
    let decryptor = Decryptor::<C>::inner_iv_slice_init(cipher, iv).map_err(malformed)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = decryptor
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map_err(|_| Error::WrongPassword)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}
