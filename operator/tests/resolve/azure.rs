//! The client of Resource Manager and an emulated one.

mod access;
mod bindings;
mod failures;
mod identities;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use vaultbind_azure::{Action, Azure, Call, Fault, Match, Options, Seed, Service};
use vaultbind_keyvault::management::{Management, ManagementOptions};
use vaultbind_keyvault::metadata::{IdentitySource, NoProof};
use vaultbind_keyvault::{Cloud, Identity};
use vaultbind_operator::azure::{Client, ResourceId, actions};
use vaultbind_operator::observed::{AzureCause, Seen};

use crate::stage::{CLIENT, ISSUER, TENANT, transport};

const CLOUD: Cloud = Cloud::Public;
const AUDIENCE: &str = "api://AzureADTokenExchange";
const OPERATOR: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SHOP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const SHOP_CLIENT: &str = "aaaaaaaa-0000-4000-8000-000000000003";
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultbind";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const READER: &str = "21090545-7ca7-4776-b22c-e363652d74d2";

/// Resource Manager with an identity, two vaults and an operator that may do what it is documented to need.
pub(super) struct Stage {
    azure: Azure,
    client: Client,
}

/// How a stage is set up.
#[derive(Default)]
struct Setting {
    /// Indented by two: more role assignments, then what else `arm` has.
    arm: String,
    /// One more role, by its name and what it allows.
    role: Option<(&'static str, Vec<&'static str>)>,
    /// Whether the operator has no role.
    without_roles: bool,
    /// What the operator shows in place of the secret of its application.
    secret: Option<Result<&'static str, NoProof>>,
}

impl Stage {
    async fn start() -> Self {
        Self::start_with(Setting::default()).await
    }

    async fn start_with(setting: Setting) -> Self {
        let Setting {
            arm,
            role,
            without_roles,
            secret,
        } = setting;
        let allowed: Vec<&str> = actions::IDENTITIES
            .iter()
            .chain(&actions::ACCESS)
            .copied()
            .collect();
        // Somebody has a role in any case, so that more may follow.
        let who = if without_roles { SHOP } else { CLIENT };
        let (role, allows) = role.unwrap_or(("Nobody", Vec::new()));
        let seed = format!(
            "tenants:
- tenantID: {TENANT}
  applications:
  - {{clientID: {CLIENT}, objectID: {OPERATOR}, clientSecrets: [{{value: s}}]}}
vaults:
- {{name: kv-shop, tenantID: {TENANT}}}
- {{name: kv-old, tenantID: {TENANT}, authorization: AccessPolicies}}
arm:
  identities:
  - {{resourceID: {}, tenantID: {TENANT}, clientID: {SHOP_CLIENT}, objectID: {SHOP}}}
  roleDefinitions:
  - {{name: Operator, actions: {allowed:?}}}
  - {{name: \"Bob's role\", id: {SHOP_CLIENT}}}
  - {{name: {role}, actions: {allows:?}}}
  roleAssignments:
  - {{principal: {who}, role: Operator, scope: {}}}
{arm}",
            shop(),
            GROUP
        );
        let azure = Azure::start(Options {
            seed: Seed::from_yaml("seed", &seed).unwrap(),
            ..Options::default()
        });
        let azure = azure.await.unwrap();
        let source = Arc::new(Application(secret.unwrap_or(Ok("s"))));
        let management = Management::new(transport(&azure), source, ManagementOptions::default());
        Self {
            azure,
            client: Client::new(management),
        }
    }

    /// Faults of Resource Manager.
    fn strike(&self, method: &str, action: Action) {
        let matches = Match {
            service: Some(Service::Arm),
            method: Some(method.to_owned()),
            ..Match::default()
        };
        self.azure.add_fault(Fault::new(matches, action)).unwrap();
    }

    /// How many calls Resource Manager had since the last time.
    fn calls(&self) -> usize {
        let calls = self.azure.calls();
        self.azure.clear_calls();
        let of_arm = |call: &&Call| call.service == Service::Arm;
        calls.iter().filter(of_arm).count()
    }

    async fn put(&self, name: &str, subject: &str) -> Seen<()> {
        let (client, id) = (&self.client, credential(name));
        let put = client.put_credential(CLOUD, &id, ISSUER, subject, AUDIENCE);
        put.await.map(|_| ())
    }

    async fn assign(&self, id: &ResourceId, role: &str, principal: &str) -> Seen<()> {
        let put = self
            .client
            .put_assignment(CLOUD, id, role, principal, "for shop");
        put.await.map(|_| ())
    }
}

/// An application with a client secret, or without.
struct Application(Result<&'static str, NoProof>);

#[async_trait]
impl IdentitySource for Application {
    fn name(&self) -> &str {
        CLIENT
    }

    async fn identity(&self) -> Result<Identity, NoProof> {
        Ok(Identity::ServicePrincipal {
            tenant: TENANT.parse().unwrap(),
            client: CLIENT.parse().unwrap(),
            secret: self.0.clone()?.to_owned().into(),
        })
    }
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn shop() -> ResourceId {
    identity("shop")
}

fn identity(name: &str) -> ResourceId {
    id(&format!(
        "{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    ))
}

fn credential(name: &str) -> ResourceId {
    shop().child("federatedIdentityCredentials", name).unwrap()
}

fn vault(name: &str) -> ResourceId {
    id(&format!(
        "{GROUP}/providers/Microsoft.KeyVault/vaults/{name}"
    ))
}

/// An assignment on a scope; a number names it.
fn assignment(scope: &ResourceId, number: u32) -> ResourceId {
    let name = format!("bbbbbbbb-0000-4000-8000-{number:012}");
    let kind = "Microsoft.Authorization/roleAssignments";
    scope.extension(kind, &name).unwrap()
}

/// The subject of a ServiceAccount of the namespace `shop`.
fn subject(name: &str) -> String {
    format!("system:serviceaccount:shop:{name}")
}

/// What was asked for, by permission and id, and why it failed.
fn failure<T: std::fmt::Debug>(seen: Seen<T>) -> (&'static str, String, AzureCause) {
    let error = seen.unwrap_err();
    (error.action, error.id.clone(), error.cause.clone())
}

fn cause<T: std::fmt::Debug>(seen: Seen<T>) -> AzureCause {
    failure(seen).2
}

fn status(code: u16, retry_after: Option<Duration>) -> Action {
    Action::Status {
        code,
        retry_after: retry_after.map(|time| time.as_secs()),
        retry_after_millis: None,
    }
}
