//! The order of a certificate chain: leaf, intermediates, root.
//!
//! Two rules find a certificate's issuer among the others:
//!
//! - *by key identifier*: the first other certificate whose subject key identifier equals the
//!   authority key identifier. Where this rule alone puts every certificate in one chain, its
//!   order is the answer, unless that chain starts with another certificate than the key's.
//! - *with names*, when it does not: the same first, then the first other certificate whose
//!   subject is the issuer's name, if one of the two lacks its identifier.
//!
//! Signatures and validity are not checked: the order is a service to programs that read the
//! first certificate as their own, not a statement of trust.

mod certificate;
mod roles;

use crate::private_key;
use crate::spki::PublicKey;
use certificate::Certificate;

pub use roles::{Roles, roles};

/// Certificates in order. None is lost and none is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// DER of the certificates: the chain from the leaf upwards, then those outside of it (an
    /// unrelated certificate, a duplicate, one above a missing intermediate) as they came.
    pub certificates: Vec<Vec<u8>>,
    /// Whether the chain holds every certificate. It need not reach a root.
    pub complete: bool,
    /// Number of certificates in the chain; 0 if no order was found, because one of them is
    /// malformed or each is the issuer of another. The order is then as it came.
    pub chain_length: usize,
    /// Whether the first certificate is the private key's. `None` without a key, or with a kind
    /// of key whose public half is not derived here (neither RSA nor on a NIST curve).
    pub leaf_matches_key: Option<bool>,
}

/// Orders certificates by their structure alone: [`order_for_key`] without a key.
#[must_use]
pub fn order(certificates: Vec<Vec<u8>>) -> Ordered {
    order_for_key(certificates, None)
}

/// Orders certificates so that the private key's own comes first.
///
/// `pkcs8` is the DER of the private key. The leaf is the certificate with its public key; of
/// several, one that issued none of the others. Without a key, or if no certificate matches, the
/// leaf is the certificate that issued none of the others; of several, the one with the longest
/// chain, then the first.
#[must_use]
pub fn order_for_key(certificates: Vec<Vec<u8>>, pkcs8: Option<&[u8]>) -> Ordered {
    let key = pkcs8.and_then(private_key::public_key);
    let chain = find_chain(&certificates, key.as_ref());
    let chain_length = chain.len();
    let complete = chain_length == certificates.len();
    let certificates = reorder(certificates, &chain);
    let leaf_matches_key = key.map(|key| {
        let leaf = certificates.first().and_then(|der| Certificate::read(der));
        leaf.is_some_and(|leaf| leaf.public_key().as_ref() == Some(&key))
    });
    Ordered {
        certificates,
        complete,
        chain_length,
        leaf_matches_key,
    }
}

/// Indices of the chain, leaf first. Empty if there is no order to be found.
fn find_chain(certificates: &[Vec<u8>], key: Option<&PublicKey>) -> Vec<usize> {
    let parsed: Option<Vec<Certificate<'_>>> = certificates
        .iter()
        .map(|der| Certificate::read(der))
        .collect();
    let Some(parsed) = parsed else {
        return Vec::new();
    };
    let matching: Vec<usize> = match key {
        Some(key) => indices(&parsed, |certificate| {
            certificate.public_key().as_ref() == Some(key)
        }),
        None => Vec::new(),
    };

    let links = Links::new(&parsed, |certificate, other| {
        certificate.is_named_by_key_of(other)
    });
    if let Some(leaf) = links.issues_nothing().next() {
        let chain = links.walk(leaf);
        if chain.len() == parsed.len() && (matching.is_empty() || matching.contains(&leaf)) {
            return chain;
        }
    }

    let links = Links::with_names(&parsed);
    let leaves: Vec<usize> = links.issues_nothing().collect();
    let candidates = if matching.is_empty() {
        leaves
    } else {
        let both: Vec<usize> = matching
            .iter()
            .copied()
            .filter(|index| leaves.contains(index))
            .collect();
        if both.is_empty() { matching } else { both }
    };
    let mut longest = Vec::new();
    for leaf in candidates {
        let chain = links.walk(leaf);
        if chain.len() > longest.len() {
            longest = chain;
        }
    }
    longest
}

/// Who issued whom, as indices.
struct Links {
    issuers: Vec<Option<usize>>,
}

impl Links {
    /// The first other certificate for which `issued(certificate, other)` holds.
    fn new<'a>(
        certificates: &[Certificate<'a>],
        issued: impl Fn(&Certificate<'a>, &Certificate<'a>) -> bool,
    ) -> Self {
        let issuer = |(index, certificate): (usize, &Certificate<'a>)| {
            certificates
                .iter()
                .enumerate()
                .position(|(other, candidate)| other != index && issued(certificate, candidate))
        };
        Self {
            issuers: certificates.iter().enumerate().map(issuer).collect(),
        }
    }

    /// By key identifier, and by name where that finds nothing. A root has no issuer, not even in
    /// its own duplicate.
    fn with_names(certificates: &[Certificate<'_>]) -> Self {
        let by_key = Self::new(certificates, |certificate, other| {
            !certificate.is_root() && certificate.is_named_by_key_of(other)
        });
        let by_name = Self::new(certificates, |certificate, other| {
            !certificate.is_root() && certificate.is_named_by_subject_of(other)
        });
        let both = by_key.issuers.into_iter().zip(by_name.issuers);
        Self {
            issuers: both.map(|(key, name)| key.or(name)).collect(),
        }
    }

    /// The certificates that are nobody's issuer, in order.
    fn issues_nothing(&self) -> impl Iterator<Item = usize> {
        let mut issues = vec![false; self.issuers.len()];
        for issuer in self.issuers.iter().flatten() {
            if let Some(issues) = issues.get_mut(*issuer) {
                *issues = true;
            }
        }
        issues
            .into_iter()
            .enumerate()
            .filter(|(_, issues)| !issues)
            .map(|(index, _)| index)
    }

    /// From issuer to issuer until there is none, or one comes a second time.
    fn walk(&self, leaf: usize) -> Vec<usize> {
        let mut visited = vec![false; self.issuers.len()];
        let mut chain = Vec::new();
        let mut next = Some(leaf);
        while let Some(index) = next {
            match visited.get_mut(index) {
                Some(visited) if !*visited => *visited = true,
                _ => break,
            }
            chain.push(index);
            next = self.issuers.get(index).copied().flatten();
        }
        chain
    }
}

fn indices(
    certificates: &[Certificate<'_>],
    wanted: impl Fn(&Certificate<'_>) -> bool,
) -> Vec<usize> {
    let all = certificates.iter().enumerate();
    all.filter(|(_, certificate)| wanted(certificate))
        .map(|(index, _)| index)
        .collect()
}

fn reorder(certificates: Vec<Vec<u8>>, chain: &[usize]) -> Vec<Vec<u8>> {
    let mut left: Vec<Option<Vec<u8>>> = certificates.into_iter().map(Some).collect();
    let mut ordered: Vec<Vec<u8>> = chain
        .iter()
        .filter_map(|index| left.get_mut(*index).and_then(Option::take))
        .collect();
    ordered.extend(left.into_iter().flatten());
    ordered
}

#[cfg(test)]
mod tests;
