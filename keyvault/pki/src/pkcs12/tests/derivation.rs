use super::super::derive::{Hash, Parameters, Purpose, pkcs12};
use super::builder::terminated;

#[test]
fn known_answers() {
    let cases = [
        (
            "smeg",
            Purpose::Key,
            1,
            "0a58cf64530d823f",
            "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3",
        ),
        (
            "smeg",
            Purpose::InitializationVector,
            1,
            "0a58cf64530d823f",
            "79993dfe048d3b76",
        ),
        (
            "smeg",
            Purpose::Mac,
            1,
            "3d83c0e4546ac140",
            "8d967d88f6caa9d714800ab3d48051d63f73a312",
        ),
        (
            "queeg",
            Purpose::Key,
            1000,
            "05dec959acff72f7",
            "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4",
        ),
        (
            "queeg",
            Purpose::InitializationVector,
            1000,
            "05dec959acff72f7",
            "11dedad7758d4860",
        ),
        (
            "queeg",
            Purpose::Mac,
            1000,
            "263216fcc2fab31c",
            "5ec4c7a80df652294c3925b6489a7ab857c83476",
        ),
    ];
    for (password, purpose, iterations, salt, expected) in cases {
        let salt = hex::decode(salt).unwrap();
        let parameters = Parameters {
            hash: Hash::Sha1,
            salt: &salt,
            iterations,
        };
        let derived = pkcs12(
            parameters,
            &terminated(password),
            purpose,
            expected.len() / 2,
        );
        assert_eq!(hex::encode(&*derived), expected);
    }
}
