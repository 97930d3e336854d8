use super::*;

fn decode_text(text: &str) -> Result<Vec<Object>, RequestError> {
    let request = Sent::new().with("objects", text).decode()?;
    Ok(request.objects.to_vec())
}

fn refused(text: &str) -> String {
    Sent::new().with("objects", text).refusal()
}

fn files(text: &str) -> Vec<String> {
    let objects = decode_text(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    objects.iter().flat_map(Object::files).collect()
}

#[test]
fn parts_are_a_list_or_a_text_with_commas() {
    for value in [
        "[FullChain, CA]",
        "[CA, FullChain]",
        "['FullChain', \"CA\"]",
        "FullChain,CA",
        "' CA , FullChain '",
        "\n    - FullChain\n    - CA",
    ] {
        let as_map = format!("- objectName: web\n  objectType: cert\n  parts: {value}\n");
        assert_eq!(files(&as_map), ["web/tls.crt", "web/ca.crt"], "{value}");
    }
    let json =
        r#"array: ['{"objectName": "web", "objectType": "cert", "parts": ["FullChain", "CA"]}']"#;
    assert_eq!(files(json), ["web/tls.crt", "web/ca.crt"]);
    let text = "array:\n- |\n  objectName: web\n  objectType: cert\n  parts: [FullChain, CA]\n";
    assert_eq!(files(text), ["web/tls.crt", "web/ca.crt"]);
    let merged = "- &one {objectName: web, objectType: cert, parts: [CA]}\n\
                  - {<<: *one, objectAlias: other}\n";
    assert_eq!(files(merged), ["web/ca.crt", "other/ca.crt"]);
}

#[test]
fn without_parts_a_certificate_is_one_file() {
    for value in ["~", "''", "[]", "null"] {
        let text = format!("- {{objectName: web, objectType: cert, parts: {value}}}");
        let object = decode_text(&text).unwrap().remove(0);
        assert!(object.parts.is_empty(), "{value}");
        assert_eq!(object.files().collect::<Vec<_>>(), ["web"]);
        assert_eq!(object.id().object_type, ObjectType::Certificate);
    }
}

#[test]
fn what_is_read_is_the_least_that_the_parts_need() {
    for (parts, read) in [
        ("Leaf", ObjectType::Certificate),
        ("PFX", ObjectType::Secret),
        ("CA", ObjectType::Secret),
        ("Leaf, FullChain", ObjectType::Secret),
    ] {
        let text = format!("- {{objectName: web, objectType: cert, parts: [{parts}]}}");
        let object = decode_text(&text).unwrap().remove(0);
        assert_eq!(object.id().object_type, read, "{parts}");
        assert_eq!(object.object_type, ObjectType::Certificate);
    }
}

#[test]
fn each_combination_without_sense_has_its_message() {
    for (fields, message) in [
        (
            "objectType: cert, parts: [Chain]",
            "parts has \"Chain\": set any of FullChain, PrivateKey, CA, Leaf and PFX",
        ),
        (
            "objectType: cert, parts: [~]",
            "parts has \"~\": set any of FullChain, PrivateKey, CA, Leaf and PFX",
        ),
        (
            "objectType: cert, parts: 'CA,'",
            "parts has \"\": set any of FullChain, PrivateKey, CA, Leaf and PFX",
        ),
        (
            "objectType: cert, parts: [CA, Leaf, CA]",
            "parts has CA twice: remove one of them",
        ),
        (
            "objectType: secret, parts: [CA]",
            "parts needs objectType cert, but the type is secret: set cert, also where the \
             certificate's key is wanted, or leave parts out",
        ),
        (
            "objectType: key, parts: [PrivateKey]",
            "parts needs objectType cert, but the type is key: set cert, also where the \
             certificate's key is wanted, or leave parts out",
        ),
        (
            "objectType: cert, parts: [PFX], objectFormat: pfx",
            "parts cannot go with objectFormat: each part has its own form, so leave objectFormat \
             out",
        ),
        (
            "objectType: cert, parts: [PFX], objectEncoding: base64",
            "parts cannot go with objectEncoding: each part has its own form, so leave \
             objectEncoding out",
        ),
    ] {
        let text = format!("- {{objectName: web, {fields}}}");
        assert_eq!(refused(&text), format!("objects[0] (\"web\"): {message}"));
    }
    for value in ["{a: b}", "5", "true", "[[CA]]", "[{a: b}]"] {
        let text = format!("- {{objectName: web, objectType: cert, parts: {value}}}");
        let message = "objects[0] (\"web\"), line 1 of objects: parts is no list of names: write \
                       for example [FullChain, PrivateKey]";
        assert_eq!(refused(&text), message, "{value}");
    }
}

#[test]
fn a_folder_with_parts_meets_no_file_of_another() {
    let web = "- {objectName: web, objectType: cert, objectAlias: tls, parts: [CA, PFX]}\n";
    let other = |alias: &str| {
        format!("{web}- {{objectName: other, objectType: secret, objectAlias: {alias}}}\n")
    };
    for alias in ["tls/tls.crt", "tls/other", "tls.crt", "tls2", "x/tls"] {
        assert_eq!(files(&other(alias)).len(), 3, "{alias}");
    }
    for (alias, path) in [
        ("tls", "tls"),
        ("tls/ca.crt", "tls/ca.crt"),
        ("tls/ca.crt/x", "tls/ca.crt"),
        ("tls/tls.p12", "tls/tls.p12"),
    ] {
        let message = refused(&other(alias));
        assert!(message.contains(&format!("{path:?}")), "{alias}: {message}");
    }
}

#[test]
fn a_folders_files_obey_the_limits_of_paths() {
    let element = "a".repeat(250);
    // 16 elements of 251 bytes with their slashes, and the rest.
    let alias = |rest: usize| format!("{}{}", format!("{element}/").repeat(16), "b".repeat(rest));
    let entry = |alias: &str| {
        format!("- {{objectName: web, objectType: cert, objectAlias: {alias}, parts: [CA]}}")
    };
    let room = 4096 - 16 * 251 - "/ca.crt".len();
    assert_eq!(files(&entry(&alias(room)))[0].len(), 4096);
    assert!(refused(&entry(&alias(room + 1))).contains("longer than 4096 bytes"));
}
