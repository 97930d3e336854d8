//! The Azure SDK for Go as client of the emulated Azure.

use std::collections::BTreeMap;

use serde::Deserialize;
use vaultbind_e2e::stage::{CLIENT, VAULT};

use super::site::{APPLICATION, SYSTEM_ASSIGNED, Site, USER_ASSIGNED, many};
use super::tools::sha256;
use crate::support::secret;

#[tokio::test]
async fn go_signs_in_with_every_kind_of_identity() {
    let site = Site::start("").await;
    let values: BTreeMap<String, String> = site.go("identities").json().await;
    let kinds: Vec<_> = values.keys().map(String::as_str).collect();
    let expected = [
        "client secret",
        "system-assigned",
        "user-assigned",
        "workload identity",
    ];
    assert_eq!(kinds, expected);
    let shared = sha256(site.shared.as_bytes());
    assert!(values.values().all(|value| *value == shared), "{values:?}");
    let expected = [APPLICATION, SYSTEM_ASSIGNED, USER_ASSIGNED, CLIENT];
    assert_eq!(site.readers(), expected);
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Objects {
    secret_pages: Vec<usize>,
    version_pages: Vec<usize>,
    set_is_latest: bool,
    content_type: String,
    key_kinds: Vec<String>,
    certificate: String,
    polls: u32,
}

#[tokio::test]
async fn go_lists_in_pages_and_makes_secrets_keys_and_certificates() {
    let site = Site::start(&many()).await;
    site.azure.vaults().set_issuance_delay(VAULT, 1).unwrap();
    let objects: Objects = site.go("objects").json().await;
    assert!(objects.polls > 1, "{objects:?}");
    let expected = Objects {
        secret_pages: vec![25, 7],
        version_pages: vec![25, 5],
        set_is_latest: true,
        content_type: "text/plain".to_owned(),
        key_kinds: vec!["go-ec".to_owned(), "go-rsa".to_owned()],
        certificate: "CN=made-by-go.example.org".to_owned(),
        polls: objects.polls,
    };
    assert_eq!(objects, expected);
}

#[derive(Debug, Deserialize)]
struct Refusal {
    status: u16,
    code: String,
}

#[tokio::test]
async fn go_gets_typed_errors() {
    let disabled = secret("disabled");
    let secrets = format!("  - {{name: disabled, value: {disabled}, enabled: false}}\n");
    let site = Site::start(&secrets).await;
    let refusals: BTreeMap<String, Refusal> = site.go("refusals").json().await;
    let seen: Vec<_> = refusals
        .iter()
        .map(|(name, refusal)| (name.as_str(), refusal.status, refusal.code.as_str()))
        .collect();
    let expected = [
        ("disabled", 403, "Forbidden"),
        ("no certificate", 404, "CertificateNotFound"),
        ("no key", 404, "KeyNotFound"),
        ("no secret", 404, "SecretNotFound"),
        ("vault firewall", 403, "Forbidden"),
        ("vault no-policy", 403, "Forbidden"),
        ("vault other-policy", 403, "Forbidden"),
        ("vault private", 403, "Forbidden"),
        ("vault role", 403, "Forbidden"),
        ("wrong client secret", 401, ""),
    ];
    assert_eq!(seen, expected);
}
