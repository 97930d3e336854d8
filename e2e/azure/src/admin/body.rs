//! Bodies of the administration: strict JSON in, JSON out, errors that name the field.

use std::error::Error;
use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Serialize, de::IgnoredAny};
use serde_json::json;

use crate::seed::Seed;
use crate::seeding::SeedingError;
use crate::vault::StoreError;

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
    pub(super) fn invalid(error: impl Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, chain(&error))
    }

    /// Something that is not there, or makes no sense.
    pub(super) fn of_store(error: &StoreError) -> Self {
        let status = match error.is_not_found() {
            true => StatusCode::NOT_FOUND,
            false => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }

    /// A seed that says what is there already, or makes no sense.
    pub(super) fn of_seeding(error: &SeedingError) -> Self {
        let status = match error.is_conflict() {
            true => StatusCode::CONFLICT,
            false => StatusCode::BAD_REQUEST,
        };
        Self::new(status, chain(error))
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        answer(self.status, &json!({"error": self.message}))
    }
}

/// What went wrong and why, as one sentence.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string cannot fail.
        let _ = write!(message, ": {error}");
        source = error.source();
    }
    message
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
            path if path.rsplit('.').next() == Some("value") => {
                AdminError::new(StatusCode::BAD_REQUEST, format!("{path}: must be a string"))
            }
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

/// A YAML or JSON body in the form of a seed file.
pub(super) fn parse_seed(body: &[u8]) -> Result<Seed, AdminError> {
    // JSON is nearly YAML, but not to the tab and the surrogate.
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return parse(body);
    }
    let text = std::str::from_utf8(body).map_err(AdminError::invalid)?;
    Seed::from_yaml("seed", text).map_err(AdminError::invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;
    use crate::vault::SetSecret;

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
        let error = parse::<SetSecret>(br#"{"value":123456}"#).err().unwrap();
        assert_eq!(error.message, "value: must be a string");
        let seed =
            br#"{"vaults":[{"name":"kv","tenantID":"t","secrets":[{"name":"a","value":1}]}]}"#;
        let error = parse_seed(seed).err().unwrap();
        assert_eq!(
            error.message,
            "vaults[0].secrets[0].value: must be a string"
        );
    }

    #[test]
    fn times_are_seconds_or_text() {
        let body = br#"{"value":"","expires":"1970-01-01T00:01:00Z","notBefore":5}"#;
        let secret = parse::<SetSecret>(body).ok().unwrap();
        assert_eq!(
            (secret.expires, secret.not_before, secret.enabled),
            (Some(60), Some(5), true)
        );
        let error = parse::<SetSecret>(br#"{"value":"","expires":"soon"}"#)
            .err()
            .unwrap();
        assert!(
            error.message.starts_with("expires: must be Unix seconds"),
            "{}",
            error.message
        );
    }
}
