//! P2 for Kubernetes Secrets: the types that the class of a binding admits.
//!
//! The definitions are extended by the two fields as far as they lack them, on an API server that is only for
//! this.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, apply, enforced, folder, manifest, policies};

use crate::actor::{Actor, refused, says};
use crate::limits::class;
use crate::site::eventually;

/// A definition with a field in its spec.
fn with_field(file: &str, field: &str, schema: &Value) -> CustomResourceDefinition {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let mut definition: Value = serde_yaml::from_str(&text).unwrap();
    let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields = definition
        .pointer_mut(place)
        .unwrap()
        .as_object_mut()
        .unwrap();
    fields.entry(field).or_insert_with(|| schema.clone());
    serde_json::from_value(definition).unwrap()
}

/// A server with the definitions and the policies as plain files.
async fn server() -> ApiServer {
    let server = ApiServer::start().await.unwrap();
    let secret = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definitions = [
        with_field(
            "vaultbind.dev_vaultbindings.yaml",
            "secrets",
            &json!({"type": "array", "items": secret}),
        ),
        with_field(
            "vaultbind.dev_vaultclasses.yaml",
            "secretTypes",
            &json!({"type": "array", "items": {"type": "string"}}),
        ),
    ];
    apply(&server.client().unwrap(), &definitions)
        .await
        .unwrap();
    manifest(&server, &policies().unwrap()).await.unwrap();
    enforced(&server).await.unwrap();
    server
}

#[tokio::test]
async fn a_class_without_types_admits_no_secret() {
    let server = server().await;
    let admin = Actor(server.client().unwrap());
    let binding = |class: &str, kinds: &[&str]| {
        let secrets = kinds.iter().enumerate().map(|(number, kind)| {
            let mut secret = json!({
                "name": format!("secret-{number}"),
                // What the type for TLS needs.
                "data": [
                    {"key": "tls.crt", "from": "db-password"}, {"key": "tls.key", "from": "db-password"},
                ],
            });
            if !kind.is_empty() {
                secret["type"] = json!(kind);
            }
            secret
        });
        let mut spec = json!({
            "vault": {"name": "kv-payments-prod", "tenantID": "contoso.example"},
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "serviceAccountName": "payments",
            },
            "objects": [{"name": "db-password"}],
        });
        let secrets: Vec<Value> = secrets.collect();
        if !secrets.is_empty() {
            spec["secrets"] = json!(secrets);
        }
        if !class.is_empty() {
            spec["vaultClassName"] = json!(class);
        }
        json!({
            "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding",
            "metadata": {"name": "payments", "namespace": "default"}, "spec": spec,
        })
    };
    let tls = "kubernetes.io/tls";
    admin.create(&class("none", &json!({}))).await.unwrap();
    admin
        .create(&class("opaque", &json!({"secretTypes": ["Opaque"]})))
        .await
        .unwrap();
    admin
        .create(&class("both", &json!({"secretTypes": ["Opaque", tls]})))
        .await
        .unwrap();
    // The policy knows a class a moment after it was made, and the last one of them last.
    let last = class("last", &json!({"secretTypes": ["Opaque"]}));
    admin.create(&last).await.unwrap();
    let (admin, probe) = (&admin, binding("last", &[tls]));
    let probe = &probe;
    eventually("the last class is known", || async move {
        admin.try_create(probe).await.err()
    })
    .await;
    for (class, kinds, bad) in [
        ("none", &[][..], ""),
        ("none", &[""], "secret-0"),
        ("none", &["Opaque"], "secret-0"),
        ("opaque", &["", "Opaque"], ""),
        (
            "opaque",
            &["Opaque", tls, "Opaque", tls],
            "secret-1, secret-3",
        ),
        ("both", &["Opaque", tls], ""),
        // Without a class there is no limit to judge by; the operator admits none.
        ("", &["Opaque"], ""),
    ] {
        let outcome = admin.try_create(&binding(class, kinds)).await;
        if bad.is_empty() {
            outcome.expect(class);
        } else {
            let said = refused("class-limits", outcome);
            says(
                &said,
                &[
                    "spec.secrets:",
                    class,
                    &format!("the types of {bad},"),
                    "spec.secretTypes",
                ],
            );
        }
    }
}
