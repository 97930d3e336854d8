//! The default class, installed by helm: a fresh cluster does not know its kind before, and from then on it is the
//! administrator's.

use serde_json::{Value, json};
use vaultbind_apiserver::{ApiServer, helm, manifest};

/// helm with a release of the chart; what it says.
pub(crate) async fn release(
    server: &ApiServer,
    verb: &str,
    more: &[&str],
) -> Result<String, String> {
    let mut command = helm().await.unwrap();
    command.env("KUBECONFIG", server.kubeconfig());
    // Discovery is cached in the home folder otherwise, by host and port.
    let home = tempfile::tempdir().unwrap();
    command.env("HOME", home.path());
    command.args([verb, "vaultbind"]);
    if verb != "uninstall" {
        command.arg(vaultbind_apiserver::chart());
        for program in ["provider", "operator"] {
            command.arg("--set");
            command.arg(format!("{program}.image.repository=none.example/{program}"));
        }
    }
    command.args(["--namespace", "kube-system"]).args(more);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(said + &String::from_utf8_lossy(&output.stderr))
}

/// The classes that there are, by name.
async fn classes(server: &ApiServer) -> Vec<Value> {
    let mut kubectl = server.kubectl();
    kubectl.args(["get", "vaultclasses", "--output=json"]);
    let output = kubectl.output().await.unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_fresh_install_makes_it_and_an_upgrade_and_an_uninstall_leave_what_became_of_it() {
    let server = ApiServer::start().await.unwrap();
    release(&server, "install", &[]).await.unwrap();
    let made = classes(&server).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["metadata"]["name"], "default");
    let marked = &made[0]["metadata"]["annotations"]["vaultbind.dev/is-default-class"];
    assert_eq!(marked, "true");
    assert_eq!(
        made[0]["spec"]["secretTypes"],
        json!(["Opaque", "kubernetes.io/tls"])
    );

    let mut kubectl = server.kubectl();
    kubectl.args(["patch", "vaultclass", "default", "--type=merge"]);
    kubectl.arg(r#"--patch={"spec":{"secretTypes":[],"vaults":["kv-*"]}}"#);
    assert!(kubectl.output().await.unwrap().status.success());
    let edited = classes(&server).await;
    assert_eq!(edited[0]["spec"]["vaults"], json!(["kv-*"]));

    let changed = [
        "--set",
        "operator.log.verbosity=2,defaultClass.spec.detection=Operator",
    ];
    release(&server, "upgrade", &changed).await.unwrap();
    assert_eq!(classes(&server).await, edited);
    release(&server, "uninstall", &[]).await.unwrap();
    assert_eq!(classes(&server).await, edited);
    release(&server, "install", &[]).await.unwrap();
    assert_eq!(classes(&server).await, edited);
}

#[tokio::test]
async fn where_another_class_is_the_default_none_is_made() {
    let server = ApiServer::start().await.unwrap();
    vaultbind_apiserver::install(&server, &vaultbind_apiserver::folder())
        .await
        .unwrap();
    let class = |name: &str, default: &str| {
        json!({
            "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultClass",
            "metadata": {"name": name, "annotations": {"vaultbind.dev/is-default-class": default}},
            "spec": {},
        })
    };
    manifest(&server, &class("prod", "true").to_string())
        .await
        .unwrap();
    manifest(&server, &class("dev", "false").to_string())
        .await
        .unwrap();
    let own = ["--set", "crds.install=false"];
    release(&server, "install", &own).await.unwrap();
    assert_eq!(classes(&server).await.len(), 2);

    // Without a default it is made beside the others.
    release(&server, "uninstall", &[]).await.unwrap();
    manifest(&server, &class("prod", "false").to_string())
        .await
        .unwrap();
    release(&server, "install", &own).await.unwrap();
    let names: Vec<Value> = classes(&server)
        .await
        .iter()
        .map(|c| c["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["default", "dev", "prod"]);
}

#[tokio::test]
async fn without_the_definition_nothing_is_installed_and_the_message_says_what_to_do() {
    let server = ApiServer::start().await.unwrap();
    let own = ["--set", "crds.install=false"];
    let said = release(&server, "install", &own).await.unwrap_err();
    assert!(
        said.contains("apply the folder crds/ of the repository first"),
        "{said}"
    );
    let neither = ["--set", "crds.install=false,defaultClass.create=false"];
    release(&server, "install", &neither).await.unwrap();
}
