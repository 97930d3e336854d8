//! Every reason that a condition or an event of a binding can have: a closed set, so that the page about
//! them is made from it and whoever watches can count on the words.

use std::fmt;

use vaultbind_crds::status::ConditionType;

use ConditionType::{
    AccessReady, DriverReady, ExpiringSoon, IdentityReady, ObjectsResolved, Ready, Reconciling,
    SecretsSynced, Stalled, Throttled,
};

macro_rules! reasons {
    ($($name:ident [$($condition:ident),*] $meaning:literal)*) => {
        /// Why a condition is as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in a condition.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The reason of that word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }

            /// The conditions that have it. `Ready` takes over the reason of what keeps it from being true.
            pub const fn conditions(self) -> &'static [ConditionType] {
                match self {
                    $(Self::$name => &[$($condition),*],)*
                }
            }

            /// What it means, in one sentence or two.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    // What is well, or not decided.
    Pinned [Ready] "Every object has a version, and the SecretProviderClass has them all."
    Suspended [Ready] "`spec.reconcilePolicy` is `Suspend`: nothing is asked and nothing is changed."
    Planned [Ready, SecretsSynced] "`spec.reconcilePolicy` is `Plan`: `status.plan` says what would be done."
    Configured [DriverReady] "The CSI driver is there and asks for the token that is needed."
    TokenIssued [IdentityReady] "Entra gave a token for the ServiceAccount's."
    Listed [AccessReady] "The vault told all versions that were asked for."
    Resolved [ObjectsResolved] "Each object has a version that can be used, or is optional."
    Synced [SecretsSynced] "Every Secret has the pinned versions."
    NotAsked [Ready, IdentityReady, AccessReady, ObjectsResolved, SecretsSynced] "The vault was not asked yet, or must not be; a Secret was not looked at yet."
    NotVerified [IdentityReady] "The class lets the operator ask as itself, so nothing is known of the workload's identity."
    NotApplied [Ready] "The API server refused the SecretProviderClass; the operator tries on."
    Retrying [Reconciling] "Something is missing that may come by itself; it is looked for again."
    Asking [Reconciling] "The first answer of the vault is awaited."

    // The driver.
    DriverMissing [DriverReady] "The cluster has no CSIDriver `secrets-store.csi.k8s.io`."
    AudienceMissing [DriverReady] "The driver does not ask for tokens of the audience that is needed."
    RepublishOff [DriverReady] "Kubelet does not ask again for mounted volumes. The condition is true: a driver up to 1.5.6 rotates by itself, one from 1.6.0 on does not rotate."

    // The identity.
    NoServiceAccount [IdentityReady] "There is no token of the ServiceAccount: mostly it does not exist."
    NoCredential [IdentityReady] "The identity has no federated identity credential that fits."
    SubjectMismatch [IdentityReady] "No federated identity credential has the ServiceAccount as its subject."
    IssuerMismatch [IdentityReady] "No federated identity credential has the cluster's issuer."
    AudienceMismatch [IdentityReady] "No federated identity credential has the token's audience."
    IssuerNotPublic [IdentityReady] "Entra cannot read the keys of the cluster's issuer."
    TokenSignature [IdentityReady] "Entra could not verify the signature of the ServiceAccount's token."
    TokenExpired [IdentityReady] "Entra takes the ServiceAccount's token for outside its validity."
    UnknownClient [IdentityReady] "The tenant has no application with the client id."
    UnknownTenant [IdentityReady] "Entra does not know the tenant."
    NoTokenProxy [IdentityReady] "The identity is bound to the AKS cluster, and the operator was not told where its token proxy is."
    TokenProxyRefused [IdentityReady] "The token proxy of the AKS cluster refused: the ServiceAccount may not use the identity, or the identity is not bound to the cluster."
    IdentityRefused [IdentityReady] "Entra refused for another reason."
    OperatorIdentity [IdentityReady, AccessReady] "The operator itself gets no token, and the class has it ask as itself, or the binding has it make something in Azure."

    // What the operator makes in Azure.
    Provisioning [IdentityReady, AccessReady] "The operator makes the federated credential or the role assignments, or waits to."
    Propagating [IdentityReady, AccessReady] "What the operator made is so new that Azure may not have told it to all its parts; the message says since when and until when it is waited for."
    LimitReached [IdentityReady] "The identity has the 20 federated credentials that it can have."
    IdentityNotFound [IdentityReady, AccessReady] "Azure has no identity of the resource id."
    ClientMismatch [IdentityReady, AccessReady] "The identity of the resource id has another client id than the binding says."
    AzureForbidden [IdentityReady, AccessReady] "Azure does not let the operator look or change something there."
    AzureRefused [IdentityReady, AccessReady] "Azure refuses a request of the operator for another reason."
    RoleNotFound [AccessReady] "Azure has no role of the name."
    VaultMismatch [AccessReady] "The resource id is that of another vault than `spec.vault`."

    // The vault.
    RoleMissing [AccessReady] "No role lets the caller list versions."
    ListDenied [AccessReady] "The caller may read but not list."
    VaultUsesAccessPolicies [AccessReady] "The vault uses access policies, and none of them lets the caller list."
    AccessRefused [AccessReady] "The vault refused the caller (HTTP 403) for a reason that is not known here."
    Firewall [AccessReady] "The vault's firewall does not admit the cluster."
    PrivateOnly [AccessReady] "The vault admits private endpoints only."
    VaultNotFound [AccessReady] "The name of the vault has no address, or Azure has no vault of the resource id."
    TenantMismatch [IdentityReady, AccessReady] "The vault belongs to another tenant than the token, or the identity to another than the vault."
    TokenRejected [AccessReady] "The vault did not accept the token."
    VaultFailing [AccessReady] "The vault fails (HTTP 5xx)."
    VaultRefused [AccessReady] "The vault refused the request, or its answer cannot be read."
    Unreachable [IdentityReady, AccessReady, SecretsSynced] "There is no answer from Entra, from the vault or from Azure Resource Manager."
    TooManyRequests [IdentityReady, AccessReady, Throttled] "Entra or the vault answers HTTP 429."

    // The objects.
    NotFound [ObjectsResolved] "The vault does not have the object, or nothing that a selection asks for."
    VersionNotFound [ObjectsResolved] "The object does not have the exact version that the binding names."
    Disabled [ObjectsResolved] "No version of the object is enabled, or not the exact one."
    NotYetValid [ObjectsResolved] "No version of the object is active yet."
    Expired [ObjectsResolved, ExpiringSoon] "Every version of the object has expired, or the pinned one."
    Expires [ExpiringSoon] "A pinned version expires within `expiry.warnBefore`."

    // The Kubernetes Secrets.
    SecretsNotAllowed [SecretsSynced] "The class does not admit Secrets, or not of that type; or the operator writes none."
    Waiting [SecretsSynced] "An object that a Secret is made of has no version."
    SecretConflict [SecretsSynced] "A Secret of the name is there that the binding has not made."
    SecretsForbidden [SecretsSynced] "The operator's role does not let it write Secrets there."
    SecretRefused [SecretsSynced] "The API server does not take the Secret, or does not answer."
    ValueRefused [SecretsSynced] "The vault does not give the workload the value."
    ValueUnfit [SecretsSynced] "The value cannot become what the key of the Secret asks for."

    // What somebody has to change.
    ClassMissing [Stalled] "The VaultClass that the binding names is not there."
    SeveralDefaultClasses [Stalled] "The binding names no class and several are marked as the default."
    NamespaceNotAllowed [Stalled] "The class does not admit the namespace."
    VaultNotAllowed [Stalled] "The class does not admit the vault."
    ObjectNameNotAllowed [Stalled] "The class does not admit the name of an object, or not all names of a selection."
    IdentityNotAllowed [Stalled] "The class does not admit the managed identity, or there is no class."
    RoleNotAllowed [Stalled] "The class does not admit the Azure role."
    TooManyBindings [Stalled] "The namespace has more bindings of the class than the class admits."
    UnsupportedByProvider [Stalled] "The provider that `spec.provider` names does not understand a field of the binding."
    InvalidSpec [Stalled] "A field has a value that the API server should have refused."
    NameTaken [Stalled] "A SecretProviderClass of the binding's name is there and is not the binding's."
    TooManySelected [ObjectsResolved, Stalled] "A selection finds more objects than its `max`."
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What keeps a binding from being looked at any further until somebody changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Why.
    pub reason: Reason,
    /// Why, for people, and what to do.
    pub message: String,
}

impl Stall {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// The events of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// Objects got their first version.
    Pinned,
    /// Newer versions replaced pinned ones.
    Promoted,
    /// Objects are no longer mounted.
    Unpinned,
    /// A pinned version cannot be used and there is none to replace it.
    PinnedVersionUnusable,
    /// A pinned version expires soon.
    ExpiringSoon,
    /// Entra or the vault no longer answers.
    AccessLost,
    /// Entra and the vault answer again.
    AccessRestored,
    /// Objects have no version.
    ObjectsUnresolved,
    /// The driver does not do what is needed.
    DriverNotReady,
    /// Nothing more is tried until somebody changes something.
    Stalled,
    /// Kubernetes Secrets were written.
    SecretsWritten,
    /// Kubernetes Secrets that are no longer wanted were deleted.
    SecretsDeleted,
    /// Kubernetes Secrets are not as wanted.
    SecretsNotSynced,
    /// The binding was deleted while pods mount its files.
    DeletedWhileMounted,
    /// Federated credentials or role assignments were made.
    AccessMade,
    /// Federated credentials or role assignments were removed.
    AccessRemoved,
    /// A deleted binding waits for what it made in Azure to be removed.
    RemovalDelayed,
    /// Something in Azure could not be removed with its binding.
    OrphansLeft,
}

impl Event {
    /// Every event there is.
    pub const ALL: [Self; 18] = [
        Self::Pinned,
        Self::Promoted,
        Self::Unpinned,
        Self::PinnedVersionUnusable,
        Self::ExpiringSoon,
        Self::AccessLost,
        Self::AccessRestored,
        Self::ObjectsUnresolved,
        Self::DriverNotReady,
        Self::Stalled,
        Self::SecretsWritten,
        Self::SecretsDeleted,
        Self::SecretsNotSynced,
        Self::DeletedWhileMounted,
        Self::AccessMade,
        Self::AccessRemoved,
        Self::RemovalDelayed,
        Self::OrphansLeft,
    ];

    /// The reason of the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "Pinned",
            Self::Promoted => "Promoted",
            Self::Unpinned => "Unpinned",
            Self::PinnedVersionUnusable => "PinnedVersionUnusable",
            Self::ExpiringSoon => "ExpiringSoon",
            Self::AccessLost => "AccessLost",
            Self::AccessRestored => "AccessRestored",
            Self::ObjectsUnresolved => "ObjectsUnresolved",
            Self::DriverNotReady => "DriverNotReady",
            Self::Stalled => "Stalled",
            Self::SecretsWritten => "SecretsWritten",
            Self::SecretsDeleted => "SecretsDeleted",
            Self::SecretsNotSynced => "SecretsNotSynced",
            Self::DeletedWhileMounted => "DeletedWhileMounted",
            Self::AccessMade => "AccessMade",
            Self::AccessRemoved => "AccessRemoved",
            Self::RemovalDelayed => "RemovalDelayed",
            Self::OrphansLeft => "OrphansLeft",
        }
    }

    /// Whether it is a warning.
    pub const fn warning(self) -> bool {
        !matches!(
            self,
            Self::Pinned
                | Self::Promoted
                | Self::AccessRestored
                | Self::SecretsWritten
                | Self::SecretsDeleted
                | Self::AccessMade
                | Self::AccessRemoved
        )
    }

    /// When there is one.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pinned => "Objects got their first version.",
            Self::Promoted => "Newer versions replaced pinned ones; old and new ids are shortened.",
            Self::Unpinned => "Optional or selected objects are gone from the vault and left out.",
            Self::PinnedVersionUnusable => {
                "A pinned version is gone, disabled or expired, and there is none to replace it."
            }
            Self::ExpiringSoon => "A pinned version expires within `expiry.warnBefore`, or has.",
            Self::AccessLost => "Entra or the vault answered and no longer does.",
            Self::AccessRestored => "Entra and the vault answer again.",
            Self::ObjectsUnresolved => "Objects have no version that can be used.",
            Self::DriverNotReady => "The CSI driver is missing or lacks the audience.",
            Self::Stalled => "The binding is `Stalled`, or for another reason than before.",
            Self::SecretsWritten => {
                "Kubernetes Secrets were created, updated, repaired or taken over."
            }
            Self::SecretsDeleted => "Kubernetes Secrets that are no longer wanted were deleted.",
            Self::SecretsNotSynced => "Kubernetes Secrets are not as wanted.",
            Self::AccessMade => "Federated credentials or role assignments were made.",
            Self::AccessRemoved => "Federated credentials or role assignments were removed.",
            Self::RemovalDelayed => {
                "A deleted binding waits for what it made in Azure to be removed; it goes without that after \
                 `operator.azure.deletionTimeout`."
            }
            Self::OrphansLeft => {
                "The binding was deleted and something that it had made in Azure could not be removed; it is \
                 in the list of orphans."
            }
            Self::DeletedWhileMounted => {
                "The binding was deleted while pods mount its SecretProviderClass; what follows for them."
            }
        }
    }
}
