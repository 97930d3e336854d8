use std::fmt;

use super::Category;
use super::azure::{Cause, Refusal, cause};
use super::reader::{Reader, Words};
use super::token::remedy;
use crate::ObjectType;
use crate::identity::SYSTEM_ASSIGNED;
use crate::session::{Failure, Session};
use crate::text::printable;
use crate::transport::Unreachable;
use crate::vault::ObjectId;

/// An object could not be read.
#[derive(Debug, Clone)]
pub struct FetchError {
    /// What went wrong.
    pub problem: FetchProblem,
    /// The object.
    pub object: ObjectId,
    /// Whether the secret was read for the sake of its certificate.
    pub of_certificate: bool,
    /// Who read, and so whose fields the remedy is about.
    pub reader: Reader,
    /// The vault's host.
    pub host: String,
    /// The vault's name; of an allowed host elsewhere the host.
    pub vault: String,
    /// Client id that asked, or `system-assigned`.
    pub identity: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// For the log: Key Vault's error code, with its inner code where there is one.
    pub code: Option<String>,
    /// For the log: Azure's id of the request.
    pub request_id: Option<String>,
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchProblem {
    /// HTTP 404.
    NotFound,
    /// The object or version is disabled.
    Disabled,
    /// HTTP 403.
    Forbidden(Forbidden),
    /// HTTP 401: the token is not accepted.
    TokenRejected {
        /// Whether the vault is in another tenant than the identity.
        other_tenant: bool,
    },
    /// HTTP 429 until the time budget ended.
    Throttled,
    /// HTTP 5xx until the time budget ended.
    Failing(u16),
    /// Another refusal.
    Refused {
        /// HTTP status.
        status: u16,
        /// Key Vault's code.
        code: String,
    },
    /// No answer.
    Unreachable(Unreachable),
    /// An answer without something it must have; `what` completes "the answer".
    BadAnswer {
        /// Such as `has no value`.
        what: &'static str,
    },
    /// A certificate whose creation is under way or has failed.
    NotIssued,
    /// A key that has no public part.
    UnsupportedKey {
        /// The JSON Web Key type.
        kind: String,
    },
}

/// The kinds of HTTP 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// No role assignment allows it.
    Role,
    /// The vault's access policies do not allow it.
    AccessPolicy,
    /// The vault's firewall does not admit the node.
    Firewall,
    /// The vault admits private endpoints only.
    PrivateOnly,
    /// A reason not known here.
    Other,
}

impl FetchError {
    pub(crate) fn new(
        session: &Session,
        identity: &str,
        object: &ObjectId,
        problem: FetchProblem,
    ) -> Self {
        let host = session.target_host();
        Self {
            problem,
            object: object.clone(),
            of_certificate: false,
            reader: Reader::Provider,
            host: host.to_owned(),
            vault: session
                .vault()
                .map(|vault| vault.name().to_owned())
                .unwrap_or_default(),
            identity: identity.to_owned(),
            status: None,
            code: None,
            request_id: None,
        }
    }

    pub(crate) fn deadline(session: &Session, identity: &str, object: &ObjectId) -> Self {
        let (problem, status) = overdue(session);
        Self {
            status,
            ..Self::new(session, identity, object, problem)
        }
    }

    pub(crate) fn from_azure(
        session: &Session,
        identity: &str,
        object: &ObjectId,
        error: &azure_core::Error,
    ) -> Self {
        match cause(error) {
            Cause::Unreachable(Unreachable::Deadline { .. }) => {
                Self::deadline(session, identity, object)
            }
            Cause::Unreachable(unreachable) => Self::new(
                session,
                identity,
                object,
                FetchProblem::Unreachable(unreachable),
            ),
            Cause::Answer(refusal) => {
                let problem = problem(&refusal);
                Self {
                    status: Some(refusal.status),
                    code: refusal.both_codes(),
                    request_id: refusal.request_id,
                    ..Self::new(session, identity, object, problem)
                }
            }
            Cause::Other => match session.last_failure(session.target_host()) {
                // The SDK drops the answer when it cannot follow its challenge, as after the
                // revocation of a token.
                Some(Failure::Status(401)) => {
                    let other_tenant = false;
                    let problem = FetchProblem::TokenRejected { other_tenant };
                    Self {
                        status: Some(401),
                        ..Self::new(session, identity, object, problem)
                    }
                }
                _ => {
                    let what = "cannot be read";
                    Self::new(session, identity, object, FetchProblem::BadAnswer { what })
                }
            },
        }
    }

    /// Whether the vault itself says that there is no such object or version. A 404 without Key
    /// Vault's code comes from something in between, which knows nothing of objects.
    pub fn is_missing(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        self.problem == FetchProblem::NotFound
            && code.split('/').any(|code| code.ends_with("NotFound"))
    }

    /// Whether the vault has the object or version, and somebody switched it off.
    pub fn is_disabled(&self) -> bool {
        self.problem == FetchProblem::Disabled
    }

    /// What it means for whoever asked.
    pub fn category(&self) -> Category {
        self.problem.category()
    }
}

impl FetchProblem {
    /// What it means for whoever asked.
    pub fn category(&self) -> Category {
        match self {
            Self::NotFound => Category::NotFound,
            Self::Disabled | Self::NotIssued | Self::UnsupportedKey { .. } => {
                Category::FailedPrecondition
            }
            Self::Forbidden(_) => Category::PermissionDenied,
            Self::TokenRejected { .. } => Category::Unauthenticated,
            Self::Refused { .. } => Category::InvalidArgument,
            Self::Throttled | Self::Failing(_) | Self::Unreachable(_) => Category::Unreachable,
            Self::BadAnswer { .. } => Category::Internal,
        }
    }

    /// Whether it says nothing about the object and who may read it, so that what was known before
    /// may stand in.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Throttled
            | Self::Failing(_)
            | Self::Unreachable(_)
            | Self::BadAnswer { .. }
            // The network's refusals: who asks and what for did not matter.
            | Self::Forbidden(Forbidden::Firewall | Forbidden::PrivateOnly) => true,
            Self::NotFound
            | Self::Disabled
            | Self::Forbidden(_)
            | Self::TokenRejected { .. }
            | Self::Refused { .. }
            | Self::NotIssued
            | Self::UnsupportedKey { .. } => false,
        }
    }

    /// Whether any other request to this vault by this caller would fail the same way.
    pub fn is_of_vault(&self) -> bool {
        match self {
            Self::Throttled
            | Self::Failing(_)
            | Self::Unreachable(_)
            | Self::TokenRejected { .. }
            | Self::Forbidden(Forbidden::Firewall | Forbidden::PrivateOnly) => true,
            Self::NotFound
            | Self::Disabled
            | Self::Forbidden(Forbidden::Role | Forbidden::AccessPolicy | Forbidden::Other)
            | Self::Refused { .. }
            | Self::BadAnswer { .. }
            | Self::NotIssued
            | Self::UnsupportedKey { .. } => false,
        }
    }
}

/// What became of a request to the session's target whose time is over, with the HTTP status if
/// there was one.
pub(crate) fn overdue(session: &Session) -> (FetchProblem, Option<u16>) {
    let host = session.target_host();
    match session.last_failure(host) {
        Some(Failure::Status(429)) => (FetchProblem::Throttled, Some(429)),
        Some(Failure::Status(status @ 500..)) => (FetchProblem::Failing(status), Some(status)),
        Some(Failure::Unreachable(error)) => (FetchProblem::Unreachable(error), None),
        Some(Failure::Status(_)) | None => {
            let host = host.to_owned();
            let deadline = Unreachable::Deadline { host };
            (FetchProblem::Unreachable(deadline), None)
        }
    }
}

/// What a vault's refusal means.
pub(crate) fn problem(refusal: &Refusal) -> FetchProblem {
    let inner = refusal.inner_code.as_deref();
    match refusal.status {
        401 => FetchProblem::TokenRejected {
            other_tenant: refusal.message.contains("AKV10032"),
        },
        403 => match inner {
            Some("SecretDisabled" | "KeyDisabled" | "CertificateDisabled") => {
                FetchProblem::Disabled
            }
            Some("ForbiddenByRbac") => FetchProblem::Forbidden(Forbidden::Role),
            Some("AccessDenied" | "ForbiddenByPolicy") => {
                FetchProblem::Forbidden(Forbidden::AccessPolicy)
            }
            Some("ForbiddenByFirewall") => FetchProblem::Forbidden(Forbidden::Firewall),
            Some("ForbiddenByConnection") => FetchProblem::Forbidden(Forbidden::PrivateOnly),
            _ => FetchProblem::Forbidden(Forbidden::Other),
        },
        404 => FetchProblem::NotFound,
        429 => FetchProblem::Throttled,
        // A redirect is not followed: it can only come from something in between.
        status @ (300..=399 | 408 | 500..) => FetchProblem::Failing(status),
        status => FetchProblem::Refused {
            status,
            code: refusal.code.clone().unwrap_or_else(|| "no code".to_owned()),
        },
    }
}

/// Characters of a name that leave room for the remedy in an event; names may be twice as long.
const NAME_CHARS: usize = 48;
/// The same, where the secret is told as its certificate's, which takes the difference.
const CERTIFICATE_CHARS: usize = 34;
/// The same for a vault. Only a host that is no vault's of a cloud is longer.
const VAULT_CHARS: usize = 40;
/// The same for a host; those of the clouds' vaults are never longer.
const HOST_CHARS: usize = 56;

pub(crate) fn shortened(name: &str, most: usize) -> String {
    match name.get(..most) {
        Some(start) if name.len() > most => format!("{start}…"),
        _ => name.to_owned(),
    }
}

impl std::error::Error for FetchError {}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Words {
            program,
            place,
            kind: kind_field,
            version: version_field,
            in_version,
            cloud: cloud_field,
            again,
            purpose,
        } = self.reader.words();
        let identity = &self.identity;
        let vault = shortened(&self.vault, VAULT_CHARS);
        let host = shortened(&self.host, HOST_CHARS);
        let kind = match self.object.object_type {
            ObjectType::Secret => "secret",
            ObjectType::Key => "key",
            ObjectType::Certificate => "certificate",
        };
        let name = |most| shortened(self.object.name.as_str(), most);
        let named = match self.of_certificate {
            true => format!("certificate {}'s secret", name(CERTIFICATE_CHARS)),
            false => format!("{kind} {}", name(NAME_CHARS)),
        };
        let object = match &self.object.version {
            Some(version) => format!("{named} (version {version})"),
            None => named.clone(),
        };
        match &self.problem {
            FetchProblem::NotFound => write!(
                f,
                "{object} was not found in vault {vault}: check objectName, {kind_field} and \
                 {version_field}, or recover it if it was deleted"
            ),
            FetchProblem::Disabled => write!(
                f,
                "{object} in vault {vault} is disabled: enable it, or name an enabled version in \
                 {in_version}"
            ),
            FetchProblem::Forbidden(Forbidden::Role) => {
                let (action, role) = match self.object.object_type {
                    ObjectType::Secret => ("secrets/getSecret/action", "Key Vault Secrets User"),
                    ObjectType::Key => ("keys/read", "Key Vault Reader"),
                    ObjectType::Certificate => ("certificates/read", "Key Vault Reader"),
                };
                write!(
                    f,
                    "{identity} may not read {named} in vault {vault} (no {action}): assign \
                     it the role {role} on the vault; a new assignment takes minutes"
                )
            }
            FetchProblem::Forbidden(Forbidden::AccessPolicy) => {
                let who = match identity.as_str() {
                    SYSTEM_ASSIGNED => "--object-id <its principal id>".to_owned(),
                    client => format!("--spn {client}"),
                };
                // A host elsewhere does not tell it.
                let vaults_name = match self.vault.contains('.') {
                    true => "<its name>",
                    false => &vault,
                };
                write!(
                    f,
                    "the access policies of vault {vault} do not let {identity} read {named}: \
                     az keyvault set-policy --name {vaults_name} {who} --{kind}-permissions get"
                )
            }
            FetchProblem::Forbidden(Forbidden::Firewall) => write!(
                f,
                "the firewall of vault {vault} does not admit {place}: add the cluster's \
                 outbound address or subnet to the vault's networking rules"
            ),
            FetchProblem::Forbidden(Forbidden::PrivateOnly) => write!(
                f,
                "vault {vault} admits private endpoints only and {place} does not come through \
                 one: check the private endpoint and that DNS resolves {host} to it"
            ),
            FetchProblem::Forbidden(Forbidden::Other) => write!(
                f,
                "vault {vault} refused {identity} to read {object} (HTTP 403, {}): check its roles \
                 or access policies",
                self.code.as_deref().unwrap_or("no code")
            ),
            FetchProblem::TokenRejected { other_tenant: true } => write!(
                f,
                "vault {vault} is in another tenant than {identity}: set tenantID to the vault's \
                 tenant and use an identity of it"
            ),
            FetchProblem::TokenRejected {
                other_tenant: false,
            } => write!(
                f,
                "vault {vault} rejected the token of {identity} (HTTP 401): check {cloud_field} and \
                 tenantID; the {program}'s log has the request id"
            ),
            // Which object is hit changes from try to try, so it is for the log.
            FetchProblem::Throttled => write!(
                f,
                "vault {vault} throttles requests (HTTP 429), so not all objects could be read in \
                 time; {again}"
            ),
            FetchProblem::Failing(status) => write!(
                f,
                "vault {vault} fails with HTTP {status}, so not all objects could be read; \
                 {again}"
            ),
            FetchProblem::Refused { status, code } => write!(
                f,
                "vault {vault} refused the request for {object} (HTTP {status}, {code}): check \
                 objectName and {version_field}"
            ),
            FetchProblem::Unreachable(unreachable) => {
                write!(
                    f,
                    "vault {vault} cannot be read: {unreachable}{}",
                    remedy(unreachable, program)
                )
            }
            FetchProblem::BadAnswer { what } => write!(
                f,
                "the answer of {host} for {object} {what}: check for a proxy that answers in its \
                 place"
            ),
            FetchProblem::NotIssued => write!(
                f,
                "{object} in vault {vault} is not issued: complete its creation (az keyvault \
                 certificate pending show), or name an issued version in {in_version}"
            ),
            FetchProblem::UnsupportedKey { kind } => write!(
                f,
                "{object} in vault {vault} has key type {}, which has no public part \
                 {purpose}: use an RSA or EC key",
                printable(kind, 30)
            ),
        }
    }
}
