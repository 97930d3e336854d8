//! A provider as a program: what it is told, and the running process.

use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use vaultbind_e2e::driver;

use crate::azure::Azure;
use crate::cgroup::Cgroup;
use crate::process;

/// How long a provider may take until it answers; long, for one that may use little of a processor.
const START: Duration = Duration::from_secs(60);

/// A provider to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// What it is called in the results.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// What it is given besides its endpoint and ports.
    pub arguments: Vec<String>,
    help: String,
}

/// What the results say of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What it is called in the results.
    pub name: String,
    /// The first 16 hexadecimal digits of the program's SHA-256.
    pub sha256: String,
    /// The size of the program's file.
    pub bytes: u64,
    /// What it was given besides its endpoint and ports.
    pub arguments: Vec<String>,
}

impl Spec {
    /// Asks the program for its flags.
    ///
    /// # Errors
    /// When it does not run.
    pub fn new(name: &str, program: &Path, arguments: Vec<String>) -> anyhow::Result<Self> {
        // Some print their flags to standard error and fail.
        let output = std::process::Command::new(program)
            .arg("--help")
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut help = String::from_utf8_lossy(&output.stdout).into_owned();
        help.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            help,
        })
    }

    /// Whether the program knows a flag, and was not given it by whoever started this.
    pub fn takes(&self, flag: &str) -> bool {
        let given = |argument: &String| argument.split('=').next() == Some(flag);
        let name = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        self.help.split(name).any(|word| word == flag) && !self.arguments.iter().any(given)
    }

    /// # Errors
    /// When the program cannot be read.
    pub fn identity(&self) -> anyhow::Result<Identity> {
        let bytes = std::fs::read(&self.program)?;
        let mut digest = hex::encode(Sha256::digest(&bytes));
        digest.truncate(16);
        Ok(Identity {
            name: self.name.clone(),
            sha256: digest,
            bytes: bytes.len().try_into()?,
            arguments: self.arguments.clone(),
        })
    }
}

/// A running provider; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// The driver's connection, which it keeps.
    pub driver: driver::Provider,
    /// Its process.
    pub pid: u32,
    /// Where it serves its metrics.
    pub metrics_port: u16,
    /// From its start until it answered Version.
    pub ready_after: Duration,
    /// When it was started.
    pub started: Instant,
    child: Child,
    folder: TempDir,
}

impl Running {
    /// Starts a provider that reaches `azure`, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(spec: &Spec, azure: &Azure, arguments: &[String]) -> anyhow::Result<Self> {
        Self::start_in(spec, azure, arguments, None).await
    }

    /// The same within limits.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn start_in(
        spec: &Spec,
        azure: &Azure,
        arguments: &[String],
        limits: Option<&Cgroup>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("provider.sock");
        let (health_port, metrics_port) = (free_port()?, free_port()?);
        let mut command = match limits {
            None => Command::new(&spec.program),
            // The shell joins the groups and becomes the program, which so never runs outside.
            Some(group) => {
                let mut command = Command::new("/bin/sh");
                let joins = group.joins();
                let count = joins.len();
                command
                    .arg("-c")
                    .arg(format!(
                        "i=0; while [ $i -lt {count} ]; do echo $$ >\"$1\" || exit 1; shift; \
                         i=$((i + 1)); done; exec \"$@\""
                    ))
                    .arg("sh")
                    .args(joins)
                    .arg(&spec.program);
                command
            }
        };
        command
            .arg(format!("--endpoint=unix://{}", socket.display()))
            .arg(format!("--healthz-port={health_port}"))
            .arg(format!("--prometheus-port={metrics_port}"))
            .args(&spec.arguments)
            .args(arguments)
            .env_clear()
            .envs(azure.environment())
            // Not a flag, as others do not have it.
            .env("VAULTBIND_HTTP_ADDRESS", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("stdout"))?)
            .stderr(File::create(folder.path().join("stderr"))?)
            .process_group(0)
            .kill_on_drop(true);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", spec.program.display()))?;
        let mut running = Self {
            driver: driver::Provider::connect(&socket)?,
            pid: child.id().context("it ended at once")?,
            metrics_port,
            ready_after: Duration::ZERO,
            started,
            child,
            folder,
        };
        running.wait(&socket).await?;
        Ok(running)
    }

    async fn wait(&mut self, socket: &Path) -> anyhow::Result<()> {
        let deadline = self.started + START;
        loop {
            let path = socket.to_owned();
            // tokio's timers are too coarse for a start of two milliseconds.
            let up = tokio::task::spawn_blocking(move || {
                (0..500).any(|_| {
                    let up = UnixStream::connect(&path).is_ok();
                    if !up {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                    up
                })
            })
            .await?;
            if up && self.driver.version().await.is_ok() {
                self.ready_after = self.started.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the provider ended with {status}: {}", self.log());
            }
            ensure!(
                Instant::now() < deadline,
                "the provider does not answer: {}",
                self.log()
            );
        }
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it does not; with the last of what it wrote.
    pub fn alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the provider ended with {status}: {}", self.log()),
            None => Ok(()),
        }
    }

    /// Processor time since its start.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        process::cpu(self.pid).with_context(|| format!("the provider has ended: {}", self.log()))
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.folder.path().join("stderr")) {
            let _ = file.read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_known_by_its_whole_name() {
        let spec = Spec {
            name: "x".to_owned(),
            program: "/x".into(),
            arguments: vec!["--budget=3".to_owned()],
            help: "  --cache-ttl <D>  [env: CACHE]\n  --cache-bytes-max=1, --budget".to_owned(),
        };
        assert!(spec.takes("--cache-ttl") && spec.takes("--cache-bytes-max"));
        assert!(!spec.takes("--cache") && !spec.takes("--cache-bytes"));
        assert!(!spec.takes("--budget"), "it is given already");
    }
}
