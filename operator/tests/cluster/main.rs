//! The operator in this process, between a real API server and an emulated Azure. `make test-api` runs it.

use std::future::Future;
use std::time::{Duration, Instant};

use clap::Parser as _;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::storage::v1::CSIDriver;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, CustomResourceExt as _, ResourceExt as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, apply, folder, install};
use vaultbind_azure::{Azure, Options};
use vaultbind_crds::VaultBinding;
use vaultbind_keyvault::transport::{Proxy, Roots};
use vaultbind_operator::args::Args;
use vaultbind_operator::controller::{Config, Operator};
use vaultbind_operator::secrets_store::SecretProviderClass;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

/// Longer than the pauses of a watch whose kind is absent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ready's status and reason.
fn ready(binding: &VaultBinding) -> Option<(String, String)> {
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    ready
        .next()
        .map(|condition| (condition.status.clone(), condition.reason.clone()))
}

async fn eventually<T, F: Future<Output = Result<T, String>>>(mut attempt: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(found) => return found,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The binding, once Ready is that.
async fn until(bindings: &Api<VaultBinding>, name: &str, status: &str) -> VaultBinding {
    eventually(async || {
        let binding = bindings.get(name).await.unwrap();
        match ready(&binding) {
            Some((is, _)) if is == status => Ok(binding),
            _ => Err(format!("{name}: {:#?}", binding.status)),
        }
    })
    .await
}

fn binding(name: &str) -> VaultBinding {
    serde_json::from_value(json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": name},
        "spec": {
            "vault": {"name": "kv-payments-prod", "tenantID": TENANT},
            "identity": {"clientID": CLIENT, "serviceAccountName": "payments"},
            "objects": [{"name": "db-password"}],
        },
    }))
    .unwrap()
}

async fn azure(client: &Client, namespace: &str) -> Azure {
    let get = async |path: &str| -> Value {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        serde_json::from_str(&client.request_text(request).await.unwrap()).unwrap()
    };
    let issuer = get("/.well-known/openid-configuration").await["issuer"].clone();
    let seed = json!({
        "tenants": [{"tenantID": TENANT, "applications": [{
            "clientID": CLIENT,
            "federatedCredentials": [{
                "name": "test", "issuer": issuer,
                "subject": format!("system:serviceaccount:{namespace}:payments"),
            }],
        }]}],
        "issuers": [{"issuer": issuer, "jwks": get("/openid/v1/jwks").await}],
        "vaults": [{
            "name": "kv-payments-prod", "tenantID": TENANT,
            "roleAssignments": [{"principal": CLIENT, "role": "Key Vault Reader"}],
            "secrets": [{"name": "db-password", "value": "of no interest"}],
        }],
    });
    let options = Options {
        seed: serde_json::from_value(seed).unwrap(),
        ..Options::default()
    };
    Azure::start(options).await.unwrap()
}

async fn operator(server: &ApiServer, azure: &Azure) -> Operator {
    let arguments = [
        "vaultbind-operator",
        "--http-address=127.0.0.1",
        "--healthz-port=0",
        "--prometheus-port=0",
        "--leader-elect=false",
    ];
    let ca = CertificateDer::from_pem_slice(azure.ca_pem().as_bytes()).unwrap();
    Operator::start(Config {
        args: Args::parse_from(arguments),
        cluster: server.config().clone(),
        proxy: Proxy::Fixed(format!("http://{}", azure.proxy_addr())),
        roots: Roots::Fixed(vec![ca]),
        imds: None,
        pace: vaultbind_operator::controller::Pace::default(),
    })
    .await
    .unwrap()
}

/// How many turns there were.
fn turns(operator: &Operator) -> u64 {
    let text = operator.metrics().render().unwrap();
    let counts = text.lines().filter_map(|line| {
        line.strip_prefix("vaultbind_reconcile_total{")?
            .rsplit_once(' ')
    });
    counts.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
}

/// What the driver brings: its kinds, and the CSIDriver.
async fn driver(client: &Client) {
    let statuses = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io"},
        "spec": {
            "group": "secrets-store.csi.x-k8s.io",
            "scope": "Namespaced",
            "names": {
                "kind": "SecretProviderClassPodStatus",
                "plural": "secretproviderclasspodstatuses",
            },
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                },
            }}],
        },
    });
    let statuses: CustomResourceDefinition = serde_json::from_value(statuses).unwrap();
    let definitions = [SecretProviderClass::crd(), statuses];
    apply(client, &definitions).await.unwrap();
    let driver = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": "secrets-store.csi.k8s.io"},
        "spec": {
            "attachRequired": false,
            "podInfoOnMount": true,
            "requiresRepublish": true,
            "volumeLifecycleModes": ["Ephemeral"],
            "tokenRequests": [{"audience": "api://AzureADTokenExchange"}],
        },
    });
    let driver: CSIDriver = serde_json::from_value(driver).unwrap();
    let drivers: Api<CSIDriver> = Api::all(client.clone());
    drivers
        .create(&PostParams::default(), &driver)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_comes_later_is_taken_up_and_then_nothing_is_written_without_need() {
    let server = ApiServer::start().await.unwrap();
    install(&server, &folder()).await.unwrap();
    let client = server.client().unwrap();
    let namespace = server.namespace("payments").await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": "payments"}})).unwrap();
    let create = PostParams::default();
    accounts.create(&create, &account).await.unwrap();
    let azure = azure(&client, &namespace).await;
    let operator = operator(&server, &azure).await;
    let bindings: Api<VaultBinding> = Api::namespaced(client.clone(), &namespace);

    bindings.create(&create, &binding("db")).await.unwrap();
    let first = until(&bindings, "db", "False").await;
    assert_eq!(ready(&first).unwrap().1, "DriverMissing");
    let status = first.status.as_ref().unwrap();
    assert_eq!(status.observed_generation, first.metadata.generation);
    for of in [
        "Ready",
        "DriverReady",
        "IdentityReady",
        "AccessReady",
        "ObjectsResolved",
    ] {
        assert!(status.conditions.iter().any(|one| one.type_ == of), "{of}");
    }
    let before = turns(&operator);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(turns(&operator) - before < 4, "it goes in a circle");

    driver(&client).await;
    until(&bindings, "db", "True").await;
    // Its own writes come back as changes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let classes: Api<SecretProviderClass> = Api::namespaced(client.clone(), &namespace);
    let versions = async || {
        let binding = bindings.get("db").await.unwrap();
        let class = classes.get("db").await.unwrap();
        (binding.resource_version(), class.resource_version())
    };
    let settled = versions().await;
    for _ in 0..10 {
        let before = turns(&operator);
        operator.check(&namespace, "db");
        eventually(async || match turns(&operator) > before {
            true => Ok(()),
            false => Err("no turn".to_owned()),
        })
        .await;
    }
    assert_eq!(versions().await, settled);

    malformed(&client, &namespace).await;
    bindings.create(&create, &binding("good")).await.unwrap();
    until(&bindings, "good", "True").await;
    let text = operator.metrics().render().unwrap();
    let line = "vaultbind_malformed_objects{kind=\"vaultbindings\"} 1";
    assert!(text.contains(line), "{text}");
    let kind = GroupVersionKind::gvk("vaultbind.dev", "v1alpha1", "VaultBinding");
    let kind = kube::api::ApiResource::from_gvk(&kind);
    let all: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    assert!(all.get("bad").await.unwrap().data.get("status").is_none());
    operator.stop().await;
}

/// Puts a binding beside the others that is none, as under a definition of another time.
async fn malformed(client: &Client, namespace: &str) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = "vaultbindings.vaultbind.dev";
    let loose = json!([{
        "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }, {"op": "remove", "path": "/spec/versions/0/selectableFields"}]);
    let loose: Patch<()> = Patch::Json(serde_json::from_value(loose).unwrap());
    let patch = PatchParams::default();
    definitions.patch(name, &patch, &loose).await.unwrap();
    let bad = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": "bad"},
        "spec": {"objects": "none"},
    });
    let kind = GroupVersionKind::gvk("vaultbind.dev", "v1alpha1", "VaultBinding");
    let kind = kube::api::ApiResource::from_gvk(&kind);
    let all: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let bad: DynamicObject = serde_json::from_value(bad).unwrap();
    let bad = &bad;
    let all = &all;
    eventually(async || {
        // Until the API server serves the looser definition.
        let created = all.create(&PostParams::default(), bad).await;
        created.map(drop).map_err(|error| error.to_string())
    })
    .await;
}
