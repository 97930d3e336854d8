//! A label selector with the limits that Kubernetes itself holds such selectors to. Those of custom
//! resources are not checked by it, and a selector that means nothing would only be found by the
//! operator.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::KubeSchema;
use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::rules;

const KEY: &str =
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?";
const VALUE: &str = "([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?";

/// Namespaces by their labels; all that is said must hold.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels with their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = labels_are_labels())]
    pub match_labels: Option<BTreeMap<String, String>>,

    /// Demands on labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub match_expressions: Option<Vec<Requirement>>,
}

impl From<NamespaceSelector> for LabelSelector {
    fn from(selector: NamespaceSelector) -> Self {
        let requirement = |requirement: Requirement| LabelSelectorRequirement {
            key: requirement.key,
            operator: requirement.operator.as_str().to_owned(),
            values: requirement.values,
        };
        Self {
            match_labels: selector.match_labels,
            match_expressions: selector
                .match_expressions
                .map(|list| list.into_iter().map(requirement).collect()),
        }
    }
}

/// A demand on one label.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.operator in ['In', 'NotIn']) == has(self.values)")
    .message("values must be set with the operators In and NotIn, and only with them")
    .field_path(".values"))]
pub struct Requirement {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::matches(&format!("^{KEY}$"), "must be the key of a label, such as tier or example.com/tier"))]
    pub key: String,

    /// `In`: the label has one of the values. `NotIn`: it does not. `Exists`: it is there. `DoesNotExist`: it is
    /// not.
    pub operator: SelectorOperator,

    /// The values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(max = 63)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new(format!("self.all(value, value.matches({}))", rules::quoted(&format!("^{VALUE}$"))))
            .message("must be values of a label: letters, digits, ., _ and -")
    )]
    pub values: Option<Vec<String>>,
}

/// What is demanded of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum SelectorOperator {
    /// It has one of the values.
    In,
    /// It has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl SelectorOperator {
    /// The word in a selector.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

fn labels_are_labels() -> Rule {
    Rule::new(format!(
        "self.all(key, key.size() <= 317 && key.matches({}) && self[key].matches({}))",
        rules::quoted(&format!("^{KEY}$")),
        rules::quoted(&format!("^{VALUE}$")),
    ))
    .message("must be labels, such as tier: prod: keys and values of letters, digits, ., _ and -")
}
