use super::*;

fn objects(text: &str) -> Vec<Object> {
    match Sent::new().with("objects", text).decode() {
        Ok(request) => request.objects.to_vec(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn refused(text: &str) -> String {
    Sent::new().with("objects", text).refusal()
}

/// One object in an entry's text, given its lines.
fn entry(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("array:\n  - |\n{indented}")
}

fn names(text: &str) -> Vec<String> {
    objects(text)
        .iter()
        .map(|object| object.name.to_string())
        .collect()
}

#[test]
fn lists_are_written_in_many_ways() {
    for text in [
        "array:\n  - |\n    objectName: a\n    objectType: secret\n  - |\n    objectName: b\n    objectType: key\n",
        "array:\n- objectName: a\n  objectType: secret\n- objectName: b\n  objectType: key\n",
        "- objectName: a\n  objectType: secret\n- objectName: b\n  objectType: key\n",
        "\n  - objectName: a\n    objectType: secret\n  - objectName: b\n    objectType: key\n",
        "- |\n  objectName: a\n  objectType: secret\n- |\n  objectName: b\n  objectType: key\n",
        r#"{"array": ["{\"objectName\": \"a\", \"objectType\": \"secret\"}", "{objectName: b, objectType: key}"]}"#,
        r#"[{"objectName": "a", "objectType": "secret"}, {"objectName": "b", "objectType": "key"}]"#,
        "\u{feff}array:\r\n  - |\r\n    objectName: a\r\n    objectType: secret\r\n  - ~\r\n  - |\r\n    objectName: b\r\n    objectType: key\r\n",
        "\tarray:\n  - '{objectName: a, objectType: secret}'\n  - '{objectName: b, objectType: key}'\n",
        "other: [x, y]\narray:\n  - {objectName: a, objectType: secret}\n  - {objectName: b, objectType: key}\n---\n@ not read\n",
        "array:\n  - &one {objectName: a, objectType: secret}\n  - {<<: *one, objectName: b, objectAlias: ~}\n",
        "array:\n  - {objectName: a, objectType: secret}\n  - {<<: [{objectName: b}, {objectName: c, objectType: key}]}\n",
    ] {
        assert_eq!(names(text), ["a", "b"], "{text}");
    }
}

#[test]
fn an_empty_list_is_no_objects() {
    for text in [
        "array:",
        "array: []",
        "array: [~, null]",
        "null",
        "{}",
        "[]",
        "# none",
    ] {
        assert_eq!(objects(text), [], "{text}");
    }
}

#[test]
fn fields_are_taken_as_the_text_that_stands_there() {
    let all = objects(&entry(
        "objectName: ' 0123 '\nobjectAlias: 1e3\nobjectType: secret\nobjectVersion: \
         0123456789ABCDEF0123456789abcdef\nobjectVersionHistory: 1\nobjectFormat: PFX\n\
         objectEncoding: Base64\nfilePermission: 0400\nunknown: {a: [b]}\nobjectname: x",
    ));
    assert_eq!(
        all,
        [Object {
            object_type: ObjectType::Secret,
            name: "0123".parse().unwrap(),
            version: Some(VERSION.parse().unwrap()),
            path: "1e3".parse().unwrap(),
            mode: "0400".parse().unwrap(),
            encoding: Encoding::Base64,
            format: Format::Pfx,
            parts: Parts::default(),
            optional: false,
        }]
    );
    for scalar in [
        "0755",
        "1e10",
        "yes",
        "true",
        "2020-01-01",
        "0x1F",
        ".5",
        "1_000",
    ] {
        let text = format!("- {{objectName: a, objectType: secret, objectAlias: {scalar}}}");
        assert_eq!(objects(&text)[0].path.as_str(), scalar);
    }
}

#[test]
fn null_and_blank_fields_have_their_defaults() {
    for blank in ["", "~", "null", "Null", "NULL", "''", "'  '"] {
        let text = entry(&format!(
            "objectName: a\nobjectType: cert\nobjectAlias: {blank}\nobjectVersion: {blank}\n\
             objectVersionHistory: {blank}\nobjectFormat: {blank}\nobjectEncoding: {blank}\n\
             filePermission: {blank}"
        ));
        let object = &objects(&text)[0];
        assert_eq!(
            (object.path.as_str(), &object.version),
            ("a", &None),
            "{blank}"
        );
        assert_eq!(
            (object.mode.bits(), object.format),
            (0o644, Format::Pem),
            "{blank}"
        );
    }
}

#[test]
fn optional_is_a_boolean_or_its_text() {
    for (value, optional) in [
        ("true", true),
        ("\"true\"", true),
        ("'True'", true),
        ("1", true),
        ("t", true),
        ("false", false),
        ("'0'", false),
        ("~", false),
        ("''", false),
    ] {
        let fields = format!("objectName: a, objectType: cert, optional: {value}");
        for text in [
            format!("- {{{fields}}}"),
            format!("array: [\"{{{}}}\"]", fields.replace('"', "'")),
        ] {
            assert_eq!(objects(&text)[0].optional, optional, "{text}");
        }
    }
    assert!(!objects(ONE_SECRET)[0].optional);
}

#[test]
fn the_latest_version_has_a_name_in_any_case() {
    for latest in ["latest", "LATEST", "Latest"] {
        let text = format!("- {{objectName: a, objectType: key, objectVersion: {latest}}}");
        assert_eq!(objects(&text)[0].version, None);
    }
}

#[test]
fn each_bad_field_has_its_message() {
    for (fields, message) in [
        (
            "objectType: secret",
            "objects[0] has no objectName: set it to the object's name in the vault",
        ),
        (
            "",
            "objects[0] has no objectName: set it to the object's name in the vault",
        ),
        (
            "null",
            "objects[0] has no objectName: set it to the object's name in the vault",
        ),
        (
            "objectAlias: x\nobjectname: a",
            "objects[0] has no objectName: set it to the object's name in the vault",
        ),
        (
            "objectName: a/../b",
            "objects[0] (\"a/../b\"): objectName is not a name in a vault: an object name has 1 to \
             127 letters, digits or dashes",
        ),
        (
            "objectName: a",
            "objects[0] (\"a\"): objectType is \"\": set secret, key or cert, in lower case",
        ),
        (
            "objectName: a\nobjectType: Secret",
            "objects[0] (\"a\"): objectType is \"Secret\": set secret, key or cert, in lower case",
        ),
        (
            "objectName: a\nobjectType: secret\nobjectVersion: 123",
            "objects[0] (\"a\"): objectVersion is \"123\": a version is the 32 hexadecimal digits \
             at the end of the object's identifier; leave it out for the latest",
        ),
        (
            "objectName: a\nobjectType: secret\nobjectVersionHistory: many",
            "objects[0] (\"a\"): objectVersionHistory is \"many\": set a whole number or leave it \
             out",
        ),
        (
            "objectName: a\nobjectType: secret\nobjectVersionHistory: 0x5",
            "objects[0] (\"a\"): objectVersionHistory is 5, but version history is not supported \
             by this version yet: leave it out or set it to 1",
        ),
        (
            "objectName: a\nobjectType: secret\nobjectFormat: der",
            "objects[0] (\"a\"): objectFormat is \"der\": set pem or pfx",
        ),
        (
            "objectName: a\nobjectType: cert\nobjectFormat: PFX",
            "objects[0] (\"a\"): objectFormat pfx needs objectType secret: the type is cert",
        ),
        (
            "objectName: a\nobjectType: secret\nobjectEncoding: utf8",
            "objects[0] (\"a\"): objectEncoding is \"utf8\": set utf-8, base64 or hex",
        ),
        (
            "objectName: a\nobjectType: key\nobjectEncoding: utf-8",
            "objects[0] (\"a\"): objectEncoding needs objectType secret, but the type is key: \
             leave it out",
        ),
        (
            "objectName: a\nobjectType: secret\nfilePermission: 0900",
            "objects[0] (\"a\"): filePermission is \"0900\": a file mode is octal, 0 to 0777; set \
             for example 0644",
        ),
        (
            "objectName: a\nobjectType: secret\noptional: yes",
            "objects[0] (\"a\"): optional is \"yes\": set true or false",
        ),
        (
            "objectName: a\nobjectType: secret\noptional: [true]",
            "objects[0] (\"a\"), its line 3: optional is a list or a map: give it a single value",
        ),
        (
            "objectName: a\nobjectType: secret\nobjectAlias: ../a",
            "objects[0] (\"a\"): objectAlias \"../a\" cannot be a file in the volume: it has an \
             element \"..\" or starts with \"..\"; set a relative path such as dir/file",
        ),
    ] {
        assert_eq!(refused(&entry(fields)), message, "{fields}");
    }
}

#[test]
fn a_document_of_another_shape_is_refused_with_the_place() {
    let array = "write a list with one entry for each object";
    let fields = "write a map with objectName and objectType";
    for (text, message) in [
        ("foo", "objects, line 1: found a text: write a map whose key array holds the list of objects".to_owned()),
        ("5", "objects, line 1: found a number: write a map whose key array holds the list of objects".to_owned()),
        ("objectName: a", "parameter objects has no key array: put the list of objects under it".to_owned()),
        ("array: foo", format!("objects, line 1: array is a text: {array}")),
        ("array:\n  objectName: a", format!("objects, line 2: array is a map: {array}")),
        ("array: !x []", format!("objects, line 1: array is a value with a tag: {array}")),
        ("array:\n- {objectName: a}\n- [b]", format!("objects[1], line 3 of objects: found a list: {fields}")),
        ("\n\n\narray:\n- ~\n- 5", format!("objects[1], line 6 of objects: found a number: {fields}")),
        ("array:\n- true", format!("objects[0], line 2 of objects: found true or false: {fields}")),
        ("array:\n- ''\n- '- x'", format!("objects[1], its line 1: found a list: {fields}")),
        ("array: ['db']", format!("objects[0], its line 1: found a text: {fields}")),
        (
            "array:\n- {objectName: a, objectType: key}\n- |\n  objectName: b\n",
            "objects[1] is a text, unlike objects[0]: write all entries as texts or all as maps".to_owned(),
        ),
        (
            "- {objectName: a, <<: b}",
            "objects[0] (\"a\"), line 1 of objects: the merge key << is a text: give it a map or a list of maps".to_owned(),
        ),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn broken_yaml_is_refused_with_the_line_and_without_its_contents() {
    for (text, message) in [
        (
            "array:\n  - |\n    objectName: a\n   - x: y: z\n",
            "objects, line 4: not valid YAML: \"did not find expected '-' indicator\"; \
             check indentation, colons and quotes",
        ),
        (
            "array:\n  - objectName: hidden\n    objectType: secret\n    objectAlias: @hidden\n",
            "objects[0] (\"hidden\"), line 4 of objects: not valid YAML: \"found character that \
             cannot start any token\"; check indentation, colons and quotes",
        ),
        (
            "array:\n  - |\n    objectName: db\n    objectType: \"hidden\n",
            "objects[0] (\"db\"), its line 2: not valid YAML: \"found unexpected end of stream\"; \
             check indentation, colons and quotes",
        ),
        (
            "array:\n  - '{\"objectType\": hidden: \"x\", \"objectName\": \"db\"'\n",
            "objects[0] (\"db\"), its line 1: not valid YAML: \"did not find expected ',' or \
             '}'\"; check indentation, colons and quotes",
        ),
        (
            "array:\n  - |\n    objectName: db\n    objectType: key\n    objectType: secret\n",
            "objects[0] (\"db\"), its line 3: \"objectType\" is given twice: remove one of them",
        ),
        (
            "array: []\nother: hidden\narray: []\n",
            "objects, line 3: \"array\" is given twice: remove one of them",
        ),
        (
            "- objectName: db\n  x: 1\n  x: 1\n",
            "objects[0] (\"db\"), line 3 of objects: \"x\" is given twice: remove one of them",
        ),
        (
            "array:\n  - |\n    objectName: db\n    objectAlias: [hidden]\n",
            "objects[0] (\"db\"), its line 2: objectAlias is a list or a map: give it a single value",
        ),
        (
            "- {objectName: db, objectAlias: !!null hidden}",
            "objects[0] (\"db\"), line 1 of objects: objectAlias is a list or a map: give it a \
             single value",
        ),
        (
            "- {objectName: db, ? [hidden] : x}",
            "objects[0] (\"db\"), line 1 of objects: not valid YAML: \"a value of unexpected \
             type\"; check indentation, colons and quotes",
        ),
        (
            "- {objectName: *hidden}",
            "objects[0], line 1 of objects: not valid YAML: \"unknown anchor\"; check indentation, colons and quotes",
        ),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn no_two_objects_share_a_file_or_put_a_file_over_a_directory() {
    let list = |paths: &[&str]| -> String {
        paths
            .iter()
            .enumerate()
            .map(|(at, path)| {
                format!("- {{objectName: o{at}, objectType: secret, objectAlias: '{path}'}}\n")
            })
            .collect()
    };
    for apart in [
        &["a", "b"][..],
        &["a/b", "a/c"],
        &["a", "ab/c", "a-b"],
        &["a.b", "a/b/c", "A"],
    ] {
        assert_eq!(objects(&list(apart)).len(), apart.len());
    }
    assert_eq!(
        refused(&list(&["x", "a", "a"])),
        "objects[1] (\"o1\") and objects[2] (\"o2\") both make the file \"a\": set objectAlias of \
         one of them"
    );
    for (paths, file, below) in [
        (
            ["a/b", "a/b/c/d"],
            "objects[0] (\"o0\")",
            "objects[1] (\"o1\")",
        ),
        (
            ["a/b/c", "a/b"],
            "objects[1] (\"o1\")",
            "objects[0] (\"o0\")",
        ),
    ] {
        assert_eq!(
            refused(&list(&paths)),
            format!(
                "{file} makes the file \"a/b\", a directory for {below}: change one objectAlias"
            )
        );
    }
    assert_eq!(
        refused("- {objectName: a, objectType: secret}\n- ~\n- {objectName: a, objectType: key}"),
        "objects[0] (\"a\") and objects[2] (\"a\") both make the file \"a\": set objectAlias of one \
         of them"
    );
}

#[test]
fn a_thousand_objects_are_served_and_no_more() {
    let list = |count: usize| -> String {
        (0..count)
            .map(|at| format!("- {{objectName: o{at}, objectType: secret}}\n"))
            .collect()
    };
    assert_eq!(objects(&list(1000)).len(), 1000);
    assert_eq!(
        refused(&list(1001)),
        "objects has more than 1000 entries: divide them between several classes"
    );
}

#[test]
fn aliases_that_multiply_the_text_are_refused() {
    let message =
        "objects grows too large when its YAML aliases are followed: write the values out";
    let text = format!("- &a '{}'\n{}", "x".repeat(500_000), "- *a\n".repeat(20));
    assert_eq!(refused(&text), message);

    let merged = format!("- &a {{objectName: '{}'}}\n", "x".repeat(300_000));
    let text = format!("{merged}- {{<<: [{}]}}\n", "*a,".repeat(10_000));
    assert_eq!(refused(&text), message);

    let long = format!("- {{objectName: &a '{}', parts: [", "x".repeat(500_000));
    assert_eq!(
        refused(&format!("{long}{}]}}", "*a,".repeat(10_000))),
        message
    );

    let deep: String = (1..30)
        .map(|at| format!("- &a{at} {{<<: [*a{}, *a{}]}}\n", at - 1, at - 1))
        .collect();
    assert_eq!(
        refused(&format!("- &a0 {{objectName: a}}\n{deep}")),
        message
    );

    let looped = refused("- &a {<<: *a}");
    assert!(looped.contains("not valid YAML"), "{looped}");
}

#[test]
fn a_thousand_objects_in_flow_style_are_served_and_deep_nesting_is_not() {
    let object = |at| json!({"objectName": format!("object-name-{at}"), "objectType": "secret"});
    let maps = json!((0..1000).map(object).collect::<Vec<_>>());
    assert_eq!(objects(&maps.to_string()).len(), 1000);
    let texts = json!({"array": (0..1000).map(|at| object(at).to_string()).collect::<Vec<_>>()});
    assert_eq!(objects(&texts.to_string()).len(), 1000);

    let message = "objects has too many brackets and braces: write it as indented lists and maps";
    assert_eq!(refused(&"[".repeat(50_000)), message);
    let entry = format!(
        "array:\n- &a '{}'\n{}",
        "{".repeat(5000),
        "- *a\n".repeat(20)
    );
    assert!(refused(&entry).contains("not valid YAML"));
}
