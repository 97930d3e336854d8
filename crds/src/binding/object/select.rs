//! Objects that are not named one by one.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::rules;

/// All objects with a prefix, with tags, or with both.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.prefix) || has(self.tags)")
    .message("prefix or tags must be set: a selection of the whole vault is not meant"))]
pub struct Select {
    /// What the names in the vault start with; Key Vault knows no case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 127))]
    #[x_kube(validation = rules::matches(
        "^[A-Za-z0-9-]+$",
        "must be the start of names in the vault, without a wildcard: letters, digits and dashes"
    ))]
    pub prefix: Option<String>,

    /// Tags that the objects have, all of them with exactly these values. 1 to 15, names and values of up to
    /// 256 characters: Key Vault's limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tags")]
    #[x_kube(validation = Rule::new("self.all(tag, tag.size() >= 1 && tag.size() <= 256)")
        .message("must have names of 1 to 256 characters, as Key Vault's tags have"))]
    pub tags: Option<BTreeMap<String, String>>,

    /// Most objects that may be selected. If the vault has more, the binding is `Stalled` and none is left
    /// out in silence.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 100))]
    pub max: i32,
}

fn fifty() -> i32 {
    50
}

fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 15,
        "additionalProperties": {"type": "string", "maxLength": 256},
    })
}
