use proptest::prelude::*;

use super::*;
use crate::testing::PKI;

/// The public key that `openssl` derives, and the octets of its key.
fn expected(kind: &str) -> (Vec<u8>, Vec<u8>) {
    let der = PKI.openssl(&format!("pkey -in {kind}.key -pubout -outform DER"));
    let mut elements = Elements::of_sequence(&der).unwrap();
    elements.algorithm().unwrap();
    let key = octets(elements.expect(Tag::BitString).unwrap())
        .unwrap()
        .to_vec();
    (der, key)
}

fn with_zeros(number: &[u8]) -> Vec<u8> {
    [&[0, 0], number].concat()
}

#[test]
fn rsa_keys_are_as_openssl_writes_them() {
    let (der, key) = expected("rsa");
    let key = RsaPublicKeyRef::try_from(key.as_slice()).unwrap();
    let (n, e) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
    assert_eq!(n.len(), 256);
    assert_eq!(rsa_public_key(n, e).unwrap(), der);
    assert_eq!(rsa_public_key(&with_zeros(n), &with_zeros(e)).unwrap(), der);
}

#[test]
fn ec_keys_are_as_openssl_writes_them() {
    for (kind, name) in [("p256", "P-256"), ("p384", "P-384"), ("p521", "P-521")] {
        let curve: Curve = name.parse().unwrap();
        let (der, key) = expected(kind);
        let (x, y) = key[1..].split_at(curve.size());
        assert_eq!(ec_public_key(curve, x, y).unwrap(), der, "{name}");
        assert_eq!(
            ec_public_key(curve, &with_zeros(x), &with_zeros(y)).unwrap(),
            der
        );
        let stripped = (without_leading_zeros(x), without_leading_zeros(y));
        assert_eq!(ec_public_key(curve, stripped.0, stripped.1).unwrap(), der);
        assert_eq!(ec_public_key(curve, y, x), Err(SpkiError::NotOnCurve));
        let long = [&[1], x].concat();
        assert_eq!(
            ec_public_key(curve, &long, y),
            Err(SpkiError::CoordinateSize)
        );
        assert_eq!(ec_public_key(curve, &[], &[]), Err(SpkiError::NotOnCurve));
    }
}

#[test]
fn a_short_coordinate_is_padded() {
    // The point with x = 5 on P-256: its y is a full-length number.
    let point = Curve::P256
        .uncompressed(&[&[2][..], &[0; 31], &[5]].concat())
        .unwrap();
    let der = ec_public_key(Curve::P256, &[5], &point[33..]).unwrap();
    assert!(der.ends_with(&point));
}

#[test]
fn only_the_three_curves_have_names() {
    for name in ["P-256K", "p-256", "P-224", "", "P-256 "] {
        assert_eq!(
            name.parse::<Curve>(),
            Err(SpkiError::UnsupportedCurve(name.into()))
        );
    }
}

#[test]
fn unusable_rsa_numbers_are_refused() {
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= n.len() * 8 - bits;
        n
    };
    let size = |bits| Err(SpkiError::ModulusSize { bits });
    let even: Vec<u8> = [&modulus(2040)[..], &[0xfe]].concat();
    let cases = [
        ("no modulus", vec![], &[1, 0, 1][..], size(0)),
        ("zero modulus", vec![0; 256], &[1, 0, 1], size(0)),
        ("short modulus", modulus(1023), &[1, 0, 1], size(1023)),
        ("shortest modulus", modulus(1024), &[1, 0, 1], Ok(())),
        ("long modulus", modulus(16385), &[1, 0, 1], size(16385)),
        (
            "even modulus",
            even,
            &[1, 0, 1],
            Err(SpkiError::ModulusEven),
        ),
        ("no exponent", modulus(2048), &[], Err(SpkiError::Exponent)),
        (
            "exponent 1",
            modulus(2048),
            &[0, 1],
            Err(SpkiError::Exponent),
        ),
        (
            "even exponent",
            modulus(2048),
            &[2],
            Err(SpkiError::Exponent),
        ),
        ("exponent 3", modulus(2048), &[3], Ok(())),
    ];
    for (name, n, e, outcome) in cases {
        assert_eq!(rsa_public_key(&n, e).map(drop), outcome, "{name}");
    }
    let n = modulus(1024);
    assert_eq!(rsa_public_key(&n, &n), Err(SpkiError::Exponent));
}

proptest! {
    #[test]
    fn no_numbers_break_it(
        a in prop::collection::vec(any::<u8>(), 0..300),
        b in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let _ = rsa_public_key(&a, &b);
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            // A random point is on the curve with a chance that will not be met.
            prop_assert!(ec_public_key(curve, &a, &b).is_err());
        }
        let _ = PublicKey::from_spki(&a);
    }
}
