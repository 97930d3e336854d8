//! What a fault is: which calls it strikes and what it does, as Rust and as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Probe;
use super::pattern::matches_pattern;
use crate::calls::Service;

/// The number of a fault, unique for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// A fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Which calls it strikes.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// How often it strikes; for ever when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The fraction of matching calls it strikes, from 0 to 1; all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// What it does.
    pub action: Action,
}

/// Which calls a fault strikes: those that meet everything given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Match {
    /// The service. When not given: Entra, vaults and the managed identity endpoint. The
    /// proxy's CONNECT is struck only by faults that name it, and by `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The host; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, or a beginning of it up to a slash; `*` stands for any characters, in which
    /// case the whole path must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the call carries a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticated: Option<bool>,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Action {
    /// Holds the call, then lets it go on.
    Delay {
        /// For how long.
        millis: u64,
    },
    /// Answers with a status and the error body Azure would send with it.
    Status {
        /// The status.
        code: u16,
        /// `Retry-After` in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// `retry-after-ms` in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_millis: Option<u64>,
    },
    /// Lets so many calls go on in each second and answers the others with 429.
    Rate {
        /// How many; 0 refuses all.
        per_second: u32,
        /// `Retry-After` in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// `retry-after-ms` in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_millis: Option<u64>,
    },
    /// Never answers.
    Hang,
    /// Closes the connection without an answer, and so everything else on it.
    Drop,
    /// Makes the proxy refuse to connect.
    Refuse {
        /// The proxy's status, such as 407, 403 or 502.
        code: u16,
    },
    /// Holds calls until enough have come, then lets all go on, and every later one. A call
    /// held too long is answered with 504.
    Barrier {
        /// How many calls open it.
        count: u32,
        /// How long a call is held; 10 s when not given.
        #[serde(default = "ten_seconds")]
        timeout_millis: u64,
    },
    /// Answers 200 with a body that is not what the content type says.
    Garbage,
    /// Answers 200 with this JSON, such as a page of a list that no vault would send.
    Json {
        /// The body.
        body: Value,
    },
    /// Moves the clock that token times are made and judged by.
    Skew {
        /// Seconds ahead; negative is behind.
        seconds: i64,
    },
}

fn ten_seconds() -> u64 {
    10_000
}

/// A fault as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultState {
    /// Its number.
    pub id: FaultId,
    /// How often it has struck.
    pub struck: u64,
    /// The fault; `times` is what is left.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Why a fault makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Not a fraction.
    #[error("share: must be from 0 to 1")]
    Share,
    /// Not a status that can be sent.
    #[error("action.{0}: must be a status from 200 to 599")]
    Code(&'static str),
    /// A barrier for nobody.
    #[error("action.barrier.count: must be at least 1")]
    Count,
    /// A refusal of something that is not a proxy.
    #[error("match.service: only the proxy can refuse to connect")]
    RefuseService,
}

impl Fault {
    /// A fault that strikes every call that matches, for ever.
    pub fn new(matches: Match, action: Action) -> Self {
        Self {
            matches,
            times: None,
            share: None,
            action,
        }
    }

    /// The same fault, striking only so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// The same fault, striking only a fraction of the calls that match.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self {
            share: Some(share),
            ..self
        }
    }

    pub(super) fn check(&self) -> Result<(), FaultError> {
        if self
            .share
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return Err(FaultError::Share);
        }
        let refuses = matches!(self.action, Action::Refuse { .. });
        if refuses
            && self
                .matches
                .service
                .is_some_and(|service| service != Service::Proxy)
        {
            return Err(FaultError::RefuseService);
        }
        let sendable = |code: u16, name| match code {
            200..=599 => Ok(()),
            _ => Err(FaultError::Code(name)),
        };
        match self.action {
            Action::Status { code, .. } => sendable(code, "status.code"),
            Action::Refuse { code } => sendable(code, "refuse.code"),
            Action::Barrier { count: 0, .. } => Err(FaultError::Count),
            _ => Ok(()),
        }
    }

    pub(super) fn strikes(&self, probe: Probe<'_>) -> bool {
        let Match {
            service,
            host,
            method,
            path,
            authenticated,
        } = &self.matches;
        let service_fits = match service {
            Some(service) => *service == probe.service,
            None => {
                matches!(self.action, Action::Refuse { .. }) == (probe.service == Service::Proxy)
            }
        };
        let path_fits = |pattern: &String| match pattern.contains('*') {
            true => matches_pattern(pattern, probe.path),
            false => probe
                .path
                .strip_prefix(pattern.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        service_fits
            && host
                .as_ref()
                .is_none_or(|host| matches_pattern(&host.to_lowercase(), probe.host))
            && method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(probe.method))
            && path.as_ref().is_none_or(path_fits)
            && authenticated.is_none_or(|authenticated| authenticated == probe.authenticated)
    }
}
