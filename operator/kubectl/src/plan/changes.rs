//! What changes in a text, line by line.

/// A line, and whether it goes, comes or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// It is in both.
    Same(&'a str),
    /// It is in the old text only.
    Gone(&'a str),
    /// It is in the new text only.
    New(&'a str),
}

/// More lines than that are not compared one by one: the time grows with the product.
const MOST: usize = 4_000;

/// How one text becomes another, with as few lines as possible.
pub(super) fn lines<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old.len().max(new.len()) > MOST {
        let gone = old.into_iter().map(Line::Gone);
        return gone.chain(new.into_iter().map(Line::New)).collect();
    }
    // For each pair of places the length of the longest common rest.
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at = |row: usize, column: usize| row * width + column;
    let length = |common: &[u32], index: usize| common.get(index).copied().unwrap_or_default();
    for (row, one) in old.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            let value = if one == other {
                length(&common, at(row + 1, column + 1)) + 1
            } else {
                length(&common, at(row + 1, column)).max(length(&common, at(row, column + 1)))
            };
            if let Some(cell) = common.get_mut(at(row, column)) {
                *cell = value;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(row), new.get(column)) {
            (Some(one), Some(other)) if one == other => {
                lines.push(Line::Same(one));
                (row, column) = (row + 1, column + 1);
            }
            (Some(one), other)
                if other.is_none()
                    || length(&common, at(row + 1, column))
                        >= length(&common, at(row, column + 1)) =>
            {
                lines.push(Line::Gone(one));
                row += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::New(other));
                column += 1;
            }
            (_, None) => return lines,
        }
    }
}

/// The changed lines with as many around them, each with its sign in front.
pub(super) fn hunks(old: &str, new: &str, around: usize) -> Vec<String> {
    let lines = lines(old, new);
    let changed: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !matches!(line, Line::Same(_)))
        .map(|(at, _)| at)
        .collect();
    let near = |at: usize| changed.iter().any(|change| change.abs_diff(at) <= around);
    let mut hunks = Vec::new();
    let mut last = None;
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| near(*at)) {
        if last.is_some_and(|last| last + 1 < at) {
            hunks.push("  ...".to_owned());
        }
        last = Some(at);
        hunks.push(match line {
            Line::Same(text) => format!("  {text}"),
            Line::Gone(text) => format!("- {text}"),
            Line::New(text) => format!("+ {text}"),
        });
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown_with_what_is_around() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nC\nd\ne\nf\ng\nh\ni\n";
        assert_eq!(
            hunks(old, new, 1),
            ["  b", "- c", "+ C", "  d", "  ...", "  h", "+ i"]
        );
        assert!(hunks(old, old, 3).is_empty());
        assert_eq!(hunks("", "a\n", 3), ["+ a"]);
        assert_eq!(hunks("a\n", "", 3), ["- a"]);
    }

    #[test]
    fn both_texts_can_be_made_of_the_lines() {
        for (old, new) in [("a\nb\nc", "b\nc\na"), ("x\nx\ny", "x\ny\ny"), ("a", "b")] {
            let lines = lines(old, new);
            let of = |keep: fn(&Line<'_>) -> bool| {
                let kept = lines.iter().filter(|line| keep(line));
                let texts = kept.map(|line| match line {
                    Line::Same(text) | Line::Gone(text) | Line::New(text) => *text,
                });
                texts.collect::<Vec<_>>().join("\n")
            };
            assert_eq!(of(|line| !matches!(line, Line::New(_))), old);
            assert_eq!(of(|line| !matches!(line, Line::Gone(_))), new);
        }
    }
}
