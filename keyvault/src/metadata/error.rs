//! Why a list could not be read, told so that someone can act on it; the same text at every try.

use std::fmt;
use std::sync::Arc;

use super::{List, page};
use crate::callers::NoToken;
use crate::error::{Category, FetchProblem, Forbidden, Refusal, problem, remedy, shortened};
use crate::identity::SYSTEM_ASSIGNED;
use crate::text::printable;
use crate::{Cloud, ObjectType, VaultHost};

/// A list could not be read.
#[derive(Debug, Clone)]
pub struct ListError {
    /// What went wrong.
    pub problem: FetchProblem,
    /// What was asked for.
    pub list: List,
    /// The vault's host.
    pub host: String,
    /// Client id that asked, or `system-assigned`.
    pub identity: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// For the log: Key Vault's error code, with its inner code where there is one.
    pub code: Option<String>,
    /// For the log: Azure's id of the request.
    pub request_id: Option<String>,
}

/// A list was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// There was no token to ask with.
    #[error(transparent)]
    NoToken(Arc<NoToken>),
    /// The vault was asked.
    #[error(transparent)]
    List(Arc<ListError>),
}

impl From<Arc<NoToken>> for AskError {
    fn from(error: Arc<NoToken>) -> Self {
        Self::NoToken(error)
    }
}

impl From<ListError> for AskError {
    fn from(error: ListError) -> Self {
        Self::List(Arc::new(error))
    }
}

impl ListError {
    /// One that no answer led to.
    pub fn new(vault: &VaultHost, identity: &str, list: &List, problem: FetchProblem) -> Self {
        Self {
            problem,
            list: list.clone(),
            host: vault.host().to_owned(),
            identity: identity.to_owned(),
            status: None,
            code: None,
            request_id: None,
        }
    }

    /// One of a list with more pages than may be read.
    pub fn too_long(vault: &VaultHost, identity: &str, list: &List) -> Self {
        let what = page::TOO_LONG;
        Self::new(vault, identity, list, FetchProblem::BadAnswer { what })
    }

    pub(super) fn of_refusal(
        vault: &VaultHost,
        identity: &str,
        list: &List,
        refusal: &Refusal,
    ) -> Self {
        Self {
            status: Some(refusal.status),
            code: refusal.both_codes(),
            request_id: refusal.request_id.clone(),
            ..Self::new(vault, identity, list, problem(refusal))
        }
    }

    /// The same of another list, where it is clear that it would be no better.
    #[must_use]
    pub fn of(&self, list: List) -> Self {
        Self {
            list,
            ..self.clone()
        }
    }

    /// What it means for whoever asked.
    pub fn category(&self) -> Category {
        self.problem.category()
    }

    /// Whether it says nothing about the objects and who may list them, so that what was known
    /// before may stand in.
    pub fn is_outage(&self) -> bool {
        self.problem.is_outage()
    }

    /// Whether any other list of this vault, for this caller and type, would fail the same way.
    pub fn is_of_vault(&self) -> bool {
        // Access policies know no objects.
        let policy = FetchProblem::Forbidden(Forbidden::AccessPolicy);
        self.problem.is_of_vault() || self.problem == policy
    }

    /// Whether the vault itself says that there is no such object. A 404 without Key Vault's code
    /// comes from something in between.
    pub fn is_absence(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        self.problem == FetchProblem::NotFound
            && code.split('/').any(|code| code.ends_with("NotFound"))
    }

    /// The vault's name; of a host elsewhere the host.
    fn vault(&self) -> String {
        let host = self.host.as_str();
        let own = Cloud::ALL
            .iter()
            .find_map(|cloud| host.strip_suffix(cloud.vault_suffix())?.strip_suffix('.'));
        shortened(own.unwrap_or(host), 48)
    }
}

impl std::error::Error for ListError {}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            list,
            host,
            identity,
            ..
        } = self;
        let vault = self.vault();
        match &self.problem {
            FetchProblem::NotFound => write!(
                f,
                "{host} does not know the list of {list}, as every vault does: check for a proxy \
                 that answers in its place"
            ),
            FetchProblem::Forbidden(Forbidden::Role) => {
                let (action, role) = match list.object_type() {
                    ObjectType::Secret => ("secrets/readMetadata/action", "Key Vault Secrets User"),
                    ObjectType::Key => ("keys/read", "Key Vault Reader"),
                    ObjectType::Certificate => ("certificates/read", "Key Vault Certificate User"),
                };
                let scope = match list {
                    List::Objects(_) => " itself, as one on an object does not let it list",
                    List::Versions(..) => "",
                };
                write!(
                    f,
                    "{identity} may not list {list} in vault {vault} (no {action}): assign it the \
                     role {role} on the vault{scope}; a new assignment takes minutes"
                )
            }
            FetchProblem::Forbidden(Forbidden::AccessPolicy) => {
                let who = match identity.as_str() {
                    SYSTEM_ASSIGNED => "--object-id <its principal id>".to_owned(),
                    client => format!("--spn {client}"),
                };
                // A host elsewhere does not tell it.
                let name = match vault.contains('.') {
                    true => "<its name>",
                    false => &vault,
                };
                let kind = list.object_type().collection().trim_end_matches('s');
                // The command replaces what was granted before, so it has to name that, too.
                write!(
                    f,
                    "the access policies of vault {vault} do not let {identity} list {list}: \
                     az keyvault set-policy --name {name} {who} --{kind}-permissions get list"
                )
            }
            FetchProblem::Forbidden(Forbidden::Firewall) => write!(
                f,
                "the firewall of vault {vault} does not admit the operator: add the cluster's \
                 outbound address or subnet to the vault's networking rules"
            ),
            FetchProblem::Forbidden(Forbidden::PrivateOnly) => write!(
                f,
                "vault {vault} admits private endpoints only and the operator does not come \
                 through one: check the private endpoint and that DNS resolves {host} to it"
            ),
            FetchProblem::Forbidden(Forbidden::Other) => write!(
                f,
                "vault {vault} refused {identity} to list {list} (HTTP 403, {}): check its roles \
                 or access policies",
                self.code.as_deref().unwrap_or("no code")
            ),
            FetchProblem::TokenRejected { other_tenant: true } => write!(
                f,
                "vault {vault} is in another tenant than {identity}: set vault.tenantID to the \
                 vault's tenant and use an identity of it"
            ),
            FetchProblem::TokenRejected {
                other_tenant: false,
            } => write!(
                f,
                "vault {vault} rejected the token of {identity} (HTTP 401): check vault.cloud and \
                 vault.tenantID; the operator's log has the request id"
            ),
            FetchProblem::Throttled => write!(
                f,
                "vault {vault} throttles requests (HTTP 429): it is asked again later; lower \
                 vaultRequestsPerSecond of the class if this goes on"
            ),
            FetchProblem::Failing(status) => write!(
                f,
                "vault {vault} fails with HTTP {status}: it is asked again later"
            ),
            FetchProblem::Unreachable(unreachable) => write!(
                f,
                "vault {vault} cannot be listed: {unreachable}{}",
                remedy(unreachable, "operator")
            ),
            FetchProblem::BadAnswer {
                what: page::TOO_LONG,
            } => write!(
                f,
                "the {list} in vault {vault} are more than can be looked through: use another \
                 object, or fewer versions of it"
            ),
            FetchProblem::BadAnswer { what } => write!(
                f,
                "the answer of {host} for the {list} {what}: check for a proxy that answers in its \
                 place"
            ),
            FetchProblem::Refused { status, code } => write!(
                f,
                "vault {vault} refused to list {list} (HTTP {status}, {}): check the names of vault \
                 and object",
                printable(code, 64)
            ),
            // Not said of lists.
            FetchProblem::Disabled
            | FetchProblem::NotIssued
            | FetchProblem::UnsupportedKey { .. } => {
                write!(f, "vault {vault} does not let {identity} list {list}")
            }
        }
    }
}
