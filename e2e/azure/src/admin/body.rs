//! Bodies of the administration: strict JSON in, JSON out, errors that name the field.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::vault::SetSecret;

/// An error answer.
#[derive(Debug)]
pub(super) struct AdminError {
    status: StatusCode,
    message: String,
}

impl AdminError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// A request whose content makes no sense.
    pub(super) fn invalid(error: impl std::error::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        answer(self.status, &json!({"error": self.message}))
    }
}

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, AdminError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match path.as_str() {
            "." => AdminError::invalid(error),
            // serde repeats the value it did not like, which here is a secret.
            "value" => AdminError::new(StatusCode::BAD_REQUEST, "value: must be a string"),
            path => AdminError::new(StatusCode::BAD_REQUEST, format!("{path}: {error}")),
        }
    })?;
    json.end().map_err(AdminError::invalid)?;
    Ok(value)
}

/// An answer of JSON.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The body of `PUT /vaults/{vault}/secrets/{name}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretBody {
    value: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default = "enabled")]
    enabled: bool,
    #[serde(default, deserialize_with = "time")]
    not_before: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    expires: Option<i64>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
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

impl From<SecretBody> for SetSecret {
    fn from(body: SecretBody) -> Self {
        let SecretBody {
            value,
            content_type,
            enabled,
            not_before,
            expires,
            tags,
        } = body;
        Self {
            value,
            content_type,
            enabled,
            not_before,
            expires,
            tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    #[test]
    fn errors_name_the_field() {
        for (body, part) in [
            (
                r#"{"action":{"delay":{"millis":"x"}}}"#,
                "action.delay.millis: ",
            ),
            (
                r#"{"match":{"service":"mars"},"action":"hang"}"#,
                "match.service: ",
            ),
            (r#"{"acton":"hang"}"#, "`acton`"),
            (r#"{"times":1}"#, "`action`"),
            (r#"{"action":"hang"} x"#, "trailing"),
        ] {
            let message = parse::<Fault>(body.as_bytes()).unwrap_err().message;
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn a_bad_secret_is_not_repeated() {
        let error = parse::<SecretBody>(br#"{"value":123456}"#).err().unwrap();
        assert_eq!(error.message, "value: must be a string");
    }

    #[test]
    fn times_are_seconds_or_text() {
        let body = br#"{"value":"","expires":"1970-01-01T00:01:00Z","notBefore":5}"#;
        let secret = SetSecret::from(parse::<SecretBody>(body).ok().unwrap());
        assert_eq!(
            (secret.expires, secret.not_before, secret.enabled),
            (Some(60), Some(5), true)
        );
        let error = parse::<SecretBody>(br#"{"value":"","expires":"soon"}"#)
            .err()
            .unwrap();
        assert!(
            error.message.starts_with("expires: must be Unix seconds"),
            "{}",
            error.message
        );
    }
}
