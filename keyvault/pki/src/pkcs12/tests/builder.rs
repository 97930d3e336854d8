//! Writes PKCS#12 files of shapes that `openssl` does not write.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};

use super::super::derive::{self, Hash, Parameters, Password, Purpose};

pub(crate) const SEQUENCE: u8 = 0x30;
const DATA: &str = "1.2.840.113549.1.7.1";

pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut der = vec![tag];
    match content.len() {
        short @ 0..=0x7f => der.push(short as u8),
        long => {
            let bytes = (long as u32).to_be_bytes();
            let digits = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..];
            der.push(0x80 | digits.len() as u8);
            der.extend_from_slice(digits);
        }
    }
    der.extend(content);
    der
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, parts)
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, &[content])
}

pub(crate) fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 + number, &[content])
}

pub(crate) fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    let sign: &[u8] = if bytes[start] & 0x80 != 0 { &[0] } else { &[] };
    tlv(2, &[sign, &bytes[start..]])
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    tlv(
        6,
        &[der::asn1::ObjectIdentifier::new(dotted).unwrap().as_bytes()],
    )
}

pub(crate) fn algorithm(dotted: &str, parameters: &[u8]) -> Vec<u8> {
    sequence(&[&oid(dotted), parameters])
}

pub(crate) fn bag(dotted: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[&oid(dotted), &explicit(0, value)])
}

pub(crate) fn key_bag(key: &[u8]) -> Vec<u8> {
    bag("1.2.840.113549.1.12.10.1.1", key)
}

pub(crate) fn shrouded_key_bag(encrypted: &[u8]) -> Vec<u8> {
    bag("1.2.840.113549.1.12.10.1.2", encrypted)
}

pub(crate) fn certificate_bag(certificate: &[u8]) -> Vec<u8> {
    let x509 = oid("1.2.840.113549.1.9.22.1");
    let value = sequence(&[&x509, &explicit(0, &octets(certificate))]);
    bag("1.2.840.113549.1.12.10.1.3", &value)
}

pub(crate) fn plain_safe(bags: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[
        &oid(DATA),
        &explicit(0, &octets(&tlv(SEQUENCE, &[&bags.concat()]))),
    ])
}

pub(crate) fn encrypted_safe(algorithm: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let info = sequence(&[&oid(DATA), algorithm, &tlv(0x80, &[ciphertext])]);
    let data = sequence(&[&integer(0), &info]);
    sequence(&[&oid("1.2.840.113549.1.7.6"), &explicit(0, &data)])
}

/// A file of safes without a MAC.
pub(crate) fn file(safes: &[Vec<u8>]) -> Vec<u8> {
    file_with(safes, |_| Vec::new())
}

/// A file of safes, with what `mac` makes of their bytes.
pub(crate) fn file_with(safes: &[Vec<u8>], mac: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let content = sequence(&[&safes.concat()]);
    let info = sequence(&[&oid(DATA), &explicit(0, &octets(&content))]);
    sequence(&[&integer(3), &info, &mac(&content)])
}

/// Which form of the password.
pub(crate) fn terminated(password: &str) -> Password<'_> {
    Password::forms(password).remove(0)
}

pub(crate) fn null_password() -> Password<'static> {
    Password::forms("").remove(1)
}

/// The classic MAC with SHA-1. One iteration is written as the absent default.
pub(crate) fn mac(password: &Password<'_>, iterations: u32, content: &[u8]) -> Vec<u8> {
    let salt = b"saltsalt";
    let parameters = Parameters {
        hash: Hash::Sha1,
        salt,
        iterations,
    };
    let key = derive::pkcs12(parameters, password, Purpose::Mac, 20);
    let tag = Hmac::<sha1::Sha1>::new_from_slice(&key)
        .unwrap()
        .chain_update(content)
        .finalize();
    let info = sequence(&[
        &algorithm("1.3.14.3.2.26", &[5, 0]),
        &octets(&tag.into_bytes()),
    ]);
    let count = if iterations == 1 {
        Vec::new()
    } else {
        integer(u64::from(iterations))
    };
    sequence(&[&info, &octets(salt), &count])
}

/// PBMAC1 with HMAC-SHA-256 and a key of 32 bytes.
pub(crate) fn pbmac1(password: &str, iterations: u32, content: &[u8]) -> Vec<u8> {
    pbmac1_with(32, password, iterations, content)
}

pub(crate) fn pbmac1_with(
    key_length: usize,
    password: &str,
    iterations: u32,
    content: &[u8],
) -> Vec<u8> {
    let mut key = vec![0; key_length];
    pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password.as_bytes(), b"salt", iterations, &mut key);
    let tag = Hmac::<sha2::Sha256>::new_from_slice(&key)
        .unwrap()
        .chain_update(content)
        .finalize();
    let prf = algorithm("1.2.840.113549.2.11", &[5, 0]);
    let kdf = algorithm(
        "1.2.840.113549.1.5.12",
        &sequence(&[
            &octets(b"salt"),
            &integer(u64::from(iterations)),
            &integer(key_length as u64),
            &prf,
        ]),
    );
    let scheme = algorithm("1.2.840.113549.2.9", &[5, 0]);
    let mac = algorithm("1.2.840.113549.1.5.14", &sequence(&[&kdf, &scheme]));
    let info = sequence(&[&mac, &octets(&tag.into_bytes())]);
    sequence(&[&info, &octets(b"NOT USED"), &integer(1)])
}

/// PBES1 with three-key 3DES: the algorithm and the ciphertext.
pub(crate) fn encrypt(
    password: &Password<'_>,
    iterations: u32,
    plaintext: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let salt = b"8 bytes!";
    let parameters = Parameters {
        hash: Hash::Sha1,
        salt,
        iterations,
    };
    let key = derive::pkcs12(parameters, password, Purpose::Key, 24);
    let iv = derive::pkcs12(parameters, password, Purpose::InitializationVector, 8);
    let encryptor = cbc::Encryptor::<des::TdesEde3>::new_from_slices(&key, &iv).unwrap();
    let mut buffer = plaintext.to_vec();
    buffer.resize(plaintext.len() + 8, 0);
    let ciphertext = encryptor
        .encrypt_padded::<Pkcs7>(&mut buffer, plaintext.len())
        .unwrap()
        .to_vec();
    let parameters = sequence(&[&octets(salt), &integer(u64::from(iterations))]);
    (
        algorithm("1.2.840.113549.1.12.1.3", &parameters),
        ciphertext,
    )
}

/// A file as vaults export it: certificate safe, key bag and MAC under one form of a password.
pub(crate) fn vault_export(
    password: &Password<'_>,
    iterations: u32,
    key: &[u8],
    certificate: &[u8],
) -> Vec<u8> {
    let certificates = sequence(&[&certificate_bag(certificate)]);
    let (algorithm, ciphertext) = encrypt(password, iterations, &certificates);
    let certificates = encrypted_safe(&algorithm, &ciphertext);
    let (algorithm, ciphertext) = encrypt(password, iterations, key);
    let key = shrouded_key_bag(&sequence(&[&algorithm, &octets(&ciphertext)]));
    let safes = [plain_safe(&[key]), certificates];
    file_with(&safes, |content| mac(password, iterations, content))
}
