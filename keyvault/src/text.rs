//! Text from outside, made fit for a message or a log line.

/// Characters that have no place in a line: controls, and those that break it, turn it round or are
/// not seen.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The first `max` characters, each unprintable one as a space.
pub fn printable(text: &str, max: usize) -> String {
    text.chars()
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .take(max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_or_turn_a_line_becomes_a_space_and_the_rest_is_cut() {
        for (text, expected) in [
            ("application/x-pem-file", "application/x-pem-f"),
            ("a\r\nERROR b", "a  ERROR b"),
            ("\u{1b}[31mred", " [31mred"),
            ("a\u{202e}fdp\u{2028}\u{feff}b\u{85}", "a fdp  b "),
            ("пароль für 鍵", "пароль für 鍵"),
            ("", ""),
        ] {
            assert_eq!(printable(text, 19), expected, "{text:?}");
        }
    }
}
