//! The part of docs/performance.md that is made of a run; the rest of the page is written by hand.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::record::Run;
use crate::table;

/// Stands before what is made.
pub const BEGIN: &str = "<!-- figures: begin -->";
/// Stands behind it.
pub const END: &str = "<!-- figures: end -->";

/// What stands between the markers.
pub fn figures(run: &Run) -> String {
    let mut text = String::new();
    let machine = &run.machine;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Run of {}, {} form, {} s, on {} x {}, {} GiB of memory, Linux {}.\n",
        run.began.split('T').next().unwrap_or_default(),
        run.form,
        run.seconds,
        machine.processors,
        machine.processor,
        machine.memory >> 30,
        machine.kernel,
    );
    for provider in &run.providers {
        let arguments = match provider.arguments.is_empty() {
            true => "defaults".to_owned(),
            false => format!("`{}`", provider.arguments.join(" ")),
        };
        let _ = writeln!(
            text,
            "- {}: {arguments}, SHA-256 {}…",
            provider.name, provider.sha256
        );
    }
    let _ = write!(text, "\n{}", table::markdown(run));
    text
}

/// Puts text between the markers of a page.
///
/// # Errors
/// When a marker is missing, or they are out of order.
pub fn splice(page: &str, text: &str) -> anyhow::Result<String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .context("no marker begins the figures")?;
    let (_, after) = rest.split_once(END).context("no marker ends the figures")?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        text.trim()
    ))
}

/// What stands between the markers of a page.
///
/// # Errors
/// When a marker is missing.
pub fn between(page: &str) -> anyhow::Result<&str> {
    let (_, rest) = page
        .split_once(BEGIN)
        .context("no marker begins the figures")?;
    let (text, _) = rest.split_once(END).context("no marker ends the figures")?;
    Ok(text.trim())
}

/// Writes the figures of a run into a page.
///
/// # Errors
/// When it cannot be read or written, or has no markers.
pub fn update(page: &Path, run: &Run) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let text = splice(&text, &figures(run)).with_context(|| page.display().to_string())?;
    Ok(std::fs::write(page, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::LINES;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nz\n");
        let page = splice(&page, "new\n").unwrap();
        assert_eq!(page, format!("a\n{BEGIN}\n\nnew\n\n{END}\nz\n"));
        assert_eq!(splice(&page, "new").unwrap(), page);
        assert_eq!(between(&page).unwrap(), "new");
        for broken in ["", BEGIN, END, &format!("{END}{BEGIN}")] {
            assert!(splice(broken, "").is_err(), "{broken}");
        }
    }

    /// Not that its figures are those of today.
    #[test]
    fn the_page_has_a_table_with_every_line() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
        let page = std::fs::read_to_string(page).unwrap();
        let text = between(&page).unwrap();
        let table = text.split_once("\n| ").map(|(_, rest)| format!("| {rest}"));
        let rows = table::parse(&table.unwrap()).unwrap();
        for line in LINES {
            let there = rows.iter().any(|row| row[0] == line.name);
            assert!(there, "no row of {}", line.name);
        }
    }
}
