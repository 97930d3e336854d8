//! Objects in files: YAML with several documents, JSON, folders of them, and standard input.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::exit::Failure;

/// Files of a folder that are read.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Standard input.
const STDIN: &str = "-";

/// Where an object was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as it was given or found.
    pub file: String,
    /// The line that its document begins at, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One object of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it is.
    pub place: Place,
    /// What it says.
    pub object: Map<String, Value>,
}

/// A document that is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it is; the line is that of the mistake where that is known.
    pub place: Place,
    /// Why, and what to do.
    pub message: String,
}

/// All that files hold.
#[derive(Debug, Default, PartialEq)]
pub struct Manifests {
    /// The objects, in order; those of lists one by one.
    pub objects: Vec<Manifest>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Manifests {
    /// Reads files, the files of folders (`recursive`: also of folders in them), and standard input for `-`.
    ///
    /// # Errors
    /// When one is not there or cannot be read, or a folder has none.
    pub fn read(names: &[PathBuf], recursive: bool) -> Result<Self, Failure> {
        let mut manifests = Self::default();
        for name in names {
            let file = name.display().to_string();
            if file == STDIN {
                let mut text = String::new();
                let read = io::stdin().read_to_string(&mut text);
                read.map_err(|source| Failure::File {
                    file: "standard input".to_owned(),
                    source,
                })?;
                manifests.add("standard input", &text);
                continue;
            }
            if !name.is_dir() {
                manifests.add(&file, &text(name)?);
                continue;
            }
            let files = within(name, recursive)?;
            if files.is_empty() {
                return Err(Failure::Usage(format!(
                    "{file}: no file in it ends in .yaml, .yml or .json; name a file, or add -R for the folders in it"
                )));
            }
            for file in files {
                manifests.add(&file.display().to_string(), &text(&file)?);
            }
        }
        Ok(manifests)
    }

    /// Adds the documents of a text.
    pub fn add(&mut self, file: &str, text: &str) {
        for (line, document) in documents(text) {
            let place = |line| Place {
                file: file.to_owned(),
                line,
            };
            let value = match parse(&document) {
                Ok(value) => value,
                Err((offset, message)) => {
                    self.unreadable.push(Unreadable {
                        place: place(line + offset),
                        message,
                    });
                    continue;
                }
            };
            self.take(place(line), value);
        }
    }

    fn take(&mut self, place: Place, value: Value) {
        match value {
            // Nothing between two lines of dashes.
            Value::Null => {}
            Value::Object(mut object) => {
                let is_list = object
                    .get("kind")
                    .and_then(Value::as_str)
                    .is_some_and(|kind| kind.ends_with("List"));
                match object.remove("items") {
                    Some(Value::Array(items)) if is_list => {
                        for item in items {
                            self.take(place.clone(), item);
                        }
                    }
                    Some(items) => {
                        object.insert("items".to_owned(), items);
                        self.objects.push(Manifest { place, object });
                    }
                    None => self.objects.push(Manifest { place, object }),
                }
            }
            _ => self.unreadable.push(Unreadable {
                place,
                message: "is no object: write apiVersion, kind and metadata".to_owned(),
            }),
        }
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|source| Failure::File {
        file: file.display().to_string(),
        source,
    })
}

/// The files of a folder, in the order of their names.
fn within(folder: &Path, recursive: bool) -> Result<Vec<PathBuf>, Failure> {
    let failed = |source| Failure::File {
        file: folder.display().to_string(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut entries: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(failed)?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        let ending = entry.extension().and_then(|ending| ending.to_str());
        // A link may lead back: only folders that are no links are gone into.
        if entry.is_dir() {
            if recursive && !entry.is_symlink() {
                files.extend(within(&entry, recursive)?);
            }
        } else if ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            files.push(entry);
        }
    }
    Ok(files)
}

/// The documents of a text, each with the line that it begins at. Three dashes at the beginning of a line
/// end a document wherever they are: <https://yaml.org/spec/1.2.2/#rule-c-forbidden>.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = Vec::new();
    let mut current = String::new();
    let mut begin = 1;
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let rest = line.strip_prefix("---");
        let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        else {
            current.push_str(line);
            current.push('\n');
            continue;
        };
        documents.push((begin, std::mem::take(&mut current)));
        begin = at + 2;
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            // The document begins on the line itself.
            begin = at + 1;
            current = format!("{rest}\n");
        }
    }
    documents.push((begin, current));
    documents
        .into_iter()
        .map(|(begin, document)| {
            let blank = |line: &&str| line.trim().is_empty() || line.starts_with('#');
            let skipped = document.lines().take_while(blank).count();
            (begin + skipped, skip(&document, skipped))
        })
        .filter(|(_, document)| !document.trim().is_empty())
        .collect()
}

fn skip(text: &str, lines: usize) -> String {
    text.lines()
        .skip(lines)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The value of a document, or how many lines further a mistake is and what it is.
fn parse(document: &str) -> Result<Value, (usize, String)> {
    // By way of YAML's own value, which does not take a key that is there twice.
    let value: serde_yaml::Value = serde_yaml::from_str(document).map_err(|error| {
        let line = error.location().map_or(1, |at| at.line());
        (
            line.saturating_sub(1),
            format!("is not valid YAML: {}", without_place(&error.to_string())),
        )
    })?;
    serde_json::to_value(value).map_err(|error| (0, format!("cannot be an object: {error}")))
}

/// A message of the parser without lines and columns, which are counted from the document's beginning.
fn without_place(message: &str) -> String {
    let number = |text: &str| {
        text.trim_start_matches(char::is_numeric)
            .trim_start()
            .to_owned()
    };
    let mut text = String::new();
    let mut rest = message.to_owned();
    while let Some((before, after)) = rest.split_once(" at line ") {
        text.push_str(before);
        let after = number(after);
        rest = match after.strip_prefix("column ") {
            Some(after) => after.trim_start_matches(char::is_numeric).to_owned(),
            None => after,
        };
    }
    text + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Manifests {
        let mut manifests = Manifests::default();
        manifests.add("a.yaml", text);
        manifests
    }

    fn kinds(manifests: &Manifests) -> Vec<(usize, &str)> {
        let objects = manifests.objects.iter();
        objects
            .map(|manifest| {
                (
                    manifest.place.line,
                    manifest.object["kind"].as_str().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn documents_are_found_with_their_lines() {
        let text = "# first\nkind: A\n---\n\n# nothing\n---\n---\n# a comment\nkind: B\ntext: |\n  --- no\n--- # c\nkind: C\n";
        assert_eq!(kinds(&read(text)), [(2, "A"), (9, "B"), (13, "C")]);
    }

    #[test]
    fn lists_and_json_are_taken() {
        let text = r#"{"kind": "List", "items": [{"kind": "A"}, {"kind": "B", "items": []}]}"#;
        assert_eq!(kinds(&read(text)), [(1, "A"), (1, "B")]);
        assert_eq!(kinds(&read("kind: BList\nitems:\n- kind: B\n")), [(1, "B")]);
    }

    #[test]
    fn what_is_no_object_is_told_and_the_rest_is_read() {
        let found = read("kind: A\n---\nkind: [\n---\n- 1\n---\nkind: B\nkind: C\n---\nkind: D\n");
        assert_eq!(kinds(&found), [(1, "A"), (10, "D")]);
        let lines: Vec<_> = found.unreadable.iter().map(|one| one.place.line).collect();
        assert_eq!(lines.len(), 3, "{found:?}");
        assert_eq!(lines[1], 5);
    }

    #[test]
    fn folders_are_read_in_order_and_deeper_only_if_asked() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("deep")).unwrap();
        for (name, text) in [
            ("b.yml", "kind: B"),
            ("a.yaml", "kind: A"),
            ("c.txt", "kind: C"),
            ("deep/d.json", r#"{"kind": "D"}"#),
        ] {
            std::fs::write(root.join(name), text).unwrap();
        }
        let read = |recursive| Manifests::read(&[root.to_owned()], recursive).unwrap();
        assert_eq!(kinds(&read(false)), [(1, "A"), (1, "B")]);
        assert_eq!(kinds(&read(true)), [(1, "A"), (1, "B"), (1, "D")]);
        let gone = Manifests::read(&[root.join("gone.yaml")], false).unwrap_err();
        assert!(gone.to_string().contains("gone.yaml"), "{gone}");
    }
}
