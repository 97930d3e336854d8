//! What the Helm chart renders.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::process::Command;

/// Some templates of the chart, rendered as the release `vaultbind` in `kube-system`, as the documentation
/// installs it.
///
/// # Errors
/// When helm cannot be had, or says that the chart or the values are wrong.
pub async fn rendered(values: &Value, templates: &[&str]) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.json");
    std::fs::write(&file, values.to_string())?;
    let mut command = template(&file).await?;
    for program in ["provider", "operator"] {
        command.arg("--set");
        command.arg(format!("{program}.image.repository=none.example/{program}"));
    }
    for template in templates {
        command.args(["--show-only", template]);
    }
    output(&mut command).await
}

/// The combinations of values that the chart's snapshots are of.
///
/// # Errors
/// When they cannot be listed.
pub fn combinations() -> std::io::Result<Vec<PathBuf>> {
    let folder = root().join("charts/tests/values");
    let mut files = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

/// All that the chart renders of one of these.
///
/// # Errors
/// When helm cannot be had, or says that the chart or the values are wrong.
pub async fn rendered_combination(file: &Path) -> anyhow::Result<String> {
    let mut command = template(file).await?;
    for line in std::fs::read_to_string(file)?.lines() {
        if let Some(arguments) = line.strip_prefix("# helm: ") {
            command.args(arguments.split(' '));
        }
    }
    output(&mut command).await
}

/// `helm template` with a file of values.
async fn template(values: &Path) -> anyhow::Result<Command> {
    let mut command = helm().await?;
    command.args(["template", "vaultbind"]).arg(chart());
    command.args(["--namespace", "kube-system", "--values"]);
    command.arg(values);
    Ok(command)
}

/// The program.
///
/// # Errors
/// When it cannot be had.
pub async fn helm() -> anyhow::Result<Command> {
    let helm = output(Command::new(root().join("tools/install")).arg("helm")).await?;
    Ok(Command::new(helm.trim()))
}

/// The folder of the chart.
pub fn chart() -> PathBuf {
    root().join("charts/vaultbind")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
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
