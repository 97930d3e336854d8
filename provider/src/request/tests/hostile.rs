//! What an author of a class or pod may send on purpose.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Marks every token and client secret of these tests.
const HIDDEN: &str = "hunter2hunter2";

/// Texts that parsers and messages find hard.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[\\PC\n\t]{0,400}",
        Just("true".to_owned()),
        Just(CLIENT.to_owned()),
        Just("\u{202e}\0\u{7}\u{9b}".repeat(30)),
        Just("ä".repeat(5000)),
    ]
}

/// Near to YAML of objects, with pieces out of place.
fn yaml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("array:"),
        Just("\n  - "),
        Just("- "),
        Just("|\n    "),
        Just("\n    "),
        Just("\n"),
        Just("objectName: "),
        Just("objectType: secret"),
        Just("objectAlias: "),
        Just("<<: "),
        Just("objectVersionHistory: "),
        Just("filePermission: 0"),
        Just("&a "),
        Just("*a"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just("'"),
        Just("\""),
        Just("!!int "),
        Just("!x "),
        Just("? "),
        Just(": "),
        Just("~"),
        Just("%YAML 1.2\n"),
        Just("---\n"),
        Just("\t"),
        Just("a"),
        Just("a/b"),
        Just("..\u{0}"),
        Just("9e99"),
        Just("\r\n"),
        Just("\u{feff}"),
        Just("#"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A message is fit for an event and the same the next time.
fn is_fit(error: &RequestError, request: &MountRequest) -> Result<(), TestCaseError> {
    let message = error.to_string();
    prop_assert!(message.chars().count() <= 300, "{}", message);
    prop_assert!(!message.chars().any(char::is_control), "{:?}", message);
    let debug = format!("{error:?}");
    prop_assert!(!message.contains(HIDDEN) && !debug.contains(HIDDEN));
    let again = decode(request).err();
    prop_assert_eq!(again.as_ref(), Some(error));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_attribute_causes_a_panic_or_an_unfit_message(
        key in prop_oneof![
            Just("csi.storage.k8s.io/pod.name"), Just("usePodIdentity"),
            Just("useVMManagedIdentity"), Just("useAzureTokenProxy"), Just("keyvaultName"),
            Just("tenantID"), Just("cloudEnvFileName"), Just("cloudName"), Just("clientID"),
            Just("userAssignedIdentityID"), Just("objects"),
        ],
        value in text(),
        permission in prop_oneof![Just("420".to_owned()), text()],
    ) {
        let mut sent = Sent::new().with(key, &value);
        sent.permission = permission;
        if let Err(error) = sent.decode() {
            is_fit(&error, &sent.request())?;
        }
    }

    #[test]
    fn no_request_causes_a_panic_or_an_unfit_message(
        attributes in text(), secrets in text(), permission in text(), name in ".{0,200}",
    ) {
        for attributes in [attributes, json!({name: 1}).to_string()] {
            let request = MountRequest {
                attributes,
                secrets: secrets.clone(),
                permission: permission.clone(),
                ..Default::default()
            };
            if let Err(error) = decode(&request) {
                is_fit(&error, &request)?;
            }
        }
    }

    #[test]
    fn no_field_causes_a_panic_or_an_unfit_message(
        name in prop_oneof![Just("a".to_owned()), text()],
        field in prop_oneof![
            Just("objectAlias"), Just("objectType"), Just("objectVersion"), Just("objectFormat"),
            Just("objectVersionHistory"), Just("objectEncoding"), Just("filePermission"),
        ],
        value in text(),
    ) {
        let object = json!({"objectName": name, "objectType": "secret", field: value});
        for list in [json!([object.clone()]), json!([object.to_string()])] {
            let sent = Sent::new().with("objects", &json!({"array": list}).to_string());
            if let Err(error) = sent.decode() {
                is_fit(&error, &sent.request())?;
            }
        }
    }

    #[test]
    fn no_yaml_causes_a_panic_or_an_unfit_message(text in prop_oneof![3 => yaml(), 1 => text()]) {
        let texts = [text.clone(), format!("array:\n- {}", json!(text)), format!("- {text}")];
        for text in texts {
            let sent = Sent::new().with("objects", &text);
            if let Err(error) = sent.decode() {
                is_fit(&error, &sent.request())?;
            }
        }
    }

    #[test]
    fn tokens_and_client_secrets_are_never_shown(before in text(), after in text(), workload: bool) {
        let value = format!("{before}{HIDDEN}{after}");
        let entry = json!({AUDIENCE: {"token": value, "expirationTimestamp": after}});
        let tokens = [entry.to_string(), json!({AUDIENCE: value}).to_string(), value.clone()];
        let secrets = [
            json!({"clientid": CLIENT, "clientsecret": value}).to_string(),
            json!({"clientid": value, "clientsecret": value}).to_string(),
            json!({"clientid": [value]}).to_string(),
            value,
        ];
        for tokens in &tokens {
            for secrets in &secrets {
                let sent = Sent::new().with(TOKENS, tokens).secrets(secrets);
                let sent = if workload { sent } else { sent.without("clientID") };
                match sent.decode() {
                    Ok(request) => {
                        let debug = format!("{request:?}");
                        prop_assert!(!debug.contains(HIDDEN));
                    }
                    Err(error) => is_fit(&error, &sent.request())?,
                }
            }
        }
    }
}

#[test]
fn a_megabyte_of_any_one_thing_is_answered_soon() {
    let deepest_taken = format!("{}{}", "[".repeat(290), "a,".repeat(449_000));
    let pieces = [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "'",
        "!",
        "&a ",
        "*a ",
        "a:\n",
        "- *a\n",
        "{a: ",
        "[[],",
        "\"\\x41",
        "|\n",
        "# ",
        "%",
        "\n ",
        "-\n",
        &deepest_taken,
    ];
    for piece in pieces {
        let count = 900_000 / json!(piece).to_string().len();
        let text = piece.repeat(count.max(1));
        for text in [
            format!("array: {text}"),
            format!("x: &a [b]\narray:\n{text}"),
        ] {
            let request = Sent::new().with("objects", &text).request();
            let start = Instant::now();
            let answer = decode(&request);
            let took = start.elapsed();
            assert_ne!(answer, Err(RequestError::AttributesTooLarge));
            assert!(took < Duration::from_secs(60), "{piece:.9} took {took:?}");
        }
    }
}

#[test]
fn the_longest_messages_are_still_short_enough_for_an_event() {
    let name = "n".repeat(127);
    let object = |field: &str, value: &str| json!({"objectName": name, "objectType": "secret", field: value});
    let long = "x".repeat(255);
    let dots = format!("..{long}");
    let deep = format!("{long}/{long}");
    for list in [
        json!([object("objectAlias", &dots)]),
        json!([object("objectAlias", &long), object("objectAlias", &long)]),
        json!([object("objectAlias", &long), object("objectAlias", &deep)]),
        json!([object("objectVersion", &long)]),
        json!([object("filePermission", &long)]),
        json!([object("objectVersionHistory", &long)]),
        json!([{"objectName": long.repeat(2)}]),
    ] {
        let nulls = "- ~\n".repeat(100_000);
        let entries: String = list
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| format!("- {entry}\n"))
            .collect();
        Sent::new()
            .with("objects", &format!("{nulls}{entries}"))
            .refusal();
    }
    for name in [
        "keyvaultName",
        "tenantID",
        "cloudName",
        "clientID",
        "useVMManagedIdentity",
    ] {
        Sent::new().with(name, &long).refusal();
    }
}
