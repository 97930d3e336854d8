//! Objects as the schemas of the version let people and the operator write them, from the first on. Later
//! schemas of the same version must take all of them as they are, so what is in the folder `stored` never
//! changes.

use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vaultbind_crds::{VaultBinding, VaultClass};

use crate::fixture::{Kind, server};

fn stored(file: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crds/stored/");
    let text = std::fs::read_to_string(format!("{path}{file}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Stores the object and its status, and reads it back.
async fn there_and_back(kind: Kind, object: &Value) -> Value {
    server().await;
    let api = kind.api().await;
    let typed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let name = typed.metadata.name.clone().unwrap();
    api.create(&PostParams::default(), &typed).await.unwrap();
    if let Some(status) = object.get("status") {
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams::default();
        api.patch_status(&name, &params, &patch).await.unwrap();
    }
    serde_json::to_value(api.get(&name).await.unwrap()).unwrap()
}

/// Whether the types of today lose nothing of it either.
fn through_types<T: Serialize + DeserializeOwned>(object: &Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap();
    serde_json::to_value(typed).unwrap()
}

#[tokio::test]
async fn a_binding_of_the_first_schema_is_kept_as_it_is_and_so_is_its_status() {
    keeps_binding("binding").await;
}

#[tokio::test]
async fn a_binding_with_something_in_azure_is_kept_as_it_is_and_so_is_its_status() {
    keeps_binding("provisioned").await;
}

async fn keeps_binding(file: &str) {
    let object = stored(file);
    let back = there_and_back(Kind::Binding, &object).await;
    assert_eq!(back["spec"], object["spec"]);
    assert_eq!(back["status"], object["status"]);
    let typed = through_types::<VaultBinding>(&back);
    assert_eq!(typed["spec"], object["spec"]);
    assert_eq!(typed["status"], object["status"]);
    // Whoever changes it next is not held up by what is there.
    let patch = Patch::Merge(json!({"spec": {"rotation": {"checkInterval": "3m"}}}));
    let api = Kind::Binding.api().await;
    let name = object["metadata"]["name"].as_str().unwrap();
    let patched = api.patch(name, &PatchParams::default(), &patch).await;
    assert_eq!(patched.unwrap().data["status"], object["status"]);
}

#[tokio::test]
async fn a_class_of_the_first_schema_is_kept_as_it_is() {
    keeps_class("class").await;
}

#[tokio::test]
async fn a_class_that_lets_bindings_change_azure_is_kept_as_it_is() {
    keeps_class("provisioning").await;
}

async fn keeps_class(file: &str) {
    let object = stored(file);
    let back = there_and_back(Kind::Class, &object).await;
    assert_eq!(back["spec"], object["spec"]);
    assert_eq!(through_types::<VaultClass>(&back)["spec"], object["spec"]);
}
