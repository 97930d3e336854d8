//! What Azure Resource Manager says of what a binding wants there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// What was asked, or why there is no answer.
pub type Seen<T> = Result<T, Arc<AzureError>>;

/// What Azure says of what one binding wants there, and what was done about it in this turn.
#[derive(Debug, Clone)]
pub struct AzureSeen {
    /// When it was asked.
    pub at: Timestamp,
    /// Issuer of the cluster's ServiceAccount tokens, or why it is not known.
    pub issuer: Result<String, String>,
    /// The managed identity; absent if nobody wants to know.
    pub identity: Option<Seen<ManagedIdentity>>,
    /// Its federated credentials; absent if nobody wants to know.
    pub credentials: Option<Seen<Vec<Credential>>>,
    /// The vault; absent if nobody wants to know.
    pub vault: Option<Seen<VaultResource>>,
    /// The identity's role assignments at the vault, above it and below it.
    pub assignments: Option<Seen<Vec<Assignment>>>,
    /// Ids of the roles that are wanted, by name.
    pub roles: BTreeMap<String, Seen<String>>,
    /// What was made in this turn, by the id in lower case.
    pub made: BTreeMap<String, Timestamp>,
    /// What was removed in this turn, or was not there any more, by the id in lower case.
    pub removed: BTreeSet<String>,
    /// What could not be done in this turn, by the id in lower case.
    pub failed: BTreeMap<String, Arc<AzureError>>,
    /// Until when a write to the identity waits for others.
    pub waits_until: Option<Timestamp>,
}

/// A user assigned managed identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// Its client id.
    pub client_id: String,
    /// Object id of its service principal.
    pub principal_id: String,
    /// Its tenant.
    pub tenant_id: String,
}

/// A federated identity credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// Whose tokens are trusted.
    pub issuer: String,
    /// Which of them; absent of one that matches claims by an expression.
    pub subject: Option<String>,
    /// For what; in practice one.
    pub audiences: Vec<String>,
}

/// A vault, as Resource Manager knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultResource {
    /// Its URI.
    pub uri: String,
    /// Its tenant.
    pub tenant_id: String,
    /// Whether roles say who may read; otherwise access policies do.
    pub uses_roles: bool,
}

/// The assignment of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its resource id.
    pub id: String,
    /// Id of the role, a GUID in lower case.
    pub role: String,
    /// Object id of who has it, in lower case.
    pub principal: String,
    /// Where.
    pub scope: String,
    /// Whether a condition limits it.
    pub conditional: bool,
    /// What is written beside it.
    pub description: Option<String>,
}

/// An identity binding of an AKS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityBinding {
    /// Its resource id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Resource id of the managed identity.
    pub identity: String,
    /// Who signs the tokens that Entra takes; absent as long as AKS has not said.
    pub issuer: Option<String>,
    /// How it is.
    pub state: BindingState,
}

/// How an identity binding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindingState {
    /// It can be used.
    Ready,
    /// It is being made or changed.
    UnderWay,
    /// It is being deleted.
    Leaving,
    /// Making or changing it failed.
    Failed,
}

/// How far something is that Azure does in its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done,
    /// It has begun.
    Pending {
        /// Where to ask how it goes; absent if only the resource tells.
        operation: Option<String>,
        /// How long Azure asks to wait before, if it says so.
        retry_after: Option<Duration>,
    },
    /// It failed.
    Failed {
        /// Azure's code.
        code: String,
        /// Azure's words, cleaned and bounded.
        message: String,
    },
}

/// Something that Resource Manager was asked and did not answer as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action} on {id}: {cause}")]
pub struct AzureError {
    /// The permission that it takes, such as `Microsoft.KeyVault/vaults/read`.
    pub action: &'static str,
    /// Resource id of what was asked for.
    pub id: String,
    /// Why.
    pub cause: AzureCause,
}

/// Why Resource Manager did not answer as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AzureCause {
    /// The operator has no identity, or gets no token.
    #[error("{text}")]
    NoToken {
        /// Why, and what to do.
        text: String,
        /// Whether it stays so until somebody changes something.
        lasting: bool,
    },
    /// The operator lacks the permission (HTTP 403).
    #[error("Azure refuses the operator (HTTP 403, {code})")]
    Forbidden {
        /// Azure's code.
        code: String,
    },
    /// There is no such resource, or its parent or scope is gone (HTTP 404).
    #[error("there is no such resource (HTTP 404, {code})")]
    NotFound {
        /// Azure's code.
        code: String,
    },
    /// Others write at the same time, or there are too many requests (HTTP 409, 429).
    #[error("Azure asks to wait (HTTP {status}, {code})")]
    Busy {
        /// 409 or 429.
        status: u16,
        /// Azure's code.
        code: String,
        /// How long it asks to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// The identity has as many credentials as it can have.
    #[error("the identity has all the federated credentials that it can have")]
    LimitReached,
    /// There is the same under another name.
    #[error("there is the same under another name (HTTP {status}, {code})")]
    Exists {
        /// The status.
        status: u16,
        /// Azure's code.
        code: String,
    },
    /// The directory does not know the identity yet.
    #[error("the directory does not know the identity yet (HTTP 400, PrincipalNotFound)")]
    PrincipalNotFound,
    /// Azure refuses for another reason.
    #[error("Azure refuses (HTTP {status}, {code}): {message}")]
    Refused {
        /// The status.
        status: u16,
        /// Azure's code.
        code: String,
        /// Azure's words, cleaned and bounded.
        message: String,
    },
    /// There was no answer, or none that can be read.
    #[error("{text}")]
    Silent {
        /// What happened.
        text: String,
    },
}

impl AzureCause {
    /// Whether it may pass by itself, soon.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoToken { lasting, .. } => !lasting,
            Self::Busy { .. } | Self::PrincipalNotFound | Self::Silent { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::LimitReached
            | Self::Exists { .. } => false,
        }
    }
}
