//! Controllers of Kubernetes, for tests of what they do with the objects of the project.

use std::fs::File;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};

use crate::ApiServer;

/// Some of the controllers of kube-controller-manager. They end when this is dropped, and with the thread
/// that started them.
pub struct Controllers {
    _process: Child,
}

impl Controllers {
    /// Starts those of these names. Each acts as the user that it is on any cluster.
    ///
    /// # Errors
    /// When there is no such program, as in a folder that has no more than an API server.
    pub fn start(server: &ApiServer, names: &[&str]) -> anyhow::Result<Self> {
        let (program, log) = server.program("kube-controller-manager");
        ensure!(
            program.exists(),
            "no {}: unset KUBEBUILDER_ASSETS to have it built",
            program.display()
        );
        let log = File::create(log)?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .arg("--kubeconfig")
            .arg(server.kubeconfig())
            .arg(format!("--controllers={}", names.join(",")))
            .args(["--use-service-account-credentials", "--leader-elect=false"])
            // Nobody asks it anything.
            .args(["--secure-port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run setpriv")?;
        Ok(Self { _process: process })
    }
}
