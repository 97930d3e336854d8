//! Resource Manager, and what Entra and the vaults make of it.

mod assignments;
mod bindings;
mod credentials;
mod gateway;
mod identities;
mod seeds;

use serde_json::{Value, json};
use vaultbind_azure::{Azure, Options, Seed, TokenRequest};

use crate::client::{Connection, Reply, get, text, token};
use crate::{SCOPE, TENANT, VAULT, seed};

/// May do everything.
const OWNER: &str = "72f988bf-0000-4000-8000-0000000000d1";
/// The roles an operator of identities has.
const OPERATOR: &str = "72f988bf-0000-4000-8000-0000000000d2";
/// Has no role.
const STRANGER: &str = "72f988bf-0000-4000-8000-0000000000d3";
/// The client id of the identity `shop`.
const SHOP: &str = "72f988bf-0000-4000-8000-0000000000d4";
const SHOP_OBJECT: &str = "72f988bf-0000-4000-8000-0000000000e4";

const HOST: &str = "management.azure.com";
const ARM: &str = "https://management.azure.com/.default";

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultbind";
const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
const ASSIGNMENTS: &str = "providers/Microsoft.Authorization/roleAssignments";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";

const ISSUER: &str = "https://oidc.cluster.example/";

const MANAGED: &str = "
tenants:
- tenantID: 72f988bf-0000-4000-8000-000000000001
  applications:
  - {clientID: 72f988bf-0000-4000-8000-0000000000d1, clientSecrets: [{value: s}]}
  - {clientID: 72f988bf-0000-4000-8000-0000000000d2, clientSecrets: [{value: s}]}
  - {clientID: 72f988bf-0000-4000-8000-0000000000d3, clientSecrets: [{value: s}]}
arm:
  identities:
  - resourceID: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultbind/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop
    tenantID: 72f988bf-0000-4000-8000-000000000001
    clientID: 72f988bf-0000-4000-8000-0000000000d4
    objectID: 72f988bf-0000-4000-8000-0000000000e4
    tags: {team: shop}
  clusters:
  - resourceID: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultbind/providers/Microsoft.ContainerService/managedClusters/Blue
    tenantID: 72f988bf-0000-4000-8000-000000000001
    issuer: https://oidc.cluster.example/
    identityUsers:
    - {clientID: 72f988bf-0000-4000-8000-0000000000d4, subject: 'system:serviceaccount:shop:web'}
  roleDefinitions:
  - name: Identity operator
    actions:
    - Microsoft.ManagedIdentity/userAssignedIdentities/read
    - Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/*
    - Microsoft.ContainerService/managedClusters/identityBindings/*
  roleAssignments:
  - principal: 72f988bf-0000-4000-8000-0000000000d1
    role: Owner
    scope: /subscriptions/00000000-0000-0000-0000-000000000000
  - principal: 72f988bf-0000-4000-8000-0000000000d2
    role: Identity operator
    scope: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultbind
";

/// Resource Manager with `more` in the seed.
async fn managed(more: &str) -> Azure {
    let mut seed = seed();
    for text in [MANAGED, more] {
        seed.merge(Seed::from_yaml("arm.yaml", text).unwrap())
            .unwrap();
    }
    Azure::start(Options {
        seed,
        ..Options::default()
    })
    .await
    .unwrap()
}

/// Somebody with a token for Resource Manager.
struct Client<'a> {
    azure: &'a Azure,
    token: String,
}

impl<'a> Client<'a> {
    async fn of(azure: &'a Azure, client_id: &str) -> Self {
        let token = access_token(azure, client_id, ARM).await;
        Self { azure, token }
    }

    /// Asks with the usual api-version where the target names none.
    async fn ask(&self, method: &str, target: &str, body: &Value) -> Reply {
        self.ask_with(method, target, &[], body).await
    }

    async fn ask_with(
        &self,
        method: &str,
        target: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        let mut connection = Connection::direct(self.azure, HOST).await.unwrap();
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        headers.extend(more);
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let target = versioned(target);
        connection
            .send(method, HOST, &target, &headers, body)
            .await
            .unwrap()
    }

    async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &Value::Null).await
    }

    async fn delete(&self, target: &str) -> Reply {
        self.ask("DELETE", target, &Value::Null).await
    }

    async fn put(&self, target: &str, body: &Value) -> Reply {
        self.ask("PUT", target, body).await
    }
}

fn versioned(target: &str) -> String {
    if target.contains("api-version=") {
        return target.to_owned();
    }
    let version = match target {
        target if target.contains("Microsoft.Authorization") => "2022-04-01",
        target if target.contains("KeyVault") => "2023-07-01",
        target if target.contains("ContainerService") => "2025-10-02-preview",
        _ => "2024-11-30",
    };
    let sign = if target.contains('?') { '&' } else { '?' };
    format!("{target}{sign}api-version={version}")
}

/// A token of an application with the secret `s`.
async fn access_token(azure: &Azure, client_id: &str, scope: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", "s"),
        ("scope", scope),
    ];
    text(&token(azure, TENANT, &form).await.json()["access_token"])
}

/// What Entra says to an identity with a ServiceAccount token of `shop/web`: its token, or the code
/// of the error.
async fn sign_in(azure: &Azure, client_id: &str, subject: &str) -> Result<String, u64> {
    let (namespace, name) = subject.split_once('/').unwrap();
    let request = TokenRequest {
        namespace: namespace.into(),
        service_account_name: name.into(),
        audience: "api://AzureADTokenExchange".into(),
        issuer: Some(ISSUER.into()),
        ..TokenRequest::default()
    };
    let assertion = azure.service_account_token(&request).unwrap().token;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
        ("scope", SCOPE),
    ];
    let body = token(azure, TENANT, &form).await.json();
    match body["error_codes"][0].as_u64() {
        Some(code) => Err(code),
        None => Ok(text(&body["access_token"])),
    }
}

/// The status of reading a secret.
async fn read_secret(azure: &Azure, token: &str, name: &str) -> u16 {
    let target = format!("/secrets/{name}?api-version=7.4");
    get(azure, VAULT, &target, Some(token)).await.status
}

fn shop() -> String {
    format!("{GROUP}/{IDENTITIES}/shop")
}

fn credential(name: &str) -> String {
    format!("{}/federatedIdentityCredentials/{name}", shop())
}

fn terms(subject: &str) -> Value {
    json!({"properties": {
        "issuer": ISSUER,
        "subject": subject,
        "audiences": ["api://AzureADTokenExchange"],
    }})
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, text(&reply.json()["error"]["code"]))
}

fn message(reply: &Reply) -> String {
    text(&reply.json()["error"]["message"])
}
