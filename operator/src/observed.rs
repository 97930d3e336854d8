//! What is: in the cluster, and in the vault. Whoever plans is given these and looks nowhere else.

mod azure;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use vaultbind_crds::VaultClass;
use vaultbind_crds::binding::ObjectType;
use vaultbind_keyvault::error::Category;
use vaultbind_keyvault::metadata::{ListError, NoProof, Version};
use vaultbind_keyvault::{TokenError, VersionId};

pub use azure::{
    Assignment, AzureCause, AzureError, AzureSeen, BindingState, Credential, IdentityBinding,
    ManagedIdentity, Progress, Seen, VaultResource,
};

use crate::secrets_store::{MountedObject, SecretProviderClass};

impl SecretCause {
    /// Whether Entra or the vault gave no answer.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::NoValue { category, .. } if *category == Category::Unreachable)
    }
}

/// What is in the cluster around one binding.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The CSI driver; absent while the cluster has none.
    pub driver: Option<Driver>,
    /// The class that the binding is under.
    pub class: ClassChoice,
    /// Labels of the binding's namespace.
    pub namespace_labels: BTreeMap<String, String>,
    /// Bindings of the same class in the same namespace that are older.
    pub older_of_class: usize,
    /// The SecretProviderClass of the binding's name, whoever it belongs to.
    pub target: Option<Arc<SecretProviderClass>>,
    /// The pods that mount it.
    pub mounts: Vec<Mount>,
    /// What Azure says of what the binding wants there; absent if nobody has asked in this turn.
    pub azure: Option<AzureSeen>,
    /// Ids, in lower case, of what other bindings keep in Azure too.
    pub azure_shared: BTreeSet<String>,
    /// Whether the operator may write Kubernetes Secrets at all.
    pub writes_secrets: bool,
    /// The Kubernetes Secrets of the binding, as far as they were looked at, by name.
    pub secrets: BTreeMap<String, SecretSeen>,
}

/// What a look at a Kubernetes Secret showed, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSeen {
    /// It is as wanted, and was before.
    AsWanted,
    /// It was written, and is as wanted now.
    Written(Written),
    /// It is not there.
    Absent,
    /// It is the binding's and lacks something.
    Outdated,
    /// It is not the binding's. Its owner may have handed it over with the binding's labels.
    Foreign {
        /// Whether it has the labels.
        labelled: bool,
    },
    /// It was not wanted, and the operator has deleted it.
    Deleted,
    /// What had to be done could not be.
    Failed(SecretTrouble),
}

/// What was written, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was not there.
    Created,
    /// Other versions or keys are wanted than it had.
    Updated,
    /// Somebody had changed it.
    Repaired,
    /// Its owner had handed it over.
    Adopted,
    /// Its type changed, so it was deleted and made anew.
    Replaced,
}

/// Why a Kubernetes Secret could not be looked at or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTrouble {
    /// Whether it is there all the same, in whatever state; nothing if that is not known.
    pub there: Option<bool>,
    /// Why.
    pub cause: SecretCause,
}

/// Why a Kubernetes Secret could not be looked at or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretCause {
    /// The operator's role does not let it write Secrets there.
    Forbidden,
    /// The API server refused, for this reason.
    Refused(String),
    /// The API server did not answer.
    Silent,
    /// The workload got no token, or the vault did not give it the value.
    NoValue {
        /// What that means.
        category: Category,
        /// What happened, and what to do.
        message: String,
    },
    /// The value cannot become what the key asks for.
    Unfit(String),
}

/// What the object CSIDriver says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Driver {
    /// Audiences of the tokens that pods' mounts come with.
    pub audiences: Vec<String>,
    /// Whether kubelet asks again for mounted volumes.
    pub requires_republish: bool,
}

/// The class that a binding is under.
#[derive(Debug, Clone)]
pub enum ClassChoice {
    /// It names none, and there is no default.
    None,
    /// This one.
    Chosen(Arc<VaultClass>),
    /// It names one that is not there.
    Missing(String),
    /// It names none, and several say that they are the default.
    Several(Vec<String>),
}

/// One pod's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The pod.
    pub pod: String,
    /// What it has.
    pub objects: Vec<MountedObject>,
}

/// What of a vault one binding needs to know, and as whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Host of the vault and the rest of who asks whom.
    pub asker: Asker,
    /// Named objects whose versions are wanted.
    pub objects: Vec<Key>,
    /// Versions, of named and of selected objects, that matter whether or not they are the newest:
    /// pinned ones, previous ones that are kept, and those a binding names.
    pub held: BTreeMap<Key, BTreeSet<VersionId>>,
    /// Selections.
    pub selections: Vec<Selection>,
    /// Requests per second that the vault may get from the operator.
    pub requests_per_second: u32,
}

/// Who asks which vault.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asker {
    /// The cloud.
    pub cloud: vaultbind_keyvault::Cloud,
    /// Name or host of the vault, as in the binding.
    pub vault: VaultRef,
    /// Its tenant.
    pub tenant: String,
    /// As whom it is asked.
    pub caller: Caller,
}

/// How a binding says which vault it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VaultRef {
    /// A vault of the cloud, in lower case.
    Name(String),
    /// A host, in lower case.
    Host(String),
}

/// As whom a vault is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    /// As the workload.
    Workload {
        /// Client id of the identity.
        client: String,
        /// Namespace of the ServiceAccount.
        namespace: String,
        /// The ServiceAccount.
        service_account: String,
        /// Audience of its token.
        audience: String,
    },
    /// As the operator itself.
    Operator,
}

/// An object of a vault.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its type.
    pub type_: ObjectType,
    /// Its name, in lower case: Key Vault knows no case.
    pub name: String,
}

/// A selection of objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The binding's name of it.
    pub name: String,
    /// Type of the objects.
    pub type_: ObjectType,
    /// What names start with, in lower case; may be empty.
    pub prefix: String,
    /// Tags that they have.
    pub tags: BTreeMap<String, String>,
    /// Most objects there may be.
    pub max: usize,
}

/// What came of a question.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The vault was not asked: the binding must not, or nobody has yet.
    NotAsked,
    /// There is no token of the ServiceAccount.
    NoServiceAccountToken(NoProof),
    /// Entra gave no token.
    NoToken(Arc<TokenError>, Subject),
    /// The vault was asked.
    Vault(VaultAnswer),
}

/// Whose token it was, from the token itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The audience.
    pub audience: String,
}

/// What the vault said.
#[derive(Debug, Clone)]
pub struct VaultAnswer {
    /// When.
    pub at: Timestamp,
    /// Whose token was used; absent for the operator's own.
    pub subject: Option<Subject>,
    /// Versions of all named and selected objects, newest first: the 25 newest, and of the older ones
    /// those that are held. A name that the vault does not have has none.
    pub versions: BTreeMap<Key, Result<Vec<Version>, Arc<ListError>>>,
    /// Names, in lower case, of what each selection found, by the selection's name, in order. More than
    /// `max + 1` are not told, and of more than `max` no versions.
    pub selected: BTreeMap<String, Result<Vec<String>, Arc<ListError>>>,
}
