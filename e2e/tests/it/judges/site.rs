//! An emulated Azure with every kind of identity, and the plan that tells a judge of it.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value};
use tempfile::TempDir;
use vaultbind_azure::{Azure, Options, Seed, TokenRequest};
use vaultbind_e2e::stage::{AUDIENCE, CLIENT, ISSUER, NAMESPACE, SERVICE_ACCOUNT, TENANT, VAULT};

use super::tools::Judge;
use crate::support::{logs, secret};

/// Signs in with a client secret.
pub(super) const APPLICATION: &str = "aaaaaaaa-bbbb-cccc-dddd-000000000001";
/// The machine's own identity.
pub(super) const SYSTEM_ASSIGNED: &str = "aaaaaaaa-bbbb-cccc-dddd-000000000002";
/// An identity assigned to the machine.
pub(super) const USER_ASSIGNED: &str = "aaaaaaaa-bbbb-cccc-dddd-000000000003";
const USER_ASSIGNED_OBJECT: &str = "aaaaaaaa-bbbb-cccc-dddd-0000000000b3";
const USER_ASSIGNED_RESOURCE: &str = "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-0000000000f1/resourceGroups/payments/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes";

/// Vaults that refuse the application, by why, with what makes them.
pub(super) const CLOSED: [(&str, &str); 5] = [
    ("role", ""),
    ("no-policy", "authorization: AccessPolicies"),
    (
        "other-policy",
        "authorization: AccessPolicies\n  accessPolicies: [{principal: PRINCIPAL, secrets: [list]}]",
    ),
    (
        "firewall",
        "network: Firewall\n  roleAssignments: [{principal: PRINCIPAL, role: Key Vault Secrets User}]",
    ),
    (
        "private",
        "network: PrivateOnly\n  roleAssignments: [{principal: PRINCIPAL, role: Key Vault Secrets User}]",
    ),
];

/// An emulated Azure whose usual vault every identity may use.
pub(super) struct Site {
    pub(super) azure: Azure,
    /// The value of the secret "shared".
    pub(super) shared: String,
    plan: Map<String, Value>,
    folder: TempDir,
}

impl Site {
    /// Starts; `secrets` are more secrets of the vault, as YAML list items indented by two.
    pub(super) async fn start(secrets: &str) -> Self {
        logs();
        let client_secret = secret("client-secret");
        let shared = secret("shared");
        let seed = seed(
            &client_secret,
            &format!("  - {{name: shared, value: {shared}}}\n{secrets}"),
        );
        let azure = Azure::start(Options {
            seed: Seed::from_yaml("site", &seed).unwrap(),
            ..Options::default()
        })
        .await
        .unwrap();
        let mut site = Self {
            azure,
            shared: shared.clone(),
            plan: Map::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let token = site.token_file("token", SERVICE_ACCOUNT);
        let stranger = site.token_file("stranger", "somebody-else");
        let closed: Map<_, _> = CLOSED
            .iter()
            .map(|(name, _)| ((*name).to_owned(), url(&closed_vault(name)).into()))
            .collect();
        site.tell("vault", url(VAULT));
        site.tell("vaults", closed);
        site.tell("tenant", TENANT);
        site.tell("client", APPLICATION);
        site.tell("clientSecret", client_secret);
        site.tell("workload", CLIENT);
        site.tell("tokenFile", token);
        site.tell("strangerTokenFile", stranger);
        site.tell("userAssigned", USER_ASSIGNED);
        site.tell("userAssignedObject", USER_ASSIGNED_OBJECT);
        site.tell("userAssignedResource", USER_ASSIGNED_RESOURCE);
        site.tell("shared", shared);
        site
    }

    /// Adds to the plan.
    pub(super) fn tell(&mut self, key: &str, value: impl Into<Value>) {
        self.plan.insert(key.to_owned(), value.into());
    }

    /// A path in the site's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn token_file(&self, name: &str, service_account: &str) -> String {
        let request = TokenRequest {
            namespace: NAMESPACE.to_owned(),
            service_account_name: service_account.to_owned(),
            audience: AUDIENCE.to_owned(),
            ..TokenRequest::default()
        };
        let token = self.azure.service_account_token(&request).unwrap().token;
        logs().forbid(token.as_bytes()).unwrap();
        let path = self.path(name);
        std::fs::write(&path, token).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn plan_file(&self) -> PathBuf {
        let path = self.path("plan.json");
        std::fs::write(&path, serde_json::to_vec(&self.plan).unwrap()).unwrap();
        path
    }

    /// A program of the Azure SDK for Python.
    pub(super) fn python(&self, program: &str) -> Judge {
        Judge::python(program).arg(self.plan_file()).at(&self.azure)
    }

    /// A command of the program of the Azure SDK for Go.
    pub(super) fn go(&self, command: &str) -> Judge {
        Judge::go("azure")
            .arg(command)
            .arg(self.plan_file())
            .at(&self.azure)
    }

    /// Who read the secret "shared", once for each time.
    pub(super) fn readers(&self) -> Vec<String> {
        let mut readers: Vec<_> = self
            .azure
            .calls()
            .into_iter()
            .filter(|call| call.path.starts_with("/secrets/shared") && call.status == Some(200))
            .map(|call| call.client_id.unwrap())
            .collect();
        readers.sort();
        readers
    }
}

fn url(vault: &str) -> String {
    format!("https://{vault}.vault.azure.net")
}

fn closed_vault(name: &str) -> String {
    format!("kv-{name}")
}

fn seed(client_secret: &str, secrets: &str) -> String {
    let mut seed = format!(
        "tenants:
- tenantID: {TENANT}
  applications:
  - clientID: {APPLICATION}
    clientSecrets: [{{value: {client_secret}}}]
  - clientID: {CLIENT}
    federatedCredentials:
    - {{name: aks, issuer: '{ISSUER}', subject: 'system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}'}}
issuers:
- issuer: {ISSUER}
managedIdentities:
  tenantID: {TENANT}
  systemAssigned: {{clientID: {SYSTEM_ASSIGNED}}}
  userAssigned:
  - clientID: {USER_ASSIGNED}
    objectID: {USER_ASSIGNED_OBJECT}
    resourceID: {USER_ASSIGNED_RESOURCE}
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments:
  - {{principal: {APPLICATION}, role: Key Vault Administrator}}
  - {{principal: {CLIENT}, role: Key Vault Secrets User}}
  - {{principal: {SYSTEM_ASSIGNED}, role: Key Vault Secrets User}}
  - {{principal: {USER_ASSIGNED_OBJECT}, role: Key Vault Secrets User}}
  secrets:
{secrets}"
    );
    for (name, how) in CLOSED {
        let how = how.replace("PRINCIPAL", APPLICATION);
        let name = closed_vault(name);
        write!(
            seed,
            "- name: {name}\n  tenantID: {TENANT}\n  secrets: [{{name: shared, value: closed}}]\n  {how}\n"
        )
        .unwrap();
    }
    seed
}

/// A secret "many" of 30 versions, and 30 secrets "listed-NN".
pub(super) fn many() -> String {
    let mut secrets = "  - name: many\n    versions:\n".to_owned();
    for _ in 0..30 {
        writeln!(secrets, "    - value: {}", secret("version")).unwrap();
    }
    for number in 0..30 {
        let value = secret("listed");
        writeln!(secrets, "  - {{name: listed-{number:02}, value: {value}}}").unwrap();
    }
    secrets
}
