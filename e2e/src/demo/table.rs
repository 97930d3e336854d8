//! Columns, folders and paragraphs as lines of text. Widths are counted in characters.

/// Rows of cells under a header.
#[derive(Debug, Clone)]
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&cell| cell.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; absent cells are empty.
    pub(super) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Header and rows, each column as wide as its widest cell, cut off at `width`.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = all().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        all().map(|row| cut(&line(row, &widths), width)).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(widths)
        .map(|(cell, &width)| format!("{cell:<width$}"))
        .collect();
    cells.join("  ").trim_end().to_owned()
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A line of a tree of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch<'a> {
    /// The name behind its branches.
    pub(super) label: String,
    /// The path, if it is a file.
    pub(super) file: Option<&'a str>,
}

/// Draws sorted relative paths as a tree.
pub(super) fn tree<'a>(paths: &[&'a str]) -> Vec<Branch<'a>> {
    let whole: Vec<(&str, &str)> = paths.iter().map(|&path| (path, path)).collect();
    let mut lines = Vec::new();
    grow(&whole, "", &mut lines);
    lines
}

/// Adds what is below one folder: pairs of what is left of a path and the whole of it.
fn grow<'a>(entries: &[(&'a str, &'a str)], trunk: &str, lines: &mut Vec<Branch<'a>>) {
    let folder = |rest: &'a str| rest.split_once('/').map(|(name, _)| name);
    let groups = entries.chunk_by(|(a, _), (b, _)| folder(a).is_some() && folder(a) == folder(b));
    let mut groups = groups.peekable();
    while let Some(group) = groups.next() {
        let (branch, below) = match groups.peek() {
            Some(_) => ("├── ", "│   "),
            None => ("└── ", "    "),
        };
        let Some((rest, whole)) = group.first() else {
            continue;
        };
        let (name, file) = match folder(rest) {
            Some(name) => (name, None),
            None => (*rest, Some(*whole)),
        };
        lines.push(Branch {
            label: format!("{trunk}{branch}{name}"),
            file,
        });
        let inner: Vec<_> = group
            .iter()
            .filter_map(|(rest, whole)| rest.split_once('/').map(|(_, inner)| (inner, *whole)))
            .collect();
        grow(&inner, &format!("{trunk}{below}"), lines);
    }
}

/// Breaks text between words; lines after the first are indented. A longer word keeps a line of its
/// own. Blanks are kept, except where a line is broken.
pub(super) fn wrap(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut words = text.split(' ');
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        let full = line.chars().count() + 1 + word.chars().count() > width;
        if full && !word.is_empty() && !line.trim_start().is_empty() {
            lines.push(line.trim_end().to_owned());
            line = format!("{indent}{word}");
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_short_rows_end_early() {
        let mut table = Table::new(&["FILE", "SIZE", ""]);
        table.row(["über/öl", "7", "x"]);
        table.row(["a"]);
        assert_eq!(table.lines(100), ["FILE     SIZE", "über/öl  7     x", "a"]);
    }

    #[test]
    fn a_line_that_is_too_wide_is_cut() {
        let mut table = Table::new(&["A"]);
        table.row(["123456789"]);
        assert_eq!(table.lines(9), ["A", "123456789"]);
        assert_eq!(table.lines(8), ["A", "1234567…"]);
    }

    #[test]
    fn folders_are_drawn_once() {
        let lines = tree(&["api-key", "db/a/x", "db/a/y", "db/b", "db-old"]);
        let labels: Vec<_> = lines.iter().map(|line| line.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "├── api-key",
                "├── db",
                "│   ├── a",
                "│   │   ├── x",
                "│   │   └── y",
                "│   └── b",
                "└── db-old",
            ]
        );
        let files: Vec<_> = lines.iter().filter_map(|line| line.file).collect();
        assert_eq!(files, ["api-key", "db/a/x", "db/a/y", "db/b", "db-old"]);
    }

    #[test]
    fn text_is_broken_between_words() {
        for (text, width, lines) in [
            ("", 5, vec![""]),
            ("one two", 7, vec!["one two"]),
            ("one  two   three", 8, vec!["one  two", "  three"]),
            ("one two three", 7, vec!["one two", "  three"]),
            ("  one two", 6, vec!["  one", "  two"]),
            (
                "a longerthanthat b",
                6,
                vec!["a", "  longerthanthat", "  b"],
            ),
        ] {
            assert_eq!(wrap(text, width, "  "), lines, "{text:?}");
        }
    }
}
