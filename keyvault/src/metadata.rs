//! What a vault says of its objects without their values: names, versions, attributes, tags.

use std::collections::BTreeMap;

use crate::error::FetchProblem;
use crate::{ObjectName, ObjectType, Validity, VersionId};

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

/// A list could not be read.
#[derive(Debug, Clone)]
pub struct ListError {
    /// What went wrong.
    pub problem: FetchProblem,
    /// What was asked for.
    pub list: List,
    /// The vault's host.
    pub host: String,
    /// Client id that asked, or `system-assigned`.
    pub identity: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// For the log: Key Vault's error code, with its inner code where there is one.
    pub code: Option<String>,
    /// For the log: Azure's id of the request.
    pub request_id: Option<String>,
}
