//! PKCS#12 values, judged by OpenSSL.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Runs `openssl` on an input; gives its output and its words on standard error.
fn openssl(arguments: &[&str], input: &[u8]) -> (String, String) {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the openssl command");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    (String::from_utf8(output.stdout).unwrap(), errors)
}

/// The PEM blocks of a text, without what is between them.
fn blocks(text: &str) -> Vec<String> {
    text.split_inclusive("-----END ")
        .filter_map(|part| Some(part.get(part.find("-----BEGIN ")?..)?.to_owned()))
        .collect()
}

fn seeded(extra: &str) -> Vaults {
    vault(&format!(
        "  certificates: [{{name: web, subject: 'CN=web.example.org, O=Example', dnsNames: \
         [web.example.org]{extra}}}]\n"
    ))
}

#[test]
fn openssl_opens_what_the_vault_exports() {
    for (extra, certificates) in [
        (", issuer: Chain, key: {type: EC, curve: P-256}", 3),
        (", issuer: Self, key: {type: EC, curve: P-384}", 1),
        (", issuer: Chain, key: {type: RSA, size: 2048}", 3),
    ] {
        let vaults = seeded(extra);
        let secret = get(&vaults, "/secrets/web");
        let pfx = STANDARD.decode(secret.text("value")).unwrap();
        let opened = [
            "pkcs12",
            "-legacy",
            "-nodes",
            "-passin",
            "pass:",
            "-info",
            "-in",
            "/dev/stdin",
        ];
        let (text, info) = openssl(&opened, &pfx);
        for expected in [
            "MAC: sha1, Iteration 1\n",
            "Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2000",
            "PKCS7 Encrypted data: pbeWithSHA1And40BitRC2-CBC, Iteration 2000",
        ] {
            assert!(info.contains(expected), "{info}");
        }
        let converted = "/secrets/web?api-version=2025-07-01&outContentType=application/x-pem-file";
        let pem = get(&vaults, converted);
        assert_eq!(pem.text("contentType"), "application/x-pem-file");
        assert_eq!(blocks(&text), blocks(pem.text("value")), "{extra}");
        assert_eq!(blocks(&text).len(), certificates + 1, "{extra}");
        let (key, _) = openssl(&["pkey", "-pubout"], text.as_bytes());
        let (leaf, _) = openssl(&["x509", "-noout", "-pubkey"], text.as_bytes());
        assert_eq!(key, leaf, "{extra}");
    }
}

fn temporary(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

#[test]
fn a_key_that_may_not_leave_the_vault_is_not_in_the_secret() {
    for (form, is_pfx) in [
        ("application/x-pkcs12", true),
        ("application/x-pem-file", false),
    ] {
        let vaults = seeded(&format!(
            ", exportable: false, contentType: {form}, key: {{type: EC}}"
        ));
        let secret = get(&vaults, "/secrets/web");
        let text = if is_pfx {
            let pfx = STANDARD.decode(secret.text("value")).unwrap();
            let opened = [
                "pkcs12",
                "-legacy",
                "-nodes",
                "-passin",
                "pass:",
                "-in",
                "/dev/stdin",
            ];
            openssl(&opened, &pfx).0
        } else {
            secret.text("value").to_owned()
        };
        assert!(text.contains("BEGIN CERTIFICATE"), "{form}");
        assert!(!text.contains("PRIVATE KEY"), "{form}");
        assert_eq!(
            get(&vaults, "/keys/web").body["attributes"]["exportable"],
            false
        );
    }
}

#[test]
fn the_chain_is_one_that_openssl_verifies() {
    let vaults = seeded(", issuer: Chain, contentType: application/x-pem-file, key: {type: EC}");
    let secret = get(&vaults, "/secrets/web");
    let value = secret.text("value");
    let certificates: Vec<String> = value
        .split_inclusive("-----END CERTIFICATE-----\n")
        .map(str::to_owned)
        .collect();
    let [leaf, intermediate, root] = certificates.as_slice() else {
        panic!("{value}")
    };
    let (root, intermediate) = (
        temporary(root.as_bytes()),
        temporary(intermediate.as_bytes()),
    );
    let at = NOW.to_string();
    let arguments = [
        "verify",
        "-attime",
        &at,
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        "web.example.org",
        "-CAfile",
        root.path().to_str().unwrap(),
        "-untrusted",
        intermediate.path().to_str().unwrap(),
    ];
    openssl(&arguments, leaf.as_bytes());
}

#[test]
fn a_pfx_made_by_openssl_is_imported_and_exported() {
    let source = seeded(", issuer: Chain, contentType: application/x-pem-file, key: {type: EC}");
    let pem = get(&source, "/secrets/web").text("value").to_owned();
    let file = temporary(pem.as_bytes());
    let made = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:word", "-in"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let vaults = vault("");
    let import = |name: &str, password: &str| {
        let body = serde_json::json!({ "value": STANDARD.encode(&made.stdout), "pwd": password });
        call(
            &vaults,
            "POST",
            &format!("/certificates/{name}/import"),
            &body.to_string(),
        )
    };
    let refused = import("web", "other");
    assert_eq!((refused.status, refused.code()), (400, "BadParameter"));
    assert_eq!(get(&vaults, "/certificates/web").status, 404);
    assert_eq!(import("web", "word").status, 200);
    let target = "/secrets/web?api-version=2025-07-01&outContentType=application/x-pem-file";
    assert_eq!(get(&vaults, target).text("value"), pem);
    let exported = get(&vaults, "/secrets/web");
    assert_eq!(exported.text("contentType"), "application/x-pkcs12");

    let value = exported.text("value");
    let body = serde_json::json!({ "value": value, "contentType": "application/x-pkcs12" });
    call(&vaults, "PUT", "/secrets/plain", &body.to_string());
    assert_eq!(
        get(&vaults, &target.replace("web", "plain")).text("value"),
        pem
    );
}
