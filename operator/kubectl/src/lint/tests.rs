use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn lint() -> Lint {
    Lint::new().unwrap()
}

fn binding(spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": "db"},
        "spec": {
            "vault": {"name": "kv-payments", "tenantID": "11111111-2222-3333-4444-555555555555"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "serviceAccountName": "api",
            },
            "objects": [{"name": "db"}],
        },
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

fn found(spec: &Value) -> Vec<(String, String)> {
    let findings = lint().check(Kind::Binding, &binding(spec));
    findings
        .into_iter()
        .map(|finding| (finding.field, finding.message))
        .collect()
}

#[test]
fn every_rule_of_the_definitions_compiles() {
    for (kind, _, rules) in &lint().kinds {
        assert_eq!(rules.defects(), Vec::<String>::new(), "{kind:?}");
    }
}

#[test]
fn every_keyword_of_the_definitions_is_known() {
    fn keywords(schema: &Value, all: &mut BTreeSet<String>) {
        let Some(map) = schema.as_object() else {
            return;
        };
        all.extend(map.keys().cloned());
        let properties = map.get("properties").and_then(Value::as_object);
        let inner = properties.into_iter().flat_map(Map::values);
        for schema in inner
            .chain(map.get("items"))
            .chain(map.get("additionalProperties"))
        {
            keywords(schema, all);
        }
    }
    let mut all = BTreeSet::new();
    for (_, schema, _) in &lint().kinds {
        keywords(schema, &mut all);
    }
    assert!(all.len() > 15, "{all:?}");
    let known: BTreeSet<String> = schema::JUDGED
        .into_iter()
        .chain(schema::LEFT)
        .map(str::to_owned)
        .collect();
    let others: Vec<_> = all.difference(&known).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn a_good_binding_has_no_findings() {
    assert_eq!(found(&json!({})), []);
}

#[test]
fn what_is_wrong_is_told_with_field_and_remedy() {
    for (spec, field, remedy) in [
        (
            json!({"vault": {"name": "kv-a", "tenantId": "a.b"}}),
            "spec.vault.tenantId",
            "write tenantID",
        ),
        (
            json!({"vault": {"name": "kv-a", "tenantId": "a.b"}}),
            "spec.vault.tenantID",
            "must be set",
        ),
        (
            json!({"objects": [{"name": "db", "file": {"mode": 400}}]}),
            "spec.objects[0].file.mode",
            "put it in quotes",
        ),
        (
            json!({"objects": [{"name": "a"}, {"name": "a"}]}),
            "spec.objects[1]",
            "another name",
        ),
        (json!({"objects": []}), "spec.objects", "at least 1 entries"),
        (json!({"objects": {}}), "spec.objects", "must be a list"),
        (
            json!({"reconcilePolicy": "Never"}),
            "spec.reconcilePolicy",
            "one of Apply",
        ),
        (
            json!({"rotation": {"checkInterval": "1s"}}),
            "spec.rotation.checkInterval",
            "30s to 24h",
        ),
        (
            json!({"vault": {"tenantID": "a.b"}}),
            "spec.vault",
            "exactly one of name and uri",
        ),
    ] {
        let found = found(&spec);
        let hit = |(at, message): &&(String, String)| at == field && message.contains(remedy);
        assert!(found.iter().any(|one| hit(&one)), "{spec}: {found:?}");
    }
}

#[test]
fn names_are_judged_too() {
    let mut object = binding(&json!({}));
    for (name, wrong) in [("a.b-c", false), ("A", true), ("a..b", true), ("-a", true)] {
        object["metadata"]["name"] = json!(name);
        let found = lint().check(Kind::Binding, &object);
        assert_eq!(!found.is_empty(), wrong, "{name}: {found:?}");
    }
    object["metadata"]["name"] = json!("a".repeat(64));
    let found = lint().check(Kind::Binding, &object);
    assert!(
        found.len() == 1 && found[0].message.contains("63"),
        "{found:?}"
    );
}

#[test]
fn kinds_of_others_are_left_alone() {
    for (api, kind, of) in [
        ("v1", "Secret", Ok(None)),
        (
            "vaultbind.dev/v1alpha1",
            "VaultClass",
            Ok(Some(Kind::Class)),
        ),
        ("vaultbind.dev/v1", "VaultClass", Err("apiVersion")),
        ("vaultbind.dev/v1alpha1", "Vault", Err("kind")),
    ] {
        let object = json!({"apiVersion": api, "kind": kind});
        let found = Kind::of(object.as_object().unwrap());
        assert_eq!(
            found.map_err(|finding| finding.field),
            of.map_err(str::to_owned)
        );
    }
}
