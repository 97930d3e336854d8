//! The way to the API server: the kubeconfig as kubectl reads it, and errors that say what to do.

use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Resource};

use crate::args::ClusterArgs;

/// How long the API server may take to be reached, and to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A cluster, as the user and in the namespace that the command line says.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    url: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why the cluster could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig, or what it refers to.
    #[error(
        "no cluster: {source}; name a kubeconfig with --kubeconfig or KUBECONFIG, and one of its contexts"
    )]
    Kubeconfig {
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// A client cannot be made of what the kubeconfig says.
    #[error("the cluster {url} cannot be reached as the kubeconfig says: {source}")]
    Client {
        /// The cluster's address.
        url: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// It could not be reached, or did not answer as an API server does.
    #[error(
        "{url} did not answer when asked to {what}: {source}; check --context and whether kubectl reaches it"
    )]
    Unreachable {
        /// The cluster's address.
        url: String,
        /// Verb and kind, such as `list vaultbindings`.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The user is not known.
    #[error("{url} does not know who asks: {message}; log in anew, or check --user")]
    Unauthorized {
        /// The cluster's address.
        url: String,
        /// What it said.
        message: String,
    },
    /// The user may not.
    #[error("may not {what}: {message}; ask for this right, or use another --namespace")]
    Forbidden {
        /// Verb and kind.
        what: String,
        /// What the API server said.
        message: String,
    },
    /// Neither the object nor, maybe, its kind.
    #[error(
        "cannot {what}: {message}; check name and --namespace, and that the CRDs of vaultbind are installed"
    )]
    NotFound {
        /// Verb and kind.
        what: String,
        /// What the API server said.
        message: String,
    },
    /// Anything else that the API server says.
    #[error("cannot {what}: {message}")]
    Refused {
        /// Verb and kind.
        what: String,
        /// What the API server said.
        message: String,
    },
}

impl Cluster {
    /// Finds the cluster and the user. Nothing is sent yet.
    ///
    /// # Errors
    /// When the kubeconfig is not there, or does not say enough.
    pub async fn connect(args: &ClusterArgs) -> Result<Self, ClusterError> {
        let config = config(args)
            .await
            .map_err(|source| ClusterError::Kubeconfig {
                source: Box::new(source),
            })?;
        Self::of(config, args.namespace.as_deref())
    }

    /// A cluster whose configuration is known.
    ///
    /// # Errors
    /// When no client can be made of it.
    pub fn of(config: Config, namespace: Option<&str>) -> Result<Self, ClusterError> {
        let url = config.cluster_url.to_string();
        let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
        match Client::try_from(config) {
            Ok(client) => Ok(Self {
                client,
                namespace,
                url,
            }),
            Err(source) => Err(ClusterError::Client {
                url,
                source: Box::new(source),
            }),
        }
    }

    /// The namespace that is meant when none is said.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Objects of a kind in a namespace, or in all.
    pub fn api<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Says what went wrong; `what` is verb and kind, such as `list vaultbindings`.
    pub fn error(&self, what: &str, error: kube::Error) -> ClusterError {
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => {
                let message = status.message.clone();
                match status.code {
                    401 => ClusterError::Unauthorized {
                        url: self.url.clone(),
                        message,
                    },
                    403 => ClusterError::Forbidden { what, message },
                    404 => ClusterError::NotFound { what, message },
                    _ => ClusterError::Refused { what, message },
                }
            }
            error => ClusterError::Unreachable {
                url: self.url.clone(),
                what,
                source: Box::new(error),
            },
        }
    }
}

async fn config(args: &ClusterArgs) -> Result<Config, KubeconfigError> {
    let kubeconfig = match &args.kubeconfig {
        Some(file) => Kubeconfig::read_from(file)?,
        None => match Kubeconfig::read() {
            Ok(kubeconfig) => kubeconfig,
            Err(error) => return in_a_pod(args).ok_or(error),
        },
    };
    let options = KubeConfigOptions {
        context: args.context.clone(),
        cluster: args.cluster.clone(),
        user: args.user.clone(),
    };
    // HTTPS_PROXY is the way to Azure. To the API server only the kubeconfig's own proxy leads.
    let proxy = proxy_of(&kubeconfig, &options);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    if proxy.is_none() {
        config.proxy_url = None;
    }
    as_asked(&mut config, args);
    Ok(config)
}

/// The cluster around, if this runs in a pod and nothing says that another is meant.
fn in_a_pod(args: &ClusterArgs) -> Option<Config> {
    if args.context.is_some() || args.cluster.is_some() || args.user.is_some() {
        return None;
    }
    let mut config = Config::incluster().ok()?;
    config.proxy_url = None;
    as_asked(&mut config, args);
    Some(config)
}

fn as_asked(config: &mut Config, args: &ClusterArgs) {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    if let Some(user) = &args.impersonate {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups =
            (!args.impersonate_groups.is_empty()).then(|| args.impersonate_groups.clone());
    }
}

fn proxy_of(kubeconfig: &Kubeconfig, options: &KubeConfigOptions) -> Option<String> {
    let context = options
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref())?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == *context)?;
    let of_context = || context.context.as_ref().map(|context| &context.cluster);
    let cluster = options.cluster.as_ref().or_else(of_context)?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == *cluster)?;
    let proxy = cluster.cluster.as_ref()?.proxy_url.clone()?;
    (!proxy.is_empty()).then_some(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: desk
clusters:
- name: near
  cluster: {server: "https://127.0.0.1:6443"}
- name: far
  cluster: {server: "https://far.test:6443", proxy-url: "http://proxy.test:3128"}
users:
- name: me
  user: {token: abc}
contexts:
- name: desk
  context: {cluster: near, user: me, namespace: payments}
- name: other
  context: {cluster: far, user: me}
"#;

    fn args(kubeconfig: &tempfile::NamedTempFile) -> ClusterArgs {
        std::fs::write(kubeconfig.path(), KUBECONFIG).unwrap();
        ClusterArgs {
            kubeconfig: Some(kubeconfig.path().to_owned()),
            ..ClusterArgs::default()
        }
    }

    #[tokio::test]
    async fn the_context_says_cluster_namespace_and_proxy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let near = config(&args(&file)).await.unwrap();
        assert_eq!(near.cluster_url, "https://127.0.0.1:6443");
        assert_eq!(near.default_namespace, "payments");
        assert_eq!(near.proxy_url, None);
        let mut there = args(&file);
        there.context = Some("other".to_owned());
        let far = config(&there).await.unwrap();
        assert_eq!(far.proxy_url.unwrap(), "http://proxy.test:3128");
        there.cluster = Some("near".to_owned());
        let near = config(&there).await.unwrap();
        assert_eq!(near.cluster_url, "https://127.0.0.1:6443");
        assert_eq!(near.proxy_url, None);
    }

    #[tokio::test]
    async fn the_user_can_be_another() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut args = args(&file);
        args.impersonate = Some("jane".to_owned());
        args.impersonate_groups = vec!["dev".to_owned()];
        let auth = config(&args).await.unwrap().auth_info;
        assert_eq!(auth.impersonate.as_deref(), Some("jane"));
        assert_eq!(auth.impersonate_groups, Some(vec!["dev".to_owned()]));
    }

    #[tokio::test]
    async fn what_is_not_in_the_kubeconfig_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut args = args(&file);
        args.context = Some("gone".to_owned());
        let error = Cluster::connect(&args).await.unwrap_err().to_string();
        assert!(
            error.contains("gone") && error.contains("--kubeconfig"),
            "{error}"
        );
    }
}
