use std::process::Command;

use super::*;

/// OpenSSL's own derivation with a password in hex, in lower-case hex.
fn openssl_derive(password: &str, purpose: Purpose, iterations: u32, length: usize) -> String {
    let output = Command::new("openssl")
        .args([
            "kdf",
            "-kdfopt",
            "digest:SHA1",
            "-kdfopt",
            "hexsalt:0102030405060708",
        ])
        .args(["-kdfopt", &format!("hexpass:{password}")])
        .args(["-kdfopt", &format!("id:{}", purpose as u8)])
        .args(["-kdfopt", &format!("iter:{iterations}")])
        .args(["-keylen", &length.to_string(), "PKCS12KDF"])
        .output()
        .expect("this test needs the openssl command");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .replace(':', "")
        .to_ascii_lowercase()
}

#[test]
fn derived_keys_are_those_of_a_password_of_zero_bytes() {
    let salt = [1, 2, 3, 4, 5, 6, 7, 8];
    for (purpose, iterations, length) in [
        (Purpose::Mac, 1, 20),
        (Purpose::Key, 2000, 5),
        (Purpose::Key, 2000, 24),
        (Purpose::Iv, 2000, 8),
        (Purpose::Key, 3, 100),
    ] {
        let ours = hex::encode(derive(purpose, &salt, iterations, length));
        assert_eq!(ours, openssl_derive("", purpose, iterations, length));
        // An empty text is two zero bytes, which is another password.
        assert_ne!(ours, openssl_derive("0000", purpose, iterations, length));
    }
}

#[test]
fn equal_contents_make_equal_files() {
    let key = sequence(&[&0u8.to_der().unwrap()]).unwrap();
    let one = encode(Some(&key), &[vec![0x30, 0]], "name").unwrap();
    assert_eq!(encode(Some(&key), &[vec![0x30, 0]], "name").unwrap(), one);
    assert_ne!(
        encode(Some(&key), &[vec![0x30, 1, 0]], "name").unwrap(),
        one
    );
}
