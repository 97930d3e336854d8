//! Plays the Secrets Store CSI driver: builds the request of a pod's volume as the driver does, calls
//! the provider over its socket, and writes the answer the way the driver writes it.

mod class;
mod volume;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::UnixStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;
use vaultbind_proto::csi_driver_provider_client::CsiDriverProviderClient;
use vaultbind_proto::{MountRequest, MountResponse, VersionRequest, VersionResponse};

pub use class::SecretProviderClass;
pub use volume::{Change, Volume};

/// The driver's default limit of a provider's answer.
const MAX_RECEIVE: usize = 4 * 1024 * 1024;

/// A pod as kubelet describes it to the driver.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its ServiceAccount.
    pub service_account: String,
    /// Audience to token, as kubelet mints them for the CSIDriver's `tokenRequests`.
    pub tokens: BTreeMap<String, String>,
    /// The data of `nodePublishSecretRef`.
    pub secrets: BTreeMap<String, String>,
}

impl Pod {
    /// A pod without tokens and secrets.
    pub fn new(namespace: &str, name: &str, service_account: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            service_account: service_account.to_owned(),
            tokens: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// With the token for `audience`.
    #[must_use]
    pub fn with_token(mut self, audience: &str, token: String) -> Self {
        self.tokens.insert(audience.to_owned(), token);
        self
    }

    /// With an entry of `nodePublishSecretRef`.
    #[must_use]
    pub fn with_secret(mut self, key: &str, value: &str) -> Self {
        self.secrets.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// The request that the driver makes for a volume of `pod` with `class`.
pub fn mount_request(class: &SecretProviderClass, pod: &Pod) -> MountRequest {
    let mut attributes = class.spec.parameters.clone();
    let mut set = |key: &str, value: String| attributes.insert(key.to_owned(), value);
    set("secretProviderClass", class.metadata.name.clone());
    set("csi.storage.k8s.io/pod.name", pod.name.clone());
    set("csi.storage.k8s.io/pod.namespace", pod.namespace.clone());
    set(
        "csi.storage.k8s.io/pod.uid",
        "0f0c3c8e-5a0e-4d52-9d63-0d7a1f5a9f01".to_owned(),
    );
    set(
        "csi.storage.k8s.io/serviceAccount.name",
        pod.service_account.clone(),
    );
    set("csi.storage.k8s.io/ephemeral", "true".to_owned());
    if !pod.tokens.is_empty() {
        let tokens: BTreeMap<_, _> = pod
            .tokens
            .iter()
            .map(|(audience, token)| (audience, json!({ "token": token })))
            .collect();
        set(
            "csi.storage.k8s.io/serviceAccount.tokens",
            json!(tokens).to_string(),
        );
    }
    let secrets = if pod.secrets.is_empty() {
        "null".to_owned()
    } else {
        json!(pod.secrets).to_string()
    };
    MountRequest {
        attributes: json!(attributes).to_string(),
        secrets,
        target_path: "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/secrets/mount".to_owned(),
        permission: "420".to_owned(),
        current_object_version: Vec::new(),
    }
}

/// A connection to a provider.
#[derive(Debug, Clone)]
pub struct Provider {
    client: CsiDriverProviderClient<Channel>,
}

impl Provider {
    /// Connects to the provider's socket, as often as it breaks.
    pub fn connect(socket: &Path) -> anyhow::Result<Self> {
        let socket: PathBuf = socket.to_owned();
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(
            service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }),
        );
        let client = CsiDriverProviderClient::new(channel).max_decoding_message_size(MAX_RECEIVE);
        Ok(Self { client })
    }

    /// Calls Mount.
    ///
    /// # Errors
    /// The provider's status, whose message would stand in the pod's event.
    pub async fn mount(&self, request: MountRequest) -> Result<MountResponse, Status> {
        self.client
            .clone()
            .mount(request)
            .await
            .map(tonic::Response::into_inner)
    }

    /// Calls Mount with a deadline, which the driver takes over from kubelet and the provider is told.
    ///
    /// # Errors
    /// The provider's status; `DEADLINE_EXCEEDED` when there is none in time.
    pub async fn mount_within(
        &self,
        request: MountRequest,
        deadline: Duration,
    ) -> Result<MountResponse, Status> {
        let mut request = tonic::Request::new(request);
        request.set_timeout(deadline);
        let mut client = self.client.clone();
        let started = Instant::now();
        match tokio::time::timeout(deadline, client.mount(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) if started.elapsed() < deadline => Err(status),
            // Whoever notices the deadline first has a status of its own for it.
            _ => Err(Status::deadline_exceeded("no answer within the deadline")),
        }
    }

    /// Calls Version.
    ///
    /// # Errors
    /// The provider's status.
    pub async fn version(&self) -> Result<VersionResponse, Status> {
        let request = VersionRequest {
            version: "v1alpha1".to_owned(),
        };
        self.client
            .clone()
            .version(request)
            .await
            .map(tonic::Response::into_inner)
    }
}

/// Reads the SecretProviderClass in a file.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn read_class(path: &Path) -> anyhow::Result<SecretProviderClass> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    SecretProviderClass::parse(&text).with_context(|| path.display().to_string())
}
