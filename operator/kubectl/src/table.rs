//! Texts in columns.

use crate::terminal::{Paint, Tone};

/// A table that is being filled. Columns are as wide as their longest text.
#[derive(Debug)]
pub(crate) struct Table {
    paint: Paint,
    rows: Vec<Vec<(String, Option<Tone>)>>,
}

impl Table {
    /// One with a heading.
    pub(crate) fn new(paint: Paint, heading: &[&str]) -> Self {
        let mut table = Self {
            paint,
            rows: Vec::new(),
        };
        table.row(
            heading
                .iter()
                .map(|word| ((*word).to_owned(), Some(Tone::Faint))),
        );
        table
    }

    /// Adds a row. What is empty is shown as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Option<Tone>)>) {
        let filled = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        self.rows.push(
            cells
                .into_iter()
                .map(|(text, tone)| (filled(text), tone))
                .collect(),
        );
    }

    /// The text, each line after an indent.
    pub(crate) fn text(&self, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|(text, _)| text.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut lines = String::new();
        for row in &self.rows {
            lines.push_str(indent);
            for (at, ((text, tone), width)) in row.iter().zip(&widths).enumerate() {
                match tone {
                    Some(tone) => lines.push_str(&self.paint.tone(*tone, text)),
                    None => lines.push_str(text),
                }
                if at + 1 < row.len() {
                    let gap = width - text.chars().count() + 3;
                    lines.extend(std::iter::repeat_n(' ', gap));
                }
            }
            lines.push('\n');
        }
        lines
    }
}

/// A cell without a colour.
pub(crate) fn plain(text: impl Into<String>) -> (String, Option<Tone>) {
    (text.into(), None)
}

/// A cell with one.
pub(crate) fn toned(tone: Tone, text: impl Into<String>) -> (String, Option<Tone>) {
    (text.into(), Some(tone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_their_colour() {
        for (paint, end) in [
            (Paint::PLAIN, "b"),
            (Paint::COLOURS, "\u{1b}[32mb\u{1b}[0m"),
        ] {
            let mut table = Table::new(paint, &["NAME", "X"]);
            table.row([plain("é"), toned(Tone::Good, "b")]);
            table.row([plain(""), plain("c")]);
            let text = table.text("  ");
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines[1], format!("  é      {end}"));
            assert_eq!(lines[2], "  -      c");
        }
    }
}
