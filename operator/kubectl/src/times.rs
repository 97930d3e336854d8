//! Times as people say them.

use jiff::Timestamp;

/// How long, in the one unit that matters, as kubectl shows ages.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How a time is from now: `in 3d`, `5m ago`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    if seconds > 0 {
        format!("in {}", span(seconds))
    } else {
        format!("{} ago", span(-seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (seconds, text) in [
            (0, "0s ago"),
            (-119, "119s ago"),
            (-120, "2m ago"),
            (7_199, "in 119m"),
            (7_200, "in 2h"),
            (172_800, "in 2d"),
            (-90 * 86_400, "90d ago"),
        ] {
            let at = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
            assert_eq!(relative(at, now), text);
        }
    }
}
