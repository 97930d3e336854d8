//! The one way out: connections shared by every mount of the process, with typed failures.
//!
//! Per host there is one HTTP/2 connection, dialled once however many requests wait for it, and a
//! second one while the first is slow to answer; over HTTP/1.1 at most 24. How often a host may be
//! asked is for its [budget](crate::budget) to say. `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`,
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured. The managed identity endpoint is a link-local
//! address of the machine and is never asked through a proxy, whatever `NO_PROXY` says; neither is
//! the token proxy of an AKS cluster.

mod attempt;
mod dial;
mod heard;
mod http2;
mod observer;
mod pool;
mod resolve;
mod token_proxy;
mod unreachable;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use url::Url;

use crate::budget::{Budget, BudgetView, Budgets, Limits};

pub(crate) use attempt::{Answer, Outgoing};
use dial::{Dialer, Origin};
pub use observer::{Call, ConnectionEvent, Hedge, Observer, Operation, Outcome, Service};
use pool::Pool;
use token_proxy::Gate;
pub use token_proxy::{
    TokenProxy, TokenProxyName, TokenProxyNameError, TokenProxyUrl, TokenProxyUrlError,
};
pub use unreachable::Unreachable;

/// With this many, those without a connection are forgotten, else the one unused for longest:
/// whoever writes classes can name any number of vaults, of others or that do not exist.
const MANY_ORIGINS: usize = 256;

/// Resource Manager takes its time, most of all for a page of many role assignments: one try has the
/// time of so many of a vault.
const MANAGEMENT_READ_TRIES: u32 = 2;

/// The same for a write, of which there is no second try.
const MANAGEMENT_WRITE_TRIES: u32 = 5;

/// Where the managed identity endpoint is, on every Azure machine.
pub(crate) const IMDS_HOST: &str = "169.254.169.254";

/// What a [`Transport`] is made from.
#[derive(Default)]
pub struct TransportOptions {
    /// Which HTTPS requests go through a proxy.
    pub proxy: Proxy,
    /// Which authorities are trusted.
    pub roots: Roots,
    /// Stands in for `http://169.254.169.254`, as `AZURE_POD_IDENTITY_AUTHORITY_HOST` does in
    /// the SDKs of other languages.
    pub imds: Option<Url>,
    /// Where tokens for identity bindings are asked for; without it there are none.
    pub token_proxy: Option<TokenProxy>,
    /// Told of every call to Azure.
    pub observer: Option<Arc<dyn Observer>>,
    /// What may be asked of each service.
    pub limits: Limits,
}

/// Which HTTPS requests go through a proxy.
#[derive(Default)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// All of them, through this one.
    Fixed(String),
    /// None.
    Direct,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URI may hold a password.
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Fixed(_) => "Fixed",
            Self::Direct => "Direct",
        })
    }
}

/// Which authorities are trusted.
#[derive(Debug, Default)]
pub enum Roots {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set.
    #[default]
    System,
    /// These alone.
    Fixed(Vec<CertificateDer<'static>>),
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nothing could be trusted.
    #[error(
        "no trusted certificate authorities were found{detail}: set SSL_CERT_FILE to a PEM bundle \
         or SSL_CERT_DIR to a directory of them"
    )]
    NoRoots {
        /// What the reader of the store complained about, if it did.
        detail: String,
    },
    /// A root certificate is not one.
    #[error("a certificate among the trusted authorities cannot be used")]
    BadRoot(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The process-wide transport. Cheap to share, made once.
pub struct Transport {
    dialer: Arc<Dialer>,
    pools: Mutex<HashMap<Origin, Arc<Pool>>>,
    budgets: Budgets,
    imds: Option<Url>,
    token_proxy: Option<Arc<Gate>>,
    observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("imds", &self.imds)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// Reads the trusted authorities and the proxy settings; connects to nothing.
    ///
    /// # Errors
    /// When there is nothing to trust or TLS cannot be set up.
    pub fn new(options: TransportOptions) -> Result<Arc<Self>, TransportError> {
        let TransportOptions {
            proxy,
            roots,
            imds,
            token_proxy,
            observer,
            limits,
        } = options;
        let proxies = match proxy {
            Proxy::Environment => {
                warn_of_unusable_proxies();
                Matcher::from_env()
            }
            Proxy::Fixed(uri) => Matcher::builder().all(uri).build(),
            Proxy::Direct => Matcher::builder().build(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TransportError::Tls)?
            .with_root_certificates(root_store(roots)?)
            .with_no_client_auth();
        let token_proxy = token_proxy.map(Gate::new);
        Ok(Arc::new(Self {
            dialer: Arc::new(Dialer::new(proxies, tls, token_proxy.clone())),
            pools: Mutex::default(),
            budgets: Budgets::new(limits, observer.clone()),
            imds,
            token_proxy,
            observer,
        }))
    }

    /// The budgets there are, for people: hosts and tenants, and nothing of what was read.
    pub fn budgets(&self) -> Vec<BudgetView> {
        self.budgets.view()
    }

    /// The budget for a request to a path of a host.
    pub(crate) fn budget(&self, service: Service, host: &str, path: &str) -> Arc<Budget> {
        self.budgets.get(service, host, path)
    }

    /// Bounds the requests per second to a vault, within the limit for every vault.
    pub(crate) fn limit_vault(&self, host: &str, per_second: u32) {
        let most = self.budgets.limits().requests_per_second;
        let budget = self.budget(Service::Vault, host, "");
        budget.limit(per_second.min(most));
    }

    /// Opens the connection to a vault ahead of the first request to it, unless it is known to give
    /// no answers.
    pub(crate) async fn warm(&self, host: &str) -> Result<(), Unreachable> {
        if self.budgets.is_open(host) {
            return Ok(());
        }
        let origin = Origin {
            tls: true,
            host: host.to_owned(),
            port: 443,
            token_proxy: None,
        };
        self.pool(origin).warm().await
    }

    pub(crate) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    /// The address to ask in place of the managed identity endpoint's own.
    pub(crate) fn imds_url(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if let Some(imds) = &self.imds {
            // Both are http URLs with a host, so neither call can fail.
            let _ = url.set_host(imds.host_str());
            let _ = url.set_port(imds.port());
        }
        url
    }

    /// The token proxy's address, if there is one.
    pub(crate) fn token_proxy(&self) -> Option<&TokenProxyUrl> {
        self.token_proxy.as_ref().map(|gate| gate.url())
    }

    fn pool(&self, origin: Origin) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= MANY_ORIGINS && !pools.contains_key(&origin) {
            pools.retain(|_, pool| pool.is_connected());
            if pools.len() >= MANY_ORIGINS {
                // One that is being dialled goes before one that is there.
                let unused = pools
                    .iter()
                    .min_by_key(|(_, pool)| (!pool.is_dialling(), pool.last_used()));
                if let Some(origin) = unused.map(|(origin, _)| origin.clone()) {
                    // Whoever is using it keeps it to the end.
                    pools.remove(&origin);
                }
            }
        }
        let pool = pools.entry(origin).or_insert_with_key(|origin| {
            let observer = self.observer.clone();
            Pool::new(origin.clone(), Arc::clone(&self.dialer), observer)
        });
        Arc::clone(pool)
    }

    /// Sends one request and reads the answer, as one try that its budget has admitted.
    pub(crate) async fn attempt(
        &self,
        service: Service,
        outgoing: &Outgoing<'_>,
        budget: &Budget,
    ) -> Result<Answer, Unreachable> {
        let url = &outgoing.url;
        // Its URL is never Entra's own, so this tells the two apart.
        let gate = self
            .token_proxy
            .as_ref()
            .filter(|gate| service == Service::Entra && gate.url().is_of(url));
        let pool = self.pool(Origin {
            tls: url.scheme() == "https",
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or(443),
            token_proxy: gate.map(|gate| gate.authorities()).transpose()?,
        });
        let hedge = match service {
            // Reads, and a request for a token, do the same however often they are made.
            Service::Vault | Service::Entra => budget.hedge_delay(),
            // On this machine, where requests do not get lost, and few are allowed.
            Service::Imds => None,
            // Nobody waits for it who could not wait longer, and its writes are sent once.
            Service::ResourceManager => None,
        };
        let tries = match (service, outgoing.once) {
            (Service::ResourceManager, false) => MANAGEMENT_READ_TRIES,
            (Service::ResourceManager, true) => MANAGEMENT_WRITE_TRIES,
            _ => 1,
        };
        let try_timeout = self.budgets.limits().try_timeout * tries;
        attempt::attempt(&pool, outgoing, try_timeout, hedge, budget).await
    }
}

/// The matcher passes over what it cannot read, or takes a part of it for the host.
fn warn_of_unusable_proxies() {
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let text = std::env::var_os(variable).unwrap_or_default();
        let usable = text.to_str().is_some_and(is_usable_proxy);
        if !text.is_empty() && !usable {
            // Without the value, which may hold a password.
            tracing::warn!(
                variable,
                "this is no proxy's URL: write http://host:port, with \
                 special characters of user and password as %XX"
            );
        }
    }
}

fn is_usable_proxy(text: &str) -> bool {
    let anywhere = Uri::from_static("https://login.microsoftonline.com/");
    let matcher = Matcher::builder().all(text.to_owned()).build();
    matcher.intercept(&anywhere).is_some_and(|proxy| {
        let uri = proxy.uri();
        // A bare `#` or `/` in a password ends the authority early, before the @.
        !text.contains('@')
            || uri.host().is_some_and(|host| {
                text.rsplit('@')
                    .next()
                    .is_some_and(|rest| rest.starts_with(host))
            })
    })
}

fn root_store(roots: Roots) -> Result<RootCertStore, TransportError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Fixed(certificates) => {
            for certificate in certificates {
                store.add(certificate).map_err(TransportError::BadRoot)?;
            }
        }
        Roots::System => {
            let loaded = rustls_native_certs::load_native_certs();
            // A system bundle may hold a certificate rustls cannot use; the others still count.
            let (_, _ignored) = store.add_parsable_certificates(loaded.certs);
            if store.is_empty() {
                let detail = loaded
                    .errors
                    .first()
                    .map(|e| format!(" ({e})"))
                    .unwrap_or_default();
                return Err(TransportError::NoRoots { detail });
            }
        }
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn connections_are_bounded_and_those_in_use_are_kept() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = Transport::new(TransportOptions {
            proxy: Proxy::Fixed(format!("http://{}", listener.local_addr().unwrap())),
            roots: Roots::Fixed(Vec::new()),
            ..TransportOptions::default()
        })
        .unwrap();
        // The proxy never answers, so all of them are being dialled.
        for n in 0..MANY_ORIGINS + 50 {
            for host in ["kv-0".to_owned(), format!("kv-{n}")] {
                assert!(transport.warm(&host).now_or_never().is_none());
            }
        }
        let pools = transport.pools.lock().unwrap();
        assert_eq!(pools.len(), MANY_ORIGINS);
        let known = |host: &str| pools.keys().any(|origin| origin.host == host);
        assert!(known("kv-0") && !known("kv-1"));
    }

    #[test]
    fn a_proxy_whose_url_cannot_be_read_is_noticed() {
        for usable in [
            "http://proxy.example:3128",
            "proxy.example:3128",
            "https://proxy.example",
            "http://user:p%23ss@proxy.example:3128/",
            "http://[::1]:3128",
        ] {
            assert!(is_usable_proxy(usable), "{usable}");
        }
        for unusable in [
            "ftp://proxy.example",
            "http://",
            "http://user:p#ss@proxy.example:3128",
            "http://user:p/ss@proxy.example:3128",
            "http://user:p ss@proxy.example:3128",
        ] {
            assert!(!is_usable_proxy(unusable), "{unusable}");
        }
    }
}
