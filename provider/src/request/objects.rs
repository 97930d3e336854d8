//! The `objects` parameter: its entries, checked one by one and against each other.

mod classes;
mod yaml;

use std::collections::HashMap;
use std::str::FromStr as _;

use vaultbind_keyvault::{ObjectName, ObjectType};

pub use self::classes::Classes;
use self::yaml::Fields;
use super::error::{EntryRef, Quoted, RequestError};
use super::mode::FileMode;
use super::parameters::boolean;
use super::parts::Parts;
use super::path::{self, FilePath};
use super::{Encoding, Format, Object};

/// More than anybody mounts, few enough to hold in memory.
pub(super) const MOST_OBJECTS: usize = 1000;

/// Reads the parameter. `mode` is that of objects without `filePermission`.
pub(super) fn decode(text: &str, mode: FileMode) -> Result<Vec<Object>, RequestError> {
    if text.trim().is_empty() {
        return Err(RequestError::ObjectsMissing);
    }
    let mut objects = Vec::new();
    let mut entries = Vec::new();
    for (index, fields) in yaml::read(text)? {
        let name = Some(fields.name())
            .filter(|name| !name.is_empty())
            .map(Quoted::new);
        let entry = EntryRef { index, name };
        objects.push(object(&entry, &fields, mode)?);
        entries.push(entry);
    }
    paths_are_apart(&objects, &entries)?;
    Ok(objects)
}

fn object(entry: &EntryRef, fields: &Fields, mode: FileMode) -> Result<Object, RequestError> {
    let entry = || entry.clone();
    let name: ObjectName = match fields.name() {
        "" => return Err(RequestError::NameMissing { entry: entry() }),
        name => name.parse().map_err(|rule| RequestError::Name {
            entry: entry(),
            rule,
        })?,
    };
    let object_type: ObjectType = fields
        .object_type()
        .parse()
        .map_err(|_| RequestError::Type {
            entry: entry(),
            value: Quoted::new(fields.object_type()),
        })?;
    let version = match fields.version() {
        text if text.is_empty() || text.eq_ignore_ascii_case("latest") => None,
        text => Some(text.parse().map_err(|rule| RequestError::Version {
            entry: entry(),
            value: Quoted::new(text),
            rule,
        })?),
    };
    let parts = Parts::parse(fields.parts())
        .and_then(|parts| {
            parts.check(object_type, fields.format(), fields.encoding())?;
            Ok(parts)
        })
        .map_err(|error| RequestError::Parts {
            entry: entry(),
            error,
        })?;
    match history(fields.history()) {
        Some(..=1) => {}
        Some(versions) => {
            return Err(RequestError::HistoryUnsupported {
                entry: entry(),
                versions,
            });
        }
        None => {
            let value = Quoted::new(fields.history());
            return Err(RequestError::History {
                entry: entry(),
                value,
            });
        }
    }
    let format = match fields.format().to_ascii_lowercase().as_str() {
        "" | "pem" => Format::Pem,
        "pfx" if object_type == ObjectType::Secret => Format::Pfx,
        "pfx" => {
            let object_type = object_type.as_str();
            return Err(RequestError::FormatNeedsSecret {
                entry: entry(),
                object_type,
            });
        }
        _ => {
            let value = Quoted::new(fields.format());
            return Err(RequestError::Format {
                entry: entry(),
                value,
            });
        }
    };
    let encoding = match fields.encoding().to_ascii_lowercase().as_str() {
        "" => Encoding::Utf8,
        _ if object_type != ObjectType::Secret => {
            let object_type = object_type.as_str();
            return Err(RequestError::EncodingNeedsSecret {
                entry: entry(),
                object_type,
            });
        }
        "utf-8" => Encoding::Utf8,
        "base64" => Encoding::Base64,
        "hex" => Encoding::Hex,
        _ => {
            let value = Quoted::new(fields.encoding());
            return Err(RequestError::Encoding {
                entry: entry(),
                value,
            });
        }
    };
    let mode = match fields.permission() {
        "" => mode,
        text => text.parse().map_err(|rule| RequestError::FilePermission {
            entry: entry(),
            value: Quoted::new(text),
            rule,
        })?,
    };
    let optional = boolean(fields.optional()).ok_or_else(|| RequestError::Optional {
        entry: entry(),
        value: Quoted::new(fields.optional()),
    })?;
    let path_text = match fields.alias() {
        "" => fields.name(),
        alias => alias,
    };
    let bad_path = |reason| RequestError::Path {
        entry: entry(),
        path: Quoted::new(path_text),
        reason,
    };
    let object = Object {
        object_type,
        name,
        version,
        path: path_text.parse().map_err(bad_path)?,
        mode,
        encoding,
        format,
        parts,
        optional,
    };
    // A folder's files are longer than the folder.
    for file in object.files() {
        FilePath::from_str(&file).map_err(bad_path)?;
    }
    Ok(object)
}

/// The numbers that YAML 1.1 and 1.2 know, as the Azure provider read them; a fraction is dropped.
/// Blank is 0, what is not a number within 32 bits is `None`.
fn history(text: &str) -> Option<i32> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first() {
        None if text.is_empty() => return Some(0),
        Some(b'-') => (true, plain.get(1..)?),
        Some(b'+') => (false, plain.get(1..)?),
        _ => (false, plain.as_str()),
    };
    // A second sign would pass the number parsers.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let radix = |radix, digits: &str| {
        let clean = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        if clean {
            i64::from_str_radix(digits, radix).ok()
        } else {
            None
        }
    };
    let octal = digits.len() > 1 && digits.starts_with('0');
    let magnitude = match (digits.get(..2), digits.get(2..)) {
        (Some("0x"), Some(rest)) => radix(16, rest)?,
        (Some("0o"), Some(rest)) => radix(8, rest)?,
        (Some("0b"), Some(rest)) => radix(2, rest)?,
        _ if octal && digits.bytes().all(|b| matches!(b, b'0'..=b'7')) => radix(8, digits)?,
        _ => match digits.parse::<f64>() {
            Ok(number) if number < 4e9 => number.trunc() as i64,
            _ => return None,
        },
    };
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Refuses two objects for one file, and a file that is a directory for another: the driver would
/// keep whichever comes last.
fn paths_are_apart(objects: &[Object], entries: &[EntryRef]) -> Result<(), RequestError> {
    let files: Vec<(String, &EntryRef)> = objects
        .iter()
        .zip(entries)
        .flat_map(|(object, entry)| object.files().map(move |file| (file, entry)))
        .collect();
    let mut owners: HashMap<&str, &EntryRef> = HashMap::with_capacity(files.len());
    for (path, entry) in &files {
        if let Some(first) = owners.insert(path, entry) {
            return Err(RequestError::SamePath {
                first: first.clone(),
                second: (*entry).clone(),
                path: Quoted::new(path),
            });
        }
    }
    for (path, entry) in &files {
        for parent in path::parents(path) {
            if let Some(file) = owners.get(parent) {
                return Err(RequestError::PathIsDirectory {
                    file: (*file).clone(),
                    below: (*entry).clone(),
                    path: Quoted::new(parent),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_reads_every_spelling_of_a_number() {
        for (text, number) in [
            ("", 0),
            ("0", 0),
            ("1", 1),
            ("2", 2),
            ("-5", -5),
            ("+2", 2),
            ("2.0", 2),
            ("1.5", 1),
            ("2.9", 2),
            ("2e0", 2),
            ("1e1", 10),
            ("0x2", 2),
            ("0o2", 2),
            ("0b10", 2),
            ("010", 8),
            ("08", 8),
            ("1_0", 10),
            (".5", 0),
            ("2147483647", i32::MAX),
            ("-2147483648", i32::MIN),
        ] {
            assert_eq!(history(text), Some(number), "{text}");
        }
        for text in [
            "true",
            "two",
            "2147483648",
            "-2147483649",
            "1e400",
            ".inf",
            "nan",
            "inf",
            "--2",
            "+-2",
            "0x-2",
            "0x",
            "2 2",
            "_",
            "-",
            "2147483648.5",
            "99999999999999999999",
        ] {
            assert_eq!(history(text), None, "{text}");
        }
    }
}
