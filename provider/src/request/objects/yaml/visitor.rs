//! Which shapes of YAML make objects.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::super::super::error::Quoted;
use super::super::MOST_OBJECTS;
use super::{Fields, Problem, Reader};

/// What stands at a place of the document, and so what it may be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Document,
    Array,
    Entry,
    EntryText,
    Merge,
    MergeElement,
}

pub(super) enum Node {
    Null,
    Text(String),
    Fields(Fields),
    Entries(Vec<(usize, Node)>),
}

impl Node {
    fn found(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "a text",
            Self::Fields(_) => "a map",
            Self::Entries(_) => "a list",
        }
    }
}

/// Reads what stands at a place of the given kind.
pub(super) struct Seed<'r> {
    pub(super) reader: &'r Reader,
    pub(super) kind: Kind,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads the entry of a position.
struct Entry<'r> {
    reader: &'r Reader,
    index: usize,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.reader.enter(self.index);
        Seed {
            reader: self.reader,
            kind: Kind::Entry,
        }
        .deserialize(deserializer)
    }
}

impl Seed<'_> {
    fn shape<E: serde::de::Error>(&self, found: &'static str) -> E {
        self.reader.refuse(Problem::Shape(self.kind, found))
    }

    fn document<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut seen = HashSet::new();
        let mut array = None;
        while let Some(key) = map.next_key_seed(Key {
            reader: self.reader,
            seen: &mut seen,
        })? {
            if key == "array" {
                array = Some(map.next_value_seed(Seed {
                    kind: Kind::Array,
                    ..self
                })?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        match array {
            None if !seen.is_empty() => Err(self.reader.refuse(Problem::ArrayMissing)),
            array => Ok(array.unwrap_or(Node::Null)),
        }
    }

    fn fields<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let reader = self.reader;
        let mut seen = HashSet::new();
        let mut fields = Fields::default();
        let mut merged = Fields::default();
        while let Some(key) = map.next_key_seed(Key {
            reader,
            seen: &mut seen,
        })? {
            if key == "<<" {
                if let Node::Fields(others) = map.next_value_seed(Seed {
                    kind: Kind::Merge,
                    ..self
                })? {
                    merged.fill(others);
                }
            } else if let Some((field, slot)) = fields.slot(&key) {
                reader.field.set(Some(field));
                let value = if field == Fields::LIST {
                    map.next_value_seed(Names { reader })?
                } else {
                    map.next_value::<Option<String>>()?.unwrap_or_default()
                };
                reader.field.set(None);
                reader.spend(value.len())?;
                if field == "objectName" && matches!(self.kind, Kind::Entry | Kind::EntryText) {
                    reader.name.replace(
                        Some(value.trim())
                            .filter(|v| !v.is_empty())
                            .map(Quoted::new),
                    );
                }
                *slot = Some(value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        fields.fill(merged);
        Ok(Node::Fields(fields))
    }

    fn entries<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let reader = self.reader;
        let mut entries: Vec<(usize, Node)> = Vec::new();
        for index in 0.. {
            reader.leave();
            let Some(node) = list.next_element_seed(Entry { reader, index })? else {
                break;
            };
            reader.spend(0)?;
            if matches!(node, Node::Null) {
                continue;
            }
            if let Some((first, other)) = entries.first()
                && other.found() != node.found()
            {
                let problem = Problem::Mixed {
                    first: *first,
                    found: node.found(),
                };
                return Err(reader.refuse(problem));
            }
            if entries.len() == MOST_OBJECTS {
                return Err(reader.refuse(Problem::TooMany));
            }
            entries.push((index, node));
        }
        Ok(Node::Entries(entries))
    }

    fn merge<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut merged = Fields::default();
        while let Some(node) = list.next_element_seed(Seed {
            kind: Kind::MergeElement,
            ..self
        })? {
            self.reader.spend(0)?;
            if let Node::Fields(others) = node {
                merged.fill(others);
            }
        }
        Ok(Node::Fields(merged))
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
        match self.kind {
            Kind::Entry => {
                self.reader.spend(text.len())?;
                Ok(Node::Text(text.to_owned()))
            }
            _ => Err(self.shape("a text")),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        match self.kind {
            Kind::Merge | Kind::MergeElement => Err(self.shape("null")),
            _ => Ok(Node::Null),
        }
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Node, E> {
        Err(self.shape("true or false"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Node, E> {
        Err(self.shape("a number"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Node, E> {
        Err(self.shape("a number"))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Node, E> {
        Err(self.shape("a number"))
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Node, E> {
        Err(self.shape("a number"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Node, E> {
        Err(self.shape("a number"))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(self.shape("a value with a tag"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Node, A::Error> {
        match self.kind {
            Kind::Document | Kind::Array => self.entries(list),
            Kind::Merge => self.merge(list),
            Kind::Entry | Kind::EntryText | Kind::MergeElement => Err(self.shape("a list")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
        match self.kind {
            Kind::Document => self.document(map),
            Kind::Array => Err(self.shape("a map")),
            Kind::Entry | Kind::EntryText | Kind::Merge | Kind::MergeElement => self.fields(map),
        }
    }
}

/// Reads the names in a list, or in a text with commas between them, as such a text.
struct Names<'r> {
    reader: &'r Reader,
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<String, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut names: Vec<String> = Vec::new();
        while let Some(name) = list.next_element::<String>()? {
            // Before the next: a list of aliases is a short text for a long one.
            self.reader.spend(name.len())?;
            names.push(name);
        }
        Ok(names.join(","))
    }
}

/// A key, refused where it stands if the map has it already.
struct Key<'r, 's> {
    reader: &'r Reader,
    seen: &'s mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        self.reader.spend(key.len())?;
        if self.seen.insert(key.to_owned()) {
            Ok(key.to_owned())
        } else {
            Err(self.reader.refuse(Problem::Duplicate(Quoted::new(key))))
        }
    }
}
