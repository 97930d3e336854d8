//! The custom resource definitions, as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Map, Value};

use crate::{VaultBinding, VaultClass};

/// The definitions of both resources.
///
/// # Errors
///
/// Never for the types of this crate; a test holds them to it.
pub fn definitions() -> Result<[CustomResourceDefinition; 2], serde_json::Error> {
    Ok([tidied(&VaultBinding::crd())?, tidied(&VaultClass::crd())?])
}

/// The generator takes a field that may be left out for one that may be null. A null would count as set
/// in CEL rules, so the schema does not allow any.
fn tidied(
    definition: &CustomResourceDefinition,
) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut json = serde_json::to_value(definition)?;
    tidy(&mut json);
    serde_json::from_value(json)
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            tidy_schema(map);
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn tidy_schema(map: &mut Map<String, Value>) {
    if map.get("nullable").is_some_and(Value::is_boolean) {
        map.remove("nullable");
    }
    // Lines of comments in the source are no lines of the text.
    if let Some(Value::String(description)) = map.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

#[cfg(test)]
mod tests;
