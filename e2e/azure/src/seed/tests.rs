use std::error::Error as _;

use super::*;

const TENANT: &str = "0b1c2d3e-0000-4000-8000-000000000001";

#[test]
fn documents_and_files_merge() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("a.yaml");
    let second = folder.path().join("b.yaml");
    let client = |digit: u8| format!("0b1c2d3e-0000-4000-8000-00000000001{digit}");
    let application = |digit| {
        format!(
            "tenants: [{{tenantID: {TENANT}, applications: [{{clientID: {}}}]}}]\n",
            client(digit)
        )
    };
    fs::write(
        &first,
        format!("{}---\n---\n{}", application(1), application(2)),
    )
    .unwrap();
    fs::write(
        &second,
        format!(
            "{}issuers: [{{issuer: https://i, jwksFile: keys.json}}]\n",
            application(3)
        ),
    )
    .unwrap();
    fs::write(
        folder.path().join("keys.json"),
        r#"{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}"#,
    )
    .unwrap();
    let seed = Seed::load([first, second]).unwrap();
    let [tenant] = seed.tenants.as_slice() else {
        panic!("one tenant")
    };
    let ids: Vec<_> = tenant
        .applications
        .iter()
        .map(|app| app.client_id.clone())
        .collect();
    assert_eq!(ids, [client(1), client(2), client(3)]);
    assert_eq!(seed.issuers[0].jwks.as_ref().unwrap().keys[0].n, "AQ");
}

#[test]
fn errors_name_file_field_and_line() {
    for (text, parts) in [
        (
            "tenants:\n- tenantID: 0b1c2d3e-0000-4000-8000-000000000001\n  aplications: []\n",
            ["tenants[0]", "aplications", "line 3"],
        ),
        (
            "tenants:\n- tenantID: nope\n",
            ["tenants[0].tenantID", "not a GUID", "line 2"],
        ),
        (
            "vaults: []\n---\nmanagedIdentities:\n  userAssigned: []\n",
            ["document 2", "tenantID", "line 4"],
        ),
        (
            "tenants:\n- tenantID: 0b1c2d3e-0000-4000-8000-000000000001\n  cloud: Mars\n",
            ["tenants[0].cloud", "Mars", "line 3"],
        ),
    ] {
        let error = Seed::from_yaml("seed.yaml", text).unwrap_err();
        let message = format!("{error}: {}", error.source().unwrap());
        assert!(message.contains("seed.yaml"), "{message}");
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[test]
fn a_client_secret_does_not_show() {
    let secret = ClientSecretSeed {
        value: "hunter2".into(),
        expires: None,
    };
    assert!(!format!("{secret:?}").contains("hunter2"));
}
