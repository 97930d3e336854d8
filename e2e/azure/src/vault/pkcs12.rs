//! Writes PKCS#12 files the way the service exports certificates.
//!
//! The password is NULL: zero bytes, not the two zero bytes of an empty text. The key is in a
//! 3DES bag, the certificates are in an RC2-40 one, and a SHA-1 MAC of one iteration covers
//! both (RFC 7292). These are weak on purpose: readers must cope with what the service sends.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyInit, KeyIvInit as _};
use der::asn1::{Any, BmpString, ObjectIdentifier};
use der::{Decode as _, Encode, Tag, TagNumber};
use hmac::{Hmac, Mac as _};
use sha1::{Digest as _, Sha1};

#[cfg(test)]
mod tests;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");
const PROVIDER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.17.1");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const PBE_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const PBE_RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

/// Iterations of the bags' key derivation; the MAC has one.
const ITERATIONS: u32 = 2000;

/// What a derived key is for (RFC 7292, B.3).
#[derive(Clone, Copy)]
enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// A file with the key (PKCS#8 DER, absent if it may not leave the vault) and the certificates
/// (DER, the key's own first).
pub(super) fn encode(
    key: Option<&[u8]>,
    certificates: &[Vec<u8>],
    friendly_name: &str,
) -> der::Result<Vec<u8>> {
    let mut contents = Vec::new();
    if let Some(key) = key {
        let bags = sequence(&[&key_bag(key, friendly_name)?])?;
        contents.extend(sequence(&[
            &DATA.to_der()?,
            &explicit(&[&octets(&bags)?])?,
        ])?);
    }
    let mut bags = Vec::new();
    for (position, certificate) in certificates.iter().enumerate() {
        bags.extend(certificate_bag(
            certificate,
            key.is_some() && position == 0,
        )?);
    }
    contents.extend(encrypted_data(&sequence(&[&bags])?)?);
    let safe = sequence(&[&contents])?;
    let content = sequence(&[&DATA.to_der()?, &explicit(&[&octets(&safe)?])?])?;
    sequence(&[&3u8.to_der()?, &content, &mac_data(&safe)?])
}

fn key_bag(key: &[u8], friendly_name: &str) -> der::Result<Vec<u8>> {
    let salt = salt(key);
    let ciphertext = triple_des(&salt, &with_key_usage(key)?);
    let shrouded = sequence(&[&algorithm(PBE_3DES, &salt)?, &octets(&ciphertext)?])?;
    let provider = "Microsoft Software Key Storage Provider";
    let attributes = set(&[
        &attribute(LOCAL_KEY_ID, &octets(&[1, 0, 0, 0])?)?,
        &attribute(
            FRIENDLY_NAME,
            &BmpString::from_utf8(friendly_name)?.to_der()?,
        )?,
        &attribute(PROVIDER_NAME, &BmpString::from_utf8(provider)?.to_der()?)?,
    ])?;
    sequence(&[
        &SHROUDED_KEY_BAG.to_der()?,
        &explicit(&[&shrouded])?,
        &attributes,
    ])
}

fn certificate_bag(certificate: &[u8], has_key: bool) -> der::Result<Vec<u8>> {
    let value = sequence(&[
        &X509_CERTIFICATE.to_der()?,
        &explicit(&[&octets(certificate)?])?,
    ])?;
    let id = CERTIFICATE_BAG.to_der()?;
    if has_key {
        let attributes = set(&[&attribute(LOCAL_KEY_ID, &octets(&[1, 0, 0, 0])?)?])?;
        sequence(&[&id, &explicit(&[&value])?, &attributes])
    } else {
        sequence(&[&id, &explicit(&[&value])?])
    }
}

fn encrypted_data(bags: &[u8]) -> der::Result<Vec<u8>> {
    let salt = salt(bags);
    let implicit = element(context(false), &[&rc2_40(&salt, bags)])?;
    let content = sequence(&[&DATA.to_der()?, &algorithm(PBE_RC2_40, &salt)?, &implicit])?;
    let data = sequence(&[&0u8.to_der()?, &content])?;
    sequence(&[&ENCRYPTED_DATA.to_der()?, &explicit(&[&data])?])
}

/// The count of iterations is left out: DER omits the default of one.
fn mac_data(safe: &[u8]) -> der::Result<Vec<u8>> {
    let salt = salt(safe);
    let key = derive(Purpose::Mac, &salt, 1, 20);
    // HMAC takes keys of any length.
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&key).map_err(|_| failed())?;
    mac.update(safe);
    let digest = mac.finalize().into_bytes();
    let null = Any::null().to_der()?;
    let digest_info = sequence(&[
        &sequence(&[&SHA1.to_der()?, &null])?,
        &octets(digest.as_slice())?,
    ])?;
    sequence(&[&digest_info, &octets(&salt)?])
}

/// Adds the key usage attribute that exported keys carry.
fn with_key_usage(key: &[u8]) -> der::Result<Vec<u8>> {
    let info = Any::from_der(key)?;
    // digitalSignature and keyEncipherment: five unused bits.
    let usage = element(Tag::BitString, &[&[5, 0xa0]])?;
    let attributes = element(context(true), &[&attribute(KEY_USAGE, &usage)?])?;
    sequence(&[info.value(), &attributes])
}

fn algorithm(oid: ObjectIdentifier, salt: &[u8]) -> der::Result<Vec<u8>> {
    let parameters = sequence(&[&octets(salt)?, &ITERATIONS.to_der()?])?;
    sequence(&[&oid.to_der()?, &parameters])
}

fn attribute(oid: ObjectIdentifier, value: &[u8]) -> der::Result<Vec<u8>> {
    sequence(&[&oid.to_der()?, &set(&[value])?])
}

fn triple_des(salt: &[u8], plain: &[u8]) -> Vec<u8> {
    let key = fixed::<24>(&derive(Purpose::Key, salt, ITERATIONS, 24));
    let iv = fixed::<8>(&derive(Purpose::Iv, salt, ITERATIONS, 8));
    cbc::Encryptor::<des::TdesEde3>::new(&key.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

fn rc2_40(salt: &[u8], plain: &[u8]) -> Vec<u8> {
    let key = derive(Purpose::Key, salt, ITERATIONS, 5);
    let iv = fixed::<8>(&derive(Purpose::Iv, salt, ITERATIONS, 8));
    let cipher = rc2::Rc2::new_with_eff_key_len(&key, 40);
    use cbc::cipher::InnerIvInit as _;
    cbc::Encryptor::inner_iv_init(cipher, &iv.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

/// Key derivation of RFC 7292, B.2, with SHA-1 and the password of zero bytes.
fn derive(purpose: Purpose, salt: &[u8], iterations: u32, length: usize) -> Vec<u8> {
    const BLOCK: usize = 64;
    let diversifier = [purpose as u8; BLOCK];
    let mut input: Vec<u8> = salt
        .iter()
        .copied()
        .cycle()
        .take(salt.len().next_multiple_of(BLOCK))
        .collect();
    let mut output = Vec::new();
    while output.len() < length {
        let mut digest = Sha1::new()
            .chain_update(diversifier)
            .chain_update(&input)
            .finalize();
        for _ in 1..iterations {
            digest = Sha1::digest(digest);
        }
        output.extend_from_slice(&digest);
        let addend: Vec<u8> = digest.iter().copied().cycle().take(BLOCK).collect();
        for block in input.chunks_mut(BLOCK) {
            add_one_more(block, &addend);
        }
    }
    output.truncate(length);
    output
}

/// `block = block + addend + 1`, as big-endian numbers that wrap around.
fn add_one_more(block: &mut [u8], addend: &[u8]) {
    let mut carry = 1u16;
    for (byte, added) in block.iter_mut().zip(addend).rev() {
        let [high, low] = (u16::from(*byte) + u16::from(*added) + carry).to_be_bytes();
        *byte = low;
        carry = u16::from(high);
    }
}

/// Eight bytes that differ with the content, so that equal files are equal byte for byte.
fn salt(content: &[u8]) -> [u8; 8] {
    fixed(&Sha1::digest(content))
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

fn element(tag: Tag, parts: &[&[u8]]) -> der::Result<Vec<u8>> {
    Any::new(tag, parts.concat())?.to_der()
}

fn sequence(parts: &[&[u8]]) -> der::Result<Vec<u8>> {
    element(Tag::Sequence, parts)
}

/// DER sorts the members of a set.
fn set(parts: &[&[u8]]) -> der::Result<Vec<u8>> {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    element(Tag::Set, &sorted)
}

fn octets(bytes: &[u8]) -> der::Result<Vec<u8>> {
    element(Tag::OctetString, &[bytes])
}

/// `[0] EXPLICIT`
fn explicit(parts: &[&[u8]]) -> der::Result<Vec<u8>> {
    element(context(true), parts)
}

fn context(constructed: bool) -> Tag {
    Tag::ContextSpecific {
        constructed,
        number: TagNumber(0),
    }
}

fn failed() -> der::Error {
    der::ErrorKind::Failed.into()
}
