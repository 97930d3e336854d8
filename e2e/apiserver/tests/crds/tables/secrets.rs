//! Good and bad Kubernetes Secrets of a binding.

use serde_json::{Value, json};

use super::{rows as of, values};
use crate::fixture::Kind;
use crate::rules::Row;

/// A binding with an object of each type and a selection, and this Secret.
fn with(secret: &Value) -> Value {
    json!({
        "objects": [
            {"name": "db"},
            {"name": "key", "type": "Key"},
            {"name": "tls", "type": "Certificate"},
            {"name": "flags", "select": {"prefix": "flag-"}},
        ],
        "secrets": [secret],
    })
}

fn field(field: &'static str, remedy: &'static str, good: &[Value], bad: &[Value]) -> Vec<Row> {
    let bindings = |list: &[Value]| list.iter().map(with).collect::<Vec<_>>();
    of(
        Kind::Binding,
        field,
        remedy,
        &bindings(good),
        &bindings(bad),
    )
}

fn typed(type_: &str, keys: &[&str]) -> Value {
    let data: Vec<Value> = keys
        .iter()
        .map(|key| json!({"key": key, "from": "db"}))
        .collect();
    json!({"name": "s", "type": type_, "data": data})
}

fn one(data: &Value) -> Value {
    json!({"name": "s", "data": [data]})
}

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    [names(), types(), sources()].concat()
}

fn names() -> Vec<Row> {
    let name = |name: &str| json!({"name": name, "data": [{"key": "k", "from": "db"}]});
    let key = |key: &str| one(&json!({"key": key, "from": "db"}));
    [
        field(
            "spec.secrets[0].name",
            "must be the name of a Secret",
            &values(&["a", "a.b-c", "9"], name),
            &values(&["A", "-a", "a_b", "a/b", "a."], name),
        ),
        field(
            "spec.secrets[0].data[0].key",
            "must be a key of a Secret",
            &values(
                &["DB_PASSWORD", "tls.crt", ".dockerconfigjson", "_", "-", "9"],
                key,
            ),
            &values(&[".", "..", "..data", "a/b", "a b", "ä"], key),
        ),
    ]
    .concat()
}

fn types() -> Vec<Row> {
    let needs = |type_: &'static str, remedy, good: &[&[&str]], bad: &[&[&str]]| {
        let all = |list: &[&[&str]]| {
            list.iter()
                .map(|keys| typed(type_, keys))
                .collect::<Vec<_>>()
        };
        field("spec.secrets[0].data", remedy, &all(good), &all(bad))
    };
    [
        needs(
            "kubernetes.io/tls",
            "data must have the keys tls.crt and tls.key",
            &[&["tls.crt", "tls.key"], &["tls.crt", "tls.key", "ca.crt"]],
            &[&["tls.crt"], &["tls.key"], &["a"]],
        ),
        needs(
            "kubernetes.io/basic-auth",
            "data must have the key username or password",
            &[&["username"], &["password"], &["username", "password", "a"]],
            &[&["user"]],
        ),
        needs(
            "kubernetes.io/ssh-auth",
            "data must have the key ssh-privatekey",
            &[&["ssh-privatekey"]],
            &[&["id_rsa"]],
        ),
        needs(
            "kubernetes.io/dockerconfigjson",
            "data must have the key .dockerconfigjson",
            &[&[".dockerconfigjson"]],
            &[&[".dockercfg"]],
        ),
    ]
    .concat()
}

fn sources() -> Vec<Row> {
    let from = |from: &str| one(&json!({"key": "k", "from": from}));
    let part = |from: &str| one(&json!({"key": "k", "from": from, "part": "Leaf"}));
    [
        field(
            "spec.secrets",
            "from must be the name of an entry of spec.objects that is no selection",
            &values(&["db", "key"], from),
            &values(&["DB", "flags", "other", "db-"], from),
        ),
        field(
            "spec.secrets",
            "part must be set where from is a certificate",
            &[part("tls"), from("db")],
            &[from("tls"), part("db"), part("key")],
        ),
    ]
    .concat()
}

/// Types that no binding may make: what they hold is trusted by Kubernetes itself.
pub(crate) const NEVER: [&str; 4] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "kubernetes.io/dockercfg",
    "helm.sh/release.v1",
];

/// A binding that asks for a Secret of a type.
pub(crate) fn of_type(type_: &str) -> Value {
    with(&typed(type_, &["k"]))
}
