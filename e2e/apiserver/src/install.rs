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
    let output = server
        .kubectl()
        .args(["apply", "-f"])
        .arg(folder)
        .output()
        .await
        .context("cannot run kubectl")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "kubectl apply: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in said.lines() {
        let name = line
            .strip_prefix("customresourcedefinition.apiextensions.k8s.io/")
            .and_then(|rest| rest.split(' ').next())
            .with_context(|| format!("not a definition: {line}"))?;
        served(&server.client()?, name).await?;
    }
    Ok(())
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
