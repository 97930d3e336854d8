//! Why there is no token.

mod text;

use super::Category;
use super::azure::{Cause, Refusal, cause};
use crate::Claims;
use crate::identity::Identity;
use crate::session::{Failure, Session};
use crate::text::printable;
use crate::transport::Unreachable;
pub(crate) use text::remedy;

/// No token was to be had.
#[derive(Debug, Clone)]
pub struct TokenError {
    /// What went wrong.
    pub problem: TokenProblem,
    /// Client id, or `system-assigned`.
    pub identity: String,
    /// Tenant asked, where the identity has one.
    pub tenant: Option<String>,
    /// The endpoint asked.
    pub host: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// For the log: Azure's id of the request.
    pub request_id: Option<String>,
    /// For the log: Azure's own words.
    pub detail: String,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenProblem {
    /// AADSTS7000215.
    WrongSecret,
    /// AADSTS7000222.
    ExpiredSecret,
    /// AADSTS700016.
    UnknownClient,
    /// AADSTS90002.
    UnknownTenant,
    /// AADSTS70021, 70025, 700211, 700212, 700213, 7002138: no federated identity credential fits. Holds
    /// the code and the part of the ServiceAccount token that found no match.
    NoFederatedCredential {
        /// Entra's code.
        code: u32,
        /// What does not match, as `subject 'system:serviceaccount:ns:name'`.
        mismatch: String,
    },
    /// AADSTS700024.
    AssertionOutsideValidity,
    /// AADSTS700027.
    AssertionSignature,
    /// Entra does not go by the federated credential that AKS makes for identity bindings. Holds
    /// the code, one of those above.
    NoBindingCredential {
        /// Entra's code.
        code: u32,
    },
    /// The cluster's token proxy refused with this HTTP status, without a code of Entra.
    TokenProxyRefused(u16),
    /// The identity is bound to the cluster, and there is no token proxy to ask.
    NoTokenProxy,
    /// No answer from the cluster's token proxy.
    TokenProxyUnreachable(Unreachable),
    /// Another refusal of Entra.
    Refused {
        /// `AADSTS…`, or OAuth's error word.
        code: String,
    },
    /// The machine has no such managed identity.
    IdentityNotAssigned,
    /// The machine has several managed identities and none was chosen.
    IdentityAmbiguous,
    /// Environment variables direct managed identity elsewhere than to the machine's endpoint.
    ForeignIdentityEndpoint,
    /// HTTP 429 until the time budget ended.
    Throttled,
    /// HTTP 5xx until the time budget ended.
    Failing(u16),
    /// No answer.
    Unreachable(Unreachable),
    /// An answer that is none.
    BadAnswer,
}

impl TokenError {
    fn new(session: &Session, identity: &Identity, problem: TokenProblem) -> Self {
        let problem = match (identity, problem) {
            (
                Identity::IdentityBinding { .. },
                TokenProblem::Unreachable(Unreachable::NoTokenProxy),
            ) => TokenProblem::NoTokenProxy,
            (Identity::IdentityBinding { .. }, TokenProblem::Unreachable(unreachable)) => {
                TokenProblem::TokenProxyUnreachable(unreachable)
            }
            (_, problem) => problem,
        };
        let (tenant, host) = match identity {
            Identity::WorkloadIdentity { tenant, .. }
            | Identity::ServicePrincipal { tenant, .. } => {
                (Some(tenant.to_string()), session.cloud().login_host())
            }
            Identity::IdentityBinding { tenant, .. } => (
                Some(tenant.to_string()),
                session
                    .transport()
                    .token_proxy()
                    .map_or("the token proxy", |proxy| proxy.host()),
            ),
            Identity::ManagedIdentity { .. } => (None, crate::transport::IMDS_HOST),
            Identity::AccessToken { .. } => (None, session.cloud().login_host()),
        };
        Self {
            problem,
            identity: identity.name().to_owned(),
            tenant,
            host: host.to_owned(),
            status: None,
            request_id: None,
            detail: String::new(),
        }
    }

    /// The SDK made no credential. For a managed identity it looks at environment variables, and
    /// knows endpoints there that it does not serve.
    pub(crate) fn not_asked(
        session: &Session,
        identity: &Identity,
        error: &azure_core::Error,
    ) -> Self {
        match identity {
            Identity::ManagedIdentity { .. } => {
                Self::new(session, identity, TokenProblem::ForeignIdentityEndpoint)
            }
            Identity::WorkloadIdentity { .. }
            | Identity::IdentityBinding { .. }
            | Identity::ServicePrincipal { .. }
            | Identity::AccessToken { .. } => Self::from_azure(session, identity, error),
        }
    }

    pub(crate) fn deadline(session: &Session, identity: &Identity) -> Self {
        let error = Self::new(session, identity, TokenProblem::BadAnswer);
        let problem = error.last_outage(session).unwrap_or_else(|| {
            let host = error.host.clone();
            TokenProblem::Unreachable(Unreachable::Deadline { host })
        });
        Self::new(session, identity, problem)
    }

    /// The outage that the last try ended with, if it did.
    fn last_outage(&self, session: &Session) -> Option<TokenProblem> {
        match session.last_failure(&self.host)? {
            Failure::Status(429) => Some(TokenProblem::Throttled),
            Failure::Status(status @ 500..) => Some(TokenProblem::Failing(status)),
            // What the managed identity endpoint says while it is being updated.
            Failure::Status(status @ (404 | 410)) if self.host == crate::transport::IMDS_HOST => {
                Some(TokenProblem::Failing(status))
            }
            Failure::Unreachable(error) => Some(TokenProblem::Unreachable(error)),
            Failure::Status(_) => None,
        }
    }

    pub(crate) fn from_azure(
        session: &Session,
        identity: &Identity,
        error: &azure_core::Error,
    ) -> Self {
        match cause(error) {
            Cause::Unreachable(Unreachable::Deadline { .. }) => Self::deadline(session, identity),
            Cause::Unreachable(Unreachable::WrongHost { .. })
                if matches!(identity, Identity::ManagedIdentity { .. }) =>
            {
                Self::new(session, identity, TokenProblem::ForeignIdentityEndpoint)
            }
            Cause::Unreachable(unreachable) => {
                Self::new(session, identity, TokenProblem::Unreachable(unreachable))
            }
            Cause::Answer(refusal) => {
                let problem = match identity {
                    Identity::ManagedIdentity { .. } => imds_problem(&refusal),
                    Identity::WorkloadIdentity { .. }
                    | Identity::IdentityBinding { .. }
                    | Identity::ServicePrincipal { .. }
                    | Identity::AccessToken { .. } => entra_problem(&refusal, identity),
                };
                Self {
                    status: Some(refusal.status),
                    request_id: refusal.request_id,
                    detail: refusal.message,
                    ..Self::new(session, identity, problem)
                }
            }
            Cause::Other => {
                // The SDK reads a refusal's body as JSON; an outage's HTML ends up here.
                let error = Self::new(session, identity, TokenProblem::BadAnswer);
                match (identity, session.last_failure(&error.host)) {
                    // Nor can it read a refusal of the token proxy that is no JSON.
                    (
                        Identity::IdentityBinding { .. },
                        Some(Failure::Status(status @ 400..500)),
                    ) if !matches!(status, 408 | 429) => Self {
                        problem: TokenProblem::TokenProxyRefused(status),
                        status: Some(status),
                        ..error
                    },
                    _ => match error.last_outage(session) {
                        Some(outage) => Self::new(session, identity, outage),
                        None => error,
                    },
                }
            }
        }
    }

    /// What it means for whoever asked.
    pub fn category(&self) -> Category {
        match &self.problem {
            TokenProblem::WrongSecret
            | TokenProblem::ExpiredSecret
            | TokenProblem::UnknownClient
            | TokenProblem::UnknownTenant
            | TokenProblem::NoFederatedCredential { .. }
            | TokenProblem::AssertionOutsideValidity
            | TokenProblem::AssertionSignature
            | TokenProblem::NoBindingCredential { .. }
            | TokenProblem::TokenProxyRefused(_)
            | TokenProblem::NoTokenProxy
            | TokenProblem::Refused { .. }
            | TokenProblem::IdentityNotAssigned
            | TokenProblem::IdentityAmbiguous
            | TokenProblem::ForeignIdentityEndpoint => Category::Unauthenticated,
            TokenProblem::Throttled
            | TokenProblem::Failing(_)
            | TokenProblem::Unreachable(_)
            | TokenProblem::TokenProxyUnreachable(_) => Category::Unreachable,
            TokenProblem::BadAnswer => Category::Internal,
        }
    }
}

fn entra_problem(refusal: &Refusal, identity: &Identity) -> TokenProblem {
    match refusal.status {
        429 => return TokenProblem::Throttled,
        status @ 500.. => return TokenProblem::Failing(status),
        _ => {}
    }
    let code = refusal.inner_code.as_deref().and_then(|c| c.parse().ok());
    let code: Option<u32> = code.or_else(|| {
        let digits = refusal.message.split("AADSTS").nth(1)?;
        digits
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    });
    let bound = matches!(identity, Identity::IdentityBinding { .. });
    match code {
        // Entra refuses with 400 and 401.
        _ if bound && refusal.status == 403 => TokenProblem::TokenProxyRefused(refusal.status),
        Some(7000215) => TokenProblem::WrongSecret,
        Some(7000222) => TokenProblem::ExpiredSecret,
        Some(700016) => TokenProblem::UnknownClient,
        Some(90002) => TokenProblem::UnknownTenant,
        Some(code @ (70021 | 70025 | 700211 | 700212 | 700213 | 7002137 | 7002138)) => {
            if bound {
                TokenProblem::NoBindingCredential { code }
            } else {
                TokenProblem::NoFederatedCredential {
                    code,
                    mismatch: mismatch(code, identity),
                }
            }
        }
        Some(700024) => TokenProblem::AssertionOutsideValidity,
        Some(700027) => TokenProblem::AssertionSignature,
        Some(code) => TokenProblem::Refused {
            code: format!("AADSTS{code}"),
        },
        None if bound => TokenProblem::TokenProxyRefused(refusal.status),
        None => {
            let code = refusal.code.clone();
            TokenProblem::Refused {
                code: code.unwrap_or_else(|| refusal.status.to_string()),
            }
        }
    }
}

fn imds_problem(refusal: &Refusal) -> TokenProblem {
    match refusal.status {
        429 => TokenProblem::Throttled,
        400 if refusal.message.contains("Multiple user assigned") => {
            TokenProblem::IdentityAmbiguous
        }
        400 => TokenProblem::IdentityNotAssigned,
        status => TokenProblem::Failing(status),
    }
}

fn mismatch(code: u32, identity: &Identity) -> String {
    let Identity::WorkloadIdentity { token, .. } = identity else {
        return String::new();
    };
    let claims = Claims::of(token);
    let issuer = printable(&claims.issuer, 100);
    let subject = printable(&claims.subject, 110);
    match code {
        700211 => format!("issuer '{issuer}' (to the last slash)"),
        700212 => "the audience of the token (by default api://AzureADTokenExchange)".to_owned(),
        700213 | 7002137 => format!("subject '{subject}'"),
        7002138 => format!("subject '{subject}' (upper and lower case count)"),
        _ => format!("subject '{subject}'"),
    }
}
