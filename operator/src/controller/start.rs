//! How an operator is put together.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;
use tracing::info;
use url::Url;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::DeletionPolicy;
use vaultbind_keyvault::management::{Management, ManagementOptions};
use vaultbind_keyvault::metadata::{IdentitySource, Metadata, MetadataOptions};
use vaultbind_keyvault::transport::{Proxy, Roots, TransportError, TransportOptions};
use vaultbind_keyvault::{Limits, Transport};
use vaultbind_telemetry::ports::PortError;

use super::{BACKOFF, Lead, Operator, Run, triggers};
use crate::apply::Writer;
use crate::args::Args;
use crate::azure;
use crate::azure::book::Turns;
use crate::cluster::{Change, Happening, Name, View};
use crate::events::Events;
use crate::health::{self, Readiness};
use crate::lease::{Elector, Leadership};
use crate::metrics::Metrics;
use crate::plan;
use crate::provision::{Issuer, Provision};
use crate::queue::Queue;
use crate::reconcile::Reconciler;
use crate::resolve::{KubeTokens, Resolver, ResolverOptions};
use crate::secrets::Secrets;

/// How long one request to Resource Manager may take: two, one after the other, fit into a binding's turn.
const AZURE_PATIENCE: Duration = Duration::from_secs(12);

/// What an operator is built from: the command line, and how cluster and Azure are reached.
#[derive(Debug)]
pub struct Config {
    /// The command line.
    pub args: Args,
    /// The cluster.
    pub cluster: kube::Config,
    /// Which requests to Azure go through a proxy.
    pub proxy: Proxy,
    /// Which authorities are trusted for Azure.
    pub roots: Roots,
    /// Stands in for the managed identity endpoint.
    pub imds: Option<Url>,
    /// How fast federated credentials are written.
    pub pace: Pace,
}

/// How fast federated credentials are written. The default is what Azure takes:
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time between two writes to one identity.
    pub identity: Duration,
    /// Time between two writes in one subscription.
    pub subscription: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            identity: Duration::from_secs(4),
            subscription: Duration::from_millis(500),
        }
    }
}

impl Config {
    /// The configuration of a program: what is not on the command line is in the environment.
    ///
    /// # Errors
    /// When there is no cluster.
    pub async fn from_environment(args: Args) -> Result<Self, StartError> {
        let mut cluster = kube::Config::infer().await?;
        // HTTPS_PROXY is the way to Azure. The API server is near, and NO_PROXY often forgets it.
        cluster.proxy_url = None;
        Ok(Self {
            args,
            cluster,
            proxy: Proxy::Environment,
            roots: Roots::System,
            imds: None,
            pace: Pace::default(),
        })
    }
}

/// Why an operator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Flags that do not go together.
    #[error("{0}")]
    Flags(String),
    /// Which cluster it is.
    #[error("there is neither a ServiceAccount nor a kubeconfig to reach the cluster with")]
    NoCluster(#[from] kube::config::InferConfigError),
    /// The way to the cluster.
    #[error("the cluster cannot be reached as configured")]
    Cluster(#[from] kube::Error),
    /// The HTTP servers.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The way to Azure.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl Operator {
    /// Starts one. It works as soon as it knows the cluster and leads.
    ///
    /// # Errors
    /// What is configured cannot be had.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config {
            args,
            cluster,
            proxy,
            roots,
            imds,
            pace,
        } = config;
        let timing = args.timing().map_err(StartError::Flags)?;
        let own = args.own_identity().map_err(StartError::Flags)?;
        let instance = instance();
        let client = Client::try_from(cluster)?;
        let queue = Arc::new(Queue::new(BACKOFF));
        let lead = Lead::default();
        let events = Events::new(client.clone(), &instance);
        let listener = listener(Arc::clone(&queue), lead.clone(), events.clone());
        let view = View::new(listener.clone());
        let metrics = Arc::new(Metrics::new(
            Arc::clone(&view),
            Arc::clone(&queue),
            lead.clone(),
            args.binding_metrics,
        ));
        let transport = Transport::new(TransportOptions {
            proxy,
            roots,
            imds,
            token_proxy: args.token_proxy(),
            observer: Some(metrics.calls()),
            limits: Limits {
                concurrency: args.vault_concurrency.into(),
                try_timeout: args.try_timeout,
                ..Limits::default()
            },
        })?;
        let azure = own.clone().map(|own| {
            let source: Arc<dyn IdentitySource> = Arc::new(own);
            let options = ManagementOptions {
                request_timeout: AZURE_PATIENCE,
                ..ManagementOptions::default()
            };
            azure::Client::new(Management::new(Arc::clone(&transport), source, options))
        });
        let provision = Provision::new(
            azure,
            Issuer::new(client.clone(), "the operator"),
            Turns::new(pace.identity, pace.subscription),
        );
        let resolver = Arc::new(Resolver::new(
            Metadata::new(transport, MetadataOptions::default()),
            Arc::new(KubeTokens::new(client.clone())),
            own,
            ResolverOptions {
                allowed_hosts: args.allow_vault_hosts.clone(),
                observer: Some(metrics.questions()),
                ..ResolverOptions::default()
            },
        ));
        let stop = CancellationToken::new();
        let failed = stop.clone().drop_guard();
        let readiness = Readiness::default();
        let addresses = health::serve(
            args.http_address,
            args.healthz_port,
            args.prometheus_port,
            readiness.clone(),
            Arc::clone(&metrics),
            &stop,
        )
        .await?;
        failed.disarm();
        view.watch(&client, &args.watch_namespaces);
        view.tell_of_kinds(listener);

        let namespace = args.lease_namespace.as_deref();
        let namespace = namespace.unwrap_or_else(|| client.default_namespace());
        let namespace = namespace.to_owned();
        let elector = args.leader_elect.then(|| {
            let api: Api<Lease> = Api::namespaced(client.clone(), &namespace);
            Elector::new(api, args.lease_name.clone(), instance.clone(), timing)
        });
        let leadership = elector
            .as_ref()
            .map_or_else(Leadership::alone, Elector::leadership);
        info!(
            version = env!("CARGO_PKG_VERSION"),
            instance,
            health = %addresses.health,
            metrics = %addresses.metrics,
            namespaces = args.watch_namespaces.join(","),
            "started"
        );
        let writer = Writer::new(client, leadership);
        let secrets = args
            .kubernetes_secrets
            .then(|| Secrets::new(writer.clone(), Arc::clone(&resolver)));
        let run = Run {
            reconciler: Reconciler {
                view: Arc::clone(&view),
                resolver,
                writer,
                secrets,
                provision,
                namespace,
                deletion_timeout: args.azure_deletion_timeout,
                events,
            },
            view,
            queue: Arc::clone(&queue),
            lead: lead.clone(),
            readiness,
            metrics: Arc::clone(&metrics),
            elector,
            workers: args.workers,
            stop: stop.clone(),
        };
        Ok(Self {
            addresses,
            metrics,
            queue,
            lead,
            stop,
            run: tokio::spawn(run.run()),
        })
    }
}

/// This process among all that ever were: its pod, and something of its own, as a restarted container is
/// another one.
fn instance() -> String {
    let names = ["POD_NAME", "HOSTNAME"].into_iter();
    let mut names = names.filter_map(|name| std::env::var(name).ok());
    let host = names.find(|name| !name.is_empty());
    let host = host.unwrap_or_else(|| "vaultbind-operator".to_owned());
    let digits = RandomState::new().hash_one(std::process::id());
    format!("{host}_{digits:016x}")
}

/// What is done about whatever happens in the cluster, by who leads.
fn listener(
    queue: Arc<Queue<Name>>,
    lead: Lead,
    events: Events,
) -> impl Fn(&View, Happening) + Clone + Send + Sync + 'static {
    move |view, happening| {
        if !lead.holds() {
            return;
        }
        if let Happening::Binding(Change {
            before: Some(binding),
            after: None,
        }) = &happening
        {
            mourn(view, &events, binding);
        }
        triggers::happened(view, &queue, &happening);
    }
}

/// Says what follows if pods still mount what a deleted binding had made.
fn mourn(view: &View, events: &Events, binding: &Arc<VaultBinding>) {
    let name = Name::of(&binding.metadata);
    let pods = view.mounts.count(&name);
    // In a namespace that goes there is nobody left to tell, and no event can be made.
    if pods == 0 || view.around(binding).is_none() {
        return;
    }
    let (events, binding) = (events.clone(), Arc::clone(binding));
    let mount = if pods == 1 {
        "pod mounts"
    } else {
        "pods mount"
    };
    let message = match binding.spec.deletion_policy {
        DeletionPolicy::Delete => format!(
            "{pods} {mount} the SecretProviderClass {name}, which goes with its binding: they keep their \
             files, but no new pod that mounts it starts",
            name = binding.name_any()
        ),
        DeletionPolicy::Retain => format!(
            "{pods} {mount} the SecretProviderClass {name}, which stays without its binding: it keeps its \
             versions, and new ones no longer reach the pods",
            name = binding.name_any()
        ),
    };
    let event = plan::Event::DeletedWhileMounted;
    tokio::spawn(async move {
        if events.is_gone(&binding).await {
            events
                .publish(&binding, event.warning(), event.as_str(), &message)
                .await;
        }
    });
}
