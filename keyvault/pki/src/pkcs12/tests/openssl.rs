//! Files written by `openssl`, read here and by `openssl` itself.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::{Contents, Error, decode};
use crate::pem;
use crate::testing::{KINDS, PKI};

/// Writes a file with a key, its certificate and the issuers. Options are split at blanks.
fn export(kind: &str, password: &str, options: &str) -> (String, Vec<u8>) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{}.p12", COUNT.fetch_add(1, Ordering::Relaxed));
    let (key, certificate) = (format!("{kind}.key"), format!("{kind}.pem"));
    let password = format!("pass:{password}");
    let mut arguments = vec!["pkcs12", "-export", "-inkey", &key, "-in", &certificate];
    arguments.extend([
        "-certfile",
        "issuers.pem",
        "-out",
        &name,
        "-passout",
        &password,
    ]);
    arguments.extend(options.split_whitespace());
    PKI.openssl_with(&arguments);
    let der = std::fs::read(PKI.path(&name)).unwrap();
    (name, der)
}

/// Compares with what `openssl` reads from the file.
fn assert_same(contents: &Contents, name: &str, password: &str, options: &str) {
    let password = format!("pass:{password}");
    let mut arguments = vec!["pkcs12", "-in", name, "-nodes", "-passin", &password];
    arguments.extend(options.split_whitespace());
    let text = String::from_utf8(PKI.openssl_with(&arguments)).unwrap();
    let (certificates, keys): (Vec<_>, Vec<_>) = pem::split(&text)
        .into_iter()
        .partition(|block| block.label == pem::CERTIFICATE);
    let keys: Vec<&[u8]> = keys.iter().map(|block| block.der.as_slice()).collect();
    let certificates: Vec<&[u8]> = certificates
        .iter()
        .map(|block| block.der.as_slice())
        .collect();
    assert!(!keys.is_empty() || !certificates.is_empty());
    assert_eq!(
        contents
            .keys
            .iter()
            .map(|key| key.as_slice())
            .collect::<Vec<_>>(),
        keys
    );
    assert_eq!(contents.certificates, certificates);
}

#[test]
fn every_kind_of_key_opens_as_openssl_opens_it() {
    for kind in KINDS {
        for (password, options) in [("", ""), ("", "-legacy"), ("a b", "-legacy -name x -keyex")] {
            let (name, der) = export(kind, password, options);
            let contents =
                decode(&der, password).unwrap_or_else(|error| panic!("{kind} {options}: {error}"));
            assert_eq!(*contents.keys[0], PKI.pkcs8(kind), "{kind}");
            let chain = [
                format!("{kind}.pem"),
                "intermediate.pem".into(),
                "root.pem".into(),
            ];
            assert_eq!(contents.certificates, chain.map(|file| PKI.der(&file)));
            let legacy = if options.contains("-legacy") {
                "-legacy"
            } else {
                ""
            };
            assert_same(&contents, &name, password, legacy);
        }
    }
}

#[test]
fn every_algorithm_opens_with_the_right_password_only() {
    let options = [
        "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
        "-keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-2DES",
        "-legacy -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-RC2-128",
        "-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40",
        "-legacy -keypbe PBE-SHA1-3DES -certpbe NONE",
        "-keypbe AES-128-CBC -certpbe AES-128-CBC -macalg sha1",
        "-keypbe AES-192-CBC -certpbe AES-192-CBC -macalg sha224",
        "-keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha256",
        "-keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha384",
        "-keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha512",
        "-keypbe DES-EDE3-CBC -certpbe DES-EDE3-CBC",
        "-keypbe AES-256-CBC -certpbe PBE-SHA1-3DES -macalg sha256",
        "-keypbe NONE -certpbe NONE",
        "-keypbe NONE -certpbe AES-256-CBC",
        "-legacy -noiter -nomaciter",
        "-legacy -iter 5000",
        "-legacy -keyex -CSP Microsoft -LMK",
        "-nomac",
        "-nomac -legacy",
        "-nomac -keypbe NONE -certpbe AES-256-CBC",
    ];
    for options in options {
        for password in ["", "secret", "p\u{e4}ss \u{20ac}\u{1f511}"] {
            let (name, der) = export("p256", password, options);
            let contents = decode(&der, password)
                .unwrap_or_else(|error| panic!("{options} {password:?}: {error}"));
            assert_same(&contents, &name, password, "-legacy");
            assert_eq!(
                decode(&der, "wrong").unwrap_err(),
                Error::WrongPassword,
                "{options}"
            );
            if !password.is_empty() {
                assert_eq!(
                    decode(&der, "").unwrap_err(),
                    Error::WrongPassword,
                    "{options}"
                );
            }
        }
    }
}

#[test]
fn parts_may_be_missing() {
    PKI.openssl(
        "pkcs12 -export -legacy -nokeys -in issuers.pem -out certificates.p12 -passout pass:",
    );
    let contents = decode(&std::fs::read(PKI.path("certificates.p12")).unwrap(), "").unwrap();
    assert_eq!((contents.keys.len(), contents.certificates.len()), (0, 2));
    assert_same(&contents, "certificates.p12", "", "-legacy");

    PKI.openssl("pkcs12 -export -nocerts -inkey rsa.key -out key.p12 -passout pass:");
    let contents = decode(&std::fs::read(PKI.path("key.p12")).unwrap(), "").unwrap();
    assert_eq!((contents.keys.len(), contents.certificates.len()), (1, 0));
    assert_same(&contents, "key.p12", "", "");
}

#[test]
fn other_curves_pass_through() {
    PKI.key("koblitz", "secp256k1");
    PKI.openssl("pkcs12 -export -nocerts -inkey koblitz.key -out koblitz.p12 -passout pass:");
    let contents = decode(&std::fs::read(PKI.path("koblitz.p12")).unwrap(), "").unwrap();
    assert_eq!(*contents.keys[0], PKI.pkcs8("koblitz"));
}

#[test]
fn rc4_is_unsupported_by_name() {
    let cases = [
        (
            "PBE-SHA1-RC4-128",
            "PKCS#12 uses unsupported 1.2.840.113549.1.12.1.1 (128-bit RC4 encryption)",
        ),
        (
            "PBE-SHA1-RC4-40",
            "PKCS#12 uses unsupported 1.2.840.113549.1.12.1.2 (40-bit RC4 encryption)",
        ),
    ];
    for (cipher, text) in cases {
        let (_, der) = export(
            "p256",
            "",
            &format!("-legacy -keypbe {cipher} -certpbe {cipher}"),
        );
        assert_eq!(decode(&der, "").unwrap_err().to_string(), text);
    }
}
