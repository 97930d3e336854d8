//! Where in the volume a file goes.

use std::fmt;
use std::str::FromStr;

/// The driver's limits.
const LONGEST_PATH: usize = 4096;
const LONGEST_ELEMENT: usize = 255;

/// A path inside the volume that the driver writes: relative, clean, and unable to leave the volume.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

/// Why a path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing, or only dots.
    #[error("it is empty")]
    Empty,
    /// It starts at the root.
    #[error("it starts with a slash")]
    Absolute,
    /// It has an element `..` or starts with `..`, which the driver keeps for itself.
    #[error("it has an element \"..\" or starts with \"..\"")]
    Parent,
    /// It has an empty element or an element `.`.
    #[error("it has an empty element or an element \".\"")]
    NotClean,
    /// It has a control character.
    #[error("it has a control character")]
    Control,
    /// An element is over 255 bytes.
    #[error("it has an element longer than 255 bytes")]
    LongElement,
    /// It is over 4096 bytes.
    #[error("it is longer than 4096 bytes")]
    Long,
}

impl FilePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The directories above a file, the outermost first.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    let slashes = path.match_indices('/');
    slashes.filter_map(|(at, _)| path.get(..at))
}

impl FromStr for FilePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text == "." {
            return Err(PathError::Empty);
        }
        if text.len() > LONGEST_PATH {
            return Err(PathError::Long);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute);
        }
        if text.starts_with("..") {
            return Err(PathError::Parent);
        }
        for element in text.split('/') {
            match element {
                ".." => return Err(PathError::Parent),
                "" | "." => return Err(PathError::NotClean),
                _ if element.len() > LONGEST_ELEMENT => return Err(PathError::LongElement),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_the_driver_refuses_are_refused() {
        let long_element = format!("a/{}", "b".repeat(256));
        let long = vec!["a".repeat(255); 17].join("/");
        for (text, error) in [
            ("", PathError::Empty),
            (".", PathError::Empty),
            ("/etc/passwd", PathError::Absolute),
            ("..", PathError::Parent),
            ("../a", PathError::Parent),
            ("..a", PathError::Parent),
            ("a/..", PathError::Parent),
            ("a/../b", PathError::Parent),
            ("./a", PathError::NotClean),
            ("a/./b", PathError::NotClean),
            ("a//b", PathError::NotClean),
            ("a/", PathError::NotClean),
            ("a\0b", PathError::Control),
            ("a\nb", PathError::Control),
            (&long_element, PathError::LongElement),
            (&long, PathError::Long),
        ] {
            assert_eq!(text.parse::<FilePath>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn ordinary_paths_are_taken_as_they_are() {
        let longest = format!("a/{}", "b".repeat(255));
        for text in [
            "a",
            "tls/tls.crt",
            "a..b",
            ".hidden",
            "a/..b",
            "a b",
            "ä",
            "a\\b",
            &longest,
        ] {
            assert_eq!(
                text.parse::<FilePath>().map(|p| p.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn parents_are_the_directories_above() {
        let path: FilePath = "a/b/c".parse().unwrap();
        assert_eq!(parents(path.as_str()).collect::<Vec<_>>(), ["a", "a/b"]);
    }

    /// The driver's own rules, written another way: its validator and the demand that cleaning the
    /// path changes nothing.
    fn driver_writes(text: &str) -> bool {
        let mut elements = Vec::new();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(element) => elements.push(element.to_string_lossy()),
                _ => return false,
            }
        }
        elements.join("/") == text
            && !text.is_empty()
            && !text.starts_with("..")
            && !text.contains('\0')
            && text.len() <= 4096
            && elements.iter().all(|element| element.len() <= 255)
    }

    proptest! {
        #[test]
        fn every_accepted_path_is_one_the_driver_writes(
            text in prop_oneof!["[a./\\\\~]{0,12}", ".{0,300}", "([a.]{0,200}/){0,30}[a.]{0,300}"]
        ) {
            match text.parse::<FilePath>() {
                Ok(path) => prop_assert!(driver_writes(path.as_str())),
                Err(PathError::Control) => {}
                Err(_) => prop_assert!(!driver_writes(&text)),
            }
        }
    }
}
