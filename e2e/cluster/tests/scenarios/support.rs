use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vaultbind_cluster_tests::{Cluster, Site};
use vaultbind_e2e::stage::random;

/// One object of a class, as its entry in `objects`.
pub(crate) fn object(kind: &str, name: &str, more: &[(&str, &str)]) -> String {
    let mut entry = format!("- |\n  objectName: {name}\n  objectType: {kind}\n");
    for (field, value) in more {
        entry += &format!("  {field}: \"{value}\"\n");
    }
    entry
}

/// The `objects` of a class.
pub(crate) fn objects(entries: &[String]) -> String {
    format!("array:\n{}", entries.concat())
}

/// A class of one secret.
pub(crate) fn secret_object(name: &str) -> String {
    objects(&[object("secret", name, &[])])
}

/// A site whose vault holds secrets of these names, and their values.
pub(crate) async fn site_with_secrets<const N: usize>(
    name: &str,
    secrets: [&str; N],
) -> (Site, [String; N]) {
    let values = secrets.map(random);
    let mut vault = "  secrets:\n".to_owned();
    for (secret, value) in secrets.iter().zip(&values) {
        vault += &format!("  - {{name: {secret}, value: {value}}}\n");
    }
    (site(name, &vault).await, values)
}

/// A site with this vault.
pub(crate) async fn site(name: &str, vault: &str) -> Site {
    Site::new(&Cluster::connect().await.unwrap(), name, vault)
        .await
        .unwrap()
}

/// Runs helm for the release that the scenarios use, as people do; scenarios go on meanwhile.
pub(crate) async fn helm(verb: &'static str, more: &[&str]) {
    let mut command = Command::new("helm");
    command.args([verb, "vaultbind"]);
    if verb != "uninstall" {
        command.arg("charts/vaultbind");
    }
    command.args([
        "--namespace",
        "vaultbind-system",
        "--wait",
        "--timeout=180s",
    ]);
    command.args(more);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm {verb}: {said}");
}

/// Installs the chart anew with a value changed.
pub(crate) async fn helm_sets(value: &str) {
    helm("upgrade", &["--reuse-values", "--set-json", value]).await;
}

/// Runs kubectl, as people do.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let output = Command::new("kubectl").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `kubectl apply` once, on a list of objects.
pub(crate) fn apply(objects: &[Value]) {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let mut kubectl = Command::new("kubectl")
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = kubectl.stdin.take().unwrap();
    input.write_all(list.to_string().as_bytes()).unwrap();
    drop(input);
    let output = kubectl.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
