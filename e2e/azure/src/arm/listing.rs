//! Lists, and the filters of `$filter`.

use serde_json::{Value, json};

use super::context::Context;
use super::error::ArmError;
use super::reply::Reply;
use super::store::Store;

/// Says where a page begins.
const SKIP: &str = "$skiptoken";

/// A page of a list, with the address of the next one.
pub(super) fn list(
    store: &Store,
    context: &Context<'_>,
    values: impl Iterator<Item = Value>,
) -> Result<Reply, ArmError> {
    let start = match context.query(SKIP) {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| {
            ArmError::bad_request(format!(
                "The value '{token}' of {SKIP} is not one given before."
            ))
        })?,
    };
    let size = usize::try_from(store.settings.page_size.max(1)).unwrap_or(usize::MAX);
    let mut rest = values.skip(start);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let mut body = json!({"value": page});
    if rest.next().is_some()
        && let Some(body) = body.as_object_mut()
    {
        let next = start.saturating_add(size);
        body.insert("nextLink".to_owned(), next_link(context, next).into());
    }
    Ok(Reply::new(200, body))
}

/// The same question, from a number on.
fn next_link(context: &Context<'_>, start: usize) -> String {
    let request = context.request;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(request.query.as_bytes()) {
        if !name.eq_ignore_ascii_case(SKIP) {
            query.append_pair(&name, &value);
        }
    }
    let query = query.append_pair(SKIP, &start.to_string()).finish();
    format!("https://{}{}?{query}", request.host, request.path)
}

/// A condition of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clause {
    /// `name()` or `name('value')`.
    Function(String, Option<String>),
    /// `name eq 'value'`.
    Equals(String, String),
}

/// The conditions of a request, all of which must hold. Names are in lower case.
pub(super) fn filter(context: &Context<'_>) -> Result<Vec<Clause>, ArmError> {
    let text = context.query("$filter").unwrap_or_default();
    parse(&text).ok_or_else(|| unsupported(&text))
}

/// The refusal of a filter that the emulator does not know.
pub(super) fn unsupported(filter: &str) -> ArmError {
    ArmError::bad_request(format!("The filter '{filter}' is not supported."))
}

fn parse(text: &str) -> Option<Vec<Clause>> {
    text.split(" and ")
        .map(str::trim)
        .filter(|clause| !clause.is_empty())
        .map(clause)
        .collect()
}

fn clause(text: &str) -> Option<Clause> {
    if let Some((name, value)) = text.split_once(" eq ") {
        let name = name.trim().to_ascii_lowercase();
        return Some(Clause::Equals(name, quoted(value)?));
    }
    let (name, argument) = text.strip_suffix(')')?.split_once('(')?;
    let argument = match argument.trim() {
        "" => None,
        argument => Some(quoted(argument)?),
    };
    Some(Clause::Function(name.trim().to_ascii_lowercase(), argument))
}

/// A value in quotes; a quote inside is doubled.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_functions_and_comparisons() {
        let function = |name: &str, argument: Option<&str>| {
            Clause::Function(name.to_owned(), argument.map(str::to_owned))
        };
        let equals = |name: &str, value: &str| Clause::Equals(name.to_owned(), value.to_owned());
        for (text, expected) in [
            ("", Some(vec![])),
            ("atScope()", Some(vec![function("atscope", None)])),
            (
                "atScope() and assignedTo('x')",
                Some(vec![
                    function("atscope", None),
                    function("assignedto", Some("x")),
                ]),
            ),
            (
                "roleName eq 'Bob''s role'",
                Some(vec![equals("rolename", "Bob's role")]),
            ),
            ("roleName eq x", None),
            ("roleName", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
