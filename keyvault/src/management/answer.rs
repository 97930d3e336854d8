//! What Resource Manager says.

use std::time::Duration;

use azure_core::http::StatusCode;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::time::OffsetDateTime;
use serde::Deserialize;
use serde_json::Value;

use super::cleaned::cleaned;
use super::error::{ManagementError, ManagementRefusal};
use crate::budget;
use crate::text::printable;

/// Characters of a code that are told.
const LONGEST_CODE: usize = 100;

/// A success. It holds no secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status: 200 to 299.
    pub status: u16,
    /// The resource, the list's page or the operation's state; [`Value::Null`] where there is none.
    pub body: Value,
    /// When to ask again about what takes longer.
    pub retry_after: Option<Duration>,
    /// Where to ask about what takes longer: `Azure-AsyncOperation`, else the `Location` of a 202.
    /// Other answers name the resource there, not an operation.
    pub operation: Option<String>,
}

impl Answer {
    /// Reads an answer; one without success is an error.
    pub(super) fn read(
        status: StatusCode,
        headers: &Headers,
        body: &[u8],
    ) -> Result<Self, ManagementError> {
        let header = |name: &'static str| headers.get_optional_str(&HeaderName::from_static(name));
        let retry_after = budget::retry_after_of(header, OffsetDateTime::now_utc());
        let success = status.is_success();
        let status = u16::from(status);
        if !success {
            let request_id = header("x-ms-request-id").map(|id| printable(id, 64));
            let (code, message) = refused(body);
            return Err(ManagementError::Refused(ManagementRefusal {
                status,
                code,
                message,
                retry_after,
                request_id,
            }));
        }
        let body = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body).map_err(|_| ManagementError::unreadable())?,
        };
        let location = || header("location").filter(|_| status == 202);
        let operation = header("azure-asyncoperation").or_else(location);
        Ok(Self {
            status,
            body,
            retry_after,
            operation: operation.map(str::to_owned),
        })
    }
}

#[derive(Deserialize, Default)]
struct Refusal {
    /// Where most providers put it.
    error: Option<Detail>,
    /// Where some put it.
    #[serde(flatten)]
    flat: Detail,
}

#[derive(Deserialize, Default)]
struct Detail {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Code and message of a refusal.
fn refused(body: &[u8]) -> (String, String) {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let Detail { code, message } = refusal.error.unwrap_or(refusal.flat);
    (
        printable(&code.unwrap_or_default(), LONGEST_CODE),
        cleaned(&message.unwrap_or_default()),
    )
}
