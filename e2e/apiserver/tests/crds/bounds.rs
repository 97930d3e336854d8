//! Every bound of the schemas, found in them: the largest and the smallest that is taken, and what is just
//! beyond.

use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};

use crate::fixture::{Cause, Kind, causes, causes_of};
use crate::schema::{Node, Step, nodes};

/// The binding whose status is tried.
const STORED: &str = "bounds-stored";

/// A value on either side of a bound, and what the refusal says.
struct Bound {
    inside: Value,
    beyond: Value,
    says: String,
}

fn bounds(schema: &Value) -> Vec<Bound> {
    let mut bounds = Vec::new();
    let mut bound = |inside: Value, beyond: Value, says: String| {
        bounds.push(Bound {
            inside,
            beyond,
            says,
        });
    };
    let number = |name: &str| {
        schema[name]
            .as_u64()
            .map(|number| usize::try_from(number).unwrap())
    };
    let text = |length: usize| Value::from("a".repeat(length));
    if let Some(most) = number("maxLength") {
        bound(
            text(most),
            text(most + 1),
            format!("may not be more than {most} bytes"),
        );
    }
    if let Some(least) = number("minLength") {
        bound(
            text(least),
            text(least - 1),
            format!("should be at least {least} chars long"),
        );
    }
    if let Some(most) = number("maximum") {
        bound(
            most.into(),
            (most + 1).into(),
            format!("less than or equal to {most}"),
        );
    }
    if let Some(least) = schema["minimum"].as_i64() {
        bound(
            least.into(),
            (least - 1).into(),
            format!("greater than or equal to {least}"),
        );
    }
    let list = |length: usize| -> Value {
        (0..length)
            .map(|at| distinct(&schema["items"], at))
            .collect()
    };
    if let Some(most) = number("maxItems") {
        bound(
            list(most),
            list(most + 1),
            format!("must have at most {most} items"),
        );
    }
    if let Some(least) = number("minItems") {
        bound(
            list(least),
            list(least - 1),
            format!("should have at least {least} items"),
        );
    }
    let map = |length: usize| -> Value {
        let entries: Map<String, Value> = (0..length)
            .map(|at| (format!("k{at}"), "v".into()))
            .collect();
        entries.into()
    };
    if let Some(most) = number("maxProperties") {
        bound(
            map(most),
            map(most + 1),
            format!("must have at most {most} "),
        );
    }
    if let Some(least) = number("minProperties") {
        bound(
            map(least),
            map(least - 1),
            format!("should have at least {least} properties"),
        );
    }
    if let Some(words) = schema["enum"].as_array() {
        for word in words {
            bound(word.clone(), "Nonsense".into(), format!("{word}"));
        }
    }
    bounds
}

/// An entry of a list that differs from the others.
fn distinct(schema: &Value, at: usize) -> Value {
    if schema["type"] == "string" {
        let words = schema["enum"].as_array();
        return words.map_or_else(
            || format!("v{at}").into(),
            |words| words[at % words.len()].clone(),
        );
    }
    let mut entry = smallest(schema);
    for key in ["name", "key", "type", "id"] {
        // What is an enumeration or a condition's type need not differ in vain.
        if schema["properties"][key]["type"] == "string"
            && schema["properties"][key]["enum"].is_null()
        {
            entry[key] = format!("v{at}").into();
        }
    }
    entry
}

/// An object with what is required.
fn smallest(schema: &Value) -> Value {
    let mut object = json!({});
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        object[name] = example(&schema["properties"][name]);
    }
    object
}

fn example(schema: &Value) -> Value {
    match (schema["type"].as_str().unwrap(), schema["enum"].as_array()) {
        (_, Some(words)) => words[0].clone(),
        ("string", None) if schema["format"] == "date-time" => "2026-01-02T03:04:05Z".into(),
        ("string", None) => "aaa".into(),
        ("integer", None) => 1.into(),
        ("object", None) => smallest(schema),
        ("array", None) => json!([example(&schema["items"])]),
        (other, None) => panic!("no example of {other}"),
    }
}

/// Puts a value where a node is, with all that is above it.
pub(crate) fn put(object: &mut Value, steps: &[Step], value: Value, schemas: &[Node]) {
    put_below(object, &[], steps, value, schemas);
}

fn put_below(target: &mut Value, above: &[Step], steps: &[Step], value: Value, schemas: &[Node]) {
    let schema = &schemas
        .iter()
        .find(|node| node.steps == above)
        .unwrap()
        .schema;
    let Some((step, rest)) = steps.split_first() else {
        *target = value;
        return;
    };
    let below: Vec<Step> = above.iter().chain([step]).cloned().collect();
    let next = match step {
        Step::Field(name) => {
            if target.is_null() {
                *target = smallest(schema);
            }
            &mut target[name.as_str()]
        }
        Step::First => {
            if target.is_null() {
                *target = json!([null]);
            }
            &mut target[0]
        }
        Step::Entry => {
            if target.is_null() {
                *target = json!({});
            }
            &mut target["key"]
        }
    };
    put_below(next, &below, rest, value, schemas);
}

/// Why the object is refused, as a new one, or its status as that of the stored one.
async fn judge(kind: Kind, object: &Value, in_status: bool) -> Vec<Cause> {
    if !in_status {
        return causes(kind, object).await;
    }
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"status": object["status"]}));
    causes_of(kind.api().await.patch_status(STORED, &params, &patch).await)
}

async fn check(kind: Kind) -> (usize, Vec<String>) {
    let schemas = nodes(kind);
    let (mut checked, mut faults) = (0, Vec::new());
    for node in &schemas {
        let in_status = node.steps.first() == Some(&Step::Field("status".to_owned()));
        let path = node.path();
        for Bound {
            inside,
            beyond,
            says,
        } in bounds(&node.schema)
        {
            checked += 1;
            for (value, refused) in [(inside, false), (beyond, true)] {
                let mut object = kind.minimal("bounds");
                put(&mut object, &node.steps, value.clone(), &schemas);
                let causes = judge(kind, &object, in_status).await;
                // Other rules may mind such a value as well; this is about the bound.
                let hit = causes
                    .iter()
                    .any(|cause| cause.path().starts_with(&path) && cause.message.contains(&says));
                if hit != refused {
                    faults.push(format!(
                        "{path}: {says}: refused should be {refused}: {value}: {causes:?}"
                    ));
                }
            }
        }
        for name in node.schema["required"].as_array().into_iter().flatten() {
            checked += 1;
            let name = name.as_str().unwrap();
            let mut object = kind.minimal("bounds");
            if let Some((Step::Field(_), _)) = node.steps.split_first() {
                let mut value = smallest(&node.schema);
                value.as_object_mut().unwrap().remove(name);
                put(&mut object, &node.steps, value, &schemas);
            } else {
                object.as_object_mut().unwrap().remove(name);
            }
            let causes = judge(kind, &object, in_status).await;
            let missing = format!("{path}.{name}");
            if !causes.iter().any(|cause| {
                cause.path() == missing.trim_start_matches('.')
                    && cause.message.contains("Required value")
            }) {
                faults.push(format!("{missing} may be missing: {causes:?}"));
            }
        }
    }
    (checked, faults)
}

#[tokio::test]
async fn every_bound_of_a_binding_holds() {
    let object: DynamicObject = serde_json::from_value(Kind::Binding.minimal(STORED)).unwrap();
    let api = Kind::Binding.api().await;
    api.create(&PostParams::default(), &object).await.unwrap();
    let (checked, faults) = check(Kind::Binding).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked >= 100, "{checked}");
    println!("{checked} bounds");
}

#[tokio::test]
async fn every_bound_of_a_class_holds() {
    let (checked, faults) = check(Kind::Class).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked >= 25, "{checked}");
    println!("{checked} bounds");
}

/// CEL costs are bounded only if everything is.
#[test]
fn everything_that_can_grow_is_bounded() {
    for kind in [Kind::Binding, Kind::Class] {
        for node in nodes(kind) {
            let schema = &node.schema;
            let bounded = match schema["type"].as_str() {
                Some("string") => {
                    schema["maxLength"].is_u64()
                        || schema["enum"].is_array()
                        || schema["format"] == "date-time"
                }
                Some("array") => {
                    schema["maxItems"].is_u64() && schema["x-kubernetes-list-type"].is_string()
                }
                Some("integer") => schema["minimum"].is_number(),
                Some("object") if schema["additionalProperties"].is_object() => {
                    schema["maxProperties"].is_u64()
                }
                _ => true,
            };
            assert!(bounded, "{kind:?} {}", node.path());
            assert!(
                node.path().is_empty() || !schema["nullable"].is_boolean(),
                "{}",
                node.path()
            );
        }
    }
}
