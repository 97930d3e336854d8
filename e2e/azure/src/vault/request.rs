//! What comes in: requests, callers and secrets set from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

/// One request to a vault, taken apart by the HTTP server.
pub struct VaultRequest {
    /// The method.
    pub method: Method,
    /// The path, such as `/secrets/db-password`.
    pub path: String,
    /// The query without `?`.
    pub query: String,
    /// The body.
    pub body: Bytes,
    /// Who asks; the token has been checked already.
    pub caller: Caller,
    /// Where the request comes from; firewalls look at it.
    pub client_address: IpAddr,
    /// The value of `x-ms-client-request-id`, sent back.
    pub client_request_id: Option<String>,
}

impl fmt::Debug for VaultRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("caller", &self.caller)
            .field("client_address", &self.client_address)
            .finish_non_exhaustive()
    }
}

/// The identity in the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Claim `appid`.
    pub client_id: String,
    /// Claim `oid`.
    pub object_id: String,
    /// Claim `tid`.
    pub tenant_id: String,
}

/// A secret version to be set by [`Vaults::set_secret`](super::Vaults::set_secret).
///
/// In JSON times are Unix seconds or RFC 3339, and only the value is required.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSecret {
    /// The value, at most 25 KB.
    pub value: String,
    /// The content type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Whether it may be read.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// `nbf`, in Unix seconds.
    #[serde(default, deserialize_with = "time")]
    pub not_before: Option<i64>,
    /// `exp`, in Unix seconds.
    #[serde(default, deserialize_with = "time")]
    pub expires: Option<i64>,
    /// Tags, at most 15.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn enabled() -> bool {
    true
}

/// Unix seconds or RFC 3339.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "must be Unix seconds or a time such as 2026-01-31T00:00:00Z"
    )]
    enum Time {
        Seconds(i64),
        Text(String),
    }
    match Option::<Time>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Time::Seconds(seconds)) => Ok(Some(seconds)),
        Some(Time::Text(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(time.as_second())),
            Err(_) => Err(serde::de::Error::custom(
                "must be Unix seconds or a time such as 2026-01-31T00:00:00Z",
            )),
        },
    }
}

impl SetSecret {
    /// An enabled secret with nothing but a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }
}

impl Default for SetSecret {
    fn default() -> Self {
        Self {
            value: String::new(),
            content_type: None,
            enabled: true,
            not_before: None,
            expires: None,
            tags: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetSecret")
            .field("content_type", &self.content_type)
            .field("enabled", &self.enabled)
            .field("not_before", &self.not_before)
            .field("expires", &self.expires)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
