//! Why Resource Manager did not do what it was asked, the same text at every try.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::callers::NoToken;
use crate::error::remedy;
use crate::text::printable;
use crate::transport::Unreachable;

/// A call brought nothing.
#[derive(Debug, Clone)]
pub enum ManagementError {
    /// There was no token to ask with.
    NoToken(Arc<NoToken>),
    /// Resource Manager answered with something else than success.
    Refused(ManagementRefusal),
    /// There was no answer. What a write was to do may be done all the same.
    Unreachable {
        /// What stood in the way.
        cause: Unreachable,
    },
    /// An answer that makes no sense, or an address that is none of Resource Manager's.
    BadAnswer {
        /// What completes "Resource Manager".
        what: String,
    },
}

/// An answer without success, of any status: also that there is no such resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementRefusal {
    /// The HTTP status.
    pub status: u16,
    /// Azure's code; empty where it told none.
    pub code: String,
    /// Azure's words in one line, bounded, without ids of requests and times; may be empty.
    pub message: String,
    /// When to ask again, if Azure said so. Of a request that was not sent because an earlier one of
    /// the subscription was throttled: when the next one may go.
    pub retry_after: Option<Duration>,
    /// For the log: Azure's id of the request.
    pub request_id: Option<String>,
}

impl ManagementRefusal {
    /// Whether it passes without anybody changing something.
    pub fn is_passing(&self) -> bool {
        match self.status {
            408 | 429 | 500.. => true,
            409 => self.is_of_another_write(),
            _ => false,
        }
    }

    /// Whether it only says that something else is being written there.
    fn is_of_another_write(&self) -> bool {
        let code = self.code.as_str();
        code.starts_with("Concurrent")
            || matches!(
                code,
                "Conflict" | "AnotherOperationInProgress" | "OperationNotAllowed"
            )
    }
}

impl ManagementError {
    pub(super) fn unreadable() -> Self {
        let what =
            "gave an answer that cannot be read: check for a proxy that answers in its place";
        Self::BadAnswer {
            what: what.to_owned(),
        }
    }

    pub(super) fn bad_path(path: &str) -> Self {
        let path = printable(path, 200);
        Self::BadAnswer {
            what: format!("cannot be asked for '{path}': write a resource id"),
        }
    }

    pub(super) fn bad_link(host: &str, named: &str) -> Self {
        let named = match named {
            "" => "an address that is none",
            named => named,
        };
        Self::BadAnswer {
            what: format!(
                "named {named} to go on with: only https://{host} is followed; check for a proxy \
                 that answers in its place"
            ),
        }
    }

    /// Whether it passes without anybody changing something: an outage, throttling, or another write
    /// at the same time.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoToken(error) => error.is_outage(),
            Self::Refused(refusal) => refusal.is_passing(),
            Self::Unreachable { .. } => true,
            Self::BadAnswer { .. } => false,
        }
    }

    /// Azure's code, where it told one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(refusal.code.as_str()).filter(|code| !code.is_empty()),
            Self::NoToken(_) | Self::Unreachable { .. } | Self::BadAnswer { .. } => None,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::NoToken(_) | Self::Unreachable { .. } | Self::BadAnswer { .. } => None,
        }
    }

    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.request_id.as_deref(),
            Self::NoToken(_) | Self::Unreachable { .. } | Self::BadAnswer { .. } => None,
        }
    }
}

impl From<Arc<NoToken>> for ManagementError {
    fn from(error: Arc<NoToken>) -> Self {
        Self::NoToken(error)
    }
}

impl std::error::Error for ManagementError {}

impl fmt::Display for ManagementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unreachable { cause } => write!(
                f,
                "Resource Manager cannot be asked: {cause}{}",
                remedy(cause, "operator")
            ),
            Self::BadAnswer { what } => write!(f, "Resource Manager {what}"),
        }
    }
}

impl fmt::Display for ManagementRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, .. } = self;
        // Azure's words may count seconds there.
        match status {
            429 => {
                return f.write_str(
                    "Resource Manager throttles requests (HTTP 429): it is asked again later",
                );
            }
            408 | 500.. => {
                return write!(
                    f,
                    "Resource Manager fails with HTTP {status}: it is asked again later"
                );
            }
            _ => {}
        }
        let code = match code.as_str() {
            "" => String::new(),
            code => format!(", {code}"),
        };
        let what = match status {
            401 => "rejected the token: check the tenant of the identity that asks",
            403 => "does not allow it: give the identity that asks a role that does",
            404 => "knows no such resource",
            409 if self.is_of_another_write() => {
                "is busy with another write there: it is asked again later"
            }
            409 => "refused, because of what is there already",
            _ => "refused",
        };
        write!(f, "Resource Manager {what} (HTTP {status}{code})")?;
        match self.message.as_str() {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}
