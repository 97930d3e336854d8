//! Where the programs are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// The folder of etcd, kube-apiserver and kubectl: `KUBEBUILDER_ASSETS` if it is set, else what
/// `e2e/bed/provision` builds for the cluster tests, which takes minutes the first time.
///
/// # Errors
/// When a program is missing, or cannot be built.
pub async fn programs() -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("KUBEBUILDER_ASSETS") {
        Some(folder) => PathBuf::from(folder),
        None => provisioned().await?,
    };
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        ensure!(
            folder.join(program).exists(),
            "no {program} in {}",
            folder.display()
        );
    }
    Ok(folder)
}

async fn provisioned() -> anyhow::Result<PathBuf> {
    let provision = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bed/provision");
    let output = Command::new(&provision)
        .stderr(std::process::Stdio::inherit())
        .output()
        .await
        .with_context(|| format!("cannot run {}", provision.display()))?;
    ensure!(
        output.status.success(),
        "e2e/bed/provision failed: {}",
        output.status
    );
    let output = String::from_utf8(output.stdout)?;
    let folder = output
        .lines()
        .last()
        .context("e2e/bed/provision says no folder")?;
    Ok(Path::new(folder).join("bin"))
}
