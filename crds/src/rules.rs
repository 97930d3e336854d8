//! CEL rules that more than one field has. Each message says what to write instead; the API server
//! puts the field's path in front of it.

use kube::core::Rule;

/// What `self`, a text, must match, in RE2's syntax. Rules are used in place of `pattern`, whose
/// refusal only repeats the expression.
pub(crate) fn matches(pattern: &str, message: &str) -> Rule {
    Rule::new(format!("self.matches({})", quoted(pattern))).message(message)
}

/// A text as a CEL string.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A GUID in its usual form.
pub(crate) const GUID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

/// Name of a resource group in a resource id, for expressions without regard to case: 1 to 90 letters,
/// digits, `_`, `-`, `.` and parentheses (Azure allows letters of other scripts, too).
pub(crate) const RESOURCE_GROUP: &str = r"[\pL\pN_.()-]{1,90}";

/// The name of a Kubernetes object: a DNS subdomain (RFC 1123).
pub(crate) fn object_name(what: &str) -> Rule {
    const LABEL: &str = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
    matches(
        &format!(r"^{LABEL}(\.{LABEL})*$"),
        &format!("must be the name of a {what}: lower case letters, digits, - and ."),
    )
}

/// A relative path of ordinary names. The driver refuses names that start with two dots, which it
/// uses itself (`..data`).
pub(crate) fn relative_path() -> Rule {
    const NAME: &str = r"\.?[A-Za-z0-9_-][A-Za-z0-9._-]*";
    matches(
        &format!("^{NAME}(/{NAME})*$"),
        "must be a path inside the volume, such as db/password: letters, digits, ., _ and - between \
         single slashes, no slash at its ends, no name that starts with ..",
    )
}
