//! The list of what the operator could not remove in Azure, through the life of a release by helm: it is the
//! operator's and people's, and no upgrade resets it.

use serde_json::{Value, json};
use vaultbind_apiserver::ApiServer;

use crate::default_class::release;

async fn list(server: &ApiServer) -> Value {
    let mut kubectl = server.kubectl();
    kubectl.args(["get", "configmap", "vaultbind-orphans", "--output=json"]);
    kubectl.args(["--namespace", "kube-system"]);
    let output = kubectl.output().await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn what_is_in_it_outlives_upgrades_and_the_release() {
    let server = ApiServer::start().await.unwrap();
    release(&server, "install", &[]).await.unwrap();
    let made = list(&server).await;
    assert_eq!(made["data"], Value::Null);

    let mut kubectl = server.kubectl();
    kubectl.args(["patch", "configmap", "vaultbind-orphans", "--type=merge"]);
    kubectl.args(["--namespace", "kube-system", "--field-manager=vaultbind"]);
    kubectl.arg(r#"--patch={"data":{"a":"1"}}"#);
    assert!(kubectl.output().await.unwrap().status.success());
    let filled = json!({"a": "1"});
    assert_eq!(list(&server).await["data"], filled);

    let changed = ["--set", "operator.log.verbosity=2,nameOverride=other"];
    release(&server, "upgrade", &changed).await.unwrap();
    let upgraded = list(&server).await;
    assert_eq!(upgraded["data"], filled);
    // The release has got at it: its labels follow the values.
    let name = &upgraded["metadata"]["labels"]["app.kubernetes.io/name"];
    assert_eq!(name, "other");
    let off = ["--set", "operator.enabled=false"];
    release(&server, "upgrade", &off).await.unwrap();
    assert_eq!(list(&server).await["data"], filled);
    release(&server, "uninstall", &[]).await.unwrap();
    assert_eq!(list(&server).await["data"], filled);
    release(&server, "install", &[]).await.unwrap();
    assert_eq!(list(&server).await["data"], filled);
}
