//! Good and bad objects of a binding.

use serde_json::{Value, json};

use super::{rows as of, values};
use crate::fixture::Kind;
use crate::rules::Row;

const VERSION: &str = "0123456789abcdef0123456789ABCDEF";

fn one(object: &Value) -> Value {
    json!({"objects": [object]})
}

fn field(field: &'static str, remedy: &'static str, good: &[Value], bad: &[Value]) -> Vec<Row> {
    let objects = |list: &[Value]| list.iter().map(one).collect::<Vec<_>>();
    of(Kind::Binding, field, remedy, &objects(good), &objects(bad))
}

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    [names(), kinds(), files(), selections(), paths(), together()].concat()
}

fn names() -> Vec<Row> {
    let name = |name: &str| json!({"name": name, "objectName": "a"});
    let object_name = |name: &str| json!({"name": "a", "objectName": name});
    [
        field(
            "spec.objects[0].name",
            "must be a file name of letters",
            &values(&["a", "Db-1", "ca.crt", "a_b", "9"], name),
            &values(&[".hidden", "a/b", "..", "-a", "a b", "ä"], name),
        ),
        field(
            "spec.objects[0].objectName",
            "must be the name of an object in the vault",
            &values(&["a", "-A-9"], object_name),
            &values(&["a.b", "a/0123", "a_b", "a*", "https://a"], object_name),
        ),
        field(
            "spec.objects[0].objectName",
            "objectName must be set, because no object in a vault can have this name",
            &[
                json!({"name": "ca.crt", "objectName": "ca"}),
                json!({"name": "a_b", "select": {"prefix": "a"}}),
            ],
            &[json!({"name": "ca.crt"}), json!({"name": "a_b"})],
        ),
    ]
    .concat()
}

fn kinds() -> Vec<Row> {
    let version = |version: &str| json!({"name": "a", "version": version});
    let parts = |kind: &str| json!({"name": "a", "type": kind, "parts": ["Leaf"]});
    let decode = |kind: &str| json!({"name": "a", "type": kind, "file": {"decode": "Hex"}});
    let warn = |time: &str| json!({"name": "a", "expiry": {"warnBefore": time}});
    [
        field(
            "spec.objects[0].version",
            "must be Latest or the id of a version",
            &values(&["Latest", VERSION], version),
            &values(
                &["latest", "", "0123", "0123456789abcdef0123456789abcdeg"],
                version,
            ),
        ),
        field(
            "spec.objects[0].parts",
            "parts is for type Certificate only",
            &[parts("Certificate")],
            &values(&["Secret", "Key"], parts),
        ),
        field(
            "spec.objects[0].file.decode",
            "file.decode is for type Secret only",
            &[decode("Secret")],
            &values(&["Certificate", "Key"], decode),
        ),
        field(
            "spec.objects[0].expiry.warnBefore",
            "must be a duration from 0s to 8760h",
            &values(&["0s", "8760h", "90m"], warn),
            &values(&["8760h1s", "30d", "-1h"], warn),
        ),
    ]
    .concat()
}

fn files() -> Vec<Row> {
    let path = |path: &str| json!({"name": "a", "file": {"path": path}});
    let mode = |mode: &str| json!({"name": "a", "file": {"mode": mode}});
    [
        field(
            "spec.objects[0].file.path",
            "must be a path inside the volume",
            &values(
                &["a", "db/password", ".pgpass", "a/.b/c..d", "a-b_c.d"],
                path,
            ),
            &values(
                &[
                    "/a", "a/", "a//b", "../a", "a/../b", "..a", "a/..b", ".", "a/./b", "..",
                    "a b", "a\\b", "a\u{0}b", "a\nb",
                ],
                path,
            ),
        ),
        field(
            "spec.objects[0].file.mode",
            "must be four octal digits in quotes",
            &values(&["0644", "0400", "0440", "0775"], mode),
            &values(
                &[
                    "644", "0", "", "0o64", "1644", "0648", "0666", "0777", "rw-r",
                ],
                mode,
            ),
        ),
    ]
    .concat()
}

fn selections() -> Vec<Row> {
    let select = |select: Value| json!({"name": "a", "select": select});
    let prefix = |prefix: &str| select(json!({"prefix": prefix}));
    [
        field(
            "spec.objects[0]",
            "objectName and select exclude each other",
            &[prefix("pay-"), json!({"name": "a", "objectName": "b"})],
            &[json!({"name": "a", "objectName": "b", "select": {"prefix": "pay-"}})],
        ),
        field(
            "spec.objects[0].select",
            "prefix or tags must be set",
            &[prefix("pay-"), select(json!({"tags": {"team": "pay"}}))],
            &[select(json!({})), select(json!({"max": 3}))],
        ),
        field(
            "spec.objects[0].select.prefix",
            "must be the start of names in the vault, without a wildcard",
            &values(&["pay-", "A"], prefix),
            &values(&["pay-*", "a.", "^a"], prefix),
        ),
        field(
            "spec.objects[0].select.tags",
            "must have names of 1 to 256 characters",
            &[
                select(json!({"tags": {"a b": ""}})),
                select(json!({"tags": {"a".repeat(256): "b"}})),
            ],
            &[
                select(json!({"tags": {"": "b"}})),
                select(json!({"tags": {"a".repeat(257): "b"}})),
            ],
        ),
        field(
            "spec.objects[0].version",
            "version must be Latest with select",
            &[json!({"name": "a", "select": {"prefix": "b"}, "version": "Latest"})],
            &[json!({"name": "a", "select": {"prefix": "b"}, "version": VERSION})],
        ),
    ]
    .concat()
}

/// Objects with a name and a path.
fn at(paths: &[(&str, Option<&str>)]) -> Value {
    let objects: Vec<Value> = paths
        .iter()
        .map(|(name, path)| match path {
            Some(path) => json!({"name": name, "file": {"path": path}}),
            None => json!({"name": name}),
        })
        .collect();
    json!({"objects": objects})
}

fn paths() -> Vec<Row> {
    of(
        Kind::Binding,
        "spec.objects",
        "two objects may not have the same path",
        &[
            at(&[("a", None), ("b", None)]),
            at(&[("a", Some("x/a")), ("b", Some("x/b"))]),
            at(&[("a", Some("b")), ("b", Some("a"))]),
            at(&[("a", None), ("ab", None)]),
        ],
        &[
            at(&[("a", None), ("b", Some("a"))]),
            at(&[("a", Some("x")), ("b", Some("x"))]),
            at(&[("a", None), ("b", Some("a/b"))]),
            at(&[("a", Some("x/y/z")), ("c", None), ("b", Some("x/y"))]),
        ],
    )
}

fn together() -> Vec<Row> {
    let selections = |count: usize, max: i32| {
        let objects: Vec<Value> = (0..count)
            .map(|at| json!({"name": format!("s{at}"), "select": {"prefix": "a", "max": max}}))
            .chain([json!({"name": "a"})])
            .collect();
        json!({"objects": objects})
    };
    let named = |one: &str, other: &str| {
        let object = |name: &str, path: &str| json!({"name": name, "file": {"path": path}});
        json!({"objects": [object(one, "a"), object(other, "b")]})
    };
    [
        of(
            Kind::Binding,
            "spec.objects",
            "at most 500 objects of the vault in one binding",
            &[selections(4, 100), selections(99, 5)],
            &[selections(5, 100), selections(99, 6)],
        ),
        of(
            Kind::Binding,
            "spec.objects[1]",
            "Duplicate value",
            &[named("a", "b")],
            &[named("a", "a")],
        ),
    ]
    .concat()
}
