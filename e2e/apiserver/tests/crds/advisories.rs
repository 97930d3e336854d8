//! Advisories of External Secrets that a schema answers: no field of a binding holds a template, and none leads
//! into another namespace. Those that need more than a schema are in the tests of policies and operator.

use serde_json::Value;

use crate::bounds::put;
use crate::fixture::{Kind, causes};
use crate::schema::{Step, nodes};

/// Texts that are compared and are nothing else: values of tags with those in the vault, the origin of a
/// key of a Secret with the names of the binding's own objects, and roles with those that a class admits.
const COMPARED: [&str; 3] = [
    "spec.objects.select.tags",
    "spec.secrets.data.from",
    "spec.access.roleAssignment.roleNames",
];

/// The paths of all texts that teams write, that take this one and do more than compare it.
async fn takers(text: &str) -> Vec<String> {
    let schemas = nodes(Kind::Binding);
    let mut takers = Vec::new();
    let mut tried = 0;
    for node in &schemas {
        let is_spec = node.steps.first() == Some(&Step::Field("spec".to_owned()));
        let path = node.path();
        let compared = COMPARED.contains(&path.as_str());
        if !is_spec || compared || node.schema["type"] != "string" {
            continue;
        }
        tried += 1;
        let mut object = Kind::Binding.minimal("advisories");
        put(&mut object, &node.steps, text.into(), &schemas);
        // Some other rule may mind what the example lacks.
        let causes = causes(Kind::Binding, &object).await;
        if !causes.iter().any(|cause| cause.path().starts_with(&path)) {
            takers.push(path);
        }
    }
    assert!(tried >= 20, "{tried}");
    takers
}

/// GHSA-77v3-r3jw-j2v2: a function of templates read from other namespaces.
#[tokio::test]
async fn ghsa_77v3_no_text_is_a_template_that_looks_things_up() {
    assert_eq!(takers("{{x}}").await, [""; 0]);
    let lookup = r#"{{ lookup "v1" "Secret" "kube-system" "x" }}"#;
    assert_eq!(takers(lookup).await, [""; 0]);
    assert_eq!(takers("$(x)").await, [""; 0]);
}

/// CVE-2026-34984: a template had names resolved, and told values that way.
#[tokio::test]
async fn cve_2026_34984_no_text_has_a_name_resolved() {
    let name = r#"{{ getHostByName "a.example" }}"#;
    assert_eq!(takers(name).await, [""; 0]);
    // Two fields name a host, neither with anything of a value in it: the tenant, which is part of a path
    // of the cloud's login host, and the vault.
    let takers = takers("https://a.example").await;
    assert_eq!(takers, ["spec.vault.uri"]);
}

/// CVE-2026-42875: certificates of authorities were read from another namespace.
#[tokio::test]
async fn cve_2026_42875_no_field_leads_into_another_namespace() {
    for node in nodes(Kind::Binding) {
        let Some(Step::Field(name)) = node.steps.last() else {
            continue;
        };
        let is_spec = node.steps.first() == Some(&Step::Field("spec".to_owned()));
        let name = name.to_lowercase();
        let leads = is_spec && (name.contains("namespace") || name.ends_with("ref"));
        assert!(!leads, "{}", node.path());
    }
    // Nor does a name that has one in it. A path in the volume may have a slash.
    let path = "spec.objects.file.path";
    for text in ["kube-system/app", "kube-system:app", "../kube-system/app"] {
        let mut expected = vec![path];
        expected.retain(|_| text == "kube-system/app");
        assert_eq!(takers(text).await, expected, "{text}");
    }
}

/// What stands in a place that there is not, is refused by kubectl and dropped by others.
#[tokio::test]
async fn a_namespace_that_is_written_anyway_is_not_kept() {
    let mut object = Kind::Binding.minimal("advisories-namespace");
    object["spec"]["identity"]["namespace"] = "kube-system".into();
    object["spec"]["objects"][0]["namespace"] = "kube-system".into();
    let object = serde_json::from_value(object).unwrap();
    let params = kube::api::PostParams::default();
    let api = Kind::Binding.api().await;
    let stored = api.create(&params, &object).await.unwrap();
    let spec: &Value = &stored.data["spec"];
    assert!(!spec.to_string().contains("kube-system"), "{spec}");
}
