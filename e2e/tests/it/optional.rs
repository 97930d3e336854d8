//! Objects that a class marks `optional`: what happens while the vault does not have them.

use std::collections::BTreeMap;

use tonic::Code;
use vaultbind_azure::vault::{Collection, SetSecret};
use vaultbind_azure::{Action, Fault, Service};
use vaultbind_e2e::driver::{SecretProviderClass, mount_request};
use vaultbind_e2e::stage::{CLIENT, Stage, VAULT, class};
use vaultbind_proto::MountResponse;

use crate::support::{
    FORGETFUL, calls_to, logs, now, of, secret, seed, stage, stage_with, stage_with_secrets,
};

/// A secret that is there, and all that may come.
const OBJECTS: &str = "array:
- {objectName: db, objectType: secret}
- {objectName: later, objectType: secret, objectAlias: later.pem, optional: true}
- {objectName: later, objectType: key, objectAlias: later.pub, optional: \"true\"}
- {objectName: later, objectType: cert, objectAlias: later.crt, optional: True}
";

fn db(value: &str) -> String {
    seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"))
}

async fn mount(stage: &Stage, class: &SecretProviderClass) -> Result<MountResponse, tonic::Status> {
    let request = mount_request(class, &stage.pod().unwrap());
    stage.driver().unwrap().mount(request).await
}

fn paths(response: &MountResponse) -> Vec<&str> {
    let files = response.files.iter();
    files.map(|file| file.path.as_str()).collect()
}

fn versions(response: &MountResponse) -> BTreeMap<&str, &str> {
    let versions = response.object_version.iter();
    versions
        .map(|v| (v.id.as_str(), v.version.as_str()))
        .collect()
}

#[tokio::test]
async fn what_is_missing_is_left_out_and_mounted_once_it_is_there() {
    let value = secret("value");
    let vault = format!(
        "  secrets: [{{name: db, value: {value}}}]
  certificates: [{{name: web, subject: CN=web, contentType: application/x-pem-file, key: {{type: EC, curve: P-256}}}}]
"
    );
    let stage = stage_with(&seed(&vault), &FORGETFUL).await;
    let mut class = class(OBJECTS);
    class.metadata.name = "missing-three".to_owned();
    let without = mount(&stage, &class).await.unwrap();
    assert_eq!(paths(&without), ["db"]);
    for id in ["secret/later", "key/later", "cert/later"] {
        assert_eq!(versions(&without).get(id), Some(&"absent"), "{id}");
    }
    assert_eq!(versions(&without).len(), 4);
    let log = std::fs::read_to_string(logs().path().join("in-process.log")).unwrap();
    let of_class: Vec<_> = log
        .lines()
        .filter(|l| l.contains("missing-three"))
        .collect();
    let lines = |part: &str| of_class.iter().filter(|line| line.contains(part)).count();
    assert_eq!(lines("mounted without it"), 3, "{of_class:#?}");
    assert_eq!(lines("missing=3"), 1, "{of_class:#?}");

    // Whoever imports a certificate makes its key and secret, too.
    let web = "- {objectName: web, objectType: secret}";
    let pem = mount(&stage, &self::class(web)).await.unwrap();
    let pem = std::str::from_utf8(&pem.files[0].contents).unwrap();
    logs()
        .forbid(pem.lines().nth(2).unwrap().as_bytes())
        .unwrap();
    let vaults = stage.azure.vaults();
    let version = vaults
        .import_certificate(VAULT, "later", pem, None, now())
        .unwrap();
    let with = mount(&stage, &class).await.unwrap();
    assert_eq!(paths(&with), ["db", "later.pem", "later.pub", "later.crt"]);
    let version = version.rsplit('/').next().unwrap();
    for id in ["secret/later", "key/later", "cert/later"] {
        assert_eq!(versions(&with).get(id), Some(&version), "{id}");
    }
    assert_eq!(
        versions(&with)["secret/db"],
        versions(&without)["secret/db"]
    );
}

#[tokio::test]
async fn a_volume_of_which_nothing_is_there_is_empty() {
    let stage = stage("").await;
    let objects = OBJECTS.replace(
        "objectName: db, objectType: secret",
        "optional: 1, objectName: db, objectType: secret",
    );
    let nothing = mount(&stage, &class(&objects)).await.unwrap();
    assert!(nothing.files.is_empty());
    // The driver takes an answer without versions for a fault.
    assert_eq!(versions(&nothing).len(), 4);
    assert!(
        versions(&nothing)
            .values()
            .all(|version| *version == "absent")
    );
}

#[tokio::test]
async fn what_is_not_optional_fails_the_mount_beside_what_is() {
    let stage = stage("").await;
    let error = mount(&stage, &class(OBJECTS)).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().starts_with("secret db"), "{error}");
    assert!(!error.message().contains("more object"), "{error}");
}

#[tokio::test]
async fn a_version_may_be_missing_and_leaves_the_ids_of_others_alone() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let gone = "0".repeat(32);
    let objects = format!(
        "- {{objectName: db, objectType: secret, objectAlias: old, objectVersion: {gone}, optional: true}}
- {{objectName: db, objectType: secret}}
"
    );
    let response = mount(&stage, &class(&objects)).await.unwrap();
    assert_eq!(paths(&response), ["db"]);
    // As it would be if the version were there.
    assert_eq!(versions(&response)["secret/db"], "absent");
    assert_eq!(versions(&response)["secret/db@db"].len(), 32);
}

#[tokio::test]
async fn what_is_disabled_is_left_out_until_it_is_enabled() {
    let value = secret("value");
    let vault = format!(
        "  secrets: [{{name: db, value: {value}}}]
  keys: [{{name: sign, type: EC, curve: P-256}}]
  certificates: [{{name: web, subject: CN=web, key: {{type: EC, curve: P-256}}}}]
"
    );
    let stage = stage_with(&seed(&vault), &FORGETFUL).await;
    let class = class(
        "- {objectName: db, objectType: secret, optional: true}
- {objectName: sign, objectType: key, optional: true}
- {objectName: web, objectType: cert, optional: true}
",
    );
    let there = mount(&stage, &class).await.unwrap();
    assert_eq!(paths(&there), ["db", "sign", "web"]);
    let kinds = [
        ("secret/db", Collection::Secrets, "db"),
        ("key/sign", Collection::Keys, "sign"),
        ("cert/web", Collection::Certificates, "web"),
    ];
    for (id, collection, name) in kinds {
        let vaults = stage.azure.vaults();
        let enable = |enabled| {
            vaults
                .set_enabled(VAULT, collection, name, None, enabled, now())
                .unwrap();
        };
        enable(false);
        let without = mount(&stage, &class).await.unwrap();
        assert!(!paths(&without).contains(&name), "{id}");
        assert_eq!(without.files.len(), 2, "{id}");
        assert_eq!(versions(&without)[id], "absent");
        enable(true);
        assert_eq!(mount(&stage, &class).await.unwrap(), there, "{id}");
    }
}

#[tokio::test]
async fn forbidden_and_out_of_reach_are_not_missing() {
    type Trouble = (&'static str, fn(&Stage), Code);
    let troubles: [Trouble; 3] = [
        (
            "forbidden",
            |stage| stage.azure.vaults().revoke(VAULT, CLIENT).unwrap(),
            Code::PermissionDenied,
        ),
        ("down", |stage| fail(stage, 503), Code::Unknown),
        ("throttled", |stage| fail(stage, 429), Code::Unknown),
    ];
    for (what, trouble, code) in troubles {
        let stage = stage_with(&db(&secret("value")), &["--mount-timeout=2s"]).await;
        trouble(&stage);
        let objects = "- {objectName: db, objectType: secret, optional: true}";
        let error = mount(&stage, &class(objects)).await.unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
    }
}

fn fail(stage: &Stage, code: u16) {
    let action = Action::Status {
        code,
        retry_after: None,
        retry_after_millis: None,
    };
    let fault = Fault::new(of(Service::Vault), action);
    stage.azure.add_fault(fault).unwrap();
}

#[tokio::test]
async fn that_something_is_missing_is_remembered_like_any_refusal() {
    let stage = stage_with_secrets(&[]).await;
    let objects = class("- {objectName: db, objectType: secret, optional: true}");
    for _ in 0..5 {
        mount(&stage, &objects).await.unwrap();
    }
    assert_eq!(calls_to(&stage, Service::Vault).len(), 1);
    let value = secret("value");
    let vaults = stage.azure.vaults();
    vaults
        .set_secret(VAULT, "db", SetSecret::new(&value), now())
        .unwrap();
    assert!(mount(&stage, &objects).await.unwrap().files.is_empty());
}
