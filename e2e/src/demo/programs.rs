//! Child processes: started with an empty environment, their standard error read line by line,
//! stopped with SIGTERM, and killed if the demonstration ends without having stopped them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::future::Future;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Lines of a program's log that are kept.
const LINES: usize = 500;
/// Lines of a program's log that are told with an error.
const TOLD_LINES: usize = 12;
/// How long a program may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a program may take to stop.
const STOP: Duration = Duration::from_secs(10);
/// How often a program is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);

/// The programs that run, in the order of their start.
#[derive(Debug, Default)]
pub(super) struct Programs(Vec<Program>);

/// A program to start.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(&'static str, OsString)>,
}

#[derive(Debug)]
struct Program {
    name: &'static str,
    child: Child,
    log: Log,
}

/// What a program wrote to its standard error.
#[derive(Debug, Clone)]
pub(super) struct Log {
    lines: Arc<Mutex<VecDeque<String>>>,
    written: watch::Receiver<u64>,
}

impl Programs {
    /// Starts a program that lies beside this one.
    pub(super) fn start(&mut self, launch: Launch) -> anyhow::Result<Log> {
        let Launch {
            name,
            arguments,
            environment,
        } = launch;
        let path = beside_this(name)?;
        let mut child = Command::new(&path)
            .args(arguments)
            // Neither proxies nor settings of the caller may change what is shown.
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for the demonstration, which then stops its programs in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let log = Log::read(child.stderr.take().context("standard error is not piped")?);
        self.0.push(Program {
            name,
            child,
            log: log.clone(),
        });
        Ok(log)
    }

    /// Asks until there is an answer, as long as all programs run, and no longer than a start may
    /// take.
    pub(super) async fn wait_until<T, F>(
        &mut self,
        what: &str,
        mut ask: impl FnMut() -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let mut last = None;
        let asked = timeout(START, async {
            loop {
                match ask().await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => last = Some(error),
                }
                self.check().await?;
                sleep(POLL).await;
            }
        })
        .await;
        match asked {
            Ok(answer) => answer,
            Err(_) => {
                let tail = self.0.last().map(|program| program.log.tail());
                let mut text = format!("expected {what} within {} s", START.as_secs());
                if let Some(error) = last {
                    let _ = write!(text, ": {error:#}");
                }
                bail!("{text}{}", tail.unwrap_or_default())
            }
        }
    }

    /// An error as soon as a program has ended.
    pub(super) async fn check(&mut self) -> anyhow::Result<()> {
        for program in &mut self.0 {
            if let Some(status) = program.child.try_wait()? {
                bail!("{}", program.ended(status).await);
            }
        }
        Ok(())
    }

    /// Waits until a program ends by itself, which is an error.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        loop {
            self.check().await?;
            sleep(POLL).await;
        }
    }

    /// Stops all, the last one first.
    ///
    /// # Errors
    /// When one has ended before, does not end in time, or not with exit status 0.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        while let Some(program) = self.0.pop() {
            let stopped = program.stop().await;
            result = result.and(stopped);
        }
        result
    }
}

impl Program {
    async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{}", self.ended(status).await);
        }
        // None once the child is known to have ended.
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::TERM)?;
        match timeout(STOP, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                self.log.complete().await;
                ensure!(
                    status.success(),
                    "expected {} to stop with exit status 0, found {status}{}",
                    self.name,
                    self.log.tail()
                );
                Ok(())
            }
            Err(_) => {
                self.child.kill().await?;
                bail!(
                    "expected {} to stop within {} s{}",
                    self.name,
                    STOP.as_secs(),
                    self.log.tail()
                )
            }
        }
    }

    async fn ended(&self, status: ExitStatus) -> String {
        self.log.complete().await;
        format!(
            "expected {} to run, but it ended with {status}{}",
            self.name,
            self.log.tail()
        )
    }
}

impl Log {
    fn read(from: ChildStderr) -> Self {
        let (count, written) = watch::channel(0);
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut from = BufReader::new(from).lines();
            while let Ok(Some(line)) = from.next_line().await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
                drop(kept);
                count.send_modify(|count| *count += 1);
            }
        });
        Self { lines, written }
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    /// The first line that holds all of `parts`; it may still be on its way.
    pub(super) async fn line_with(&self, parts: &[&str]) -> Option<String> {
        let mut written = self.written.clone();
        let found = timeout(Duration::from_secs(2), async {
            loop {
                written.mark_unchanged();
                let mut lines = self.lines().into_iter();
                let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
                if line.is_some() || written.changed().await.is_err() {
                    return line;
                }
            }
        });
        found.await.ok().flatten()
    }

    /// Waits for the last line of a program that has ended.
    async fn complete(&self) {
        let mut written = self.written.clone();
        let read = timeout(Duration::from_secs(1), async {
            while written.changed().await.is_ok() {}
        });
        // Without its end the log is told as far as it has come.
        let _ = read.await;
    }

    /// Waits for lines that come from now on.
    pub(super) fn follow(&self) -> Follow {
        let mut written = self.written.clone();
        let seen = *written.borrow_and_update();
        Follow {
            log: self.clone(),
            written,
            seen,
        }
    }

    /// The last lines, to be put behind an error.
    fn tail(&self) -> String {
        let lines = self.lines();
        let skipped = lines.len().saturating_sub(TOLD_LINES);
        let mut text = String::new();
        for line in lines.iter().skip(skipped) {
            let _ = write!(text, "\n  | {line}");
        }
        if text.is_empty() {
            return text;
        }
        format!("; its last log lines:{text}")
    }
}

/// New lines of a log.
#[derive(Debug)]
pub(super) struct Follow {
    log: Log,
    written: watch::Receiver<u64>,
    seen: u64,
}

impl Follow {
    /// The lines since the last call, at least one. `None` once there will be no more.
    pub(super) async fn next(&mut self) -> Option<Vec<String>> {
        self.written.changed().await.ok()?;
        let count = *self.written.borrow_and_update();
        let new = usize::try_from(count - self.seen).unwrap_or(usize::MAX);
        self.seen = count;
        let lines = self.log.lines();
        let skipped = lines.len().saturating_sub(new);
        Some(lines.into_iter().skip(skipped).collect())
    }
}

fn beside_this(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("cannot find this program's own path")?;
    let path = this.with_file_name(name);
    ensure!(
        path.is_file(),
        "expected the program {}; build it with: cargo build --bins -p {name}",
        path.display()
    );
    Ok(path)
}
