//! Vaults named by their URL: under the cloud's own suffix, and at a host that the provider allows.

use tonic::Code;
use vaultbind_azure::Service;
use vaultbind_e2e::driver::{SecretProviderClass, mount_request};
use vaultbind_e2e::stage::{CLIENT, Stage, TENANT, VAULT, class};
use vaultbind_proto::MountResponse;

use crate::support::{calls_to, secret, seed, stage_with};

const DB: &str = "- {objectName: db, objectType: secret}";
const HOST: &str = "kv.corp.example";

fn by_uri(uri: &str) -> SecretProviderClass {
    class(DB).with("keyvaultName", "").with("vaultURI", uri)
}

/// The usual vault, and another one that is also served at [`HOST`].
async fn two_vaults(value: &str, private: &str) -> Stage {
    let vaults = format!(
        "  secrets: [{{name: db, value: {value}}}]
- name: kv-private
  tenantID: {TENANT}
  hosts: [{HOST}]
  roleAssignments: [{{principal: {CLIENT}, role: Key Vault Administrator}}]
  secrets: [{{name: db, value: {private}}}]
  keys: [{{name: rsa, type: RSA, size: 2048}}]
  certificates: [{{name: web, subject: CN=web, key: {{type: EC, curve: P-256}}}}]
"
    );
    stage_with(&seed(&vaults), &["--allow-vault-host=KV.corp.example"]).await
}

async fn mount(stage: &Stage, class: &SecretProviderClass) -> Result<MountResponse, tonic::Status> {
    let request = mount_request(class, &stage.pod().unwrap());
    stage.driver().unwrap().mount(request).await
}

#[tokio::test]
async fn a_vaults_own_url_is_served_from_what_was_read_by_its_name() {
    let value = secret("value");
    let stage = two_vaults(&value, &secret("private")).await;
    let by_name = mount(&stage, &class(DB)).await.unwrap();
    let uri = format!("https://{}.vault.azure.net/", VAULT.to_uppercase());
    assert_eq!(mount(&stage, &by_uri(&uri)).await.unwrap(), by_name);
    assert_eq!(&by_name.files[0].contents[..], value.as_bytes());
    assert_eq!(calls_to(&stage, Service::Vault).len(), 1);
}

#[tokio::test]
async fn an_allowed_host_is_read_with_a_token_for_the_clouds_vaults() {
    let private = secret("private");
    let stage = two_vaults(&secret("value"), &private).await;
    let objects = "- {objectName: db, objectType: secret}
- {objectName: rsa, objectType: key}
- {objectName: web, objectType: cert}
";
    let class = by_uri(&format!("https://{HOST}")).with("objects", objects);
    let response = mount(&stage, &class).await.unwrap();
    assert_eq!(&response.files[0].contents[..], private.as_bytes());
    assert_eq!(response.files.len(), 3);
    let calls = calls_to(&stage, Service::Vault);
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!((call.host.as_str(), call.status), (HOST, Some(200)));
        assert!(call.authenticated);
    }
    assert_eq!(calls_to(&stage, Service::Entra).len(), 1);

    let missing = class.with("objects", "- {objectName: nothing, objectType: secret}");
    let error = mount(&stage, &missing).await.unwrap_err();
    let expected = format!("secret nothing was not found in vault {HOST}: ");
    assert!(error.message().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn another_host_is_sent_nothing_at_all() {
    let stage = two_vaults(&secret("value"), &secret("private")).await;
    for uri in [
        "https://kv2.corp.example/",
        "https://x.kv.corp.example/",
        "https://kv.corp.example.evil.example/",
        "https://kv.corp.example:8443/",
        "https://evil.example\\@kv.corp.example/",
        "https://kv.corp.example@evil.example/",
        "https://kv-private.vault.azure.cn/",
        "https://127.0.0.1/",
    ] {
        let error = mount(&stage, &by_uri(uri)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{uri}: {error}");
    }
    let calls = stage.azure.calls();
    assert!(calls.is_empty(), "{calls:#?}");
}
