//! Where: the API server with its log of requests, the emulated Azure, and operators.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Client;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use tempfile::TempDir;
use vaultbind_apiserver::{ApiServer, Audit, driver, folder, install, operator_rights};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;
use vaultbind_e2e::operator::{Launch, Operator};
use vaultbind_e2e::stage::AUDIENCE;

use super::population::{ACCOUNT, Population, binding_name};
use crate::azure::Azure;
use crate::provider::Spec;

/// Where operators keep their Lease.
const SYSTEM: &str = "vaultbind-system";
/// Who operators are.
const GROUP: &str = "operators";
/// Bindings that are written at a time.
const AT_A_TIME: usize = 20;
/// Time from an operator to Azure and back.
const ROUND_TRIP: Duration = Duration::from_millis(5);

/// All but the operators.
pub struct Cluster {
    /// The emulated Azure.
    pub azure: Azure,
    server: ApiServer,
    client: Client,
    folder: TempDir,
}

/// Calls of operators to the API server in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiCalls {
    /// By verb and resource.
    pub by_kind: BTreeMap<String, usize>,
}

impl ApiCalls {
    /// All of them.
    pub fn total(&self) -> usize {
        self.by_kind.values().sum()
    }
}

impl Cluster {
    /// Starts it, without bindings.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start(azure: &Path, population: &Population) -> anyhow::Result<Self> {
        let server = ApiServer::start_with(Audit::Requests).await?;
        install(&server, &folder()).await?;
        driver(&server, AUDIENCE).await?;
        operator_rights(&server, GROUP).await?;
        let client = server.client()?;
        for name in population.namespaces().chain([SYSTEM.to_owned()]) {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            let params = PostParams::default();
            let namespaces = Api::all(client.clone());
            namespaces.create(&params, &namespace).await?;
            let account: ServiceAccount =
                serde_json::from_value(json!({"metadata": {"name": ACCOUNT}}))?;
            let accounts = Api::namespaced(client.clone(), &name);
            accounts.create(&params, &account).await?;
        }
        let seed = population.seed(&server.key_set().await?);
        let azure = Azure::start(azure, &seed, &[]).await?;
        azure.reset(ROUND_TRIP).await?;
        Ok(Self {
            azure,
            server,
            client,
            folder: tempfile::tempdir()?,
        })
    }

    /// Starts an operator of a name, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn operator(&self, spec: &Spec, name: &str) -> anyhow::Result<Operator> {
        let kubeconfig = self.server.kubeconfig_as(name, &[GROUP])?;
        let arguments = spec.arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = ["--lease-namespace", SYSTEM]
            .into_iter()
            .chain(arguments)
            .collect();
        Operator::start(&Launch {
            program: &spec.program,
            name,
            kubeconfig: &kubeconfig,
            azure: self.azure.environment(),
            log: &self.folder.path().join(format!("{name}.log")),
            arguments: &arguments,
        })
        .await
    }

    /// Who leads, if anybody does.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn leader(&self) -> anyhow::Result<Option<String>> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), SYSTEM);
        let leases = api.list(&ListParams::default()).await?.items;
        let holder = leases
            .into_iter()
            .find_map(|lease| lease.spec?.holder_identity);
        Ok(holder.filter(|holder| !holder.is_empty()))
    }

    /// Writes bindings by number.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn create(
        &self,
        population: &Population,
        numbers: impl IntoIterator<Item = usize>,
    ) -> anyhow::Result<()> {
        let written = stream::iter(numbers).map(|number| self.create_one(population, number));
        written.buffer_unordered(AT_A_TIME).try_collect().await
    }

    async fn create_one(&self, population: &Population, number: usize) -> anyhow::Result<()> {
        let (namespace, binding) = population.binding(number);
        let binding = serde_json::from_value(binding)?;
        let api: Api<VaultBinding> = Api::namespaced(self.client.clone(), &namespace);
        api.create(&PostParams::default(), &binding).await?;
        Ok(())
    }

    /// Waits until so many bindings are ready, looking once a second.
    ///
    /// # Errors
    /// When they are not in time, with what some of them say.
    pub async fn all_ready(&self, count: usize, patience: Duration) -> anyhow::Result<()> {
        let api: Api<VaultBinding> = Api::all(self.client.clone());
        // From the API server's memory.
        let params = ListParams::default().match_any();
        let deadline = Instant::now() + patience;
        loop {
            let bindings = api.list(&params).await?.items;
            let (ready, others): (Vec<_>, Vec<_>) = bindings.iter().partition(|one| is_ready(one));
            if ready.len() >= count {
                return Ok(());
            }
            let said: Vec<_> = others.iter().take(2).map(|one| &one.status).collect();
            ensure!(
                Instant::now() < deadline,
                "{} of {count} are ready after {patience:?}, others: {said:?}",
                ready.len()
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Writes a binding and waits until it is ready; how long that took.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn time_to_ready(
        &self,
        population: &Population,
        number: usize,
        patience: Duration,
    ) -> anyhow::Result<Duration> {
        let (namespace, _) = population.binding(number);
        let name = binding_name(number);
        let api: Api<VaultBinding> = Api::namespaced(self.client.clone(), &namespace);
        let started = Instant::now();
        self.create_one(population, number).await?;
        let seen = async {
            let params = WatchParams::default().fields(&format!("metadata.name={name}"));
            let mut events = api.watch(&params, "0").await?.boxed();
            while let Some(event) = events.try_next().await? {
                if let WatchEvent::Added(binding) | WatchEvent::Modified(binding) = event
                    && is_ready(&binding)
                {
                    return Ok(started.elapsed());
                }
            }
            anyhow::bail!("the watch ended")
        };
        let seen = tokio::time::timeout(patience, seen).await;
        seen.with_context(|| format!("{namespace}/{name} is not ready after {patience:?}"))?
    }

    /// Calls of operators from some time on.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn api_calls(&self, since: jiff::Timestamp) -> anyhow::Result<ApiCalls> {
        let mut calls = ApiCalls::default();
        for event in self.server.audit()? {
            // A watch counts when it begins.
            let counted = match event.verb.as_str() {
                "watch" => "ResponseStarted",
                _ => "ResponseComplete",
            };
            let operator = event.impersonated_user.is_some();
            if !operator || event.stage != counted || event.request_received_timestamp.0 < since {
                continue;
            }
            let object = event.object_ref.unwrap_or_default();
            let part = match object.subresource.as_str() {
                "" => String::new(),
                part => format!("/{part}"),
            };
            let kind = format!("{} {}{part}", event.verb, object.resource);
            *calls.by_kind.entry(kind).or_default() += 1;
        }
        Ok(calls)
    }
}

fn is_ready(binding: &VaultBinding) -> bool {
    let Some(status) = &binding.status else {
        return false;
    };
    let mut conditions = status.conditions.iter();
    let ready = ConditionType::Ready.as_str();
    status.observed_generation == binding.metadata.generation
        && conditions.any(|one| one.type_ == ready && one.status == "True")
}
