use std::fmt;

use super::Category;
use super::azure::{Cause, Refusal, cause};
use crate::Claims;
use crate::identity::Identity;
use crate::session::{Failure, Session};
use crate::text::printable;
use crate::transport::Unreachable;

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
        let (tenant, host) = match identity {
            Identity::WorkloadIdentity { tenant, .. }
            | Identity::ServicePrincipal { tenant, .. } => {
                (Some(tenant.to_string()), session.cloud().login_host())
            }
            Identity::ManagedIdentity { .. } => (None, crate::transport::IMDS_HOST),
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
            Identity::WorkloadIdentity { .. } | Identity::ServicePrincipal { .. } => {
                Self::from_azure(session, identity, error)
            }
        }
    }

    pub(crate) fn deadline(session: &Session, identity: &Identity) -> Self {
        let mut error = Self::new(session, identity, TokenProblem::BadAnswer);
        error.problem = error.last_outage(session).unwrap_or_else(|| {
            let host = error.host.clone();
            TokenProblem::Unreachable(Unreachable::Deadline { host })
        });
        error
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
                    Identity::WorkloadIdentity { .. } | Identity::ServicePrincipal { .. } => {
                        entra_problem(&refusal, identity)
                    }
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
                let mut error = Self::new(session, identity, TokenProblem::BadAnswer);
                if let Some(outage) = error.last_outage(session) {
                    error.problem = outage;
                }
                error
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
            | TokenProblem::Refused { .. }
            | TokenProblem::IdentityNotAssigned
            | TokenProblem::IdentityAmbiguous
            | TokenProblem::ForeignIdentityEndpoint => Category::Unauthenticated,
            TokenProblem::Throttled | TokenProblem::Failing(_) | TokenProblem::Unreachable(_) => {
                Category::Unreachable
            }
            TokenProblem::BadAnswer => Category::Internal,
        }
    }
}

impl std::error::Error for TokenError {}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.identity;
        let tenant = self.tenant.as_deref().unwrap_or_default();
        let host = &self.host;
        match &self.problem {
            TokenProblem::WrongSecret => write!(
                f,
                "Entra refused the client secret of {client} (AADSTS7000215): put the secret's \
                 value, not its id, as clientsecret into the nodePublishSecretRef Secret"
            ),
            TokenProblem::ExpiredSecret => write!(
                f,
                "the client secret of {client} has expired (AADSTS7000222): make a new one and put \
                 it as clientsecret into the nodePublishSecretRef Secret"
            ),
            TokenProblem::UnknownClient => write!(
                f,
                "Entra knows no application {client} in tenant {tenant} (AADSTS700016): check \
                 clientID and tenantID"
            ),
            TokenProblem::UnknownTenant => write!(
                f,
                "Entra knows no tenant {tenant} (AADSTS90002): check tenantID and cloudName"
            ),
            TokenProblem::NoFederatedCredential { code, mismatch } => write!(
                f,
                "no federated identity credential of {client} matches the pod's ServiceAccount \
                 token (AADSTS{code}): add or correct one for {mismatch}"
            ),
            TokenProblem::AssertionOutsideValidity => write!(
                f,
                "Entra refused the ServiceAccount token for {client} as outside its validity \
                 (AADSTS700024): check the clocks of the node and the API server"
            ),
            TokenProblem::AssertionSignature => write!(
                f,
                "Entra could not verify the signature of the ServiceAccount token for {client} \
                 (AADSTS700027): check that the cluster's OIDC issuer publishes its current keys"
            ),
            TokenProblem::Refused { code } => write!(
                f,
                "Entra refused identity {client} of tenant {tenant} ({code}): look the code up at \
                 https://login.microsoftonline.com/error; the provider's log has Entra's words"
            ),
            TokenProblem::IdentityNotAssigned => write!(
                f,
                "the node has no managed identity {client}: assign it to the node's machine or \
                 scale set, or correct userAssignedIdentityID"
            ),
            TokenProblem::IdentityAmbiguous => write!(
                f,
                "the node has several managed identities: name the client id of one in \
                 userAssignedIdentityID"
            ),
            TokenProblem::ForeignIdentityEndpoint => write!(
                f,
                "managed identity is directed away from the node by environment variables: unset \
                 IDENTITY_ENDPOINT, IDENTITY_HEADER and MSI_ENDPOINT in the provider's pod"
            ),
            TokenProblem::Throttled => write!(
                f,
                "{host} throttles token requests of {client} (HTTP 429); the mount is tried again"
            ),
            TokenProblem::Failing(status) => write!(
                f,
                "{host} fails with HTTP {status}, so there is no token for {client}; the mount is \
                 tried again"
            ),
            TokenProblem::Unreachable(unreachable) => {
                write!(
                    f,
                    "no token for {client}: {unreachable}{}",
                    remedy(unreachable, "provider")
                )
            }
            TokenProblem::BadAnswer => write!(
                f,
                "{host} gave an answer to the token request of {client} that cannot be read: check \
                 for a proxy that answers in its place"
            ),
        }
    }
}

/// What to do about an endpoint that `program` cannot reach, as the end of a sentence.
pub(crate) fn remedy(unreachable: &Unreachable, program: &str) -> String {
    match unreachable {
        Unreachable::Name { .. } => {
            ": check the name, the cloud and the node's DNS (a private endpoint needs its zone)"
                .to_owned()
        }
        Unreachable::NameTimeout { .. } => format!(
            ": check the node's DNS and the way to it (a NetworkPolicy must let the {program} ask)"
        ),
        Unreachable::Connect { .. }
        | Unreachable::Silent { .. }
        | Unreachable::Deadline { .. }
        | Unreachable::Broken { .. } => {
            format!(": check the network path, firewall and proxy settings of the {program}")
        }
        Unreachable::ProxyUntrusted { .. } => {
            ": add the CA that signed it to the bundle that SSL_CERT_FILE names".to_owned()
        }
        Unreachable::Proxy { .. } => {
            format!(": check HTTPS_PROXY in the {program}'s environment")
        }
        Unreachable::ProxyRefused { status: 407, .. } => {
            ": put the proxy's user and password into HTTPS_PROXY".to_owned()
        }
        Unreachable::ProxyRefused { .. } => {
            ": allow the host there or add it to NO_PROXY; check that the host exists".to_owned()
        }
        Unreachable::Untrusted { .. } => {
            ": if a proxy inspects TLS, add its CA to the bundle that SSL_CERT_FILE names"
                .to_owned()
        }
        Unreachable::Tls { .. } => {
            ": check for a proxy or firewall that interferes with TLS".to_owned()
        }
        Unreachable::TooLarge { .. } | Unreachable::WrongHost { .. } => String::new(),
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
    match code {
        Some(7000215) => TokenProblem::WrongSecret,
        Some(7000222) => TokenProblem::ExpiredSecret,
        Some(700016) => TokenProblem::UnknownClient,
        Some(90002) => TokenProblem::UnknownTenant,
        Some(code @ (70021 | 70025 | 700211 | 700212 | 700213 | 7002137 | 7002138)) => {
            TokenProblem::NoFederatedCredential {
                code,
                mismatch: mismatch(code, identity),
            }
        }
        Some(700024) => TokenProblem::AssertionOutsideValidity,
        Some(700027) => TokenProblem::AssertionSignature,
        Some(code) => TokenProblem::Refused {
            code: format!("AADSTS{code}"),
        },
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
