//! What a vault says of its objects without their values: names, versions, attributes, tags.
//!
//! [`Metadata`] asks by list calls; [`page`] understands what comes; [`caller`] says who asks. With the
//! same tokens a workload can also [read a version](value), which the list calls never do.

mod caller;
mod client;
mod error;
mod page;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use crate::error::shortened;
use crate::{ObjectName, ObjectType, Validity, VersionId};

pub use crate::callers::{IdentitySource, NoProof, NoToken};
pub use caller::{Caller, Whose};
pub use client::{Asking, Metadata, MetadataOptions};
pub use error::{AskError, ListError};
pub use value::ValueError;

/// What a vault says of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Whether it may be used.
    pub enabled: bool,
    /// When it was made, in Unix seconds.
    pub created: Option<i64>,
    /// When its attributes last changed, in Unix seconds.
    pub updated: Option<i64>,
    /// When it is meant to be used.
    pub validity: Validity,
}

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// What the vault says of it.
    pub attributes: Attributes,
}

/// An object in the list of a vault's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: ObjectName,
    /// What the vault says of its newest version.
    pub attributes: Attributes,
    /// The tags of its newest version.
    pub tags: BTreeMap<String, String>,
    /// Whether it is a key or secret that a certificate brings with it.
    pub managed: bool,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// All objects of a type.
    Objects(ObjectType),
    /// The versions of one object.
    Versions(ObjectType, ObjectName),
}

impl List {
    /// The type of the objects.
    pub fn object_type(&self) -> ObjectType {
        match self {
            Self::Objects(object_type) | Self::Versions(object_type, _) => *object_type,
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(object_type) => f.write_str(object_type.collection()),
            Self::Versions(object_type, name) => {
                let kind = object_type.collection().trim_end_matches('s');
                write!(f, "versions of {kind} {}", shortened(name.as_str(), 48))
            }
        }
    }
}

/// What a list held, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// What was understood.
    pub items: Vec<T>,
    /// How many items were not.
    pub unreadable: usize,
    /// How many pages were read.
    pub pages: usize,
    /// Whether there are no more.
    pub complete: bool,
}
