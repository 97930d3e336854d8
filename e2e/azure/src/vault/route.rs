//! From method and path to one of the operations of the data plane.

use http::Method;

use super::error::ApiError;
use super::names::{Collection, is_object_name, is_version};

/// A request with its path understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) kind: Collection,
    /// The object's name, empty for the calls on a whole collection.
    pub(super) name: String,
    /// The version, if the path has one.
    pub(super) version: Option<String>,
    pub(super) verb: Verb,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    ListVersions,
    Get,
    Set,
    Update,
    Delete,
    ListDeleted,
    GetDeleted,
    Recover,
    Purge,
    Create,
    Import,
    Rotate,
    GetRotationPolicy,
    SetRotationPolicy,
    GetPolicy,
    UpdatePolicy,
    GetPending,
    UpdatePending,
    DeletePending,
}

/// Understands a path. A trailing slash means the same as none.
pub(super) fn parse(method: &Method, path: &str) -> Result<Call, ApiError> {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let (first, rest) = segments.split_first().ok_or_else(ApiError::no_resource)?;
    let (kind, deleted) = Collection::from_segment(first).ok_or_else(ApiError::no_resource)?;
    let call = |name: &str, verb, version: Option<&str>| {
        if !name.is_empty() && !is_object_name(name) {
            return Err(ApiError::bad_parameter(format!(
                "The request URI contains an invalid name: {name}"
            )));
        }
        let version = version.map(str::to_ascii_lowercase);
        Ok(Call {
            kind,
            name: name.to_owned(),
            version,
            verb,
        })
    };
    let wrong_method = || Err(ApiError::method_not_allowed(method.as_str()));
    match (deleted, rest) {
        (false, []) if method == Method::GET => call("", Verb::List, None),
        (true, []) if method == Method::GET => call("", Verb::ListDeleted, None),
        (_, []) => wrong_method(),
        (true, [name]) => match *method {
            Method::GET => call(name, Verb::GetDeleted, None),
            Method::DELETE => call(name, Verb::Purge, None),
            _ => wrong_method(),
        },
        (true, [name, word]) if *method == Method::POST && *word == "recover" => {
            call(name, Verb::Recover, None)
        }
        (true, [_, word, ..]) | (false, [_, _, word, ..]) => Err(no_operation(method, word)),
        (false, [name]) => match *method {
            Method::GET => call(name, Verb::Get, None),
            Method::PATCH => call(name, Verb::Update, None),
            Method::DELETE => call(name, Verb::Delete, None),
            Method::PUT if kind == Collection::Secrets => call(name, Verb::Set, None),
            Method::PUT if kind == Collection::Keys => call(name, Verb::Import, None),
            _ => wrong_method(),
        },
        (false, [name, version]) if is_version(version) => match *method {
            Method::GET => call(name, Verb::Get, Some(version)),
            Method::PATCH => call(name, Verb::Update, Some(version)),
            _ => wrong_method(),
        },
        (false, [name, word]) => {
            // The name is judged first: the service takes an unknown word for an operation.
            let call = call(name, Verb::Get, None)?;
            match operation(kind, method, word) {
                Some(verb) => Ok(Call { verb, ..call }),
                None => Err(no_operation(method, word)),
            }
        }
    }
}

fn operation(kind: Collection, method: &Method, word: &str) -> Option<Verb> {
    use Collection::{Certificates, Keys};
    Some(match (kind, method.as_str(), word) {
        (_, "GET", "versions") => Verb::ListVersions,
        (Keys | Certificates, "POST", "create") => Verb::Create,
        (Certificates, "POST", "import") => Verb::Import,
        (Keys, "POST", "rotate") => Verb::Rotate,
        (Keys, "GET", "rotationpolicy") => Verb::GetRotationPolicy,
        (Keys, "PUT", "rotationpolicy") => Verb::SetRotationPolicy,
        (Certificates, "GET", "policy") => Verb::GetPolicy,
        (Certificates, "PATCH", "policy") => Verb::UpdatePolicy,
        (Certificates, "GET", "pending") => Verb::GetPending,
        (Certificates, "PATCH", "pending") => Verb::UpdatePending,
        (Certificates, "DELETE", "pending") => Verb::DeletePending,
        _ => return None,
    })
}

fn no_operation(method: &Method, word: &str) -> ApiError {
    ApiError::bad_parameter(format!("Method {method} does not allow operation '{word}'"))
}
