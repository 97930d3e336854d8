//! Parsers of single fields, so that the YAML reader reports their line.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};

use super::Parsed;
use crate::cloud::Cloud;

/// A GUID, in lower case.
pub(super) fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Parsed<'de, String, D> {
    let text = String::deserialize(deserializer)?;
    match uuid::Uuid::try_parse(&text) {
        Ok(_) if text.len() == 36 => Ok(text.to_ascii_lowercase()),
        _ => Err(D::Error::custom(format!("{text:?} is not a GUID"))),
    }
}

/// A GUID that may be left out.
pub(super) fn optional_guid<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Parsed<'de, Option<String>, D> {
    guid(deserializer).map(Some)
}

/// The name of a cloud.
pub(super) fn cloud<'de, D: Deserializer<'de>>(deserializer: D) -> Parsed<'de, String, D> {
    let text = String::deserialize(deserializer)?;
    match Cloud::from_name(&text) {
        Some(_) => Ok(text),
        None => Err(D::Error::custom(format!(
            "unknown cloud {text:?}: use AzurePublic, AzureUSGovernment or AzureChina"
        ))),
    }
}

/// An RFC 3339 time as Unix seconds.
pub(super) fn optional_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Parsed<'de, Option<i64>, D> {
    let text = String::deserialize(deserializer)?;
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Some(time.as_second())),
        Err(_) => Err(D::Error::custom(format!(
            "{text:?} is not a time such as 2026-01-31T00:00:00Z"
        ))),
    }
}
