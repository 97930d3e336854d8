//! Random and damaged files.

use proptest::prelude::*;
use std::sync::LazyLock;

use super::super::{Error, decode, decode_within};
use super::builder::*;
use crate::testing::PKI;

/// A budget that keeps a damaged iteration count cheap.
const ITERATIONS: u64 = 2000;

static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (key, certificate) = (PKI.pkcs8("p256"), PKI.der("p256.pem"));
    let plain = [plain_safe(&[key_bag(&key), certificate_bag(&certificate)])];
    let aes = PKI
        .openssl("pkcs8 -topk8 -in p256.key -outform DER -passout pass: -v2 aes-256-cbc -iter 10");
    vec![
        vault_export(&null_password(), 1, &key, &certificate),
        vault_export(&terminated(""), 3, &key, &certificate),
        file(&plain),
        file_with(&plain, |content| pbmac1("", 5, content)),
        file(&[plain_safe(&[shrouded_key_bag(&aes)])]),
    ]
});

#[test]
fn the_undamaged_files_open() {
    for der in VALID.iter() {
        assert_eq!(decode_within(der, "", ITERATIONS).unwrap().keys.len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_refused(der in prop::collection::vec(any::<u8>(), 0..2000), password in ".{0,8}") {
        prop_assert!(decode(&der, &password).is_err());
    }

    #[test]
    fn damaged_files_never_panic(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        extension in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut der = which.get(&VALID).clone();
        for (at, value) in &flips {
            let at = at.index(der.len());
            der[at] = *value;
        }
        if let Some(cut) = cut {
            der.truncate(cut.index(der.len()));
        }
        der.extend(&extension);
        let outcome = decode_within(&der, "", ITERATIONS);
        if cut.is_none() && flips.is_empty() {
            let expected = if extension.is_empty() { None } else { Some(Error::TrailingData) };
            prop_assert_eq!(outcome.err(), expected);
        } else if let Ok(contents) = outcome {
            prop_assert!(!contents.keys.is_empty() || !contents.certificates.is_empty());
        }
    }
}
