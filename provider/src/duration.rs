//! Durations as Go writes them, such as `5s` or `1m30s`.

use std::time::Duration;

/// Reads one; `None` if the text is none or is negative.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let parsed: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(parsed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let seconds = |text| parse(text).map(|duration| duration.as_secs_f64());
        for (text, expected) in [
            ("0s", Some(0.0)),
            ("90s", Some(90.0)),
            ("1m30s", Some(90.0)),
            ("1.5h", Some(5400.0)),
            ("250ms", Some(0.25)),
            ("-1s", None),
            ("", None),
            ("5", None),
            ("soon", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
