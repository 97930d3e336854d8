//! The schema of a definition: form, bounds and unknown fields. It knows the keywords that our
//! definitions use; a test fails when they use another one.

use regex::Regex;
use serde_json::{Map, Value};

use super::Finding;

/// What is wrong, and whether the API server then leaves the CEL rules out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) blocks: bool,
}

/// Keywords that are judged here.
#[cfg(test)]
pub(super) const JUDGED: [&str; 17] = [
    "additionalProperties",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-type",
];

/// Keywords that say nothing about what is allowed, or something that others judge.
#[cfg(test)]
pub(super) const LEFT: [&str; 5] = [
    "default",
    "description",
    "title",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
];

/// What is wrong with an object.
pub(super) fn check(schema: &Value, object: &Value) -> Vec<Found> {
    let mut walk = Walk { found: Vec::new() };
    walk.value(schema, object, "");
    walk.found
}

struct Walk {
    found: Vec<Found>,
}

impl Walk {
    fn wrong(&mut self, path: &str, blocks: bool, message: impl Into<String>) {
        self.found.push(Found {
            finding: Finding {
                field: path.to_owned(),
                message: message.into(),
            },
            blocks,
        });
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        let type_ = schema["type"].as_str().unwrap_or_default();
        match (type_, value) {
            ("object", Value::Object(map)) => self.object(schema, map, path),
            ("array", Value::Array(list)) => self.list(schema, list, path),
            ("string", Value::String(text)) => self.text(schema, text, path),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.number(schema, value, path);
            }
            ("number", Value::Number(_)) => self.number(schema, value, path),
            ("boolean", Value::Bool(_)) | ("", _) => {}
            _ => {
                let quote = if type_ == "string" && !value.is_object() && !value.is_array() {
                    ": put it in quotes"
                } else {
                    ""
                };
                self.wrong(path, true, format!("must be {}{quote}", noun(type_)));
                return;
            }
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            let allowed: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
            self.wrong(path, true, format!("must be one of {}", allowed.join(", ")));
        }
    }

    fn object(&mut self, schema: &Value, map: &Map<String, Value>, path: &str) {
        let properties = schema["properties"].as_object();
        let additional = &schema["additionalProperties"];
        for (name, value) in map {
            let inner = joined(path, name);
            let known = properties.and_then(|properties| properties.get(name));
            match known {
                Some(known) => self.value(known, value, &inner),
                // Every object has these, whatever the schema says; metadata is the API server's own.
                None if path.is_empty()
                    && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") => {}
                None if additional.is_object() => {
                    self.value(additional, value, &inner);
                }
                None => {
                    let names = properties.into_iter().flat_map(Map::keys);
                    self.wrong(&inner, false, unknown(name, names));
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if let Some(name) = name.as_str().filter(|name| !map.contains_key(*name)) {
                self.wrong(&joined(path, name), true, "must be set");
            }
        }
        self.count(
            schema,
            map.len(),
            ["minProperties", "maxProperties"],
            "entries",
            path,
        );
    }

    fn list(&mut self, schema: &Value, list: &[Value], path: &str) {
        for (at, value) in list.iter().enumerate() {
            self.value(&schema["items"], value, &format!("{path}[{at}]"));
        }
        self.count(
            schema,
            list.len(),
            ["minItems", "maxItems"],
            "entries",
            path,
        );
        let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
            Some("map") => {
                let keys = schema["x-kubernetes-list-map-keys"].as_array();
                keys.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect()
            }
            Some("set") => Vec::new(),
            _ => return,
        };
        let identity = |value: &Value| -> Vec<Value> {
            if keys.is_empty() {
                vec![value.clone()]
            } else {
                keys.iter().map(|key| value[*key].clone()).collect()
            }
        };
        let mut seen = Vec::new();
        for (at, value) in list.iter().enumerate() {
            let identity = identity(value);
            if seen.contains(&identity) {
                let what = if keys.is_empty() {
                    "Duplicate value: remove it".to_owned()
                } else {
                    format!(
                        "Duplicate value: give it another {} than the entries before",
                        keys.join(" or ")
                    )
                };
                self.wrong(&format!("{path}[{at}]"), false, what);
            } else {
                seen.push(identity);
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count();
        self.count(
            schema,
            length,
            ["minLength", "maxLength"],
            "characters",
            path,
        );
        if let Some(pattern) = schema["pattern"].as_str()
            && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
        {
            self.wrong(path, false, format!("must be of the form {pattern}"));
        }
        if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            self.wrong(path, false, "must be a time such as 2027-01-31T12:00:00Z");
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(number) = value.as_f64() else {
            return;
        };
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.wrong(path, false, format!("must be at least {least}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.wrong(path, false, format!("must be at most {most}"));
        }
        if schema["format"] == "int32" && number.abs() > f64::from(i32::MAX) {
            self.wrong(path, false, "must be a smaller number");
        }
    }

    fn count(&mut self, schema: &Value, count: usize, bounds: [&str; 2], noun: &str, path: &str) {
        let [least, most] = bounds.map(|bound| schema[bound].as_u64());
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if let Some(least) = least.filter(|least| count < *least) {
            self.wrong(path, false, format!("must have at least {least} {noun}"));
        }
        if let Some(most) = most.filter(|most| count > *most) {
            self.wrong(path, true, format!("must have at most {most} {noun}"));
        }
    }
}

fn noun(type_: &str) -> &'static str {
    match type_ {
        "object" => "a map of fields",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "true or false",
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
    let known: Vec<_> = known.collect();
    let alike = known.iter().find(|known| plain(known) == plain(name));
    match alike {
        Some(alike) => format!("is no field: write {alike}"),
        None if known.is_empty() => "is no field: remove it".to_owned(),
        None => {
            let known: Vec<_> = known.iter().map(|name| name.as_str()).collect();
            format!("is no field: remove it, or use one of {}", known.join(", "))
        }
    }
}
