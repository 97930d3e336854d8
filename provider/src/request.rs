//! What one Mount asks for, read from the driver's request and checked; no I/O happens here.
//!
//! [`Request::decode`] is the only way in. Past it there are no texts left to interpret: names,
//! paths and modes are types that cannot hold a bad one, the identity has what it needs to prove
//! itself, and no two objects claim the same file. Parameters, their defaults and the order of the
//! checks are those of the Azure provider's SecretProviderClass; what it accepted silently and then
//! did not do is an error here.

mod error;
mod identity;
mod mode;
mod objects;
mod parameters;
mod parts;
mod path;
#[cfg(test)]
mod tests;
mod tokens;
mod vault_uri;

use std::sync::Arc;

use jiff::Timestamp;
use vaultbind_keyvault::cache::Freshness;
use vaultbind_keyvault::{
    AllowedHost, ClientId, Cloud, ObjectId, ObjectName, ObjectType, Sensitive, TenantId, VaultHost,
    VersionId,
};
use vaultbind_proto::MountRequest;

pub use error::{EntryRef, Place, Quoted, RequestError};
pub use mode::{FileMode, ModeError};
pub use objects::Classes;
pub use parts::{Parts, PartsError};
pub use path::{FilePath, PathError};
pub use vault_uri::VaultUriError;
pub use vaultbind_render::{Encoding, Format, Part};

/// What holds where a SecretProviderClass says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// The cloud of classes without `cloudName`.
    pub cloud: Cloud,
    /// How fresh objects are in classes without `cacheTTL` and `reauthorizeAfter`.
    pub freshness: Freshness,
    /// The hosts that a class may name in `vaultURI` besides the vaults of its cloud.
    pub vault_hosts: Vec<AllowedHost>,
}

/// One Mount, decoded and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The pod the volume belongs to.
    pub pod: Pod,
    /// The SecretProviderClass, if the caller names it; the sync controller does not.
    pub class: Option<String>,
    /// The cloud of identity and vault.
    pub cloud: Cloud,
    /// The vault.
    pub vault: VaultHost,
    /// Who reads it.
    pub identity: IdentitySource,
    /// How fresh the objects have to be.
    pub freshness: Freshness,
    /// What is read, in the order of the class; no two objects share a path. Shared by all
    /// requests of the class.
    pub objects: Arc<[Object]>,
}

/// The pod a volume belongs to, as kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
    /// The ServiceAccount it runs as.
    pub service_account: Option<String>,
}

/// Who reads the vault, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// A federated identity, proven by the pod's ServiceAccount token.
    WorkloadIdentity {
        /// The tenant that issues the vault's tokens.
        tenant: TenantId,
        /// The application or managed identity that trusts the ServiceAccount.
        client_id: ClientId,
        /// The ServiceAccount token.
        token: Sensitive,
        /// The audience the token was issued for.
        audience: String,
        /// When the token stops being accepted, if known.
        expires: Option<Timestamp>,
    },
    /// A managed identity that is bound to the AKS cluster, proven to the cluster's token proxy by
    /// the pod's ServiceAccount token.
    IdentityBinding {
        /// The tenant that issues the vault's tokens.
        tenant: TenantId,
        /// The managed identity.
        client_id: ClientId,
        /// The ServiceAccount token, for the token proxy.
        token: Sensitive,
        /// When the token stops being accepted, if known.
        expires: Option<Timestamp>,
    },
    /// An application, proven by its client secret from the volume's `nodePublishSecretRef`.
    ServicePrincipal {
        /// The tenant that issues the vault's tokens.
        tenant: TenantId,
        /// The application.
        client_id: ClientId,
        /// Its client secret.
        secret: Sensitive,
    },
    /// An identity of the node's virtual machine.
    ManagedIdentity {
        /// The user-assigned identity; `None` is the system-assigned one.
        client_id: Option<ClientId>,
    },
}

/// One object to read and the file it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Secret, key or certificate.
    pub object_type: ObjectType,
    /// Its name in the vault.
    pub name: ObjectName,
    /// The version; `None` is the latest.
    pub version: Option<VersionId>,
    /// Where in the volume it goes: a file, or with parts a folder.
    pub path: FilePath,
    /// The mode of its files.
    pub mode: FileMode,
    /// How a secret's text becomes bytes.
    pub encoding: Encoding,
    /// What a certificate read as a secret becomes.
    pub format: Format,
    /// Which files a certificate becomes, if it is more than one of itself.
    pub parts: Parts,
    /// Whether the volume does without it while it is missing or disabled.
    pub optional: bool,
}

impl Object {
    /// What is read of the vault: of a certificate with parts its secret, if they are only there.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            object_type: if self.parts.need_secret() {
                ObjectType::Secret
            } else {
                self.object_type
            },
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }

    /// The paths of its files, as far as the class decides them.
    pub fn files(&self) -> impl Iterator<Item = String> {
        let whole = self.parts.is_empty().then(|| self.path.to_string());
        let parts = self.parts.iter();
        let in_folder = parts.map(|part| format!("{}/{}", self.path, part.file()));
        whole.into_iter().chain(in_folder)
    }
}

impl Request {
    /// Reads the driver's request. `now` decides whether a ServiceAccount token has expired;
    /// `classes` remembers the decoded `objects`.
    ///
    /// # Errors
    /// The first thing wrong with the request. The same request gives the same error.
    pub fn decode(
        request: &MountRequest,
        defaults: &Defaults,
        classes: &Classes,
        now: Timestamp,
    ) -> Result<Self, RequestError> {
        let mount = tracing::Span::current();
        let _span = tracing::debug_span!("decode").entered();
        let attributes = parameters::attributes(&request.attributes)?;
        let secrets = parameters::secrets(&request.secrets)?;
        let mode = mode::of_permission(&request.permission)?;

        let pod = parameters::pod(&attributes)?;
        let class = attributes.optional("secretProviderClass");
        mount.record("namespace", pod.namespace.as_str());
        mount.record("pod", pod.name.as_str());
        mount.record("class", class.as_deref());
        let wanted = parameters::mode(&attributes)?;
        let vault = parameters::vault(&attributes)?;
        // The node's endpoint knows the tenant of a managed identity: whatever a class says about
        // it, or does not say, makes no difference.
        let tenant = if wanted == parameters::Mode::ManagedIdentity {
            None
        } else {
            Some(parameters::tenant(&attributes)?)
        };
        let cloud = parameters::cloud(&attributes, defaults.cloud)?;
        let vault = vault.host(cloud, &defaults.vault_hosts)?;
        let freshness = parameters::freshness(&attributes, defaults.freshness)?;
        let identity = identity::choose(wanted, tenant, &attributes, &secrets, cloud, now)?;
        let objects = classes.decode(attributes.raw("objects"), mode)?;

        Ok(Self {
            pod,
            class,
            cloud,
            vault,
            identity,
            freshness,
            objects,
        })
    }
}
