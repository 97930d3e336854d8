//! Custom resource definitions.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};

use crate::ApiServer;

/// The folder of the project's own definitions.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds")
}

/// Installs a folder of definitions as people do, with `kubectl apply -f`, and waits until they are served.
///
/// # Errors
/// When kubectl fails, with what it says.
pub async fn install(server: &ApiServer, folder: &Path) -> anyhow::Result<()> {
    let mut kubectl = server.kubectl();
    let said = done(kubectl.args(["apply", "-f"]).arg(folder)).await?;
    for line in said.lines() {
        let name = line
            .strip_prefix("customresourcedefinition.apiextensions.k8s.io/")
            .and_then(|rest| rest.split(' ').next())
            .with_context(|| format!("not a definition: {line}"))?;
        served(&server.client()?, name).await?;
        known(server, name).await?;
    }
    Ok(())
}

/// Waits until kubectl knows a resource: what the server said when it was asked to apply is kept otherwise.
async fn known(server: &ApiServer, name: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut kubectl = server.kubectl();
        let said = done(kubectl.args(["api-resources", "--output=name"])).await;
        if said.is_ok_and(|said| said.lines().any(|line| line == name)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "kubectl does not know {name}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The files of a Go module that a folder of the repository pins.
async fn module(pinned: &str, name: &str) -> anyhow::Result<PathBuf> {
    let output = tokio::process::Command::new("go")
        .arg("-C")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(pinned))
        .args(["mod", "download", "-json", name])
        .output()
        .await
        .context("cannot run go")?;
    ensure!(
        output.status.success(),
        "go mod download {name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let module: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let folder = module.get("Dir").and_then(serde_json::Value::as_str);
    Ok(PathBuf::from(
        folder.context("go mod download says no Dir")?,
    ))
}

/// Installs the definition of PodMonitor, as the Prometheus operator brings it.
///
/// # Errors
/// When the operator's module cannot be had, or the API server refuses.
pub async fn pod_monitors(server: &ApiServer) -> anyhow::Result<()> {
    const MODULE: &str = "github.com/prometheus-operator/prometheus-operator";
    const FILE: &str = "monitoring.coreos.com_podmonitors.yaml";
    let files = module("prometheus-operator-0.93.1", MODULE).await?;
    let definitions = tempfile::tempdir()?;
    let from = files.join("example/prometheus-operator-crd").join(FILE);
    std::fs::copy(from, definitions.path().join(FILE))?;
    install(server, definitions.path()).await
}

/// Installs what the Secrets Store CSI driver brings into a cluster, but not the driver: its resources,
/// and the CSIDriver that asks for tokens of an audience.
///
/// # Errors
/// When the driver's module cannot be had, or the API server refuses.
pub async fn driver(server: &ApiServer, audience: &str) -> anyhow::Result<()> {
    const MODULE: &str = "sigs.k8s.io/secrets-store-csi-driver";
    let manifests = module("../bed/driver-1.6.0", MODULE).await?.join("deploy");
    let definitions = tempfile::tempdir()?;
    for plural in ["secretproviderclasses", "secretproviderclasspodstatuses"] {
        let name = format!("secrets-store.csi.x-k8s.io_{plural}.yaml");
        std::fs::copy(manifests.join(&name), definitions.path().join(&name))?;
    }
    install(server, definitions.path()).await?;
    let mut kubectl = server.kubectl();
    kubectl.args(["apply", "-f"]);
    done(kubectl.arg(manifests.join("csidriver.yaml"))).await?;
    let tokens = serde_json::json!({"spec": {"tokenRequests": [{"audience": audience}]}});
    let mut kubectl = server.kubectl();
    kubectl.args([
        "patch",
        "csidriver",
        "secrets-store.csi.k8s.io",
        "--type=merge",
    ]);
    done(kubectl.arg(format!("--patch={tokens}"))).await?;
    Ok(())
}

/// Gives a group what the operator needs in a cluster, and no more.
///
/// # Errors
/// When the API server refuses.
pub async fn operator_rights(server: &ApiServer, group: &str) -> anyhow::Result<()> {
    const NAME: &str = "vaultbind-operator";
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| serde_json::json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let read = ["get", "list", "watch"];
    let role = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": [
            rule("vaultbind.dev", &["vaultbindings", "vaultclasses"], &read),
            rule("vaultbind.dev", &["vaultbindings/status"], &["get", "patch", "update"]),
            // Owners that block deletion, where the admission plugin for that is on.
            rule("vaultbind.dev", &["vaultbindings/finalizers"], &["update"]),
            rule(
                "secrets-store.csi.x-k8s.io",
                &["secretproviderclasses"],
                &["get", "list", "watch", "create", "patch", "update", "delete"],
            ),
            rule("secrets-store.csi.x-k8s.io", &["secretproviderclasspodstatuses"], &read),
            rule("storage.k8s.io", &["csidrivers"], &read),
            rule("", &["namespaces"], &read),
            rule("", &["serviceaccounts/token"], &["create"]),
            // Never read.
            rule("", &["secrets"], &["create", "patch", "delete"]),
            rule("events.k8s.io", &["events"], &["create", "patch", "update"]),
            rule(
                "coordination.k8s.io",
                &["leases"],
                &["get", "list", "watch", "create", "patch", "update"],
            ),
        ],
    });
    let binding = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    });
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]});
    manifest(server, &list.to_string()).await
}

/// `kubectl apply` of a manifest, YAML or JSON.
///
/// # Errors
/// When the API server refuses a part of it.
pub async fn manifest(server: &ApiServer, text: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("manifest.yaml");
    std::fs::write(&file, text)?;
    done(server.kubectl().args(["apply", "-f"]).arg(&file)).await?;
    Ok(())
}

/// Runs kubectl; what it says.
async fn done(kubectl: &mut tokio::process::Command) -> anyhow::Result<String> {
    let output = kubectl.output().await.context("cannot run kubectl")?;
    ensure!(
        output.status.success(),
        "kubectl: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Installs definitions that a test has at hand, and waits until they are served.
///
/// # Errors
/// When the API server refuses one, or does not serve it within half a minute.
pub async fn apply(
    client: &Client,
    definitions: &[CustomResourceDefinition],
) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in definitions {
        let name = definition
            .metadata
            .name
            .as_deref()
            .context("a definition has a name")?;
        api.patch(name, &PatchParams::apply("test"), &Patch::Apply(definition))
            .await?;
        served(client, name).await?;
    }
    Ok(())
}

async fn served(client: &Client, name: &str) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let definition = api.get(name).await?;
        let conditions = definition
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let (good, bad): (Vec<_>, Vec<_>) = conditions
            .iter()
            .filter(|condition| {
                condition.type_ == "Established" || condition.type_ == "NonStructuralSchema"
            })
            .partition(|condition| condition.type_ == "Established" && condition.status == "True");
        if !good.is_empty() && bad.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{name} is not served: {conditions:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
