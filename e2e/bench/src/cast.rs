//! Who mounts what: identities with their ServiceAccounts, vaults with their secrets, and the
//! requests of pods.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use vaultbind_azure::TokenRequest;
use vaultbind_e2e::admin::Admin;
use vaultbind_e2e::driver::{Pod, SecretProviderClass, mount_request};
use vaultbind_e2e::stage::{AUDIENCE, ISSUER, TENANT};
use vaultbind_proto::MountRequest;

/// The namespace of all pods.
pub const NAMESPACE: &str = "bench";

/// How long ServiceAccount tokens last; long, so that none ends in the middle of a long run.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// What a seed is made of.
#[derive(Debug, Default)]
pub struct Seed {
    applications: Vec<Value>,
    vaults: Vec<Value>,
}

impl Seed {
    /// Adds identities by number; each trusts the ServiceAccount of its number.
    pub fn identities(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.applications.extend(numbers.into_iter().map(|number| {
            json!({
                "clientID": client_id(number),
                "objectID": object_id(number),
                "federatedCredentials": [{
                    "name": "bench",
                    "issuer": ISSUER,
                    "subject": format!("system:serviceaccount:{NAMESPACE}:{}", service_account(number)),
                }],
            })
        }));
    }

    /// Adds a vault whose objects the identities may read.
    pub fn vault(
        &mut self,
        name: &str,
        readers: impl IntoIterator<Item = usize>,
        secrets: impl IntoIterator<Item = (String, String)>,
        certificates: impl IntoIterator<Item = (String, String)>,
    ) {
        let assignments: Vec<_> = readers
            .into_iter()
            .map(|number| {
                json!({
                    "principal": object_id(number),
                    "role": "Key Vault Certificate User",
                })
            })
            .collect();
        let secrets: Vec<_> = secrets
            .into_iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let certificates: Vec<_> = certificates
            .into_iter()
            .map(|(name, subject)| {
                json!({
                    "name": name,
                    "subject": subject,
                    "contentType": "application/x-pem-file",
                    "key": {"type": "EC", "curve": "P-256"},
                })
            })
            .collect();
        self.vaults.push(json!({
            "name": name,
            "tenantID": TENANT,
            "roleAssignments": assignments,
            "secrets": secrets,
            "certificates": certificates,
        }));
    }

    /// The seed file; JSON is YAML.
    pub fn text(&self) -> String {
        json!({
            "tenants": [{"tenantID": TENANT, "applications": self.applications}],
            "issuers": [{"issuer": ISSUER}],
            "vaults": self.vaults,
        })
        .to_string()
    }
}

/// The client id of an identity.
pub fn client_id(number: usize) -> String {
    format!("c0000000-0000-4000-8000-{number:012x}")
}

fn object_id(number: usize) -> String {
    format!("b0000000-0000-4000-8000-{number:012x}")
}

/// The ServiceAccount that an identity trusts.
pub fn service_account(number: usize) -> String {
    format!("sa-{number}")
}

/// Mints tokens of ServiceAccounts, each once.
#[derive(Debug)]
pub struct Tokens {
    admin: Admin,
    minted: Mutex<HashMap<usize, String>>,
}

impl Tokens {
    /// Of an emulated Azure.
    pub fn new(admin: Admin) -> Self {
        Self {
            admin,
            minted: Mutex::default(),
        }
    }

    /// The token of an identity's ServiceAccount.
    ///
    /// # Errors
    /// When the emulated Azure does not answer.
    pub async fn of(&self, identity: usize) -> anyhow::Result<String> {
        let minted = || self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = minted().get(&identity) {
            return Ok(token.clone());
        }
        let request = TokenRequest {
            namespace: NAMESPACE.to_owned(),
            service_account_name: service_account(identity),
            audience: AUDIENCE.to_owned(),
            expires_in: Some(TOKEN_SECONDS),
            ..TokenRequest::default()
        };
        let token = self.admin.service_account_token(&request).await?.token;
        minted().insert(identity, token.clone());
        Ok(token)
    }
}

/// One object of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the vault.
    pub name: String,
    /// `secret` or `cert`.
    pub kind: &'static str,
    /// Its file.
    pub file: String,
}

/// A secret whose file has its name.
pub fn secret(name: impl Into<String>) -> Wanted {
    let name = name.into();
    Wanted {
        file: name.clone(),
        name,
        kind: "secret",
    }
}

/// What the driver asks for one volume.
///
/// # Errors
/// When there is no token.
pub async fn volume(
    tokens: &Tokens,
    pod: &str,
    identity: usize,
    vault: &str,
    objects: &[Wanted],
) -> anyhow::Result<MountRequest> {
    let mut text = "array:\n".to_owned();
    for Wanted { name, kind, file } in objects {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  - |\n    objectName: {name}\n    objectType: {kind}\n    objectAlias: {file}\n"
        );
    }
    let class = SecretProviderClass::new(
        &format!("class-{identity}"),
        &[
            ("keyvaultName", vault),
            ("tenantID", TENANT),
            ("clientID", &client_id(identity)),
            ("objects", &text),
        ],
    );
    let pod = Pod::new(NAMESPACE, pod, &service_account(identity))
        .with_token(AUDIENCE, tokens.of(identity).await?);
    Ok(mount_request(&class, &pod))
}
