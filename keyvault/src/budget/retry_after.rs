//! How long a throttled caller is asked to wait.

use std::time::Duration;

use azure_core::time::{OffsetDateTime, parse_rfc7231};
use http::HeaderMap;

/// Azure's own headers, milliseconds, as the SDKs know them. They are more exact, so they go first.
const MILLIS: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];

/// What the headers of an answer ask for: milliseconds, seconds or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    retry_after_of(|name| headers.get(name)?.to_str().ok(), now)
}

/// The same of headers in another shape.
pub(crate) fn retry_after_of<'a>(
    header: impl Fn(&'static str) -> Option<&'a str>,
    now: OffsetDateTime,
) -> Option<Duration> {
    let text = |name| header(name).map(str::trim);
    let millis = MILLIS
        .iter()
        .find_map(|name| text(name)?.parse().ok())
        .map(Duration::from_millis);
    millis.or_else(|| {
        let text = text("retry-after")?;
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = parse_rfc7231(text).ok()?;
        Some((date - now).try_into().unwrap_or(Duration::ZERO))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_dates_and_milliseconds_are_understood_and_nonsense_is_not() {
        let now = parse_rfc7231("Fri, 01 Jan 2027 00:00:00 GMT").unwrap();
        for (headers, expected) in [
            (&[("retry-after", "7")][..], Some(7_000)),
            (&[("retry-after", " 7 ")], Some(7_000)),
            (
                &[("retry-after", "Fri, 01 Jan 2027 00:00:09 GMT")],
                Some(9_000),
            ),
            (&[("retry-after", "Thu, 31 Dec 2026 23:59:09 GMT")], Some(0)),
            (&[("retry-after-ms", "250")], Some(250)),
            (&[("x-ms-retry-after-ms", "350")], Some(350)),
            (
                &[("retry-after", "7"), ("retry-after-ms", "6500")],
                Some(6_500),
            ),
            (
                &[("retry-after", "7"), ("retry-after-ms", "soon")],
                Some(7_000),
            ),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "1.5")], None),
            (&[("retry-after", "tomorrow")], None),
            (&[("retry-after", "")], None),
            (&[("retry-after", "99999999999999999999")], None),
            (&[], None),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
                .into_iter()
                .collect();
            let found = retry_after(&map, now).map(|d| d.as_millis());
            assert_eq!(found, expected, "{headers:?}");
        }
    }
}
