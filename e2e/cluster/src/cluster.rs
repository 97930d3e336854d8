use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, LogParams, PostParams,
};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use vaultbind_e2e::admin::Admin;

/// The cluster that `make e2e` started. The environment says where it is:
///
/// | variable | |
/// | --- | --- |
/// | `KUBECONFIG` | the administrator's kubeconfig |
/// | `VAULTBIND_E2E_AZURE` | address and port of the emulated Azure's administration |
/// | `VAULTBIND_E2E_DRIVER` | version of the CSI driver |
/// | `VAULTBIND_E2E_TENANT` | tenant of the operator's identity |
/// | `VAULTBIND_E2E_SUBSCRIPTION` | resource id of the subscription in which the operator has its roles |
#[derive(Clone)]
pub struct Cluster {
    /// The API server.
    pub client: Client,
    /// The emulated Azure's administration.
    pub azure: Admin,
    /// The CSI driver that runs.
    pub driver: DriverVersion,
    /// The tenant of the operator's identity in Azure.
    pub tenant: String,
    /// Resource id of the subscription in which the operator has its roles.
    pub subscription: String,
}

/// The drivers that scenarios run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverVersion {
    /// 1.5.6: its own rotation, socket path as authority.
    V1_5,
    /// 1.6.0: rotation by kubelet's republishing.
    V1_6,
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: use make e2e"))
}

async fn config() -> anyhow::Result<Config> {
    let kubeconfig = Kubeconfig::read_from(variable("KUBECONFIG")?)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// Where `make e2e` has helm install the chart.
const NAMESPACE: &str = "vaultbind-system";

impl Cluster {
    /// Connects to the cluster that the environment names.
    ///
    /// # Errors
    /// When a variable is missing or the cluster does not answer.
    pub async fn connect() -> anyhow::Result<Self> {
        let config = config().await?;
        let azure: SocketAddr = variable("VAULTBIND_E2E_AZURE")?.parse()?;
        let driver = match variable("VAULTBIND_E2E_DRIVER")?.as_str() {
            "1.5.6" => DriverVersion::V1_5,
            "1.6.0" => DriverVersion::V1_6,
            other => bail!("VAULTBIND_E2E_DRIVER: no scenarios for driver {other}"),
        };
        Ok(Self {
            client: Client::try_from(config)?,
            azure: Admin::new(azure),
            driver,
            tenant: variable("VAULTBIND_E2E_TENANT")?,
            subscription: variable("VAULTBIND_E2E_SUBSCRIPTION")?,
        })
    }

    /// SecretProviderClasses and their pod statuses of a namespace.
    pub(crate) fn secrets_store(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        secrets_store(self.client.clone(), kind, namespace)
    }

    /// What the provider has written so far.
    ///
    /// # Errors
    /// When its pod or log cannot be read.
    pub async fn provider_log(&self) -> anyhow::Result<String> {
        let pods = self.pods();
        let params = ListParams::default().labels("app.kubernetes.io/component=provider");
        let mut log = String::new();
        for pod in pods.list(&params).await? {
            let name = pod.metadata.name.unwrap_or_default();
            log += &pods.logs(&name, &LogParams::default()).await?;
        }
        Ok(log)
    }

    /// The DaemonSets of the namespace that helm installs into.
    pub fn provider(&self) -> Api<DaemonSet> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The pods of the namespace that helm installs into.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// A client that is the operator to the API server: with a token of its ServiceAccount, as its pods have.
    ///
    /// # Errors
    /// When the API server makes none.
    pub async fn as_operator(&self) -> anyhow::Result<Client> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), NAMESPACE);
        let request = TokenRequest::default();
        let answer = accounts
            .create_token_request("vaultbind-operator", &PostParams::default(), &request)
            .await?;
        let token = answer.status.context("the answer has no token")?.token;
        let mut config = config().await?;
        config.auth_info = AuthInfo {
            token: Some(token.into()),
            ..AuthInfo::default()
        };
        Ok(Client::try_from(config)?)
    }

    /// A client that is an administrator of another name to the API server.
    ///
    /// # Errors
    /// When the environment does not name a cluster.
    pub async fn as_administrator(&self, name: &str) -> anyhow::Result<Client> {
        let mut config = config().await?;
        config.auth_info.impersonate = Some(name.to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
        Ok(Client::try_from(config)?)
    }

    /// The operator's Lease: whose it is, a pod or nobody.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn leader(&self) -> anyhow::Result<Option<String>> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let spec = leases.get("vaultbind-operator").await?.spec;
        let holder = spec.and_then(|spec| spec.holder_identity);
        Ok(holder.filter(|holder| !holder.is_empty()))
    }
}

/// Objects of the CSI driver in a namespace, for a client.
pub fn secrets_store(client: Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("secrets-store.csi.x-k8s.io", "v1", kind);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}
