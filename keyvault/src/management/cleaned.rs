//! Azure's messages, made fit for a condition that must not change from try to try.

use crate::text::is_unprintable;

/// Characters of a message that are told.
const LONGEST: usize = 500;

/// What ids of one request are called before they are told, in small letters and without spaces,
/// dashes and underscores.
const LABELS: [&str; 6] = [
    "requestid",
    "correlationid",
    "trackingid",
    "activityid",
    "traceid",
    "operationid",
];

/// Stands for what differs from try to try.
const LEFT_OUT: &str = "..";

/// The message in one line, without ids of requests and times, no longer than [`LONGEST`].
pub(super) fn cleaned(message: &str) -> String {
    let line: String = message
        .chars()
        .take(4 * LONGEST)
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .collect();
    let mut cleaned = String::with_capacity(line.len());
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        push(&mut cleaned, word);
    }
    cleaned.chars().take(LONGEST).collect()
}

/// Adds a word, or what is left of it.
fn push(cleaned: &mut String, word: &str) {
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let (taken, length) = if let Some(length) = time(rest) {
            (LEFT_OUT, length)
        } else if let Some(length) = guid(rest) {
            let told = rest.get(..length).unwrap_or_default();
            (if is_labelled(cleaned) { LEFT_OUT } else { told }, length)
        } else {
            let length = first.len_utf8();
            (rest.get(..length).unwrap_or_default(), length)
        };
        cleaned.push_str(taken);
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Whether what was said last announces the id of a request.
fn is_labelled(told: &str) -> bool {
    let mut letters: Vec<char> = told
        .chars()
        .rev()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .take(24)
        .collect();
    letters.reverse();
    let letters: String = letters.into_iter().collect();
    let letters = letters.strip_suffix("is").unwrap_or(&letters);
    LABELS.iter().any(|label| letters.ends_with(label))
}

/// The length of a GUID at the start.
fn guid(text: &str) -> Option<usize> {
    const PATTERN: &str = "00000000-0000-0000-0000-000000000000";
    fits(text, PATTERN, |c| c.is_ascii_hexdigit())
}

/// The length of a date at the start, with the time if it is there.
fn time(text: &str) -> Option<usize> {
    let digit = |c: u8| c.is_ascii_digit();
    let clock = |text: &str| {
        let seconds = fits(text, "00:00:00", digit)?;
        let more = text.bytes().skip(seconds);
        let more = more.take_while(|c| digit(*c) || matches!(c, b'.' | b'Z' | b'+' | b':'));
        // A stop that ends the sentence is not part of it.
        let length = seconds + more.count();
        let stops = text.get(..length)?.bytes().rev();
        Some(length - stops.take_while(|c| matches!(c, b'.' | b':')).count())
    };
    let Some(date) = fits(text, "0000-00-00", digit) else {
        return clock(text);
    };
    let rest = text.get(date..)?;
    match rest.strip_prefix('T').and_then(clock) {
        Some(length) => Some(date + 1 + length),
        None => rest.is_empty().then_some(date),
    }
}

/// The length of the pattern if the text begins with it; `0` stands for what `is` takes.
fn fits(text: &str, pattern: &str, is: impl Fn(u8) -> bool) -> Option<usize> {
    let text = text.as_bytes().get(..pattern.len())?;
    let same = text.iter().zip(pattern.bytes()).all(|(c, p)| match p {
        b'0' => is(*c),
        p => *c == p,
    });
    same.then_some(pattern.len())
}
