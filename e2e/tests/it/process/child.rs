//! A provider in a process of its own, with its log in the folder that is searched for leaks.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::eventually;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use vaultbind_azure::Azure;
use vaultbind_e2e::driver;

use crate::support::logs;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Child {
    process: tokio::process::Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Child {
    /// A provider that serves `vaultbind.sock` in `folder` and reaches `azure` as its proxy.
    pub(crate) async fn start(azure: &Azure, folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(azure, folder, arguments, &[]).await
    }

    /// The same with environment variables set or unset.
    pub(crate) async fn start_with(
        azure: &Azure,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, Option<&str>)],
    ) -> Self {
        let mut child = Self::spawn(azure, folder, arguments, environment);
        // The socket may be a predecessor's; only this one's log tells that this one serves.
        eventually("the provider serves", || {
            assert_eq!(child.process.try_wait().unwrap(), None, "{}", child.log());
            child.log().contains("serving")
        })
        .await;
        driver::Provider::connect(&child.socket)
            .unwrap()
            .version()
            .await
            .unwrap();
        child
    }

    /// A provider that does not start: its exit code and what it said.
    pub(crate) async fn fails(
        azure: &Azure,
        folder: &Path,
        arguments: &[&str],
    ) -> (Option<i32>, String) {
        let mut child = Self::spawn(azure, folder, arguments, &[]);
        (child.ended().await, child.log())
    }

    fn spawn(
        azure: &Azure,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, Option<&str>)],
    ) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = logs().path().join(format!("provider-{number}.log"));
        let socket = folder.join("vaultbind.sock");
        let bundle = folder.join("ca.pem");
        std::fs::write(&bundle, azure.ca_pem()).unwrap();
        let mut command = Command::new(program("vaultbind-provider"));
        command
            .args(["--http-address=127.0.0.1", "-v=5"])
            .env_clear()
            .env("HTTPS_PROXY", format!("http://{}", azure.proxy_addr()))
            .env("SSL_CERT_FILE", &bundle)
            .env(
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                format!("http://{}", azure.imds_addr()),
            )
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        for (name, default) in [
            ("--endpoint", format!("unix://{}", socket.display())),
            ("--healthz-port", "0".to_owned()),
            ("--prometheus-port", "0".to_owned()),
        ] {
            if !arguments.iter().any(|argument| argument.starts_with(name)) {
                command.arg(format!("{name}={default}"));
            }
        }
        command.args(arguments);
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self {
            process: command.spawn().unwrap(),
            socket,
            log,
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub(crate) fn terminate(&self) {
        let id = Pid::from_raw(self.id().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
    }

    /// Waits for the end; the exit code, if it was not killed.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        tokio::time::timeout(PATIENCE, self.process.wait())
            .await
            .unwrap()
            .unwrap()
            .code()
    }
}

/// A program of this workspace, built beside the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().with_file_name(name);
    assert!(
        path.is_file(),
        "{} is missing: cargo build --workspace --bins",
        path.display()
    );
    path
}
