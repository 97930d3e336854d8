//! Where text goes, and its colours. Nothing else in the crate writes.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use jiff::Timestamp;

use crate::exit::{Exit, Failure};
use crate::output::{Format, Look, Output, render};

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorChoice {
    /// Whether there are colours, see <https://no-color.org>.
    fn decide(self, terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb"),
        }
    }
}

/// What a piece of text says, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not wrong yet.
    Warning,
    /// Wrong.
    Bad,
    /// Beside the point.
    Faint,
    /// A heading.
    Strong,
}

/// Colours a text, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// Leaves text as it is.
    pub const PLAIN: Self = Self { colours: false };

    /// With colours.
    pub const COLOURS: Self = Self { colours: true };

    /// A text in the colour of its tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Standard output and standard error, or what stands in for them.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    paint: Paint,
    paint_errors: Paint,
    clock: fn() -> Timestamp,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// What was written to a terminal in memory.
#[derive(Debug, Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// All of it so far.
    pub fn text(&self) -> String {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Terminal {
    /// That of the process.
    pub fn of_process(color: ColorChoice) -> Self {
        let (no_color, term) = (std::env::var("NO_COLOR").ok(), std::env::var("TERM").ok());
        let paint = |terminal| Paint {
            colours: color.decide(terminal, no_color.as_deref(), term.as_deref()),
        };
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            paint: paint(io::stdout().is_terminal()),
            paint_errors: paint(io::stderr().is_terminal()),
            clock: Timestamp::now,
        }
    }

    /// One in memory, without colours: itself, its output and its errors.
    pub fn in_memory() -> (Self, Written, Written) {
        let (out, err) = (Written::default(), Written::default());
        let terminal = Self {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            paint: Paint::PLAIN,
            paint_errors: Paint::PLAIN,
            clock: Timestamp::now,
        };
        (terminal, out, err)
    }

    /// How texts look here.
    pub fn look(&self) -> Look {
        Look {
            paint: self.paint,
            wide: false,
            now: (self.clock)(),
        }
    }

    /// Shows a result and says what the exit code is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn show(&mut self, output: &impl Output, format: Format) -> Result<Exit, Failure> {
        let text = render(output, format, &self.look())?;
        self.text(&text)?;
        Ok(output.exit())
    }

    /// Writes a text as it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn text(&mut self, text: &str) -> Result<Exit, Failure> {
        let written = self.out.write_all(text.as_bytes());
        match written.and_then(|()| self.out.flush()) {
            // Whoever reads has seen enough, such as `head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
            Err(source) => Err(Failure::Write { source }),
            Ok(()) => Ok(Exit::Fine),
        }
    }

    /// Tells something beside the result, on standard error.
    pub fn note(&mut self, text: &str) {
        // There is nowhere to tell that this failed.
        let _ = writeln!(self.err, "{text}");
    }

    /// The colours of notes.
    pub fn paint_of_notes(&self) -> Paint {
        self.paint_errors
    }

    /// Tells why a command could not be carried out.
    pub fn failed(&mut self, failure: &Failure) {
        let word = self.paint_errors.tone(Tone::Bad, "error:");
        self.note(&format!("{word} {failure}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        use ColorChoice::{Always, Auto, Never};
        for (choice, terminal, no_color, term, colours) in [
            (Auto, true, None, Some("xterm"), true),
            (Auto, true, Some(""), None, true),
            (Auto, true, Some("1"), None, false),
            (Auto, true, None, Some("dumb"), false),
            (Auto, false, None, None, false),
            (Always, false, Some("1"), None, true),
            (Never, true, None, None, false),
        ] {
            assert_eq!(
                choice.decide(terminal, no_color, term),
                colours,
                "{choice:?} {terminal} {no_color:?} {term:?}"
            );
        }
    }

    #[test]
    fn paint_leaves_plain_text_alone() {
        assert_eq!(Paint::PLAIN.tone(Tone::Bad, "no"), "no");
        assert_eq!(
            Paint::COLOURS.tone(Tone::Bad, "no"),
            "\u{1b}[31mno\u{1b}[0m"
        );
        assert_eq!(Paint::COLOURS.tone(Tone::Good, ""), "");
    }
}
