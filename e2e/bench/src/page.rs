//! The parts of docs/performance.md that are made of a run; the rest of the page is written by hand.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::record::Run;
use crate::table;

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Stands before what is made.
    pub begin: &'static str,
    /// Stands behind it.
    pub end: &'static str,
}

/// Figures of providers.
pub const PROVIDERS: Section = Section {
    begin: "<!-- figures: begin -->",
    end: "<!-- figures: end -->",
};
/// Figures of the operator.
pub const OPERATOR: Section = Section {
    begin: "<!-- operator: begin -->",
    end: "<!-- operator: end -->",
};

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

impl Section {
    /// Puts text between the markers of a page.
    ///
    /// # Errors
    /// When a marker is missing, or they are out of order.
    pub fn splice(self, page: &str, text: &str) -> anyhow::Result<String> {
        let (before, _, after) = self.split(page)?;
        let Self { begin, end } = self;
        let text = text.trim();
        Ok(format!("{before}{begin}\n\n{text}\n\n{end}{after}"))
    }

    /// What stands between the markers of a page.
    ///
    /// # Errors
    /// When a marker is missing.
    pub fn of(self, page: &str) -> anyhow::Result<&str> {
        Ok(self.split(page)?.1.trim())
    }

    fn split(self, page: &str) -> anyhow::Result<(&str, &str, &str)> {
        let Self { begin, end } = self;
        let (before, rest) = page
            .split_once(begin)
            .with_context(|| format!("no {begin}"))?;
        let (text, after) = rest
            .split_once(end)
            .with_context(|| format!("no {end} behind it"))?;
        Ok((before, text, after))
    }
}

/// Writes the figures of a run into a page.
///
/// # Errors
/// When it cannot be read or written, or has no markers.
pub fn update(page: &Path, section: Section, run: &Run) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let text = section.splice(&text, &figures(run));
    let text = text.with_context(|| page.display().to_string())?;
    Ok(std::fs::write(page, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bench, operator};

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let Section { begin, end } = PROVIDERS;
        let page = format!("a\n{begin}\nold\n{end}\nz\n");
        let page = PROVIDERS.splice(&page, "new\n").unwrap();
        assert_eq!(page, format!("a\n{begin}\n\nnew\n\n{end}\nz\n"));
        assert_eq!(PROVIDERS.splice(&page, "new").unwrap(), page);
        assert_eq!(PROVIDERS.of(&page).unwrap(), "new");
        for broken in ["", begin, end, &format!("{end}{begin}")] {
            assert!(PROVIDERS.splice(broken, "").is_err(), "{broken}");
        }
    }

    /// Not that its figures are those of today.
    #[test]
    fn the_page_has_tables_with_every_line() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
        let page = std::fs::read_to_string(page).unwrap();
        let providers = bench::LINES.map(|line| line.name);
        for (section, lines) in [(PROVIDERS, &providers[..]), (OPERATOR, &operator::LINES)] {
            let text = section.of(&page).unwrap();
            let table = text.split_once("\n| ").map(|(_, rest)| format!("| {rest}"));
            let rows = table::parse(&table.unwrap()).unwrap();
            for line in lines {
                let there = rows.iter().any(|row| row[0] == *line);
                assert!(there, "no row of {line}");
            }
        }
    }
}
