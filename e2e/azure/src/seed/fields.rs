//! Parsers of single fields, so that the YAML reader reports field and line.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use super::Parsed;
use crate::cloud::Cloud;

/// Parses inside the visitor: an error raised later would lose the field's name.
struct Text<T> {
    expecting: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text)
            .ok_or_else(|| E::custom(format_args!("{text:?} is not {}", self.expecting)))
    }
}

/// A GUID, in lower case.
pub(super) fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Parsed<'de, String, D> {
    deserializer.deserialize_str(Text {
        expecting: "a GUID",
        parse: |text| {
            // The parser also takes braces and bare digits, which Azure's ids never have.
            let guid = uuid::Uuid::try_parse(text)
                .ok()
                .filter(|_| text.len() == 36)?;
            Some(guid.to_string())
        },
    })
}

/// A GUID that may be left out.
pub(super) fn optional_guid<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Parsed<'de, Option<String>, D> {
    guid(deserializer).map(Some)
}

/// An ARM id, without a slash at the end.
pub(super) fn resource_id<'de, D: Deserializer<'de>>(deserializer: D) -> Parsed<'de, String, D> {
    deserializer.deserialize_str(Text {
        expecting: "an ARM id that begins with /subscriptions/GUID",
        parse: |text| crate::arm::is_resource_id(text).then(|| text.to_owned()),
    })
}

/// The name of a cloud.
pub(super) fn cloud<'de, D: Deserializer<'de>>(deserializer: D) -> Parsed<'de, String, D> {
    deserializer.deserialize_str(Text {
        expecting: "a cloud: AzurePublic, AzureUSGovernment or AzureChina",
        parse: |text| Cloud::from_name(text).map(|_| text.to_owned()),
    })
}

/// An RFC 3339 time as Unix seconds.
pub(super) fn optional_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Parsed<'de, Option<i64>, D> {
    let time = deserializer.deserialize_str(Text {
        expecting: "a time such as 2026-01-31T00:00:00Z",
        parse: |text| text.parse::<jiff::Timestamp>().ok(),
    })?;
    Ok(Some(time.as_second()))
}
