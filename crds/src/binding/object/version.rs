//! The version of an object.

use std::borrow::Cow;
use std::fmt;

use kube::core::{Rule, validate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

const LATEST: &str = "Latest";

/// `Latest` or the id of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub enum VersionRef {
    /// The newest that is enabled, active and not expired.
    #[default]
    Latest,
    /// The id of a version.
    Exact(String),
}

impl From<String> for VersionRef {
    fn from(text: String) -> Self {
        if text == LATEST {
            Self::Latest
        } else {
            Self::Exact(text)
        }
    }
}

impl From<VersionRef> for String {
    fn from(version: VersionRef) -> Self {
        match version {
            VersionRef::Latest => LATEST.to_owned(),
            VersionRef::Exact(id) => id,
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Latest => LATEST,
            Self::Exact(id) => id,
        })
    }
}

impl JsonSchema for VersionRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "VersionRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({"type": "string", "maxLength": 32});
        let rule = Rule::new("self.matches('^(Latest|[0-9a-fA-F]{32})$')").message(
            "must be Latest or the id of a version, the 32 hexadecimal digits at the end of its identifier",
        );
        // A rule is plain JSON; a failure would be missed by the test that compares the files.
        let _ = validate(&mut schema, rule);
        schema
    }
}
