//! Requests as the driver sends them, through [`Request::decode`].

mod hostile;
mod identity;
mod objects;
mod parameters;
mod parts;

use std::collections::BTreeMap;

use serde_json::json;

use vaultbind_keyvault::cache::Freshness;

use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const VERSION: &str = "0123456789abcdef0123456789abcdef";
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const ONE_SECRET: &str = "array:\n  - |\n    objectName: db\n    objectType: secret\n";

/// A request under construction, at first a valid one with workload identity.
#[derive(Clone)]
struct Sent {
    attributes: BTreeMap<String, String>,
    secrets: String,
    permission: String,
}

impl Sent {
    fn new() -> Self {
        let tokens = json!({AUDIENCE: {"token": "token-text", "expirationTimestamp": "2026-06-01T00:00:00Z"}});
        let attributes = [
            ("csi.storage.k8s.io/pod.name", "api-0"),
            ("csi.storage.k8s.io/pod.namespace", "payments"),
            ("keyvaultName", "kv-payments"),
            ("tenantID", TENANT),
            ("clientID", CLIENT),
            ("objects", ONE_SECRET),
            (TOKENS, &tokens.to_string()),
        ];
        Self {
            attributes: attributes
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
            secrets: "null".into(),
            permission: "420".into(),
        }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.attributes.remove(key);
        self
    }

    fn secrets(mut self, json: &(impl ToString + ?Sized)) -> Self {
        self.secrets = json.to_string();
        self
    }

    fn request(&self) -> MountRequest {
        MountRequest {
            attributes: json!(self.attributes).to_string(),
            secrets: self.secrets.clone(),
            permission: self.permission.clone(),
            ..Default::default()
        }
    }

    fn decode(&self) -> Result<Request, RequestError> {
        decode(&self.request())
    }

    /// The message of the failure, which is fit for an event.
    fn refusal(&self) -> String {
        refusal(&self.request())
    }
}

fn now() -> Timestamp {
    "2026-05-31T23:00:00Z".parse().unwrap()
}

fn decode(request: &MountRequest) -> Result<Request, RequestError> {
    Request::decode(request, &Defaults::default(), &Classes::default(), now())
}

fn refusal(request: &MountRequest) -> String {
    let message = decode(request).expect_err("must be refused").to_string();
    assert!(message.chars().count() <= 300, "{message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    message
}

#[test]
fn a_full_request_decodes_into_types() {
    let sent = Sent::new()
        .with("csi.storage.k8s.io/pod.uid", "uid-1")
        .with("csi.storage.k8s.io/serviceAccount.name", "api")
        .with("csi.storage.k8s.io/ephemeral", "true")
        .with("secretProviderClass", "payments")
        .with("resourceGroup", "ignored");
    let request = sent.decode().unwrap();
    assert_eq!(
        request,
        Request {
            pod: Pod {
                namespace: "payments".into(),
                name: "api-0".into(),
                uid: Some("uid-1".into()),
                service_account: Some("api".into()),
            },
            class: Some("payments".into()),
            cloud: Cloud::Public,
            vault: VaultHost::new(Cloud::Public, &"kv-payments".parse().unwrap()),
            freshness: Freshness::default(),
            identity: IdentitySource::WorkloadIdentity {
                tenant: TENANT.parse().unwrap(),
                client_id: CLIENT.parse().unwrap(),
                token: "token-text".into(),
                audience: AUDIENCE.into(),
                expires: Some("2026-06-01T00:00:00Z".parse().unwrap()),
            },
            objects: [Object {
                object_type: ObjectType::Secret,
                name: "db".parse().unwrap(),
                version: None,
                path: "db".parse().unwrap(),
                mode: "0644".parse().unwrap(),
                encoding: Encoding::Utf8,
                format: Format::Pem,
                parts: Parts::default(),
                optional: false,
            }]
            .into(),
        }
    );
}

#[test]
fn what_only_some_callers_send_may_be_missing() {
    let request = Sent::new().decode().unwrap();
    assert_eq!(request.class, None);
    assert_eq!((request.pod.uid, request.pod.service_account), (None, None));
}
