//! The log of calls, which tests count. It holds no query, header or body: no secret gets in.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Calls kept; older ones make room.
const MAX_CALLS: usize = 100_000;

/// A service of the emulated Azure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Service {
    /// The login hosts.
    Entra,
    /// The managed identity endpoint.
    Imds,
    /// A vault.
    Vault,
    /// Resource Manager.
    Arm,
    /// The CONNECT proxy; only its refusals are logged.
    Proxy,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The service that was called.
    pub service: Service,
    /// The host asked for, lower case and without port.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path, without query.
    pub path: String,
    /// The query's `api-version`.
    pub api_version: Option<String>,
    /// The status answered; none while there is no answer, and for ever when the call was
    /// left hanging or dropped.
    pub status: Option<u16>,
    /// Whether the call carried a bearer token.
    pub authenticated: bool,
    /// The client id the caller proved or claimed, once known.
    #[serde(rename = "clientID")]
    pub client_id: Option<String>,
    /// Number of the TCP connection, from 1.
    pub connection: u64,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub http_version: String,
    /// When the call came, in milliseconds since the start.
    pub millis: u64,
}

/// Where a call is in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallId(u64);

#[derive(Debug, Default)]
pub(crate) struct CallLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    calls: VecDeque<Call>,
    /// Number of the first call that is still kept.
    first: u64,
}

impl CallLog {
    /// Adds a call that has no answer yet.
    pub(crate) fn begin(&self, call: Call) -> CallId {
        let mut inner = self.lock();
        if inner.calls.len() >= MAX_CALLS {
            inner.calls.pop_front();
            inner.first += 1;
        }
        let id = inner.first + inner.calls.len() as u64;
        inner.calls.push_back(call);
        CallId(id)
    }

    /// Notes the answer. A call that was cleared in the meantime stays away.
    pub(crate) fn finish(&self, id: CallId, status: u16, client_id: Option<String>) {
        let mut inner = self.lock();
        let Some(index) = id.0.checked_sub(inner.first) else {
            return;
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(call) = inner.calls.get_mut(index) {
            call.status = Some(status);
            call.client_id = client_id;
        }
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.first += inner.calls.len() as u64;
        inner.calls.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str) -> Call {
        Call {
            service: Service::Vault,
            host: "v1.vault.azure.net".into(),
            method: "GET".into(),
            path: path.into(),
            api_version: None,
            status: None,
            authenticated: false,
            client_id: None,
            connection: 1,
            http_version: "HTTP/1.1".into(),
            millis: 0,
        }
    }

    #[test]
    fn an_answer_after_clearing_changes_no_other_call() {
        let log = CallLog::default();
        let old = log.begin(call("/old"));
        log.clear();
        let new = log.begin(call("/new"));
        log.finish(old, 500, None);
        assert_eq!(log.all()[0].status, None);
        log.finish(new, 200, Some("c".into()));
        assert_eq!((log.all()[0].status, log.all().len()), (Some(200), 1));
    }

    #[test]
    fn the_log_is_bounded() {
        let log = CallLog::default();
        for _ in 0..MAX_CALLS {
            log.begin(call("/a"));
        }
        let last = log.begin(call("/b"));
        log.finish(last, 204, None);
        let calls = log.all();
        assert_eq!(
            (calls.len(), calls.last().unwrap().status),
            (MAX_CALLS, Some(204))
        );
    }
}
