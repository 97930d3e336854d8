//! The provider as a whole: built from its configuration, driven by `main` and by tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;
use vaultbind_keyvault::cache::{Freshness, NoRandomness};
use vaultbind_keyvault::transport::{Proxy, Roots, TokenProxy, TransportError, TransportOptions};
use vaultbind_keyvault::{Cache, CacheOptions, Limits, Transport};
use vaultbind_proto::csi_driver_provider_server::CsiDriverProviderServer;
use vaultbind_telemetry::ports::PortError;

use crate::args::Args;
use crate::debug::Insight;
use crate::http::{self, Health, HttpOptions};
use crate::metrics::{MemoryMetrics, Metrics};
use crate::mount::{MountOptions, Mounter};
use crate::render::RenderOptions;
use crate::request::Defaults;
use crate::serve::socket::{BindError, Endpoint, EndpointError, SocketListener};
use crate::service::ProviderService;

/// The driver's requests are small; this leaves room for a class of the largest size etcd takes.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// How long after the longest mount a stop waits for calls that have not ended.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// What a provider is built from: the command line, and how Azure is reached.
#[derive(Debug)]
pub struct Config {
    /// The command line.
    pub args: Args,
    /// Which requests go through a proxy.
    pub proxy: Proxy,
    /// Which authorities are trusted.
    pub roots: Roots,
    /// Stands in for the managed identity endpoint.
    pub imds: Option<Url>,
}

impl Config {
    /// The configuration of a program: what is not on the command line is in the environment.
    ///
    /// # Errors
    /// When `AZURE_POD_IDENTITY_AUTHORITY_HOST` is not a URL.
    pub fn from_environment(args: Args) -> Result<Self, StartError> {
        const IMDS: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
        let imds = match std::env::var(IMDS) {
            Ok(text) if !text.is_empty() => Some(
                Url::parse(&text)
                    .ok()
                    .filter(|url| url.scheme() == "http" && url.has_host())
                    .ok_or(StartError::Imds)?,
            ),
            _ => None,
        };
        Ok(Self {
            args,
            proxy: Proxy::Environment,
            roots: Roots::System,
            imds,
        })
    }
}

/// Why a provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `--endpoint`.
    #[error("--endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The HTTP servers.
    #[error(transparent)]
    Http(#[from] PortError),
    /// The way to Azure.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The memory.
    #[error(transparent)]
    Cache(#[from] NoRandomness),
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    #[error("AZURE_POD_IDENTITY_AUTHORITY_HOST must be a URL such as http://127.0.0.1:4000")]
    Imds,
    /// `--healthz-path`.
    #[error(
        "--healthz-path must start with /, be neither /readyz nor /metrics, and have none of {{}}*:"
    )]
    HealthzPath,
}

/// A provider that serves.
#[derive(Debug)]
pub struct Provider {
    socket: PathBuf,
    addresses: http::Addresses,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    patience: Duration,
}

impl Provider {
    /// Starts to serve.
    ///
    /// # Errors
    /// A socket or port that cannot be had, or no trusted authorities.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config {
            args,
            proxy,
            roots,
            imds,
        } = config;
        if !args.ignored.is_empty() {
            let flags = args
                .ignored
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ");
            warn!(flags, "these flags have no effect in this provider");
        }
        let path = args.healthz_path.as_str();
        if !path.starts_with('/')
            || matches!(path, "/readyz" | "/metrics")
            || path.contains(['{', '}', '*', ':'])
        {
            return Err(StartError::HealthzPath);
        }

        let metrics = Arc::new(Metrics::default());
        let observer = metrics.calls();
        let transport = Transport::new(TransportOptions {
            proxy,
            roots,
            imds,
            token_proxy: args.token_proxy_url.map(|url| TokenProxy {
                url,
                server_name: args.sni_name,
                ca_file: args.token_proxy_ca_file,
            }),
            observer: Some(observer),
            limits: Limits {
                requests_per_second: args.vault_requests_per_second,
                concurrency: args.vault_concurrency.into(),
                try_timeout: args.try_timeout,
                hedge_after: Some(args.hedge_after).filter(|after| !after.is_zero()),
            },
        })?;
        let options = MountOptions {
            defaults: Defaults {
                cloud: args.cloud_name,
                freshness: Freshness {
                    latest: args.cache_ttl,
                    exact: args.reauthorize_after,
                },
                vault_hosts: args.allow_vault_hosts,
            },
            render: RenderOptions {
                construct_pem_chain: args.construct_pem_chain,
                separate_files: args.write_cert_and_key_in_separate_files,
            },
            timeout: args.mount_timeout,
            max_message_bytes: args.max_message_bytes,
        };
        let cache = Cache::new(
            Arc::clone(&transport),
            CacheOptions {
                stale_for: args.serve_stale_for,
                refusal_for: args.refusal_ttl,
                max_bytes: args.cache_max_bytes,
                read_timeout: args.mount_timeout,
                observer: Some(Arc::new(MemoryMetrics(Arc::clone(&metrics)))),
            },
        )?;
        let insight = Insight {
            cache: Arc::clone(&cache),
            transport,
        };
        let mounter = Arc::new(Mounter::new(cache, options));

        let endpoint: Endpoint = args.endpoint.parse()?;
        let stop = CancellationToken::new();
        let failed = stop.clone().drop_guard();
        let health = Arc::new(Health {
            socket: endpoint.path().to_owned(),
            ready: AtomicBool::new(false),
            timeout: args.healthz_timeout,
        });
        let http_options = HttpOptions {
            address: args.http_address,
            healthz_port: args.healthz_port,
            healthz_path: args.healthz_path.clone(),
            prometheus_port: args.prometheus_port,
            healthz_timeout: args.healthz_timeout,
            debug_port: args.debug_port,
        };
        let addresses = http::serve(
            &http_options,
            Arc::clone(&health),
            Arc::clone(&metrics),
            insight,
            &stop,
        )
        .await?;
        // Last of what can fail: it takes the name from the provider that serves until now, which
        // would be left without one.
        let listener = SocketListener::bind(endpoint.path())?
            .allow_uids(args.allow_uids.iter().copied())
            .count_rebinds(metrics.socket_rebinds());
        health.ready.store(true, Ordering::Relaxed);
        failed.disarm();

        let service = ProviderService::new(mounter, Arc::clone(&metrics));
        let server = tokio::spawn(serve(
            listener,
            service,
            args.max_message_bytes,
            stop.clone(),
        ));
        info!(
            version = env!("CARGO_PKG_VERSION"),
            socket = %endpoint.path().display(),
            health = %addresses.health,
            metrics = %addresses.metrics,
            cloud = %args.cloud_name,
            "serving"
        );
        Ok(Self {
            socket: endpoint.path().to_owned(),
            addresses,
            health,
            metrics,
            stop,
            server,
            patience: args.mount_timeout + STOP_GRACE,
        })
    }

    /// The socket on which the driver finds the provider.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where health is told.
    pub fn health_address(&self) -> std::net::SocketAddr {
        self.addresses.health
    }

    /// Where metrics are.
    pub fn metrics_address(&self) -> std::net::SocketAddr {
        self.addresses.metrics
    }

    /// Where the state is shown, if it is.
    pub fn debug_address(&self) -> Option<std::net::SocketAddr> {
        self.addresses.debug
    }

    /// The metrics themselves.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Stops: no new calls, those that run are answered, the socket is removed.
    pub async fn stop(mut self) {
        info!("stopping");
        self.health.ready.store(false, Ordering::Relaxed);
        self.stop.cancel();
        match tokio::time::timeout(self.patience, &mut self.server).await {
            Ok(Ok(Ok(()))) => info!("stopped"),
            Ok(Ok(Err(error))) => warn!(%error, "the gRPC server ended"),
            Ok(Err(error)) => warn!(%error, "the gRPC server ended"),
            Err(_) => {
                self.server.abort();
                warn!("calls were still running when the time to stop was over");
            }
        }
    }
}

async fn serve(
    listener: SocketListener,
    service: ProviderService,
    max_message_bytes: usize,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_serving::<CsiDriverProviderServer<ProviderService>>()
        .await;
    let provider = CsiDriverProviderServer::new(service)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(max_message_bytes);
    tonic::transport::Server::builder()
        .add_service(health)
        .add_service(provider)
        // The listener ends by itself at the stop, after those who wait in its queue.
        .serve_with_incoming_shutdown(listener.incoming(stop), std::future::pending())
        .await
}
