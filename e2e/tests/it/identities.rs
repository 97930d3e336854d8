//! Who reads: workload identity, service principal, managed identity; in every cloud.

mod bindings;
pub(crate) mod cluster;

use std::sync::{Arc, Mutex};

use vaultbind_azure::{Service, TokenRequest};
use vaultbind_e2e::driver::{Pod, mount_request};
use vaultbind_e2e::stage::{
    CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, Stage, TENANT, VAULT, class,
};

use crate::support::{secret, stage_of};

const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";
const NODE: &str = "cccccccc-0000-0000-0000-00000000000a";
const POOL: &str = "cccccccc-0000-0000-0000-00000000000b";

fn pod() -> Pod {
    Pod::new(NAMESPACE, "payments-api-0", SERVICE_ACCOUNT)
}

#[tokio::test]
async fn a_service_principal_reads_with_the_secret_of_the_volume() {
    let (value, client_secret) = (secret("value"), secret("client-secret"));
    let stage = stage_of(&format!(
        "tenants:
- tenantID: {TENANT}
  applications: [{{clientID: {CLIENT}, name: payments, clientSecrets: [{{value: {client_secret}}}]}}]
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments: [{{principal: {CLIENT}, role: Key Vault Secrets User}}]
  secrets: [{{name: db, value: {value}}}]
"
    ))
    .await;
    let class = class(DB).with("clientID", "");
    let pod = pod()
        .with_secret("ClientID", CLIENT)
        .with_secret("clientsecret", &client_secret);
    let response = stage
        .driver()
        .unwrap()
        .mount(mount_request(&class, &pod))
        .await
        .unwrap();
    assert_eq!(&response.files[0].contents[..], value.as_bytes());
}

#[tokio::test]
async fn managed_identities_of_the_node_read_without_any_proxy() {
    let value = secret("value");
    let stage = stage_of(&format!(
        "tenants: [{{tenantID: {TENANT}}}]
managedIdentities:
  tenantID: {TENANT}
  systemAssigned: {{clientID: {NODE}, objectID: cccccccc-0000-0000-0000-0000000000aa}}
  userAssigned:
  - {{clientID: {POOL}, objectID: cccccccc-0000-0000-0000-0000000000bb, resourceID: /subscriptions/s/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pool}}
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments:
  - {{principal: {NODE}, role: Key Vault Secrets User}}
  - {{principal: {POOL}, role: Key Vault Secrets User}}
  secrets: [{{name: db, value: {value}}}]
"
    ))
    .await;
    let system = class(DB)
        .with("clientID", "")
        .with("useVMManagedIdentity", "true");
    let user = system.clone().with("userAssignedIdentityID", POOL);
    for (class, client) in [(system, NODE), (user, POOL)] {
        stage.azure.clear_calls();
        let request = mount_request(&class, &pod());
        let response = stage.driver().unwrap().mount(request).await.unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes());
        let calls = stage.azure.calls();
        assert_eq!(
            calls
                .iter()
                .filter(|call| call.service == Service::Imds)
                .count(),
            1
        );
        let reader = calls
            .iter()
            .find(|call| call.service == Service::Vault)
            .unwrap();
        assert_eq!(reader.client_id.as_deref(), Some(client));
    }
}

#[tokio::test]
async fn workload_identity_reads_in_every_cloud_with_its_own_audience_and_host() {
    let clouds = [
        (
            "AzurePublicCloud",
            "AzurePublic",
            "login.microsoftonline.com",
            "vault.azure.net",
            "api://AzureADTokenExchange",
        ),
        (
            "AzureUSGovernmentCloud",
            "AzureUSGovernment",
            "login.microsoftonline.us",
            "vault.usgovcloudapi.net",
            "api://AzureADTokenExchangeUSGov",
        ),
        (
            "AzureChinaCloud",
            "AzureChina",
            "login.chinacloudapi.cn",
            "vault.azure.cn",
            "api://AzureADTokenExchangeChina",
        ),
    ];
    for (name, seeded, login, suffix, audience) in clouds {
        let value = secret("value");
        let stage = stage_of(&format!(
            "tenants:
- tenantID: {TENANT}
  cloud: {seeded}
  applications:
  - clientID: {CLIENT}
    name: payments
    federatedCredentials:
    - {{name: aks, issuer: '{ISSUER}', subject: 'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}', audiences: ['{audience}']}}
issuers: [{{issuer: '{ISSUER}'}}]
vaults:
- name: {VAULT}
  cloud: {seeded}
  tenantID: {TENANT}
  roleAssignments: [{{principal: {CLIENT}, role: Key Vault Secrets User}}]
  secrets: [{{name: db, value: {value}}}]
"
        ))
        .await;
        let pod = pod().with_token(audience, token(&stage, audience));
        let class = class(DB).with("cloudName", name);
        let response = stage
            .driver()
            .unwrap()
            .mount(mount_request(&class, &pod))
            .await
            .unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes(), "{name}");
        let hosts: Vec<String> = stage
            .azure
            .calls()
            .into_iter()
            .filter(|call| call.service != Service::Proxy)
            .map(|call| call.host)
            .collect();
        assert_eq!(
            hosts,
            [login.to_owned(), format!("{VAULT}.{suffix}")],
            "{name}"
        );
    }
}

fn token(stage: &Stage, audience: &str) -> String {
    let request = TokenRequest {
        namespace: NAMESPACE.to_owned(),
        service_account_name: SERVICE_ACCOUNT.to_owned(),
        audience: audience.to_owned(),
        ..TokenRequest::default()
    };
    stage.azure.service_account_token(&request).unwrap().token
}

#[tokio::test]
async fn pods_of_two_identities_get_what_their_own_identity_may_read() {
    const OTHER: &str = "cccccccc-0000-0000-0000-00000000000c";
    let (mine, theirs) = (secret("mine"), secret("theirs"));
    let federated = format!(
        "[{{name: aks, issuer: '{ISSUER}', subject: 'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}'}}]"
    );
    let stage = stage_of(&format!(
        "tenants:
- tenantID: {TENANT}
  applications:
  - {{clientID: {CLIENT}, name: payments, federatedCredentials: {federated}}}
  - {{clientID: {OTHER}, name: other, federatedCredentials: {federated}}}
issuers: [{{issuer: '{ISSUER}'}}]
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments:
  - {{principal: {CLIENT}, role: Key Vault Secrets User, object: secrets/mine}}
  - {{principal: {OTHER}, role: Key Vault Secrets User, object: secrets/theirs}}
  secrets:
  - {{name: mine, value: {mine}}}
  - {{name: theirs, value: {theirs}}}
"
    ))
    .await;
    let driver = stage.driver().unwrap();
    let pod = stage.pod().unwrap();
    let denied = Arc::new(Mutex::new(0));
    let mounts = (0..40).map(|n| {
        let (client, own, value) = if n % 2 == 0 {
            (CLIENT, "mine", &mine)
        } else {
            (OTHER, "theirs", &theirs)
        };
        let name = if n % 4 < 2 { "mine" } else { "theirs" };
        let objects = format!("array:\n- |\n  objectName: {name}\n  objectType: secret\n");
        let request = mount_request(&class(&objects).with("clientID", client), &pod);
        let (driver, denied) = (driver.clone(), Arc::clone(&denied));
        async move {
            match driver.mount(request).await {
                Ok(response) => {
                    assert_eq!(name, own);
                    assert_eq!(&response.files[0].contents[..], value.as_bytes());
                }
                Err(status) => {
                    assert_ne!(name, own, "{status}");
                    assert_eq!(status.code(), tonic::Code::PermissionDenied);
                    *denied.lock().unwrap() += 1;
                }
            }
        }
    });
    futures::future::join_all(mounts).await;
    assert_eq!(*denied.lock().unwrap(), 20);
}
