//! What the Helm chart renders.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

/// Some templates of the chart, rendered as the release `vaultbind` in `kube-system`, as the documentation
/// installs it.
///
/// # Errors
/// When helm cannot be had, or says that the chart or the values are wrong.
pub async fn rendered(values: &Value, templates: &[&str]) -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let helm = output(Command::new(root.join("tools/install")).arg("helm")).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.json");
    std::fs::write(&file, values.to_string())?;
    let mut command = Command::new(helm.trim());
    command.args(["template", "vaultbind"]);
    command.arg(root.join("charts/vaultbind"));
    command.args(["--namespace", "kube-system"]);
    for program in ["provider", "operator"] {
        command.arg("--set");
        command.arg(format!("{program}.image.repository=none.example/{program}"));
    }
    command.arg("--values").arg(&file);
    for template in templates {
        command.args(["--show-only", template]);
    }
    output(&mut command).await
}

async fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().await.context("cannot run helm")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
