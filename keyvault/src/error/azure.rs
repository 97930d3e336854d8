//! Reading the SDK's errors.

use std::error::Error as StdError;

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;
use azure_core::http::headers::{HeaderName, Headers};
use serde::Deserialize;

use crate::text::printable;
use crate::transport::Unreachable;

/// The parts of an SDK error that matter.
#[derive(Debug)]
pub(super) enum Cause {
    /// There was an answer, and it was not a success.
    Answer(Refusal),
    /// There was none.
    Unreachable(Unreachable),
    /// The answer could not be understood, or the SDK refused to go on.
    Other,
}

/// An answer that was not a success.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    /// Key Vault: `error.code` and `error.innererror.code`; Entra: `error` and the first of
    /// `error_codes`.
    pub(super) code: Option<String>,
    pub(super) inner_code: Option<String>,
    pub(super) message: String,
}

impl Refusal {
    /// Reads an answer.
    pub(crate) fn new(status: StatusCode, headers: &Headers, body: &[u8]) -> Self {
        const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
        let mut refusal = Self {
            status: u16::from(status),
            request_id: headers
                .get_optional_string(&REQUEST_ID)
                .map(|id| printable(&id, 64)),
            ..Self::default()
        };
        read_body(body, &mut refusal);
        refusal
    }

    /// The code with the inner one.
    pub(crate) fn both_codes(&self) -> Option<String> {
        match (&self.code, &self.inner_code) {
            (Some(code), Some(inner)) => Some(format!("{code}/{inner}")),
            (code, inner) => code.clone().or_else(|| inner.clone()),
        }
    }
}

pub(super) fn cause(error: &azure_core::Error) -> Cause {
    let mut current: Option<&(dyn StdError + 'static)> = Some(error);
    let mut refusal = None;
    while let Some(error) = current {
        if let Some(unreachable) = error.downcast_ref::<Unreachable>() {
            return Cause::Unreachable(unreachable.clone());
        }
        if let Some(error) = error.downcast_ref::<azure_core::Error>()
            && let ErrorKind::HttpResponse {
                status,
                raw_response,
                ..
            } = error.kind()
        {
            refusal = Some(match raw_response {
                Some(answer) => Refusal::new(*status, answer.headers(), answer.body().as_ref()),
                None => Refusal {
                    status: u16::from(*status),
                    ..Refusal::default()
                },
            });
        }
        current = error.source();
    }
    refusal.map_or(Cause::Other, Cause::Answer)
}

#[derive(Deserialize)]
struct Body {
    error: Detail,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    error_codes: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    /// Entra and the managed identity endpoint.
    Code(String),
    /// Key Vault.
    Nested {
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        innererror: Option<Inner>,
    },
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    code: Option<String>,
}

fn read_body(body: &[u8], refusal: &mut Refusal) {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return;
    };
    match body.error {
        Detail::Code(code) => {
            refusal.code = Some(printable(&code, 64));
            refusal.inner_code = body.error_codes.first().map(u64::to_string);
            refusal.message = printable(&body.error_description.unwrap_or_default(), 400);
        }
        Detail::Nested {
            code,
            message,
            innererror,
        } => {
            refusal.code = code.map(|code| printable(&code, 64));
            refusal.inner_code = innererror
                .and_then(|e| e.code)
                .map(|code| printable(&code, 64));
            refusal.message = printable(&message.unwrap_or_default(), 400);
        }
    }
}
