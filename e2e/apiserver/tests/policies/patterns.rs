//! P2 against the plain definition of a pattern: all short patterns with all short names.

use serde_json::{Value, json};

use crate::actor::refused;
use crate::limits::{class, refusing};
use crate::site::Tenant;

/// All texts of these letters with up to so many.
fn texts(letters: &[char], most: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..most {
        let longer = |text: &String| {
            let longer = letters.iter().map(|letter| format!("{text}{letter}"));
            longer.collect::<Vec<_>>()
        };
        last = last.iter().flat_map(longer).collect();
        all.extend(last.iter().cloned());
    }
    all.split_off(1)
}

/// What it means that a text is of a pattern; the operator is held to the same by its own tests.
fn is_of(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| is_of(rest, &text[at..])),
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(letter, left)| letter == first && is_of(rest, left)),
    }
}

#[tokio::test]
async fn all_short_patterns_admit_what_the_plain_definition_says() {
    let tenant = Tenant::new("patterns").await;
    let names = texts(&['a', 'b'], 4);
    let mut objects = Vec::new();
    for name in &names {
        objects.push(json!({"name": name}));
        objects.push(
            json!({"name": format!("{name}-selected"), "select": {"prefix": name, "max": 1}}),
        );
    }
    let binding = |class: &str| {
        tenant.binding(
            "payments",
            &json!({"vaultClassName": class, "objects": objects}),
        )
    };
    let patterns = texts(&['*', 'a', 'b'], 4);
    let class_of = |number: usize| format!("{}-{number}", tenant.namespace);
    for (number, pattern) in patterns.iter().enumerate() {
        let limits = class(&class_of(number), &json!({"objectNames": [pattern]}));
        tenant.admin.create(&limits).await.unwrap();
    }
    // Whoever knows the last knows them all.
    let last = class_of(patterns.len() - 1);
    let limits = class(&last, &json!({"objectNames": ["bbbb"]}));
    refusing(&tenant, &limits, &binding(&last)).await;

    let mut refusals = 0;
    for (number, pattern) in patterns.iter().enumerate() {
        let mut expected = Vec::new();
        for name in &names {
            let admitted = is_of(pattern.as_bytes(), name.as_bytes());
            if !admitted {
                expected.push(name.clone());
            }
            if !admitted || !pattern.ends_with('*') {
                expected.push(format!("{name}-selected"));
            }
        }
        let outcome = tenant.admin.try_create(&binding(&class_of(number))).await;
        let found = match outcome {
            Ok(_) => Vec::new(),
            Err(_) => listed(&refused("class-limits", outcome)),
        };
        assert_eq!(found, expected, "{pattern}");
        refusals += found.len();
        let class = class(&class_of(number), &Value::Null);
        tenant.admin.delete(&class).await.unwrap();
    }
    assert!(refusals > 1000, "{refusals}");
}

/// The objects that a refusal names.
fn listed(said: &str) -> Vec<String> {
    let (_, rest) = said.split_once("names in the vault of ").unwrap();
    let (names, _) = rest.split_once(", only what").unwrap();
    names.split(", ").map(str::to_owned).collect()
}
