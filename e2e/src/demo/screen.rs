//! Text on standard output, no wider than 100 columns.

use std::io::{self, IsTerminal as _, Write as _};

use super::table::{Table, wrap};

/// The widest line.
pub(super) const WIDTH: usize = 100;

/// Standard output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    colour: bool,
}

/// What a colour says.
#[derive(Debug, Clone, Copy)]
enum Style {
    Heading,
    Good,
    Bad,
    Faint,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "1;36",
            Self::Good => "32",
            Self::Bad => "33",
            Self::Faint => "2",
        }
    }
}

impl Screen {
    /// Colours are for terminals whose user has not said no.
    pub(super) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: io::stdout().is_terminal() && !refused,
        }
    }

    /// A new step.
    pub(super) fn heading(&self, text: &str) -> io::Result<()> {
        self.print(&format!("\n{}", self.paint(Style::Heading, text)))
    }

    /// Words about a step.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        for line in wrap(text, WIDTH, "") {
            self.print(&line)?;
        }
        Ok(())
    }

    /// Something that was checked.
    pub(super) fn good(&self, text: &str) -> io::Result<()> {
        self.styled(Style::Good, &format!("✓ {text}"), "    ")
    }

    /// A message of a failure, as others write it.
    pub(super) fn bad(&self, text: &str) -> io::Result<()> {
        self.styled(Style::Bad, text, "      ")
    }

    /// A remark.
    pub(super) fn note(&self, text: &str) -> io::Result<()> {
        self.print("")?;
        self.say(text)
    }

    /// A line of a log.
    pub(super) fn log(&self, text: &str) -> io::Result<()> {
        self.styled(Style::Faint, text, "    ")
    }

    /// A table, a row a line.
    pub(super) fn table(&self, table: &Table) -> io::Result<()> {
        let mut lines = table.lines(WIDTH - 2).into_iter();
        if let Some(header) = lines.next() {
            self.print(&format!("  {}", self.paint(Style::Faint, &header)))?;
        }
        lines.try_for_each(|line| self.print(&format!("  {line}")))
    }

    /// Text to be copied: neither wrapped nor indented nor coloured.
    pub(super) fn verbatim(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.print(line))
    }

    fn styled(&self, style: Style, text: &str, indent: &str) -> io::Result<()> {
        for line in wrap(text, WIDTH - 2, indent) {
            self.print(&format!("  {}", self.paint(style, &line)))?;
        }
        Ok(())
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    fn print(&self, line: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{line}")
    }
}
