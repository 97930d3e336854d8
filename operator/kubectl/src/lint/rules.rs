//! The CEL rules of a definition.

use std::fmt;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use super::Finding;

/// The rules, compiled.
pub(super) struct Rules {
    validator: Validator,
    compiled: CompiledSchema,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

impl Rules {
    /// Those of a schema.
    pub(super) fn of(schema: &Value) -> Self {
        Self {
            validator: Validator::new(),
            compiled: compile_schema(schema),
        }
    }

    /// What they refuse. Defaults are filled in first, as the API server does.
    pub(super) fn check(&self, object: &Value) -> Vec<Finding> {
        let checked = self
            .validator
            .validate_compiled(&self.compiled, object, None);
        let Err(errors) = checked else {
            return Vec::new();
        };
        errors
            .into_vec()
            .into_iter()
            .map(|error| Finding {
                field: error.field_path,
                message: error.message,
            })
            .collect()
    }

    /// Rules that could not be compiled. They would be left out.
    #[cfg(test)]
    pub(super) fn defects(&self) -> Vec<String> {
        let errors = self.compiled.compilation_errors().into_iter();
        errors.map(ToString::to_string).collect()
    }
}
