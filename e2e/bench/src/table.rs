//! The table of a run: a row for each figure, a column for each provider, and how many times the
//! first provider's figure the others' are.

use std::fmt::Write as _;

use crate::record::{Record, Run, Value};

/// How many samples stand behind other figures: for machines, as it would be a row for each case.
const SAMPLES: &str = "samples";

/// A row of cells as wide as the head.
pub type Row = Vec<String>;

/// The table's head and rows.
pub fn rows(run: &Run) -> (Row, Vec<Row>) {
    let names: Vec<&str> = run.providers.iter().map(|one| one.name.as_str()).collect();
    let mut head: Row = ["line", "case", "figure", "unit"].map(str::to_owned).into();
    head.extend(names.iter().map(|name| (*name).to_owned()));
    if let Some((first, others)) = names.split_first() {
        head.extend(others.iter().map(|other| format!("{other} / {first}")));
    }
    let mut keys: Vec<&Record> = Vec::new();
    for record in run.records.iter().filter(|one| one.metric != SAMPLES) {
        if !keys.iter().any(|key| same(key, record)) {
            keys.push(record);
        }
    }
    // A figure that only a later provider has still stands with its line.
    let mut order: Vec<&str> = Vec::new();
    for key in &keys {
        if !order.contains(&key.name.as_str()) {
            order.push(&key.name);
        }
    }
    keys.sort_by_key(|key| order.iter().position(|name| *name == key.name));
    let rows = keys.iter().map(|key| row(run, key, &names)).collect();
    (head, rows)
}

fn same(a: &Record, b: &Record) -> bool {
    (&a.name, &a.params, &a.metric) == (&b.name, &b.params, &b.metric)
}

fn row(run: &Run, key: &Record, names: &[&str]) -> Row {
    let values: Vec<Option<&Value>> = names
        .iter()
        .map(|name| {
            let mut records = run.records.iter();
            let found = records.find(|record| record.provider == *name && same(record, key));
            found.map(|record| &record.value)
        })
        .collect();
    let case: Vec<&str> = key.params.values().map(String::as_str).collect();
    let mut row = vec![
        key.name.clone(),
        case.join(", "),
        key.metric.clone(),
        key.unit.clone(),
    ];
    row.extend(values.iter().map(|value| match value {
        Some(Value::Number(number)) => figure(*number),
        Some(Value::Text(text)) => text.clone(),
        None => "-".to_owned(),
    }));
    let first = values.first().copied().flatten();
    row.extend(values.iter().skip(1).map(|value| match (first, value) {
        (Some(Value::Number(first)), Some(Value::Number(value))) if *first > 0.0 => {
            figure(value / first)
        }
        _ => String::new(),
    }));
    row
}

/// Three digits that mean something, and no more than three behind the point.
fn figure(value: f64) -> String {
    let magnitude = value.abs();
    match () {
        () if magnitude.fract() == 0.0 || magnitude >= 100.0 => format!("{value:.0}"),
        () if magnitude >= 10.0 => format!("{value:.1}"),
        () if magnitude >= 1.0 => format!("{value:.2}"),
        () => format!("{value:.3}"),
    }
}

/// The table in Markdown.
pub fn markdown(run: &Run) -> String {
    let (head, rows) = rows(run);
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(&head);
    line(&vec!["---".to_owned(); head.len()]);
    for row in &rows {
        line(row);
    }
    text
}

/// The table for a terminal.
pub fn plain(run: &Run) -> String {
    let (head, mut rows) = rows(run);
    rows.insert(0, head);
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column < 4 {
                true => write!(line, "{cell:<width$}  "),
                false => write!(line, "{cell:>width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Reads a Markdown table back: all rows with the head's number of cells, or none.
pub fn parse(markdown: &str) -> Option<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for line in markdown.lines().filter(|line| !line.trim().is_empty()) {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Row = inner
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect();
        if rows.first().is_some_and(|head| head.len() != cells.len()) {
            return None;
        }
        rows.push(cells);
    }
    let rule = rows.get(1)?;
    (rule.iter().all(|cell| cell == "---")).then(|| {
        rows.remove(1);
        rows
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Identity;
    use crate::record::{Machine, Recorder};

    fn run() -> Run {
        let identity = |name: &str| Identity {
            name: name.to_owned(),
            sha256: String::new(),
            bytes: 0,
            arguments: Vec::new(),
        };
        let mut ours = Recorder::new("ours");
        let rtt = [("rtt", "5 ms".to_owned())];
        ours.case("mount", &rtt).number("median", 2.0, "ms");
        ours.case("size", &[]).number("binary", 9.5, "MiB");
        let mut theirs = Recorder::new("theirs");
        theirs
            .case("mount", &rtt)
            .number("median", 9.0, "ms")
            .text("codes", "OK 3")
            .count("samples", 3);
        let mut records = ours.into_records();
        records.extend(theirs.into_records());
        Run {
            form: "short".to_owned(),
            began: String::new(),
            seconds: 0,
            machine: Machine::this(),
            providers: vec![identity("ours"), identity("theirs")],
            records,
        }
    }

    #[test]
    fn figures_of_a_line_stand_together_with_ratios() {
        let (head, rows) = rows(&run());
        assert_eq!(head[4..], ["ours", "theirs", "theirs / ours"]);
        let rows: Vec<String> = rows.iter().map(|row| row.join(";")).collect();
        assert_eq!(
            rows,
            [
                "mount;5 ms;median;ms;2;9;4.50",
                "mount;5 ms;codes;;-;OK 3;",
                "size;;binary;MiB;9.50;-;"
            ]
        );
    }

    #[test]
    fn figures_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0.040"),
            (1.236, "1.24"),
            (12.36, "12.4"),
            (1236.4, "1236"),
            (7.0, "7"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn markdown_is_read_back() {
        let run = run();
        let (head, rows) = rows(&run);
        let read = parse(&markdown(&run)).unwrap();
        assert_eq!(read.first(), Some(&head));
        assert_eq!(read.len(), rows.len() + 1);
        assert_eq!(parse("| a | b |\n| --- | --- |\n| 1 |"), None);
        assert_eq!(parse("| a | b |\n| 1 | 2 |"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_terminal_gets_columns() {
        let text = plain(&run());
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("mount  5 ms  median  ms       2"), "{text}");
    }
}
