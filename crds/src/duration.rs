//! Durations as Go writes them, such as `30s` or `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kube::core::{Message, Rule};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest text; with at most six digits before a unit, Go's 64-bit nanoseconds cannot overflow.
const LONGEST: usize = 16;

/// The units that are taken and what they are in milliseconds, the largest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time, not negative, in whole milliseconds. Text is a Go duration of hours, minutes,
/// seconds and milliseconds: `5m`, `1h30m`, `1.5h`. It is written in the largest units, without those
/// that are zero: `90s` becomes `1m30s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoDuration(Duration);

/// A text that is not such a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Go duration of h, m, s and ms: write it such as 30s or 1h30m")]
pub struct DurationError;

impl GoDuration {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A duration of whole minutes.
    pub const fn from_mins(minutes: u64) -> Self {
        Self(Duration::from_secs(60 * minutes))
    }

    /// A duration of whole hours.
    pub const fn from_hours(hours: u64) -> Self {
        Self(Duration::from_secs(3600 * hours))
    }

    /// The length as the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.0
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > LONGEST {
            return Err(DurationError);
        }
        let mut millis = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (whole, after) = digits(rest, 6)?;
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after, 3)?,
                None => ("", after),
            };
            let end = after
                .find(|c: char| !c.is_ascii_lowercase())
                .unwrap_or(after.len());
            let (name, after) = after.split_at_checked(end).ok_or(DurationError)?;
            let (_, unit) = UNITS
                .into_iter()
                .find(|(unit, _)| *unit == name)
                .ok_or(DurationError)?;
            let number = |digits: &str| digits.parse::<u64>().map_err(|_| DurationError);
            millis += number(whole)? * unit;
            if !fraction.is_empty() {
                let thousandths = number(&format!("{fraction:0<3}"))?;
                millis += thousandths * unit / 1000;
            }
            rest = after;
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// The digits that a text starts with, 1 to `most`, and what follows them.
fn digits(text: &str, most: usize) -> Result<(&str, &str), DurationError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    if end == 0 || end > most {
        return Err(DurationError);
    }
    text.split_at_checked(end).ok_or(DurationError)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in UNITS {
            let unit = u128::from(unit);
            if millis >= unit {
                write!(f, "{}{name}", millis / unit)?;
                millis %= unit;
            }
        }
        Ok(())
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    /// No `format: duration`: the API server would take `3 days` for one as well.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": LONGEST})
    }
}

/// The rule of a field that holds a duration from `least` to `most`.
pub(crate) fn between(least: GoDuration, most: GoDuration) -> Rule {
    let pattern = r"^([0-9]{1,6}(\\.[0-9]{1,3})?(h|m|s|ms))+$";
    Rule::new(format!(
        "self.matches('{pattern}') && duration(self) >= duration('{least}') \
         && duration(self) <= duration('{most}')"
    ))
    .message(Message::Message(format!(
        "must be a duration from {least} to {most}: write it such as 30s or 1h30m"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("0s", 0),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("90s", 90_000),
            ("1.25s", 1_250),
            ("250ms", 250),
            ("5m0s", 300_000),
            ("999999h999999h", 1_999_998 * 3_600_000),
        ] {
            assert_eq!(
                text.parse().map(GoDuration::get),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "5",
            "m",
            "-5m",
            "+5m",
            "5 m",
            "5d",
            "3 days",
            "1.h",
            ".5h",
            "5us",
            "5M",
            "5m ",
            "1.2345s",
            "1234567s",
            "1h1h1h1h1h1h1h1h1h",
            "5ä",
            "5mä",
        ] {
            assert_eq!(text.parse::<GoDuration>(), Err(DurationError), "{text}");
        }
    }

    #[test]
    fn they_are_written_in_the_largest_units() {
        for (text, written) in [
            ("0ms", "0s"),
            ("90s", "1m30s"),
            ("720h", "720h"),
            ("1500ms", "1s500ms"),
            ("5m0s", "5m"),
        ] {
            let duration: GoDuration = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_value(duration).unwrap(), written);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(millis in 0..3_000_000_000_u64) {
            let duration = GoDuration(Duration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.hms]{0,17}|.{0,20}") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
