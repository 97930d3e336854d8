//! openssl and Go's libraries as readers of mounted certificates and keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use vaultbind_e2e::driver::{Volume, mount_request};
use vaultbind_e2e::stage::{AUDIENCE, CLIENT, Stage, TENANT, VAULT, class};

use super::tools::Judge;
use crate::support::{logs, seed};

/// Form of the secret, its key, and how Go calls that.
const CERTIFICATES: [(&str, &str, &str, &str); 4] = [
    (
        "rsa-pfx",
        "application/x-pkcs12",
        "type: RSA, size: 2048",
        "*rsa.PrivateKey",
    ),
    (
        "rsa-pem",
        "application/x-pem-file",
        "type: RSA, size: 2048",
        "*rsa.PrivateKey",
    ),
    (
        "ec-pfx",
        "application/x-pkcs12",
        "type: EC, curve: P-256",
        "*ecdsa.PrivateKey",
    ),
    (
        "ec-pem",
        "application/x-pem-file",
        "type: EC, curve: P-384",
        "*ecdsa.PrivateKey",
    ),
];

const KEYS: [(&str, &str); 5] = [
    ("rsa-2048", "type: RSA, size: 2048"),
    ("rsa-3072", "type: RSA, size: 3072"),
    ("ec-256", "type: EC, curve: P-256"),
    ("ec-384", "type: EC, curve: P-384"),
    ("ec-521", "type: EC, curve: P-521"),
];

/// Mounts `objects` from a vault that holds `vault`.
async fn mount(vault: &str, objects: &str) -> (Stage, Volume) {
    logs();
    let arguments = ["--write-cert-and-key-in-separate-files=true"];
    let stage = Stage::start_with(&seed(vault), &arguments, |_| {})
        .await
        .unwrap();
    let request = mount_request(&class(objects), &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await.unwrap();
    let root = stage.folder().join("volume");
    std::fs::create_dir(&root).unwrap();
    let mut volume = Volume::new(&root);
    volume.write(&response).unwrap();
    (stage, volume)
}

fn object(objects: &mut String, kind: &str, name: &str, alias: &str, more: &str) {
    writeln!(
        objects,
        "- |\n  objectName: {name}\n  objectType: {kind}\n  objectAlias: {alias}{more}"
    )
    .unwrap();
}

/// The blocks of a PEM file.
fn blocks(text: &str) -> Vec<String> {
    let parts: Vec<_> = text.split_inclusive("-----\n").collect();
    parts.chunks(2).map(<[&str]>::concat).collect()
}

/// Keeps a private key's block out of the logs: its second line is all key.
fn forbid_key(block: &str) {
    assert!(block.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let line = block.lines().nth(2).unwrap();
    logs().forbid(line.as_bytes()).unwrap();
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, text).unwrap();
    path
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Judged {
    key_type: String,
    certificates: Vec<String>,
    #[serde(rename = "sameAsPFX")]
    same_as_pfx: bool,
    pair: bool,
    handshake: bool,
}

#[tokio::test]
async fn openssl_and_go_accept_mounted_certificates_of_every_form() {
    let mut vault = "  certificates:\n".to_owned();
    let mut objects = "array:\n".to_owned();
    for (name, content_type, key, _) in CERTIFICATES {
        writeln!(
            vault,
            "  - {{name: {name}, subject: CN={name}.example.org, dnsNames: [{name}.example.org], \
             issuer: Chain, contentType: {content_type}, key: {{{key}}}}}"
        )
        .unwrap();
        object(&mut objects, "secret", name, &format!("{name}.pem"), "");
        object(&mut objects, "cert", name, &format!("{name}.leaf"), "");
        object(&mut objects, "key", name, &format!("{name}.pub"), "");
        if content_type == "application/x-pkcs12" {
            let more = "\n  objectFormat: pfx\n  objectEncoding: base64";
            object(&mut objects, "secret", name, &format!("{name}.pfx"), more);
        }
    }
    let (stage, volume) = mount(&vault, &objects).await;
    for (name, content_type, _, key_type) in CERTIFICATES {
        let file = |suffix: &str| volume.root().join(format!("{name}.{suffix}"));
        let pem = file("pem");
        let text = read(&pem);
        let parts = blocks(&text);
        assert_eq!(parts.len(), 4, "{name}: key, leaf, intermediate, root");
        forbid_key(&parts[0]);
        assert_eq!(parts[1], read(&file("leaf")), "{name}");

        openssl_accepts(name, &stage, &pem, &parts).await;
        let public = public_key_of(&pem).await;
        assert_eq!(public, read(&file("pub")), "{name}");

        let mut judge = Judge::go("files").arg("-pem").arg(&pem);
        judge = judge.arg("-pair").arg(&pem);
        let pfx = content_type == "application/x-pkcs12";
        if pfx {
            judge = judge.arg("-pfx").arg(file("pfx"));
            openssl_opens_pfx(name, &stage, &file("pfx"), &public, &parts).await;
        }
        let expected = Judged {
            key_type: key_type.to_owned(),
            certificates: vec![
                format!("CN={name}.example.org"),
                "CN=Vaultbind Test Intermediate".to_owned(),
                "CN=Vaultbind Test Root".to_owned(),
            ],
            same_as_pfx: pfx,
            pair: true,
            handshake: true,
        };
        assert_eq!(judge.json::<Judged>().await, expected);
    }
}

/// The public key of a file's private key, as openssl writes it.
async fn public_key_of(pem: &Path) -> String {
    Judge::openssl("pkey")
        .arg("-in")
        .arg(pem)
        .arg("-pubout")
        .run()
        .await
}

/// Key and first certificate belong together, and the others lead to the last.
async fn openssl_accepts(name: &str, stage: &Stage, pem: &Path, parts: &[String]) {
    let of_certificate = Judge::openssl("x509")
        .arg("-in")
        .arg(pem)
        .args(&["-noout", "-pubkey"])
        .run()
        .await;
    assert_eq!(of_certificate, public_key_of(pem).await, "{name}");

    let part = |number: usize| {
        let path = stage.folder().join(format!("{name}-{number}.pem"));
        write(path, &parts[number])
    };
    let (leaf, intermediate, root) = (part(1), part(2), part(3));
    let verified = Judge::openssl("verify")
        .args(&["-x509_strict", "-purpose", "sslserver", "-CAfile"])
        .arg(root)
        .arg("-untrusted")
        .arg(intermediate)
        .arg(&leaf)
        .run()
        .await;
    assert_eq!(verified, format!("{}: OK\n", leaf.display()));
}

/// The PFX has the same key and certificates as the mounted PEM, in any order.
async fn openssl_opens_pfx(name: &str, stage: &Stage, pfx: &Path, public: &str, parts: &[String]) {
    let opened = stage.folder().join(format!("{name}-opened.pem"));
    Judge::openssl("pkcs12")
        .args(&["-legacy", "-nodes", "-passin", "pass:", "-in"])
        .arg(pfx)
        .arg("-out")
        .arg(&opened)
        .run()
        .await;
    assert_eq!(public_key_of(&opened).await, public, "{name}");
    let text = read(&opened);
    let count = text.matches("-----BEGIN ").count();
    assert_eq!(count, parts.len(), "{name}");
    for certificate in &parts[1..] {
        assert!(text.contains(certificate.as_str()), "{name}: {certificate}");
    }
}

#[tokio::test]
async fn openssl_and_go_read_the_same_public_keys_that_were_mounted() {
    let mut vault = "  keys:\n".to_owned();
    let mut objects = "array:\n".to_owned();
    for (name, key) in KEYS {
        writeln!(vault, "  - {{name: {name}, {key}}}").unwrap();
        object(&mut objects, "key", name, &format!("{name}.pem"), "");
    }
    let (stage, volume) = mount(&vault, &objects).await;
    let token = stage.pod().unwrap().tokens.remove(AUDIENCE).unwrap();
    logs().forbid(token.as_bytes()).unwrap();
    let plan = json!({
        "vault": format!("https://{VAULT}.vault.azure.net"),
        "tenant": TENANT,
        "workload": CLIENT,
        "tokenFile": write(stage.folder().join("token"), &token),
    });
    let by_go: BTreeMap<String, String> = Judge::go("azure")
        .arg("public-keys")
        .arg(write(stage.folder().join("plan.json"), &plan.to_string()))
        .at(&stage.azure)
        .json()
        .await;
    assert_eq!(by_go.len(), KEYS.len());
    for (name, _) in KEYS {
        let pem = volume.root().join(format!("{name}.pem"));
        let mounted = read(&pem);
        assert_eq!(by_go[name], mounted, "{name}");
        let by_openssl = Judge::openssl("pkey")
            .args(&["-pubin", "-pubcheck", "-pubout", "-in"])
            .arg(&pem)
            .run()
            .await;
        assert!(by_openssl.ends_with(&mounted), "{name}: {by_openssl}");
    }
}
