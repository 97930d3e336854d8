//! Answers of Resource Manager and the headers every one of them has.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::error::ArmError;
use crate::answer::{Answer, Inbound, empty, json};

/// An answer before it gets its headers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Absent for an empty answer.
    pub(super) body: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            headers: Vec::new(),
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<ArmError> for Reply {
    fn from(error: ArmError) -> Self {
        let mut reply = Self::new(error.status, error.body());
        if let Some(seconds) = error.retry_after {
            reply = reply.with("retry-after", seconds.to_string());
        }
        if error.gateway {
            reply = reply.with("x-ms-failure-cause", "gateway");
        }
        reply
    }
}

/// Puts an outcome into an HTTP answer.
pub(super) fn finish(reply: &Reply, request: &Inbound<'_>) -> Answer {
    let mut answer = match &reply.body {
        Some(body) => json(reply.status, body),
        None => empty(reply.status),
    };
    let correlation = request
        .header("x-ms-correlation-request-id")
        .filter(|id| uuid::Uuid::try_parse(id).is_ok())
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let id = uuid::Uuid::new_v4().to_string();
    let routing = format!("WESTEUROPE:{id}");
    let usual = [
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-ms-request-id", &id),
        ("x-ms-correlation-request-id", &correlation),
        ("x-ms-routing-request-id", &routing),
    ];
    let own = reply
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let headers = answer.headers_mut();
    for (name, value) in usual.into_iter().chain(own) {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// A time as Resource Manager writes it.
pub(super) fn time(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z").to_string(),
        Err(_) => seconds.to_string(),
    }
}
