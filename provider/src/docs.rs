//! Holds the documentation to the code. The reference pages under `docs/reference` are made from the
//! command line and the metrics themselves: tests compare them with the files, `make docs` writes the
//! files. Classes in the user guide and the examples are decoded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::CommandFactory as _;
use jiff::Timestamp;
use serde_yaml::Value;
use vaultbind_keyvault::Category;
use vaultbind_proto::MountRequest;
use vaultbind_telemetry::pages;

use crate::args::{Args, IGNORED_SWITCHES, IGNORED_VALUES};
use crate::metrics::Metrics;
use crate::request::{Classes, Defaults, Request, RequestError};
use crate::status;

#[test]
fn the_page_of_flags_is_what_the_command_line_says() {
    compare("flags.md", &flags());
}

#[test]
fn the_page_of_metrics_is_what_the_provider_shows() {
    compare("metrics.md", &metrics());
}

#[test]
fn every_class_in_the_guide_and_the_examples_is_accepted() {
    let mut decoded = 0;
    for file in [
        "docs/provider.md",
        "examples/secretproviderclass.yaml",
        "examples/tls.yaml",
    ] {
        for document in yaml_of(file) {
            let parameters = match &document["spec"]["parameters"] {
                Value::Null => &document["parameters"],
                parameters => parameters,
            };
            // Parts of a class are completed; what a part says stays.
            let mut attributes = attributes_of_a_pod();
            if !parameters["vaultURI"].is_null() {
                attributes.remove("keyvaultName");
            }
            for texts in [&document, parameters] {
                for (name, value) in texts.as_mapping().into_iter().flatten() {
                    if let (Some(name), Some(value)) = (name.as_str(), value.as_str()) {
                        attributes.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
            if !parameters.is_null() || !document["objects"].is_null() {
                decoded += 1;
                let result = decode(&attributes);
                assert!(result.is_ok(), "{file}: {result:?} for {document:?}");
            }
        }
    }
    // Less means that the guide was not read as it is written now.
    assert!(decoded >= 7, "{decoded}");
}

#[test]
fn the_three_spellings_of_objects_say_the_same() {
    let spellings: Vec<_> = yaml_of("docs/provider.md")
        .into_iter()
        .filter_map(|document| document["objects"].as_str().map(str::to_owned))
        .map(|objects| {
            let mut attributes = attributes_of_a_pod();
            attributes.insert("objects".to_owned(), objects);
            decode(&attributes).unwrap().objects
        })
        .collect();
    let [first, second, third, ..] = spellings.as_slice() else {
        panic!("{spellings:?}");
    };
    assert!(first == second && second == third, "{spellings:?}");
}

#[test]
fn the_message_in_the_guide_is_the_message_of_the_code() {
    let mut attributes = attributes_of_a_pod();
    attributes.insert(
        "objects".to_owned(),
        "[{objectName: a, objectType: secret}, {objectName: api-key, objectType: Secret}]".into(),
    );
    let message = decode(&attributes).unwrap_err().to_string();
    assert!(read("docs/provider.md").contains(&message), "{message}");
}

fn decode(attributes: &BTreeMap<String, String>) -> Result<Request, RequestError> {
    let request = MountRequest {
        attributes: serde_json::to_string(attributes).unwrap(),
        secrets: "null".to_owned(),
        permission: "420".to_owned(),
        ..MountRequest::default()
    };
    Request::decode(
        &request,
        &Defaults::default(),
        &Classes::default(),
        Timestamp::now(),
    )
}

/// What kubelet and a class without peculiarities would say.
fn attributes_of_a_pod() -> BTreeMap<String, String> {
    [
        ("csi.storage.k8s.io/pod.name", "pod"),
        ("csi.storage.k8s.io/pod.namespace", "namespace"),
        (
            "csi.storage.k8s.io/serviceAccount.tokens",
            r#"{"api://AzureADTokenExchange":{"token":"t"},"api://AKSIdentityBinding":{"token":"t"}}"#,
        ),
        ("keyvaultName", "vault"),
        ("tenantID", "11111111-2222-3333-4444-555555555555"),
        ("clientID", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
        ("objects", "[{objectName: a, objectType: secret}]"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(path).unwrap()
}

/// The YAML of a file, or of the fenced blocks of a page.
fn yaml_of(file: &str) -> Vec<Value> {
    let text = read(file);
    let blocks: Vec<&str> = if file.ends_with(".md") {
        text.split("```yaml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect()
    } else {
        vec![&text]
    };
    blocks
        .into_iter()
        .map(|block| serde_yaml::from_str(block).unwrap())
        .collect()
}

fn compare(name: &str, expected: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    assert!(
        pages::holds(&folder.join(name), expected).unwrap(),
        "docs/reference/{name} is not what the code says: run `make docs` and commit the result"
    );
}

fn flags() -> String {
    let list = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("`--{name}`")).collect();
        names.join(", ")
    };
    let mut page = pages::flags(&Args::command(), "; a single dash does as well");
    write!(
        page,
        "\n## Taken without effect\n\n\
         Manifests written for the Go provider may hold these. They are named once in the log at \
         the start.\n\n\
         * switches: {}\n* with a value: {}\n",
        list(&IGNORED_SWITCHES),
        list(&IGNORED_VALUES),
    )
    .unwrap();
    page
}

fn metrics() -> String {
    let text = everything_happened().render().unwrap();
    pages::metrics(
        "vaultbind-provider",
        "Every label has a fixed set of values; the name of a vault or object, or the text of an \
         error, is never one.",
        &text,
        &["version"],
    )
}

/// Metrics after everything that they can show has happened.
fn everything_happened() -> Metrics {
    let metrics = Metrics::default();
    metrics.mount_ended(tonic::Code::Ok, Duration::ZERO);
    for category in [
        Category::Unauthenticated,
        Category::PermissionDenied,
        Category::NotFound,
        Category::FailedPrecondition,
        Category::InvalidArgument,
        Category::Unreachable,
        Category::Internal,
    ] {
        metrics.mount_ended(status::code(category), Duration::ZERO);
    }
    pages::all_calls(metrics.calls().as_ref());
    metrics
}
