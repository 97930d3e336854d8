use proptest::prelude::*;

use super::*;
use crate::testing::{IDENTIFIERS, KINDS, NO_IDENTIFIERS, PKI, Pki};

fn certificates(names: &[&str]) -> Vec<Vec<u8>> {
    names
        .iter()
        .map(|name| PKI.der(&format!("{name}.pem")))
        .collect()
}

/// Orders the named certificates and asserts the outcome by name.
fn assert_order(given: &[&str], key: Option<&str>, expected: &[&str], complete: bool) -> Ordered {
    let key = key.map(|name| PKI.pkcs8(name));
    let ordered = order_for_key(certificates(given), key.as_deref());
    assert_eq!(ordered.certificates, certificates(expected), "{given:?}");
    assert_eq!(ordered.complete, complete, "{given:?}");
    ordered
}

fn permutations<'a>(names: &[&'a str]) -> Vec<Vec<&'a str>> {
    if names.is_empty() {
        return vec![vec![]];
    }
    let with_first = |index: usize| {
        let mut rest = names.to_vec();
        let first = rest.remove(index);
        permutations(&rest)
            .into_iter()
            .map(move |rest| [vec![first], rest].concat())
    };
    (0..names.len()).flat_map(with_first).collect()
}

/// A chain without key identifiers, made once.
fn nameless(pki: &Pki) -> [&'static str; 3] {
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        for name in ["plain-root", "plain-intermediate", "plain-leaf"] {
            pki.key(name, "p256");
        }
        pki.root("plain-root", NO_IDENTIFIERS);
        pki.issue("plain-intermediate", "plain-root", NO_IDENTIFIERS);
        pki.issue("plain-leaf", "plain-intermediate", NO_IDENTIFIERS);
    });
    ["plain-leaf", "plain-intermediate", "plain-root"]
}

#[test]
fn three_certificates_in_any_order_become_a_chain() {
    for kind in KINDS {
        let chain = [kind, "intermediate", "root"];
        for given in permutations(&chain) {
            for key in [None, Some(kind)] {
                let ordered = assert_order(&given, key, &chain, true);
                assert_eq!(ordered.chain_length, 3);
                let known = key.filter(|kind| *kind != "ed25519").map(|_| true);
                assert_eq!(ordered.leaf_matches_key, known);
            }
        }
    }
}

#[test]
fn names_order_where_key_identifiers_are_missing() {
    let chain = nameless(&PKI);
    for given in permutations(&chain) {
        assert_order(&given, None, &chain, true);
    }
}

#[test]
fn key_identifiers_count_more_than_names() {
    // Another certificate of the intermediate's name, with another key.
    PKI.key("twin", "p256");
    PKI.openssl(
        "req -new -config req.cnf -key twin.key -subj /O=tests/CN=intermediate -out twin.csr",
    );
    PKI.sign("twin", "twin", "-CA root.pem -CAkey root.key", IDENTIFIERS);
    assert_order(
        &["twin", "root", "rsa", "intermediate"],
        None,
        &["rsa", "intermediate", "root", "twin"],
        false,
    );
}

#[test]
fn a_chain_need_not_reach_a_root() {
    assert_order(
        &["intermediate", "rsa"],
        None,
        &["rsa", "intermediate"],
        true,
    );
    assert_order(&["rsa"], None, &["rsa"], true);
    assert_order(&["root"], None, &["root"], true);
    assert_order(&[], None, &[], true);
}

#[test]
fn certificates_outside_the_chain_follow_in_their_order() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["root", "rsa"], &["root", "rsa"]),
        (&["rsa", "root"], &["rsa", "root"]),
        (
            &["rsa", "root", "intermediate", "other"],
            &["rsa", "intermediate", "root", "other"],
        ),
        (
            &["other", "root", "intermediate", "rsa"],
            &["rsa", "intermediate", "root", "other"],
        ),
        (
            &["root", "rsa", "root", "intermediate", "rsa"],
            &["rsa", "intermediate", "root", "root", "rsa"],
        ),
    ];
    for (given, expected) in cases {
        assert_order(given, None, expected, false);
    }
}

#[test]
fn the_certificate_of_the_key_comes_first() {
    let given = ["p384", "rsa", "root", "intermediate", "p256"];
    for (key, others) in [
        ("rsa", ["p384", "p256"]),
        ("p256", ["p384", "rsa"]),
        ("p384", ["rsa", "p256"]),
    ] {
        let expected = [key, "intermediate", "root", others[0], others[1]];
        let ordered = assert_order(&given, Some(key), &expected, false);
        assert_eq!(ordered.leaf_matches_key, Some(true));
    }
    // Missing intermediate.
    let ordered = assert_order(&["root", "p521"], Some("p521"), &["p521", "root"], false);
    assert_eq!(ordered.leaf_matches_key, Some(true));
    // The key of an issuer.
    let given = ["rsa", "intermediate", "root"];
    let expected = ["intermediate", "root", "rsa"];
    assert_order(&given, Some("intermediate"), &expected, false);
}

#[test]
fn a_key_without_its_certificate_changes_nothing() {
    let chain = ["rsa", "intermediate", "root"];
    let ordered = assert_order(
        &["root", "intermediate", "rsa"],
        Some("other"),
        &chain,
        true,
    );
    assert_eq!(ordered.leaf_matches_key, Some(false));
    let ordered = order_for_key(certificates(&chain), Some(b"no key"));
    assert_eq!((ordered.complete, ordered.leaf_matches_key), (true, None));
}

#[test]
fn a_malformed_certificate_leaves_the_order_alone() {
    let mut given = certificates(&["root", "rsa"]);
    given.insert(1, b"malformed".to_vec());
    let ordered = order(given.clone());
    assert_eq!((ordered.complete, ordered.chain_length), (false, 0));
    assert_eq!(ordered.certificates, given);
}

#[test]
fn certificates_that_issue_one_another_end_the_walk() {
    for name in ["left", "right"] {
        PKI.key(name, "p256");
    }
    PKI.root("left", IDENTIFIERS);
    PKI.issue("right", "left", IDENTIFIERS);
    PKI.issue("left", "right", IDENTIFIERS);
    let ordered = assert_order(&["left", "right"], None, &["left", "right"], false);
    assert_eq!(ordered.chain_length, 0);
    let ordered = assert_order(&["left", "right"], Some("right"), &["right", "left"], true);
    assert_eq!(ordered.chain_length, 2);
    PKI.key("below", "p256");
    PKI.issue("below", "right", IDENTIFIERS);
    assert_order(
        &["left", "right", "below"],
        None,
        &["below", "right", "left"],
        true,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_certificate_is_lost_or_duplicated(
        picks in prop::collection::vec((0..9_usize, prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()))), 0..8),
        key in prop::option::of(0..5_usize),
    ) {
        let names = ["rsa", "p256", "p384", "p521", "ed25519", "intermediate", "root", "other", "rsa"];
        let given: Vec<Vec<u8>> = picks.iter().map(|(pick, damage)| {
            let mut der = PKI.der(&format!("{}.pem", names[*pick]));
            if let Some((at, value)) = damage {
                let at = at.index(der.len());
                der[at] = *value;
            }
            der
        }).collect();
        let key = key.map(|kind| PKI.pkcs8(KINDS[kind]));
        let ordered = order_for_key(given.clone(), key.as_deref());
        prop_assert!(ordered.chain_length <= given.len());
        let (mut before, mut after) = (given, ordered.certificates);
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }
}
