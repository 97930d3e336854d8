//! Files of shapes that `openssl` does not write, and files that are refused.

use super::super::{Error, Limit, MAX_BAGS, MAX_DEPTH, MAX_SIZE, decode};
use super::builder::*;
use crate::testing::PKI;

/// Any SEQUENCE passes as a certificate.
const CERTIFICATE: &[u8] = &[0x30, 3, 2, 1, 7];

fn pkcs8_without_public_key(kind: &str) -> Vec<u8> {
    let curve = match kind {
        "p256" => oid("1.2.840.10045.3.1.7"),
        "p384" => oid("1.3.132.0.34"),
        _ => oid("1.3.132.0.35"),
    };
    let inner = sequence(&[&integer(1), &octets(&number(kind))]);
    let algorithm = sequence(&[&oid("1.2.840.10045.2.1"), &curve]);
    sequence(&[&integer(0), &algorithm, &octets(&inner)])
}

/// The number of an EC key, out of what `openssl` writes.
fn number(kind: &str) -> Vec<u8> {
    let sec1 = PKI.openssl(&format!("ec -in {kind}.key -outform DER"));
    let mut elements = crate::asn1::Elements::of_sequence(&sec1).unwrap();
    elements.unsigned().unwrap();
    elements.expect(der::Tag::OctetString).unwrap().to_vec()
}

fn only_key(der: &[u8]) -> Vec<u8> {
    let [key] = decode(der, "").unwrap().keys.try_into().unwrap();
    key.to_vec()
}

fn file_of_key(key: &[u8]) -> Vec<u8> {
    file(&[plain_safe(&[key_bag(key)])])
}

#[test]
fn both_forms_of_the_empty_password_open() {
    let key = PKI.pkcs8("rsa");
    for password in [terminated(""), null_password()] {
        for iterations in [1, 2000] {
            let der = vault_export(&password, iterations, &key, CERTIFICATE);
            let contents = decode(&der, "").unwrap();
            assert_eq!(*contents.keys[0], key);
            assert_eq!(contents.certificates, [CERTIFICATE]);
            assert_eq!(decode(&der, "wrong").unwrap_err(), Error::WrongPassword);
        }
    }
}

#[test]
fn the_null_password_opens_without_a_mac() {
    let (algorithm, ciphertext) = encrypt(&null_password(), 1, &PKI.pkcs8("p256"));
    let bag = shrouded_key_bag(&sequence(&[&algorithm, &octets(&ciphertext)]));
    assert_eq!(only_key(&file(&[plain_safe(&[bag])])), PKI.pkcs8("p256"));
}

#[test]
fn the_public_half_of_ec_keys_is_added() {
    for kind in ["p256", "p384", "p521"] {
        assert_eq!(
            only_key(&file_of_key(&pkcs8_without_public_key(kind))),
            PKI.pkcs8(kind)
        );
    }
}

#[test]
fn ec_numbers_of_other_lengths_are_brought_to_the_curves_size() {
    let number = number("p256");
    let algorithm = sequence(&[&oid("1.2.840.10045.2.1"), &oid("1.2.840.10045.3.1.7")]);
    let wrap = |number: &[u8]| {
        let inner = sequence(&[&integer(1), &octets(number)]);
        file_of_key(&sequence(&[&integer(0), &algorithm, &octets(&inner)]))
    };
    assert_eq!(
        only_key(&wrap(&[&[0, 0], &number[..]].concat())),
        PKI.pkcs8("p256")
    );
    let one = only_key(&wrap(&[1]));
    assert!(
        one.windows(32)
            .any(|window| window.starts_with(&[0; 31]) && window[31] == 1)
    );
    for bad in [&[][..], &[0; 32], &[0xff; 32], &[1; 33]] {
        assert_eq!(
            decode(&wrap(bad), "").unwrap_err(),
            Error::Malformed("private key")
        );
    }
}

#[test]
fn keys_in_their_traditional_form_are_wrapped() {
    let pkcs1 = PKI.openssl("rsa -traditional -in rsa.key -outform DER");
    assert_eq!(only_key(&file_of_key(&pkcs1)), PKI.pkcs8("rsa"));
    for kind in ["p256", "p384", "p521"] {
        let sec1 = PKI.openssl(&format!("ec -in {kind}.key -outform DER"));
        assert_eq!(only_key(&file_of_key(&sec1)), PKI.pkcs8(kind));
        let in_pkcs8 = sequence(&[
            &integer(0),
            &sequence(&[&oid("1.2.840.10045.2.1")]),
            &octets(&sec1),
        ]);
        assert_eq!(only_key(&file_of_key(&in_pkcs8)), PKI.pkcs8(kind));
    }
}

#[test]
fn attributes_and_public_keys_beside_the_key_are_dropped() {
    let key = PKI.pkcs8("ed25519");
    let content = &key[2..];
    assert_eq!(content[..3], [2, 1, 0]);
    let attributes = tlv(0xa0, &[&sequence(&[&oid("2.5.29.15")])]);
    assert_eq!(
        only_key(&file_of_key(&sequence(&[content, &attributes]))),
        key
    );
    let public = tlv(0x81, &[&[0; 33]]);
    assert_eq!(
        only_key(&file_of_key(&sequence(&[
            &[2, 1, 1],
            &content[3..],
            &public
        ]))),
        key
    );
}

#[test]
fn rsa_parameters_are_always_null() {
    let pkcs1 = PKI.openssl("rsa -traditional -in rsa.key -outform DER");
    let algorithm = sequence(&[&oid("1.2.840.113549.1.1.1")]);
    let key = sequence(&[&integer(0), &algorithm, &octets(&pkcs1)]);
    assert_eq!(only_key(&file_of_key(&key)), PKI.pkcs8("rsa"));
}

#[test]
fn every_pseudorandom_function_of_pbkdf2_opens() {
    for prf in ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] {
        for cipher in ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"] {
            let encrypted = PKI.openssl(&format!(
                "pkcs8 -topk8 -in p256.key -outform DER -passout pass:x -v2 {cipher} -v2prf hmacWith{prf}"
            ));
            let der = file(&[plain_safe(&[shrouded_key_bag(&encrypted)])]);
            let contents = decode(&der, "x").unwrap_or_else(|error| panic!("{prf}: {error}"));
            assert_eq!(*contents.keys[0], PKI.pkcs8("p256"));
        }
    }
    let scrypt = PKI.openssl("pkcs8 -topk8 -in p256.key -outform DER -passout pass:x -scrypt");
    let error = decode(&file(&[plain_safe(&[shrouded_key_bag(&scrypt)])]), "x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "PKCS#12 uses unsupported 1.3.6.1.4.1.11591.4.11 (scrypt)"
    );
}

#[test]
fn pbmac1_is_checked() {
    let safes = [plain_safe(&[certificate_bag(CERTIFICATE)])];
    let der = file_with(&safes, |content| pbmac1("secret", 10, content));
    assert_eq!(decode(&der, "secret").unwrap().certificates, [CERTIFICATE]);
    assert_eq!(decode(&der, "other").unwrap_err(), Error::WrongPassword);
}

#[test]
fn pbmac1_keys_that_prove_nothing_are_refused() {
    let safes = [plain_safe(&[certificate_bag(CERTIFICATE)])];
    for (length, accepted) in [(1, false), (19, false), (20, true), (64, true), (65, false)] {
        let der = file_with(&safes, |content| pbmac1_with(length, "secret", 2, content));
        let expected = if accepted {
            None
        } else {
            Some(Error::Malformed("MAC"))
        };
        assert_eq!(decode(&der, "secret").err(), expected, "{length} bytes");
    }
}

#[test]
fn bags_keep_their_order_over_safes_and_nesting() {
    let certificate = |number: u8| vec![0x30, 3, 2, 1, number];
    let nested = bag(
        "1.2.840.113549.1.12.10.1.6",
        &sequence(&[
            &certificate_bag(&certificate(2)),
            &key_bag(&PKI.pkcs8("p256")),
        ]),
    );
    let revocation_list = bag("1.2.840.113549.1.12.10.1.4", &[5, 0]);
    let der = file(&[
        plain_safe(&[certificate_bag(&certificate(1)), nested, revocation_list]),
        plain_safe(&[]),
        plain_safe(&[key_bag(&PKI.pkcs8("rsa")), certificate_bag(&certificate(3))]),
    ]);
    let contents = decode(&der, "").unwrap();
    assert_eq!(contents.certificates, [1, 2, 3].map(certificate));
    let keys: Vec<Vec<u8>> = contents.keys.iter().map(|key| key.to_vec()).collect();
    assert_eq!(keys, [PKI.pkcs8("p256"), PKI.pkcs8("rsa")]);
}

#[test]
fn a_changed_byte_under_the_mac_is_a_wrong_password() {
    let safes = [plain_safe(&[certificate_bag(CERTIFICATE)])];
    let good = file_with(&safes, |content| mac(&terminated("x"), 1, content));
    assert!(decode(&good, "x").is_ok());
    let at = good
        .windows(5)
        .position(|window| window == CERTIFICATE)
        .unwrap()
        + 4;
    let mut bad = good;
    bad[at] ^= 1;
    assert_eq!(decode(&bad, "x").unwrap_err(), Error::WrongPassword);
}

#[test]
fn what_is_not_a_file_is_refused() {
    let good = file(&[plain_safe(&[certificate_bag(CERTIFICATE)])]);
    let unsupported = |oid: &str, name| Error::UnsupportedAlgorithm {
        oid: oid.into(),
        name,
    };
    let md5 = |content: &[u8]| {
        let info = sequence(&[&algorithm("1.2.840.113549.2.5", &[5, 0]), &octets(content)]);
        sequence(&[&info, &octets(b"salt")])
    };
    let no_iterations = |_: &[u8]| {
        let info = sequence(&[&algorithm("1.3.14.3.2.26", &[5, 0]), &octets(b"tag")]);
        sequence(&[&info, &octets(b"salt"), &integer(0)])
    };
    let short_iv = {
        let kdf = algorithm(
            "1.2.840.113549.1.5.12",
            &sequence(&[&octets(b"salt"), &integer(1)]),
        );
        let scheme = algorithm("1.2.840.113549.3.7", &octets(b"short"));
        algorithm("1.2.840.113549.1.5.13", &sequence(&[&kdf, &scheme]))
    };
    let secret = bag("1.2.840.113549.1.12.10.1.5", &[5, 0]);
    let version = sequence(&[&integer(4), &sequence(&[])]);
    let signed = sequence(&[&integer(3), &sequence(&[&oid("1.2.840.113549.1.7.2")])]);
    let cases = [
        ("nothing", vec![], Error::Malformed("file")),
        ("text", b"-----BEGIN".to_vec(), Error::Malformed("file")),
        (
            "indefinite length",
            vec![0x30, 0x80, 2, 1, 3, 0, 0],
            Error::Malformed("file"),
        ),
        (
            "trailing bytes",
            [&good[..], &[0]].concat(),
            Error::TrailingData,
        ),
        (
            "cut off",
            good[..good.len() - 1].to_vec(),
            Error::Malformed("file"),
        ),
        ("another version", version, Error::Malformed("version")),
        (
            "a signed file",
            signed,
            unsupported("1.2.840.113549.1.7.2", Some("signed data")),
        ),
        (
            "an unknown MAC",
            file_with(&[], md5),
            unsupported("1.2.840.113549.2.5", Some("MD5")),
        ),
        (
            "a MAC of no iterations",
            file_with(&[], no_iterations),
            Error::Malformed("MAC"),
        ),
        ("no safes", file(&[]), Error::Empty),
        ("an empty safe", file(&[plain_safe(&[])]), Error::Empty),
        (
            "a secret",
            file(&[plain_safe(&[secret])]),
            unsupported("1.2.840.113549.1.12.10.1.5", Some("secret bag")),
        ),
        (
            "an unknown bag",
            file(&[plain_safe(&[bag("1.2.3", &[5, 0])])]),
            unsupported("1.2.3", None),
        ),
        (
            "a certificate of no DER",
            file(&[plain_safe(&[certificate_bag(b"x")])]),
            Error::Malformed("certificate"),
        ),
        (
            "a key of no DER",
            file_of_key(b"x"),
            Error::Malformed("private key"),
        ),
        (
            "a short initialization vector",
            file(&[encrypted_safe(&short_iv, &[0; 8])]),
            Error::Malformed("encryption parameters"),
        ),
    ];
    for (name, der, error) in cases {
        assert_eq!(decode(&der, "").unwrap_err(), error, "{name}");
    }
}

#[test]
fn costly_files_are_refused_before_the_work() {
    let limit = |limit| Error::TooExpensive(limit);
    let expensive = |iterations: u64| {
        move |_: &[u8]| {
            let info = sequence(&[&algorithm("1.3.14.3.2.26", &[5, 0]), &octets(b"tag")]);
            sequence(&[&info, &octets(b"salt"), &integer(iterations)])
        }
    };
    let mut nested = sequence(&[&certificate_bag(CERTIFICATE)]);
    for _ in 0..=MAX_DEPTH {
        nested = sequence(&[&bag("1.2.840.113549.1.12.10.1.6", &nested)]);
    }
    let nested = sequence(&[&oid("1.2.840.113549.1.7.1"), &explicit(0, &octets(&nested))]);
    let bags = vec![certificate_bag(CERTIFICATE); MAX_BAGS];
    assert_eq!(
        decode(&file(&[plain_safe(&bags)]), "")
            .unwrap()
            .certificates
            .len(),
        MAX_BAGS
    );
    let cases = [
        ("size", vec![0x30; MAX_SIZE + 1], limit(Limit::Size)),
        (
            "iterations",
            file_with(&[], expensive(1_000_001)),
            limit(Limit::Iterations),
        ),
        (
            "iterations of 64 bits",
            file_with(&[], expensive(u64::MAX)),
            limit(Limit::Iterations),
        ),
        ("nesting", file(&[nested]), limit(Limit::Depth)),
        (
            "bags",
            file(&[plain_safe(&bags), plain_safe(&bags)]),
            limit(Limit::Bags),
        ),
    ];
    for (name, der, error) in cases {
        assert_eq!(decode(&der, "").unwrap_err(), error, "{name}");
    }
}

#[test]
fn iterations_are_counted_over_the_whole_file() {
    let (algorithm, ciphertext) = encrypt(&terminated("x"), 400, &PKI.pkcs8("p256"));
    let bag = shrouded_key_bag(&sequence(&[&algorithm, &octets(&ciphertext)]));
    let der = file(&[plain_safe(&vec![bag; 3])]);
    assert_eq!(
        super::super::decode_within(&der, "x", 1200)
            .unwrap()
            .keys
            .len(),
        3
    );
    let error = super::super::decode_within(&der, "x", 1199).unwrap_err();
    assert_eq!(error, Error::TooExpensive(Limit::Iterations));
}

#[test]
fn debug_shows_numbers_only() {
    let contents = decode(&file_of_key(&PKI.pkcs8("p256")), "").unwrap();
    assert_eq!(
        format!("{contents:?}"),
        "Contents { keys: 1, certificates: 0 }"
    );
}
