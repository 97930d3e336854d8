//! The table of rules: one good and one bad object each, and no rule without a row.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fixture::{Cause, Kind, causes, merged};
use crate::schema::{self, CelRule};
use crate::tables;
use crate::transitions;

/// A rule at work. Good and bad are merge patches of the smallest object, of its `spec` unless they say
/// `metadata`.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    /// The field that the refusal names.
    pub(crate) field: &'static str,
    /// What the refusal says among others.
    pub(crate) remedy: &'static str,
    pub(crate) good: Value,
    pub(crate) bad: Value,
}

pub(crate) fn object(kind: Kind, patch: &Value) -> Value {
    let patch = if patch.get("metadata").is_some() {
        patch.clone()
    } else {
        serde_json::json!({"spec": patch})
    };
    merged(kind.minimal("row"), &patch)
}

#[tokio::test]
async fn every_rule_refuses_the_bad_and_takes_the_good() {
    let rows = tables::all();
    let mut hit = BTreeSet::new();
    let mut faults = Vec::new();
    for row in &rows {
        let Row {
            kind,
            field,
            remedy,
            good,
            bad,
        } = row;
        let good_causes = causes(*kind, &object(*kind, good)).await;
        if !good_causes.is_empty() {
            faults.push(format!("{field}: {good} is refused: {good_causes:?}"));
        }
        let bad_causes = causes(*kind, &object(*kind, bad)).await;
        // One mistake, one message.
        match bad_causes.as_slice() {
            [cause] if cause.field == *field && cause.message.contains(remedy) => {}
            [] => faults.push(format!("{field}: {bad} is taken")),
            _ => faults.push(format!("{field}: {bad}: {bad_causes:?}")),
        }
        hit.extend(bad_causes.iter().filter_map(|cause| rule_of(*kind, cause)));
    }
    for cause in transitions::refusals().await {
        hit.extend(rule_of(Kind::Binding, &cause));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    let all: BTreeSet<CelRule> = [Kind::Binding, Kind::Class]
        .into_iter()
        .flat_map(schema::rules)
        .collect();
    assert!(all.len() >= 20, "{} rules", all.len());
    let missed: Vec<&CelRule> = all.difference(&hit).collect();
    assert!(missed.is_empty(), "rules without a bad row: {missed:#?}");
    println!("{} rows, {} rules", rows.len(), all.len());
}

#[tokio::test]
async fn no_binding_asks_for_a_secret_that_kubernetes_trusts() {
    for type_ in tables::secrets::NEVER {
        for kind in [Kind::Binding, Kind::Class] {
            let (field, patch) = match kind {
                Kind::Binding => ("spec.secrets[0].type", tables::secrets::of_type(type_)),
                Kind::Class => (
                    "spec.secretTypes[0]",
                    serde_json::json!({"secretTypes": [type_]}),
                ),
            };
            let causes = causes(kind, &object(kind, &patch)).await;
            assert!(
                causes.iter().any(|cause| {
                    cause.field == field && cause.message.contains("Unsupported value")
                }),
                "{type_}: {causes:?}"
            );
        }
    }
}

fn rule_of(kind: Kind, cause: &Cause) -> Option<CelRule> {
    schema::rules(kind)
        .into_iter()
        .find(|rule| rule.path == cause.path() && cause.message.ends_with(&rule.message))
}
