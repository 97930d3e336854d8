//! The emulated Azure as a process of its own, at a settable distance.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use vaultbind_azure::{Fault, Service};
use vaultbind_e2e::admin::Admin;

use crate::relay::Relay;

/// How long it may take to start.
const START: Duration = Duration::from_secs(30);

/// A running emulated Azure.
#[derive(Debug)]
pub struct Azure {
    /// Its administration.
    pub admin: Admin,
    /// The way to its proxy.
    pub relay: Relay,
    /// Connections that were counted before.
    counted: AtomicU64,
    ready: Ready,
    // Killed with this.
    _child: Child,
    _folder: TempDir,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    proxy: SocketAddr,
    imds: SocketAddr,
    admin: SocketAddr,
    ca_file: PathBuf,
}

/// Calls since the last count, summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// To login hosts.
    pub entra: usize,
    /// To vaults.
    pub vault: usize,
    /// To vaults, by status; 0 is no answer.
    pub vault_by_status: BTreeMap<u16, usize>,
    /// TCP connections to its proxy, also those that carried no call.
    pub connections: u64,
}

impl Azure {
    /// Starts the program with a seed.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(program: &Path, seed: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let seed_file = folder.path().join("seed.yaml");
        std::fs::write(&seed_file, seed)?;
        let ready_file = folder.path().join("ready.json");
        let mut command = Command::new(program);
        for listener in ["--listen", "--proxy", "--imds", "--admin"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        command
            .arg("--seed")
            .arg(&seed_file)
            .arg("--ca-file")
            .arg(folder.path().join("ca.pem"))
            .arg("--ready-file")
            .arg(&ready_file)
            .args(["--log", "error"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let started = Instant::now();
        let text = loop {
            if let Ok(text) = std::fs::read(&ready_file) {
                break text;
            }
            if let Some(status) = child.try_wait()? {
                bail!("the emulated Azure ended with {status}");
            }
            ensure!(started.elapsed() < START, "the emulated Azure is not ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let ready: Ready = serde_json::from_slice(&text).context("ready file")?;
        Ok(Self {
            admin: Admin::new(ready.admin),
            relay: Relay::start(ready.proxy).await?,
            counted: AtomicU64::new(0),
            ready,
            _child: child,
            _folder: folder,
        })
    }

    /// What a provider's environment needs so as to reach it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HTTPS_PROXY", format!("http://{}", self.relay.address())),
            ("SSL_CERT_FILE", self.ready.ca_file.display().to_string()),
            (
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                format!("http://{}", self.ready.imds),
            ),
        ]
    }

    /// Forgets calls and faults, and sets the round-trip time.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn reset(&self, round_trip: Duration) -> anyhow::Result<()> {
        self.admin.clear_faults().await?;
        self.admin.forget_calls().await?;
        self.connections();
        self.relay.set_round_trip(round_trip);
        Ok(())
    }

    /// Puts faults in the way.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn strike(&self, faults: &[Fault]) -> anyhow::Result<()> {
        for fault in faults {
            self.admin.add_fault(fault).await?;
        }
        Ok(())
    }

    /// Takes the faults away.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn calm(&self) -> anyhow::Result<()> {
        self.admin.clear_faults().await
    }

    /// Counts the calls since the last count and forgets them.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn count(&self) -> anyhow::Result<Calls> {
        let calls = self.admin.calls().await?;
        self.admin.forget_calls().await?;
        let mut sum = Calls {
            connections: self.connections(),
            ..Calls::default()
        };
        for call in calls {
            match call.service {
                Service::Entra => sum.entra += 1,
                Service::Vault => {
                    sum.vault += 1;
                    let status = call.status.unwrap_or(0);
                    *sum.vault_by_status.entry(status).or_default() += 1;
                }
                Service::Imds | Service::Proxy | Service::Arm => {}
            }
        }
        Ok(sum)
    }

    /// Connections since this was asked for the last time.
    fn connections(&self) -> u64 {
        let all = self.relay.connections();
        all.saturating_sub(self.counted.swap(all, Ordering::Relaxed))
    }
}

/// A program of this workspace, which lies beside this one.
///
/// # Errors
/// When it is not there.
pub fn beside_this(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.is_file(),
        "{} is missing; build it first",
        path.display()
    );
    Ok(path)
}
