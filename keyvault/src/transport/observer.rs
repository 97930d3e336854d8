use std::time::Duration;

use azure_core::http::Method;

/// Told of every call that goes out to Azure, when its answer has come or failed to come, and of
/// what held it up.
///
/// All fields come from small closed sets, so that they can label metrics.
pub trait Observer: Send + Sync {
    /// One call has ended. One that was hedged counts once.
    fn call(&self, call: &Call);

    /// A service refused to be asked so often, with this HTTP status.
    fn throttled(&self, _service: Service, _status: u16) {}

    /// A call waited so long for leave to be sent.
    fn waited(&self, _service: Service, _duration: Duration) {}

    /// A call was sent a second time beside the first.
    fn hedge(&self, _service: Service, _hedge: Hedge) {}

    /// A service stopped to give answers (`open`), or gives them again.
    fn circuit(&self, _service: Service, _open: bool) {}

    /// A connection came or went.
    fn connection(&self, _event: ConnectionEvent) {}
}

/// What became of a second send beside the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hedge {
    /// It was sent.
    Sent,
    /// Its answer was the first.
    Won,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionEvent {
    /// It was opened.
    Dialled,
    /// It could not be opened.
    Failed,
    /// It was silent for too long and gets no more requests.
    Retired,
}

/// One call to Azure.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Whom it was made to.
    pub service: Service,
    /// What it asked for.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// Time from sending to the whole answer.
    pub duration: Duration,
}

/// The services of Azure that are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Entra's token endpoint.
    Entra,
    /// The managed identity endpoint of the machine.
    Imds,
    /// A vault.
    Vault,
    /// Azure Resource Manager.
    ResourceManager,
}

/// What is asked of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// A token, of Entra or the managed identity endpoint.
    Token,
    /// One secret.
    GetSecret,
    /// One key.
    GetKey,
    /// One certificate.
    GetCertificate,
    /// A page of the objects of a type.
    ListObjects,
    /// A page of the versions of an object.
    ListVersions,
    /// A resource, or a page of resources, of Resource Manager.
    GetResource,
    /// A resource made or changed.
    PutResource,
    /// A resource deleted.
    DeleteResource,
    /// Anything else.
    Other,
}

impl Operation {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::GetSecret => "get_secret",
            Self::GetKey => "get_key",
            Self::GetCertificate => "get_certificate",
            Self::ListObjects => "list_objects",
            Self::ListVersions => "list_versions",
            Self::GetResource => "get_resource",
            Self::PutResource => "put_resource",
            Self::DeleteResource => "delete_resource",
            Self::Other => "other",
        }
    }

    pub(crate) fn of_management(method: Method) -> Self {
        match method {
            Method::Get => Self::GetResource,
            Method::Put => Self::PutResource,
            Method::Delete => Self::DeleteResource,
            _ => Self::Other,
        }
    }

    pub(crate) fn of_vault_path(path: &str) -> Self {
        let mut segments = path.split('/').skip(1);
        let get = match segments.next() {
            Some("secrets") => Self::GetSecret,
            Some("keys") => Self::GetKey,
            Some("certificates") => Self::GetCertificate,
            _ => return Self::Other,
        };
        match (segments.next(), segments.next()) {
            (None | Some(""), _) => Self::ListObjects,
            (_, Some("versions")) => Self::ListVersions,
            _ => get,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With an answer of this HTTP status.
    Status(u16),
    /// Without an answer.
    Unreachable,
}
