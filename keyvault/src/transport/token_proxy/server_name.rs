//! The server name by which AKS's token proxy is known in TLS, as it follows from the certificate of
//! the API server at the same address.

use ring::digest::{SHA256, digest};

/// What precedes and follows the cluster's id in the name that AKS gives its API server.
const SERVER_PREFIX: &[u8] = b"hcp-kubernetes.";
const SERVER_SUFFIX: &[u8] = b".svc.cluster.local";

/// The tag of a DNS name among the names of a certificate (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;

/// The server name of the token proxy, from a certificate of the API server that has been verified.
/// Its names are looked for as they are encoded, which spares a parser of certificates.
pub(crate) fn derived_name(certificate: &[u8]) -> Option<String> {
    let id = certificate.iter().enumerate().find_map(|(at, tag)| {
        let length = usize::from(*certificate.get(at + 1)?);
        let name = certificate.get(at + 2..at + 2 + length)?;
        let id = name
            .strip_prefix(SERVER_PREFIX)?
            .strip_suffix(SERVER_SUFFIX)?;
        (*tag == DNS_NAME && !id.is_empty() && !id.contains(&b'.')).then_some(id)
    })?;
    Some(name_of(id))
}

/// The server name of the cluster of this id.
pub(crate) fn name_of(id: &[u8]) -> String {
    let mut text = b"identity-binding".to_vec();
    text.extend_from_slice(id);
    let label = base32hex(digest(&SHA256, &text).as_ref());
    format!("a{label}.ests.aks")
}

/// RFC 4648, section 7, in lower case and without padding.
fn base32hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = ((bits << 8) | u32::from(*byte)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            text.extend(char::from_digit((bits >> held) & 31, 32));
        }
    }
    if held > 0 {
        text.extend(char::from_digit((bits << (5 - held)) & 31, 32));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns_name(name: &str) -> Vec<u8> {
        let mut der = vec![0x30, 0, DNS_NAME, u8::try_from(name.len()).unwrap()];
        der.extend_from_slice(name.as_bytes());
        der
    }

    #[test]
    fn base32hex_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "co"),
            ("fo", "cpng"),
            ("foo", "cpnmu"),
            ("foob", "cpnmuog"),
            ("fooba", "cpnmuoj1"),
            ("foobar", "cpnmuoj1e8"),
        ] {
            assert_eq!(base32hex(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_server_name_is_derived_from_the_api_servers_certificate() {
        let name = derived_name(&dns_name("hcp-kubernetes.abc123.svc.cluster.local")).unwrap();
        let (label, domain) = name.split_once('.').unwrap();
        assert_eq!((label.len(), domain), (53, "ests.aks"));
        assert!(label.starts_with('a'), "{label}");
        let other = derived_name(&dns_name("hcp-kubernetes.abc124.svc.cluster.local")).unwrap();
        assert_ne!(name, other);
        for none in [
            "kubernetes.default.svc.cluster.local",
            "hcp-kubernetes..svc.cluster.local",
            "hcp-kubernetes.a.b.svc.cluster.local",
        ] {
            assert_eq!(derived_name(&dns_name(none)), None, "{none}");
        }
    }
}
