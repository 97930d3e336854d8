//! One API server for all tests, objects to start from, and what it says of them.

use std::cell::OnceCell;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, folder, install};

/// The resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Binding,
    Class,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Binding => "VaultBinding",
            Self::Class => "VaultClass",
        }
    }

    /// The API of the kind, in the namespace `default` where there are namespaces.
    pub(crate) async fn api(self) -> Api<DynamicObject> {
        let client = client().await;
        let kind = GroupVersionKind::gvk("vaultbind.dev", "v1alpha1", self.name());
        match self {
            Self::Binding => {
                let resource = ApiResource::from_gvk(&kind);
                Api::namespaced_with(client, "default", &resource)
            }
            Self::Class => {
                let resource = ApiResource::from_gvk_with_plural(&kind, "vaultclasses");
                Api::all_with(client, &resource)
            }
        }
    }

    /// An object of the kind with only what must be said.
    pub(crate) fn minimal(self, name: &str) -> Value {
        let spec = match self {
            Self::Binding => json!({
                "vault": {
                    "name": "kv-payments-prod",
                    "tenantID": "11111111-2222-3333-4444-555555555555",
                },
                "identity": {
                    "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                    "serviceAccountName": "payments",
                },
                "objects": [{"name": "db-password"}],
            }),
            Self::Class => json!({}),
        };
        self.object(name, &spec)
    }

    pub(crate) fn object(self, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "vaultbind.dev/v1alpha1",
            "kind": self.name(),
            "metadata": {"name": name},
            "spec": spec,
        })
    }
}

/// The API server, with the definitions installed as people do. It ends with this process.
pub(crate) async fn server() -> &'static ApiServer {
    static SERVER: tokio::sync::OnceCell<ApiServer> = tokio::sync::OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let server = ApiServer::start().await.unwrap();
            install(&server, &folder()).await.unwrap();
            server
        })
        .await
}

/// A client of this test's own: one connection, which does not outlive its runtime.
async fn client() -> Client {
    thread_local! {
        static CLIENT: OnceCell<Client> = const { OnceCell::new() };
    }
    let server = server().await;
    CLIENT.with(|client| client.get_or_init(|| server.client().unwrap()).clone())
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The field's path, empty for the object as a whole.
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Cause {
    /// The path without the places in lists.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        let mut inside = false;
        for character in self.field.chars() {
            match character {
                '[' => inside = true,
                ']' => inside = false,
                _ if inside => {}
                _ => path.push(character),
            }
        }
        path
    }
}

/// Why the API server would not create the object; nothing if it would.
pub(crate) async fn causes(kind: Kind, object: &Value) -> Vec<Cause> {
    let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    causes_of(kind.api().await.create(&params, &object).await)
}

/// Why the API server refused; nothing if it did not.
pub(crate) fn causes_of<T>(result: kube::Result<T>) -> Vec<Cause> {
    let status = match result {
        Ok(_) => return Vec::new(),
        Err(kube::Error::Api(status)) => status,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(status.code, 422, "{status:?}");
    let causes: Vec<Cause> = status
        .details
        .unwrap()
        .causes
        .into_iter()
        .map(|cause| Cause {
            field: cause.field.trim_start_matches("<nil>").to_owned(),
            message: cause.message,
        })
        .collect();
    assert!(!causes.is_empty(), "{}", status.message);
    causes
}

/// The object with a JSON merge patch (RFC 7386) applied.
pub(crate) fn merged(mut object: Value, patch: &Value) -> Value {
    merge(&mut object, patch);
    object
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// What a program prints, which must neither fail nor warn.
pub(crate) async fn succeeded(mut program: tokio::process::Command) -> String {
    let output = program.output().await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}
