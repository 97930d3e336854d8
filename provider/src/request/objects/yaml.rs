//! The YAML of `objects`: a map whose `array` is a list, or the list alone; its entries are maps, or
//! texts that each hold a map in YAML or JSON.
//!
//! Values are taken as the text that stands there, never by their YAML type: `0644` stays `0644`.
//! Where the parser's own message could quote a value, one of ours replaces it.

mod visitor;

use std::cell::{Cell, RefCell};

use serde::de::DeserializeSeed;

use self::visitor::{Kind, Node, Seed};
use super::super::error::{EntryRef, Place, Quoted, RequestError};
use super::super::parameters::LARGEST_ATTRIBUTES;

/// Bytes of keys and values that may be read. Every byte of the attributes is read at most twice,
/// in the list and in the entry's text; only aliases get beyond that.
const BUDGET: usize = 4 * LARGEST_ATTRIBUTES;

/// Brackets and braces opened, times bytes: the scanner looks at every open one for each token, so
/// that a hostile text costs this many steps. A thousand objects in flow style have a fifth of it.
const SCANNING_BUDGET: usize = 1 << 28;

/// The fields of an entry, as written.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields(Box<[Option<String>; Fields::NAMES.len()]>);

impl Fields {
    /// The one whose value may be a list.
    const LIST: &str = "parts";

    const NAMES: [&str; 10] = [
        "objectName",
        "objectAlias",
        "objectType",
        "objectVersion",
        "objectVersionHistory",
        "objectFormat",
        "objectEncoding",
        "filePermission",
        "optional",
        "parts",
    ];

    fn get(&self, at: usize) -> &str {
        self.0
            .get(at)
            .and_then(Option::as_deref)
            .map_or("", str::trim)
    }

    pub(super) fn name(&self) -> &str {
        self.get(0)
    }

    pub(super) fn alias(&self) -> &str {
        self.get(1)
    }

    pub(super) fn object_type(&self) -> &str {
        self.get(2)
    }

    pub(super) fn version(&self) -> &str {
        self.get(3)
    }

    pub(super) fn history(&self) -> &str {
        self.get(4)
    }

    pub(super) fn format(&self) -> &str {
        self.get(5)
    }

    pub(super) fn encoding(&self) -> &str {
        self.get(6)
    }

    pub(super) fn permission(&self) -> &str {
        self.get(7)
    }

    pub(super) fn optional(&self) -> &str {
        self.get(8)
    }

    /// Names with commas between them, also if they stand in a list.
    pub(super) fn parts(&self) -> &str {
        self.get(9)
    }

    fn slot(&mut self, key: &str) -> Option<(&'static str, &mut Option<String>)> {
        Self::NAMES
            .into_iter()
            .zip(self.0.iter_mut())
            .find(|(name, _)| *name == key)
    }

    /// Takes from another what is not given here.
    fn fill(&mut self, other: Self) {
        for (own, others) in self.0.iter_mut().zip(*other.0) {
            if own.is_none() {
                *own = others;
            }
        }
    }
}

/// Reads the entries with their positions. Null entries are left out.
pub(super) fn read(text: &str) -> Result<Vec<(usize, Fields)>, RequestError> {
    let reader = Reader::default();
    let (text, skipped) = without_margin(text);
    let entries = match reader.parse(text, Kind::Document) {
        Ok(Node::Entries(entries)) => entries,
        Ok(_) => Vec::new(),
        Err(error) => return Err(reader.explain(&error, None, skipped)),
    };
    let mut objects = Vec::with_capacity(entries.len());
    for (index, node) in entries {
        match node {
            Node::Fields(fields) => objects.push((index, fields)),
            Node::Text(text) => {
                reader.enter(index);
                match reader.parse(&text, Kind::EntryText) {
                    Ok(Node::Fields(fields)) => objects.push((index, fields)),
                    Ok(_) => objects.push((index, Fields::default())),
                    Err(error) => return Err(reader.explain(&error, Some(&text), 0)),
                }
            }
            Node::Null | Node::Entries(_) => {}
        }
    }
    Ok(objects)
}

/// Drops white space around the document, and says how many lines that skips. The indentation of a
/// list's first entry stays: the others have it too.
fn without_margin(text: &str) -> (&str, usize) {
    let trimmed = text.trim();
    let start = text.len() - text.trim_start().len();
    let margin = text.get(..start).unwrap_or_default();
    let skipped = margin.matches('\n').count();
    if !trimmed.starts_with("- ") {
        return (trimmed, skipped);
    }
    let line = margin.rfind('\n').map_or(0, |at| at + 1);
    (text.get(line..).unwrap_or(trimmed), skipped)
}

/// What we refuse in a document that is YAML.
enum Problem {
    Duplicate(Quoted),
    Shape(Kind, &'static str),
    ArrayMissing,
    Mixed { first: usize, found: &'static str },
    TooMany,
    AliasesTooLarge,
    TooManyBrackets,
}

/// What is known while a document is read. The parser's errors carry texts only, so our own
/// refusals travel beside them.
struct Reader {
    budget: Cell<usize>,
    scanning: Cell<usize>,
    problem: RefCell<Option<Problem>>,
    entry: Cell<Option<usize>>,
    name: RefCell<Option<Quoted>>,
    field: Cell<Option<&'static str>>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            budget: Cell::new(BUDGET),
            scanning: Cell::new(SCANNING_BUDGET),
            problem: RefCell::default(),
            entry: Cell::default(),
            name: RefCell::default(),
            field: Cell::default(),
        }
    }
}

impl Reader {
    /// Reads the first document of a text; the Azure provider ignores the rest as well.
    fn parse(&self, text: &str, kind: Kind) -> Result<Node, serde_yaml::Error> {
        let opened = text.bytes().filter(|b| matches!(b, b'[' | b'{')).count();
        match self
            .scanning
            .get()
            .checked_sub(opened.saturating_mul(text.len()))
        {
            Some(left) => self.scanning.set(left),
            None => return Err(self.refuse(Problem::TooManyBrackets)),
        }
        match serde_yaml::Deserializer::from_str(text).next() {
            Some(document) => Seed { reader: self, kind }.deserialize(document),
            None => Ok(Node::Null),
        }
    }

    fn enter(&self, index: usize) {
        self.entry.set(Some(index));
        self.name.replace(None);
        self.field.set(None);
    }

    fn leave(&self) {
        self.entry.set(None);
        self.name.replace(None);
    }

    fn refuse<E: serde::de::Error>(&self, problem: Problem) -> E {
        self.problem.replace(Some(problem));
        E::custom("refused")
    }

    fn spend<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        match self.budget.get().checked_sub(bytes + 1) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(self.refuse(Problem::AliasesTooLarge)),
        }
    }

    /// Turns a failure into our words. `text` is the entry's own text if that was read.
    fn explain(
        &self,
        error: &serde_yaml::Error,
        text: Option<&str>,
        skipped: usize,
    ) -> RequestError {
        let name = self.name.take().or_else(|| text.and_then(readable_name));
        let entry = self.entry.get().map(|index| EntryRef { index, name });
        let line = error.location().map(|at| at.line() + skipped);
        let place = Place {
            entry: entry.clone(),
            line,
            line_of_entry: text.is_some(),
        };
        match self.problem.take() {
            Some(Problem::Duplicate(key)) => RequestError::DuplicateKey { place, key },
            Some(Problem::Shape(kind, found)) => match kind {
                Kind::Document => RequestError::DocumentShape { place, found },
                Kind::Array => RequestError::ArrayShape { place, found },
                Kind::Entry | Kind::EntryText => RequestError::EntryShape { place, found },
                Kind::Merge | Kind::MergeElement => RequestError::Merge { place, found },
            },
            Some(Problem::ArrayMissing) => RequestError::ArrayMissing,
            Some(Problem::Mixed { first, found }) => RequestError::EntriesMixed {
                first: EntryRef {
                    index: first,
                    name: None,
                },
                entry: entry.unwrap_or(EntryRef {
                    index: 0,
                    name: None,
                }),
                found,
            },
            Some(Problem::TooMany) => RequestError::TooManyObjects,
            Some(Problem::AliasesTooLarge) => RequestError::AliasesTooLarge,
            Some(Problem::TooManyBrackets) => RequestError::TooManyBrackets,
            None => self.explain_parser(error, place),
        }
    }

    fn explain_parser(&self, error: &serde_yaml::Error, place: Place) -> RequestError {
        let message = error.to_string();
        // Errors of type may quote the value. Those of syntax are fixed texts, followed by where.
        let of_type = ["invalid type: ", "invalid value: ", "invalid length: "];
        if of_type.iter().any(|text| message.contains(text)) {
            return match self.field.get() {
                Some(Fields::LIST) => RequestError::PartsShape { place },
                Some(field) => RequestError::FieldNotText { place, field },
                None => RequestError::Yaml {
                    place,
                    problem: Quoted::new("a value of unexpected type"),
                },
            };
        }
        if message == "repetition limit exceeded" {
            return RequestError::AliasesTooLarge;
        }
        let problem = message.split(" at ").next().unwrap_or_default();
        RequestError::Yaml {
            place,
            problem: Quoted::new(problem),
        }
    }
}

/// The `objectName` of a text that is not YAML, so that its author can find it.
fn readable_name(text: &str) -> Option<Quoted> {
    let (_, rest) = text.split_once("objectName")?;
    let rest = rest
        .trim_start_matches(['"', '\''])
        .trim_start_matches([' ', '\t']);
    let rest = rest
        .strip_prefix(':')?
        .trim_start_matches([' ', '\t', '"', '\'']);
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .unwrap_or(rest.len());
    rest.get(..end)
        .filter(|name| !name.is_empty())
        .map(Quoted::new)
}
