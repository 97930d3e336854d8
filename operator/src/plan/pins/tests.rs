use super::super::tests::id;
use super::*;
use crate::secrets_store::SecretProviderClassSpec;

fn read(objects: &str) -> Vec<(String, String, Option<String>)> {
    let mut class = SecretProviderClass::new("payments", SecretProviderClassSpec::default());
    class
        .spec
        .parameters
        .insert("objects".to_owned(), objects.to_owned());
    Pins::of(&class)
        .entries
        .into_iter()
        .map(|entry| {
            (
                entry.name.to_string(),
                entry.path,
                entry.version.map(|v| v.to_string()),
            )
        })
        .collect()
}

fn entry(name: &str, path: &str, number: u32) -> (String, String, Option<String>) {
    (name.to_owned(), path.to_owned(), Some(id(number)))
}

#[test]
fn both_dialects_and_what_people_write_are_read() {
    let (one, two) = (id(1), id(2));
    let expected = vec![entry("db", "db", 1), entry("mail", "x/y", 2)];
    for text in [
        format!(
            "- objectName: \"db\"\n  objectVersion: \"{one}\"\n- objectName: \"mail\"\n  objectAlias: \"x/y\"\n  objectVersion: \"{two}\"\n"
        ),
        format!(
            "array:\n  - |\n    objectName: db\n    objectVersion: {one}\n  - |\n    objectName: 'mail'\n    objectAlias: x/y\n    objectVersion: '{two}'\n"
        ),
        format!(
            "\r\narray:\r\n- |-\r\n  objectVersion: {}\r\n  objectName : db\r\n-\r\n  objectAlias: x/y\r\n  objectName: mail\r\n  objectVersion: {two}",
            one.to_uppercase()
        ),
    ] {
        assert_eq!(read(&text), expected, "{text}");
    }
}

#[test]
fn what_is_no_entry_is_passed_over() {
    for text in [
        "",
        "[]",
        "array: []",
        "objectName: ../x",
        "- objectAlias: a",
        "::::",
        "- - -\n-",
        "\u{0}",
    ] {
        assert_eq!(read(text), [], "{text}");
    }
    assert_eq!(
        read("- objectName: a\n  objectVersion: latest"),
        [("a".to_owned(), "a".to_owned(), None)]
    );
    let many = "- objectName: a\n".repeat(MOST + 5);
    assert_eq!(read(&many).len(), MOST);
}

#[test]
fn a_path_decides_and_then_a_name_that_has_one_version() {
    let mut class = SecretProviderClass::new("payments", SecretProviderClassSpec::default());
    let (one, two) = (id(1), id(2));
    let objects = format!(
        "- objectName: db\n  objectVersion: {one}\n- objectName: DB\n  objectAlias: old\n  objectVersion: {two}\n- objectName: tls\n  objectAlias: tls/leaf.crt\n  objectVersion: {two}\n"
    );
    class.spec.parameters.insert("objects".to_owned(), objects);
    let pins = Pins::of(&class);
    let version = |name, path| pins.version(name, path).map(|id| id.to_string());
    assert_eq!(version("db", "db"), Some(id(1)));
    assert_eq!(version("db", "old"), Some(id(2)));
    assert_eq!(version("db", "new"), None);
    assert_eq!(version("tls", "tls"), Some(id(2)));
    assert_eq!(version("tls", "elsewhere"), Some(id(2)));
    assert_eq!(version("tls", "tl"), Some(id(2)));
    assert_eq!(version("other", "db"), None);
    assert_eq!(pins.under("tl").count(), 0);
}
