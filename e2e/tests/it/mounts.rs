//! What a mount brings, and how many calls it takes.

use std::fmt::Write as _;

use vaultbind_azure::vault::SetSecret;
use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_e2e::driver::{Volume, mount_request};
use vaultbind_e2e::stage::{VAULT, class};

use crate::support::{forgetful, http_get, now, secret, stage, stage_with_secrets};

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

#[tokio::test]
async fn a_rotation_changes_the_one_file_that_changed() {
    let (password, key) = (secret("password"), secret("key"));
    let stage = forgetful(&[("password", &password), ("key", &key)]).await;
    let objects = "array:
- |
  objectName: password
  objectType: secret
  objectAlias: db/password
- |
  objectName: key
  objectType: secret
";
    let request = mount_request(&class(objects), &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut volume = Volume::new(folder.path());
    let first = driver.mount(request.clone()).await.unwrap();
    assert_eq!(
        volume.write(&first).unwrap().written,
        ["db/password", "key"]
    );
    let again = driver.mount(request.clone()).await.unwrap();
    assert_eq!(first.object_version, again.object_version);
    assert!(
        volume.write(&again).unwrap().written.is_empty(),
        "the same bytes touch nothing"
    );

    let next = secret("next");
    stage
        .azure
        .vaults()
        .set_secret(VAULT, "password", SetSecret::new(&next), now())
        .unwrap();
    let rotated = driver.mount(request).await.unwrap();
    assert_eq!(volume.write(&rotated).unwrap().written, ["db/password"]);
    assert_eq!(
        volume.read().unwrap().get("db/password").unwrap(),
        next.as_bytes()
    );
    assert_ne!(first.object_version[0], rotated.object_version[0]);
    assert_eq!(first.object_version[1], rotated.object_version[1]);
}

#[tokio::test]
async fn an_exact_version_stays_when_a_newer_one_comes() {
    let (old, new) = (secret("old"), secret("new"));
    let stage = forgetful(&[("db", &old)]).await;
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let latest = class("array:\n- |\n  objectName: db\n  objectType: secret\n");
    let first = driver.mount(mount_request(&latest, &pod)).await.unwrap();
    let version = &first.object_version[0].version;
    stage
        .azure
        .vaults()
        .set_secret(VAULT, "db", SetSecret::new(&new), now())
        .unwrap();

    let pinned = class(&format!(
        "array:\n- |\n  objectName: db\n  objectType: secret\n  objectVersion: {version}\n"
    ));
    let response = driver.mount(mount_request(&pinned, &pod)).await.unwrap();
    assert_eq!(&response.files[0].contents[..], old.as_bytes());
    assert_eq!(&response.object_version[0].version, version);
    let response = driver.mount(mount_request(&latest, &pod)).await.unwrap();
    assert_eq!(&response.files[0].contents[..], new.as_bytes());
}

#[tokio::test]
async fn an_expired_secret_mounts_with_a_warning() {
    let (expired, early) = (secret("expired"), secret("early"));
    let stage = stage(&format!(
        "  secrets:
  - {{name: expired, value: {expired}, expires: 2020-01-01T00:00:00Z}}
  - {{name: early, value: {early}, notBefore: 2999-01-01T00:00:00Z}}
"
    ))
    .await;
    let objects = "array:
- |
  objectName: expired
  objectType: secret
- |
  objectName: early
  objectType: secret
";
    let request = mount_request(&class(objects), &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await.unwrap();
    assert_eq!(&response.files[0].contents[..], expired.as_bytes());
    assert_eq!(&response.files[1].contents[..], early.as_bytes());
    let log =
        std::fs::read_to_string(crate::support::logs().path().join("in-process.log")).unwrap();
    for warning in [
        "has expired and is mounted all the same",
        "is not valid yet and is mounted",
    ] {
        assert!(log.contains(warning), "{warning}");
    }
}

#[tokio::test]
async fn a_class_without_objects_mounts_nothing_and_asks_nobody() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let request = mount_request(&class("array: []"), &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await.unwrap();
    assert!(response.files.is_empty());
    assert_eq!(
        response.object_version.len(),
        1,
        "the driver refuses an answer without versions"
    );
    assert!(stage.azure.calls().is_empty());
}

#[tokio::test]
async fn an_object_mounted_twice_has_two_versions_of_its_own() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let objects = "array:
- |
  objectName: db
  objectType: secret
- |
  objectName: db
  objectType: secret
  objectAlias: copy/db
";
    let request = mount_request(&class(objects), &stage.pod().unwrap());
    let response = stage.driver().unwrap().mount(request).await.unwrap();
    let ids: Vec<_> = response
        .object_version
        .iter()
        .map(|version| version.id.as_str())
        .collect();
    assert_eq!(ids, ["secret/db", "secret/db@copy/db"]);
}

#[tokio::test]
async fn the_version_call_and_the_http_endpoints_answer() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let version = stage.driver().unwrap().version().await.unwrap();
    assert_eq!(version.version, "v1alpha1");
    assert_eq!(version.runtime_name, "vaultbind-provider");
    let request = mount_request(
        &class("array:\n- |\n  objectName: db\n  objectType: secret\n"),
        &stage.pod().unwrap(),
    );
    stage.driver().unwrap().mount(request).await.unwrap();

    let health = stage.provider.health_address();
    assert_eq!(http_get(health, "/healthz").await, (200, "ok".to_owned()));
    assert_eq!(http_get(health, "/readyz").await, (200, "ok".to_owned()));
    assert_eq!(http_get(health, "/metrics").await.0, 404);
    let (status, metrics) = http_get(stage.provider.metrics_address(), "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "vaultbind_mount_requests_total{code=\"OK\"} 1",
        "vaultbind_vault_requests_total{operation=\"get_secret\",code=\"200\"} 1",
        "vaultbind_token_requests_total{source=\"entra\",code=\"200\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}
