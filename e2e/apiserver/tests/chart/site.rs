//! The API server that all tests of this program use, with what a cluster has before the chart is installed.

use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use vaultbind_apiserver::{ApiServer, driver, folder, install, manifest, pod_monitors};

/// Namespaces that combinations of values name.
const NAMESPACES: [&str; 3] = ["key-vault", "payments", "shop"];

pub(crate) async fn server() -> &'static ApiServer {
    static SERVER: OnceCell<ApiServer> = OnceCell::const_new();
    SERVER.get_or_init(start).await
}

async fn start() -> ApiServer {
    let server = ApiServer::start().await.unwrap();
    driver(&server, "api://AzureADTokenExchange").await.unwrap();
    pod_monitors(&server).await.unwrap();
    // A dry run of a definition does not serve it, and the chart has objects of its own kinds.
    install(&server, &folder()).await.unwrap();
    for name in NAMESPACES {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        manifest(&server, &namespace.to_string()).await.unwrap();
    }
    server
}

/// The objects of a rendering.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|object| !object.is_null())
        .collect()
}

/// How a message names an object.
pub(crate) fn named(object: &Value) -> String {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!("{} {}", text("/kind"), text("/metadata/name"))
}
