//! What a mount brings, and how many calls it takes.

use std::fmt::Write as _;

use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_e2e::driver::{Volume, mount_request};
use vaultbind_e2e::stage::class;

use crate::support::{secret, stage, stage_with_secrets};

#[tokio::test]
async fn a_secret_becomes_a_file_with_its_mode_and_version() {
    let value = secret("db-password");
    let stage = stage_with_secrets(&[("db-password", &value)]).await;
    let class = class(
        r#"
        array:
        - |
          objectName: db-password
          objectType: secret
          objectAlias: db/password
          filePermission: "0400"
        "#,
    );
    let request = mount_request(&class, &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut volume = Volume::new(folder.path());
    volume.write(&response).unwrap();
    assert_eq!(
        volume.read().unwrap().get("db/password").unwrap(),
        value.as_bytes()
    );
    assert_eq!(volume.mode("db/password").unwrap(), 0o400);
    let version = &response.object_version[0];
    assert_eq!(version.id, "secret/db-password");
    assert_eq!(version.version.len(), 32);
}

#[tokio::test]
async fn ten_secrets_two_keys_and_two_certificates_take_one_token_and_fourteen_calls_at_once() {
    let mut vault = "  secrets:\n".to_owned();
    let mut objects = "array:\n".to_owned();
    let mut object = |kind: &str, name: &str, alias: &str| {
        writeln!(
            objects,
            "- |\n  objectName: {name}\n  objectType: {kind}\n  objectAlias: {alias}"
        )
        .unwrap();
    };
    let mut values = Vec::new();
    for number in 0..10 {
        let value = secret("value");
        writeln!(vault, "  - {{name: s{number}, value: {value}}}").unwrap();
        object("secret", &format!("s{number}"), &format!("s{number}"));
        values.push(value);
    }
    vault += "  keys:
  - {name: rsa, type: RSA, size: 2048}
  - {name: ec, type: EC, curve: P-256}
  certificates:
  - {name: web, subject: CN=web.example.org, key: {type: EC, curve: P-256}}
  - {name: api, subject: CN=api.example.org, key: {type: EC, curve: P-384}}
";
    object("key", "rsa", "keys/rsa");
    object("key", "ec", "keys/ec");
    object("cert", "web", "tls/web");
    object("cert", "api", "tls/api");

    let stage = stage(&vault).await;
    let barrier = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    let open_at = Action::Barrier {
        count: 14,
        timeout_millis: 10_000,
    };
    stage.azure.add_fault(Fault::new(barrier, open_at)).unwrap();

    let request = mount_request(&class(&objects), &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await.unwrap();
    assert_eq!(response.files.len(), 14);
    for (file, value) in response.files.iter().zip(&values) {
        assert_eq!(&file.contents[..], value.as_bytes());
    }

    let calls = stage.azure.calls();
    let count = |service| calls.iter().filter(|call| call.service == service).count();
    assert_eq!(count(Service::Entra), 1, "{calls:#?}");
    assert_eq!(count(Service::Vault), 14, "{calls:#?}");
    assert!(
        calls.iter().all(|call| call.status == Some(200)),
        "{calls:#?}"
    );
    let connections: std::collections::BTreeSet<_> = calls
        .iter()
        .filter(|call| call.service == Service::Vault)
        .map(|call| call.connection)
        .collect();
    assert_eq!(connections.len(), 1, "all share one connection");
}
