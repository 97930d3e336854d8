//! Judges objects as the API server would, without one: by the schema of the custom resource
//! definitions and by the CEL rules in them. The definitions are those of this program's version.

mod rules;
mod schema;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};
use vaultbind_crds::{GROUP, VERSION, definitions};

use self::rules::Rules;

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The field's path, empty for the object as a whole.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The kinds that are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// VaultBinding.
    Binding,
    /// VaultClass.
    Class,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Binding, Self::Class];

    /// The word in `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "VaultBinding",
            Self::Class => "VaultClass",
        }
    }

    /// The kind of an object; nothing if it is of another group.
    ///
    /// # Errors
    /// When it is of the group and there is no such kind or version.
    pub fn of(object: &Map<String, Value>) -> Result<Option<Self>, Finding> {
        let text = |field| {
            object
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        if group != GROUP {
            return Ok(None);
        }
        let wrong = |field: &str, message: String| {
            Err(Finding {
                field: field.to_owned(),
                message,
            })
        };
        if version != VERSION {
            return wrong("apiVersion", format!("must be {GROUP}/{VERSION}"));
        }
        match Self::ALL.into_iter().find(|known| known.as_str() == kind) {
            Some(known) => Ok(Some(known)),
            None => wrong(
                "kind",
                "must be VaultBinding or VaultClass, the kinds of this group".to_owned(),
            ),
        }
    }
}

/// The definitions, ready to judge.
#[derive(Debug)]
pub struct Lint {
    kinds: Vec<(Kind, Value, Rules)>,
}

impl Lint {
    /// Of the definitions of this version.
    ///
    /// # Errors
    /// Never for the definitions there are; a test holds them to it.
    pub fn new() -> Result<Self, serde_json::Error> {
        let [binding, class] = definitions()?;
        let schema = |definition| -> Result<Value, serde_json::Error> {
            let definition = serde_json::to_value(definition)?;
            let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema");
            Ok(schema.cloned().unwrap_or_default())
        };
        let of = |kind, schema: Value| {
            let rules = Rules::of(&schema);
            (kind, schema, rules)
        };
        Ok(Self {
            kinds: vec![
                of(Kind::Binding, schema(binding)?),
                of(Kind::Class, schema(class)?),
            ],
        })
    }

    /// What is wrong with an object, in the order of the fields. The status is not judged: whoever creates
    /// an object cannot set it.
    pub fn check(&self, kind: Kind, object: &Value) -> Vec<Finding> {
        let mut kinds = self.kinds.iter();
        let Some((_, schema, rules)) = kinds.find(|(known, ..)| *known == kind) else {
            return Vec::new();
        };
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        let mut found = schema::check(schema, &object);
        // As in the API server: what has not the right form is not looked at further.
        let mut findings: Vec<Finding> = if found.iter().any(|found| found.blocks) {
            Vec::new()
        } else {
            rules.check(&object)
        };
        findings.extend(found.drain(..).map(|found| found.finding));
        findings.extend(name(&object));
        findings.sort();
        findings
    }
}

/// The name, which no schema judges.
fn name(object: &Value) -> Option<Finding> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let label = |label: &str| {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        !label.is_empty()
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let message = match name {
        None => "must be set",
        Some(name) if name.len() > 253 || !name.split('.').all(label) => {
            "must be lower case letters, digits, - and ., and begin and end with a letter or digit"
        }
        Some(_) => return None,
    };
    Some(Finding {
        field: "metadata.name".to_owned(),
        message: message.to_owned(),
    })
}
