//! What each certificate of a chain is for: the leaf, what a server sends beside it, and what its
//! clients have to trust.

use super::certificate::Certificate;

/// The certificates of a chain by what they are for, DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles<'a> {
    /// The first of the chain.
    pub leaf: &'a [u8],
    /// Those between the leaf and the root, upwards. No certificate that names itself as its issuer
    /// is among them.
    pub intermediates: Vec<&'a [u8]>,
    /// Whom to trust: the root, if the chain reaches it; else the topmost issuer in the chain; for a
    /// leaf without any issuer in the chain, the roots outside of it. A leaf that issued itself is
    /// its own. Empty if there is none.
    pub authorities: Vec<&'a [u8]>,
}

/// Divides certificates that [`super::order_for_key`] has ordered, of which the first `chain_length`
/// are the chain. `None` without a chain, or if a certificate is malformed.
#[must_use]
pub fn roles<C: AsRef<[u8]>>(certificates: &[C], chain_length: usize) -> Option<Roles<'_>> {
    let (chain, others) = certificates.split_at_checked(chain_length)?;
    let (leaf, issuers) = chain.split_first()?;
    let leaf = leaf.as_ref();
    let issuers = marked(issuers)?;
    let intermediates = issuers.iter().filter(|(_, is_root)| !is_root);
    let root = issuers.iter().find(|(_, is_root)| *is_root);
    let authorities = match root.or(issuers.last()) {
        Some((authority, _)) => vec![*authority],
        None if Certificate::read(leaf)?.is_root() => vec![leaf],
        None => {
            let mut roots: Vec<&[u8]> = Vec::new();
            for (other, is_root) in marked(others)? {
                if is_root && !roots.contains(&other) {
                    roots.push(other);
                }
            }
            roots
        }
    };
    Some(Roles {
        leaf,
        intermediates: intermediates.map(|(der, _)| *der).collect(),
        authorities,
    })
}

/// Each with whether it is a root.
fn marked<C: AsRef<[u8]>>(certificates: &[C]) -> Option<Vec<(&[u8], bool)>> {
    let mark = |der: &'_ C| Some(Certificate::read(der.as_ref())?.is_root());
    let certificates = certificates.iter();
    certificates
        .map(|der| Some((der.as_ref(), mark(der)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::order_for_key;
    use crate::testing::PKI;

    fn certificates(names: &[&str]) -> Vec<Vec<u8>> {
        names
            .iter()
            .map(|name| PKI.der(&format!("{name}.pem")))
            .collect()
    }

    /// Orders the named certificates for the key and asserts the roles by name.
    fn assert_roles(given: &[&str], key: &str, intermediates: &[&str], authorities: &[&str]) {
        let key_der = PKI.pkcs8(key);
        let ordered = order_for_key(certificates(given), Some(&key_der));
        let roles = roles(&ordered.certificates, ordered.chain_length).unwrap();
        assert_eq!([roles.leaf], *certificates(&[key]), "{given:?}");
        assert_eq!(
            roles.intermediates,
            certificates(intermediates),
            "{given:?}"
        );
        assert_eq!(roles.authorities, certificates(authorities), "{given:?}");
    }

    #[test]
    fn a_whole_chain_has_its_roles_in_any_order() {
        for given in [
            ["rsa", "intermediate", "root"],
            ["rsa", "root", "intermediate"],
            ["root", "intermediate", "rsa"],
            ["intermediate", "root", "rsa"],
            ["intermediate", "rsa", "root"],
            ["root", "rsa", "intermediate"],
        ] {
            assert_roles(&given, "rsa", &["intermediate"], &["root"]);
        }
    }

    #[test]
    fn without_the_root_the_topmost_issuer_is_trusted_and_still_sent() {
        for given in [["p256", "intermediate"], ["intermediate", "p256"]] {
            assert_roles(&given, "p256", &["intermediate"], &["intermediate"]);
        }
        // A root that does not belong to the chain is nobody to trust while there is an issuer.
        let given = ["other", "intermediate", "p256"];
        assert_roles(&given, "p256", &["intermediate"], &["intermediate"]);
    }

    #[test]
    fn a_leaf_directly_below_the_root_has_nothing_to_send() {
        assert_roles(&["root", "intermediate"], "intermediate", &[], &["root"]);
    }

    #[test]
    fn without_an_intermediate_the_roots_that_are_there_are_trusted_once() {
        let given = ["root", "p384", "other", "root"];
        assert_roles(&given, "p384", &[], &["root", "other"]);
    }

    #[test]
    fn a_leaf_alone_has_nobody_to_trust_unless_it_issued_itself() {
        assert_roles(&["p521"], "p521", &[], &[]);
        assert_roles(&["other"], "other", &[], &["other"]);
    }

    #[test]
    fn duplicates_and_strangers_are_left_out() {
        let given = [
            "root",
            "other",
            "rsa",
            "intermediate",
            "p256",
            "rsa",
            "root",
        ];
        assert_roles(&given, "rsa", &["intermediate"], &["root"]);
        // By key identifiers alone the second root is the issuer of the first.
        assert_roles(
            &["rsa", "intermediate", "root", "root"],
            "rsa",
            &["intermediate"],
            &["root"],
        );
    }

    #[test]
    fn there_are_no_roles_without_a_chain() {
        assert_eq!(roles::<Vec<u8>>(&[], 0), None);
        assert_eq!(roles(&certificates(&["rsa"]), 0), None);
        assert_eq!(roles(&certificates(&["rsa"]), 2), None);
        let malformed = [certificates(&["rsa"]), vec![b"malformed".to_vec()]].concat();
        assert_eq!(roles(&malformed, 2), None);
    }
}
