//! What may be said of a file's content: the beginning of a value, the kind of a key, the names in a
//! certificate.

use vaultbind_pki::pem;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

const CERTIFICATE: &str = "CERTIFICATE";

/// Shorter values are not shown at all: two characters would be too much of them.
const SHORTEST_SHOWN: usize = 16;

/// The beginning of a value and its size, such as `db…(32 bytes)`.
pub(super) fn masked(content: &[u8]) -> String {
    format!("{}({} bytes)", beginning(content), content.len())
}

/// A content in a few words that do not give it away.
pub(super) fn describe(content: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(content) else {
        return "binary".to_owned();
    };
    let blocks = pem::split(text);
    if !blocks.is_empty() {
        let certificates = blocks.iter().filter(|block| block.label == CERTIFICATE);
        let others = blocks.iter().filter(|block| block.label != CERTIFICATE);
        let mut parts: Vec<String> = others
            .map(|block| match block.label {
                "PUBLIC KEY" => format!("public key {}", key_kind(&block.der)),
                label => label.to_ascii_lowercase(),
            })
            .collect();
        match certificates.count() {
            0 => {}
            1 => parts.push("certificate".to_owned()),
            count => parts.push(format!("{count} certificates")),
        }
        return format!("PEM: {}", parts.join(", "));
    }
    if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok() {
        return format!("JSON object of {} lines", text.lines().count());
    }
    beginning(content)
}

/// Subject, issuer and kind of key of each certificate in a text.
pub(super) fn certificates(content: &[u8]) -> Vec<[String; 3]> {
    let blocks = std::str::from_utf8(content).map(pem::split);
    let blocks = blocks.unwrap_or_default().into_iter();
    blocks
        .filter(|block| block.label == CERTIFICATE)
        .filter_map(|block| Certificate::from_der(&block.der).ok())
        .map(|certificate| {
            let certificate = certificate.tbs_certificate();
            [
                certificate.subject().to_string(),
                certificate.issuer().to_string(),
                spki_kind(certificate.subject_public_key_info()),
            ]
        })
        .collect()
}

/// Whether each certificate is named as the issuer of the one before it.
pub(super) fn leaf_first(certificates: &[[String; 3]]) -> bool {
    let pairs = certificates.iter().zip(certificates.iter().skip(1));
    pairs
        .into_iter()
        .all(|([_, issuer, _], [subject, _, _])| issuer == subject)
}

fn beginning(content: &[u8]) -> String {
    let text = std::str::from_utf8(content).unwrap_or_default();
    let shown = if content.len() < SHORTEST_SHOWN { 0 } else { 2 };
    let start: String = text
        .chars()
        .take(shown)
        .take_while(|c| !c.is_control())
        .collect();
    format!("{start}…")
}

fn key_kind(der: &[u8]) -> String {
    SubjectPublicKeyInfoOwned::from_der(der)
        .map_or_else(|_| "unreadable".to_owned(), |info| spki_kind(&info))
}

fn spki_kind(info: &SubjectPublicKeyInfoOwned) -> String {
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    match info.algorithm.oid {
        RSA => match rsa_bits(info.subject_public_key.raw_bytes()) {
            Some(bits) => format!("RSA {bits}"),
            None => "RSA".to_owned(),
        },
        EC => {
            let curve = info.algorithm.parameters.as_ref();
            let curve = curve.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            match curve.map(|oid| oid.to_string()).as_deref() {
                Some("1.2.840.10045.3.1.7") => "EC P-256".to_owned(),
                Some("1.3.132.0.34") => "EC P-384".to_owned(),
                Some("1.3.132.0.35") => "EC P-521".to_owned(),
                _ => "EC".to_owned(),
            }
        }
        other => other.to_string(),
    }
}

fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    let bits = reader.sequence(|numbers| {
        let modulus = UintRef::decode(numbers)?;
        UintRef::decode(numbers)?;
        Ok::<_, x509_cert::der::Error>(modulus.as_bytes().len() * 8)
    });
    bits.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with openssl; the certificate is self-signed.
    const EC_KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEW5Msu9Qid2LwOT+ZvlZfcYvvlY2a\n\
Qq5+l3KSvfnF5fiRjCI5WjhdHZ9S2grOeJN8nuIQmY3yRJIrzno6wWSMJA==\n\
-----END PUBLIC KEY-----\n";
    const ROOT: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBhTCCASugAwIBAgIUUO4L63boOj8f0fa6DjK00N/4P3kwCgYIKoZIzj0EAwIw\n\
FzEVMBMGA1UEAwwMcm9vdC5leGFtcGxlMCAXDTI2MTEyNDIxMTU1NVoYDzIxMjYx\n\
MDMxMjExNTU1WjAXMRUwEwYDVQQDDAxyb290LmV4YW1wbGUwWTATBgcqhkjOPQIB\n\
BggqhkjOPQMBBwNCAATWLnQ/yE41K4Y1CDJvkbNkFcC7mACSha7mRAkMTQ+my9XC\n\
RQ36OAvYsA6Piet5019LmGW8o6UP2Q7Y4OTemEaBo1MwUTAdBgNVHQ4EFgQUg6be\n\
efN8AzYwfEdUekBSrVJJ3iwwHwYDVR0jBBgwFoAUg6beefN8AzYwfEdUekBSrVJJ\n\
3iwwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBn2WZLuNaTF/Wf\n\
1OsdzbV0fueWHz3ZGH1N1dAF/fgJ/wIhAOJs75Eyg3x33DuZrLDGnj6ocV+83dEY\n\
pUIyNNG96R6U\n\
-----END CERTIFICATE-----\n";

    #[test]
    fn a_value_shows_two_characters_if_that_leaves_enough() {
        for (content, text) in [
            (&b"db-password-of-32-bytes-exactly!"[..], "db…(32 bytes)"),
            (b"0123456789abcde", "…(15 bytes)"),
            (b"0123456789abcdef", "01…(16 bytes)"),
            (b"", "…(0 bytes)"),
            (b"a\x1b[31m-0123456789", "a…(17 bytes)"),
            ("ßü-0123456789abc".as_bytes(), "ßü…(18 bytes)"),
            (&[0xff; 20], "…(20 bytes)"),
        ] {
            assert_eq!(masked(content), text);
        }
    }

    #[test]
    fn descriptions_hold_no_value() {
        let json = b"{\n  \"password\": \"hidden\"\n}\n";
        assert_eq!(describe(json), "JSON object of 3 lines");
        assert_eq!(describe(&[0xff, 0xfe]), "binary");
        assert_eq!(describe(b"plain text of a value"), "pl…");
        let key = pem::encode("PRIVATE KEY", b"hidden");
        assert_eq!(describe(key.as_bytes()), "PEM: private key");
        let chain = key + &pem::encode(CERTIFICATE, b"a") + &pem::encode(CERTIFICATE, b"b");
        assert_eq!(
            describe(chain.as_bytes()),
            "PEM: private key, 2 certificates"
        );
    }

    #[test]
    fn public_keys_are_named() {
        let rsa = vaultbind_pki::spki::rsa_public_key(&[0xc3; 384], &[1, 0, 1]).unwrap();
        for (text, kind) in [
            (pem::encode("PUBLIC KEY", &rsa), "RSA 3072"),
            (EC_KEY.to_owned(), "EC P-256"),
            (pem::encode("PUBLIC KEY", b"broken"), "unreadable"),
        ] {
            assert_eq!(describe(text.as_bytes()), format!("PEM: public key {kind}"));
        }
    }

    #[test]
    fn a_chain_is_leaf_first_only_if_each_issuer_comes_next() {
        let chain = |names: &[(&str, &str)]| -> Vec<[String; 3]> {
            let names = names.iter();
            names
                .map(|(subject, issuer)| [subject, issuer, &""].map(|part| (*part).to_owned()))
                .collect()
        };
        let (leaf, middle, root) = (("leaf", "middle"), ("middle", "root"), ("root", "root"));
        for (names, expected) in [
            (vec![leaf], true),
            (vec![leaf, middle, root], true),
            (vec![leaf, middle], true),
            (vec![root, middle, leaf], false),
            (vec![leaf, root, middle], false),
            (vec![middle, leaf], false),
        ] {
            assert_eq!(leaf_first(&chain(&names)), expected, "{names:?}");
        }
    }

    #[test]
    fn certificates_that_cannot_be_read_are_left_out() {
        let text = pem::encode(CERTIFICATE, b"broken") + ROOT;
        let found = certificates(text.as_bytes());
        let name = "CN=root.example";
        assert_eq!(found, [[name, name, "EC P-256"].map(str::to_owned)]);
    }
}
