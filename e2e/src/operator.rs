//! The operator's program as a child process, between a cluster and an emulated Azure.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// How an operator is started.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its name among those that want to lead.
    pub name: &'a str,
    /// Where the cluster is, and who it is there.
    pub kubeconfig: &'a Path,
    /// How Azure is reached, as environment variables.
    pub azure: Vec<(&'static str, String)>,
    /// The file that its log is added to.
    pub log: &'a Path,
    /// More arguments.
    pub arguments: &'a [&'a str],
}

/// A running operator. It is killed when this is dropped, and when the thread ends that started it.
#[derive(Debug)]
pub struct Operator {
    /// Its process.
    pub pid: u32,
    /// Where its health and its metrics are.
    pub http: SocketAddr,
    name: String,
    log: PathBuf,
    child: Child,
}

impl Operator {
    /// Starts one, and waits until its health endpoint answers.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub async fn start(launch: &Launch<'_>) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let log = File::options()
            .create(true)
            .append(true)
            .open(launch.log)
            .with_context(|| launch.log.display().to_string())?;
        // Some live in a variable of the program that is never dropped.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(launch.program)
            .arg("--http-address=127.0.0.1")
            .arg(format!("--healthz-port={port}"))
            .arg(format!("--prometheus-port={port}"))
            .args(launch.arguments)
            .env_clear()
            .envs(launch.azure.iter().map(|(name, value)| (name, value)))
            .env("KUBECONFIG", launch.kubeconfig)
            .env("POD_NAME", launch.name)
            // The API server is here, Azure behind the proxy.
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run setpriv")?;
        let mut operator = Self {
            pid: child.id().context("it ended at once")?,
            http: (Ipv4Addr::LOCALHOST, port).into(),
            name: launch.name.to_owned(),
            log: launch.log.to_owned(),
            child,
        };
        let deadline = Instant::now() + START;
        while !matches!(operator.get("/healthz").await, Ok((200, _))) {
            operator.alive()?;
            ensure!(
                Instant::now() < deadline,
                "{} does not answer: {}",
                operator.name,
                operator.log_end()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(operator)
    }

    /// Its name among those that want to lead.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub fn alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended with {status}: {}", self.name, self.log_end()),
            None => Ok(()),
        }
    }

    /// Kills it, as a node that dies would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Stops it in its tracks: its connections stay, and nothing that comes over them is noticed.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_raw(self.pid.cast_signed()).context("no process")?;
        Ok(rustix::process::kill_process(
            pid,
            rustix::process::Signal::STOP,
        )?)
    }

    /// Asks it to end, as kubelet does, and waits until it has.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let pid = rustix::process::Pid::from_raw(self.pid.cast_signed()).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end: {}", self.name, self.log_end()))??)
    }

    /// Status and body of a page of its own.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        get(self.http, path).await
    }

    /// The sum of all series of a metric.
    ///
    /// # Errors
    /// When there is no answer, or no such metric.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let (_, text) = self.get("/metrics").await?;
        sum(&text, name).with_context(|| format!("no metric {name}"))
    }

    fn log_end(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines.get(lines.len().saturating_sub(10)..);
        end.unwrap_or_default().join("\n")
    }
}

/// A program of this workspace, which lies beside this one or, for a test, a folder above it.
///
/// # Errors
/// When it is not there.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let beside = this.with_file_name(name);
    let above = this.parent().map(|folder| folder.with_file_name(name));
    let found = [Some(beside), above].into_iter().flatten();
    let mut found = found.filter(|path| path.is_file());
    found
        .next()
        .with_context(|| format!("{name} is missing; cargo build --workspace --bins makes it"))
}

async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    // 1.0, so that the body comes in one piece and the server closes behind it.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    let status = head.split(' ').nth(1).context("no status")?;
    Ok((status.parse()?, body.to_owned()))
}

fn sum(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.parse::<f64>().ok()
    });
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_metric_are_summed_up() {
        let text =
            "# TYPE a counter\na_total{x=\"1} 7\"} 2\na_total{x=\"2\"} 3\na_total_more 9\nb 4\n";
        assert_eq!(sum(text, "a_total"), Some(5.0));
        assert_eq!(sum(text, "b"), Some(4.0));
        assert_eq!(sum(text, "a"), None);
    }
}
