//! The schemas as they are installed: every rule and every bound in them, with its place.

use serde_json::Value;

use crate::fixture::Kind;

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    /// The first entry of a list.
    First,
    /// Some entry of a map.
    Entry,
}

/// The schema of one place in an object.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) steps: Vec<Step>,
    pub(crate) schema: Value,
}

impl Node {
    /// The place as refusals write it, without places in lists.
    pub(crate) fn path(&self) -> String {
        let fields: Vec<&str> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Field(name) => Some(name.as_str()),
                Step::First | Step::Entry => None,
            })
            .collect();
        fields.join(".")
    }
}

/// All places of a kind.
pub(crate) fn nodes(kind: Kind) -> Vec<Node> {
    let file = match kind {
        Kind::Binding => "vaultbind.dev_vaultbindings.yaml",
        Kind::Class => "vaultbind.dev_vaultclasses.yaml",
    };
    let text = std::fs::read_to_string(vaultbind_apiserver::folder().join(file)).unwrap();
    let definition: Value = serde_yaml::from_str(&text).unwrap();
    let mut nodes = Vec::new();
    let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert!(root.is_object(), "{file}");
    collect(root, &[], &mut nodes);
    nodes
}

fn collect(schema: &Value, steps: &[Step], nodes: &mut Vec<Node>) {
    nodes.push(Node {
        steps: steps.to_vec(),
        schema: schema.clone(),
    });
    let mut into = |step: Step, schema: &Value| {
        let steps: Vec<Step> = steps.iter().cloned().chain([step]).collect();
        collect(schema, &steps, nodes);
    };
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        into(Step::Field(name.clone()), schema);
    }
    if schema["items"].is_object() {
        into(Step::First, &schema["items"]);
    }
    if schema["additionalProperties"].is_object() {
        into(Step::Entry, &schema["additionalProperties"]);
    }
}

/// A CEL rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CelRule {
    pub(crate) kind: Kind,
    /// The place that refusals name.
    pub(crate) path: String,
    pub(crate) message: String,
}

/// All rules of a kind.
pub(crate) fn rules(kind: Kind) -> Vec<CelRule> {
    nodes(kind)
        .into_iter()
        .flat_map(|node| {
            let rules = node.schema["x-kubernetes-validations"].clone();
            let rules = rules.as_array().cloned().unwrap_or_default();
            rules.into_iter().map(move |rule| {
                let below = rule["fieldPath"].as_str().unwrap_or_default();
                CelRule {
                    kind,
                    path: format!("{}{below}", node.path())
                        .trim_start_matches('.')
                        .to_owned(),
                    // A rule without a message of its own would only repeat its expression.
                    message: rule["message"].as_str().unwrap().to_owned(),
                }
            })
        })
        .collect()
}
