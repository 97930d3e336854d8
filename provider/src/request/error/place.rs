//! The pieces of a message that say where the fault is and what stands there.

use std::fmt;

use vaultbind_keyvault::text::is_unprintable;

/// Longest piece of somebody else's text in a message, in characters.
const LONGEST_QUOTE: usize = 60;

/// Somebody else's text in a message: cut, without control characters, in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// Takes what of a text is fit for a message.
    pub(in crate::request) fn new(text: &str) -> Self {
        let mut shown = text.chars().filter(|c| !is_unprintable(*c));
        let mut quoted: String = shown.by_ref().take(LONGEST_QUOTE).collect();
        if shown.next().is_some() {
            quoted.pop();
            quoted.push('…');
        }
        Self(quoted)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// An entry of `objects`, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRef {
    /// Its position.
    pub index: usize,
    /// Its `objectName`, as far as it could be read.
    pub name: Option<Quoted>,
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "objects[{}]", self.index)?;
        match &self.name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// A place in the YAML of `objects`; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The entry, if the place is in one.
    pub entry: Option<EntryRef>,
    /// The line, if known.
    pub line: Option<usize>,
    /// Whether the line counts from the start of the entry's own text.
    pub line_of_entry: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.entry, self.line) {
            (Some(entry), Some(line)) if self.line_of_entry => {
                write!(f, "{entry}, its line {line}")
            }
            (Some(entry), Some(line)) => write!(f, "{entry}, line {line} of objects"),
            (Some(entry), None) => write!(f, "{entry}"),
            (None, Some(line)) => write!(f, "objects, line {line}"),
            (None, None) => write!(f, "objects"),
        }
    }
}
