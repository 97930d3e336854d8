//! Patterns in which `*` stands for any characters.

/// Whether the whole text matches.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        // The earliest place leaves the most for the parts that follow.
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, matches) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("aa*aa", "aaa", false),
            ("/secrets/*/versions", "/secrets/web/versions", true),
            ("/secrets/*/versions", "/secrets/web/0f3a", false),
            ("*.vault.azure.net", "v1.vault.azure.net", true),
            ("*.vault.azure.net", "v1.vault.azure.cn", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*b*a*", "xxaxxbxx", false),
            ("**", "abc", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), matches, "{pattern} {text}");
        }
    }
}
