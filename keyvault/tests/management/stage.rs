//! An emulated Azure and somebody who keeps identities there, through its proxy and under the real
//! host names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use vaultbind_azure::{Action, Azure, Fault, Match, Options, Seed, Service};
use vaultbind_keyvault::management::{Answer, Call};
use vaultbind_keyvault::metadata::{IdentitySource, NoProof};
use vaultbind_keyvault::transport::{Proxy, Roots};
use vaultbind_keyvault::{
    Cloud, Identity, Limits, Management, ManagementError, ManagementOptions, ManagementRefusal,
    Transport, TransportOptions,
};

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// Has the rights that an operator of identities needs.
pub(crate) const OPERATOR: &str = "aaaaaaaa-0000-4000-8000-0000000000a1";
/// Has none.
pub(crate) const STRANGER: &str = "aaaaaaaa-0000-4000-8000-0000000000a2";
pub(crate) const CLIENT: &str = "aaaaaaaa-0000-4000-8000-0000000000c1";
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-4000-8000-00000000000a";
pub(crate) const OTHER_SUBSCRIPTION: &str = "/subscriptions/00000000-0000-4000-8000-00000000000b";
pub(crate) const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
pub(crate) const VERSION: &str = "2024-11-30";
pub(crate) const HOST: &str = "management.azure.com";

/// The path of an identity in a subscription.
pub(crate) fn identity(subscription: &str, name: &str) -> String {
    format!("{subscription}/resourceGroups/shop/{IDENTITIES}/{name}")
}

/// The path of the identity that is there.
pub(crate) fn web() -> String {
    identity(SUBSCRIPTION, "web")
}

fn seed() -> String {
    let (web, other) = (web(), identity(OTHER_SUBSCRIPTION, "web"));
    let cluster = "providers/Microsoft.ContainerService/managedClusters/blue";
    format!(
        "tenants:
- tenantID: {TENANT}
  applications:
  - {{clientID: {OPERATOR}, clientSecrets: [{{value: s}}]}}
  - {{clientID: {STRANGER}, clientSecrets: [{{value: s}}]}}
arm:
  identities:
  - {{resourceID: {web}, tenantID: {TENANT}, clientID: {CLIENT}}}
  - {{resourceID: {other}, tenantID: {TENANT}, clientID: aaaaaaaa-0000-4000-8000-0000000000c2}}
  clusters:
  - resourceID: {SUBSCRIPTION}/resourceGroups/shop/{cluster}
    tenantID: {TENANT}
    issuer: https://oidc.cluster.example/
  roleAssignments:
  - {{principal: {OPERATOR}, role: Owner, scope: {SUBSCRIPTION}}}
  - {{principal: {OPERATOR}, role: Owner, scope: {OTHER_SUBSCRIPTION}}}
"
    )
}

/// The write of a federated credential of an identity.
pub(crate) fn credential(name: &str) -> Call {
    let path = format!("{}/federatedIdentityCredentials/{name}", web());
    let properties = json!({
        "issuer": "https://oidc.cluster.example/",
        "subject": format!("system:serviceaccount:shop:{name}"),
        "audiences": ["api://AzureADTokenExchange"],
    });
    Call::put(&path, VERSION, json!({ "properties": properties }))
}

/// An application with a secret, and how often it was asked for it.
pub(crate) struct Application {
    client: &'static str,
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl IdentitySource for Application {
    fn name(&self) -> &str {
        self.client
    }

    async fn identity(&self) -> Result<Identity, NoProof> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(Identity::ServicePrincipal {
            tenant: TENANT.parse().unwrap(),
            client: self.client.parse().unwrap(),
            secret: "s".to_owned().into(),
        })
    }
}

/// How a stage is set up.
pub(crate) struct Setting {
    /// More of the seed.
    pub(crate) more: String,
    pub(crate) client: &'static str,
    pub(crate) options: ManagementOptions,
    pub(crate) limits: Limits,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            more: String::new(),
            client: OPERATOR,
            options: ManagementOptions::default(),
            limits: Limits::default(),
        }
    }
}

pub(crate) struct Stage {
    pub(crate) azure: Azure,
    pub(crate) management: Arc<Management>,
    pub(crate) application: Arc<Application>,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setting::default()).await
    }

    pub(crate) async fn start_with(setting: Setting) -> Self {
        let mut seed = Seed::from_yaml("seed", &seed()).unwrap();
        seed.merge(Seed::from_yaml("more", &setting.more).unwrap())
            .unwrap();
        let options = Options {
            seed,
            ..Options::default()
        };
        let azure = Azure::start(options).await.unwrap();
        let ca = CertificateDer::from_pem_slice(azure.ca_pem().as_bytes()).unwrap();
        let transport = Transport::new(TransportOptions {
            proxy: Proxy::Fixed(format!("http://{}", azure.proxy_addr())),
            roots: Roots::Fixed(vec![ca]),
            limits: setting.limits,
            ..TransportOptions::default()
        });
        let application = Arc::new(Application {
            client: setting.client,
            asked: AtomicUsize::new(0),
        });
        let source = Arc::clone(&application) as Arc<dyn IdentitySource>;
        let management = Management::new(transport.unwrap(), source, setting.options);
        Self {
            azure,
            management,
            application,
        }
    }

    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, ManagementError> {
        self.management.call(Cloud::Public, call).await
    }

    /// The body of what is at a path.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(&Call::get(path, VERSION)).await.unwrap().body
    }

    pub(crate) async fn refused(&self, call: &Call) -> ManagementRefusal {
        match self.call(call).await {
            Err(ManagementError::Refused(refusal)) => refusal,
            other => panic!("no refusal: {other:?}"),
        }
    }

    /// Strikes so many calls of a method to Resource Manager.
    pub(crate) fn fault(&self, method: &str, action: Action, times: u32) {
        let matches = Match {
            service: Some(Service::Arm),
            method: Some(method.to_owned()),
            ..Match::default()
        };
        let fault = Fault::new(matches, action).times(times);
        self.azure.add_fault(fault).unwrap();
    }

    fn count(&self, service: Service) -> usize {
        let calls = self.azure.calls();
        calls.iter().filter(|call| call.service == service).count()
    }

    /// How often Resource Manager was asked.
    pub(crate) fn calls(&self) -> usize {
        self.count(Service::Arm)
    }

    /// How often Entra was asked.
    pub(crate) fn tokens(&self) -> usize {
        self.count(Service::Entra)
    }
}

/// A refusal with this status.
pub(crate) fn status(code: u16, retry_after: Option<Duration>) -> Action {
    let millis = retry_after.map(|wait| wait.as_millis().try_into().unwrap());
    Action::Status {
        code,
        retry_after: None,
        retry_after_millis: millis,
    }
}
