//! Runs the judges, with nothing of the caller's environment but the path.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vaultbind_azure::Azure;

use crate::support::logs;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/judges");
/// Far more than any needs, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The folder that `prepare` made. `VAULTBIND_JUDGES` names it when prepare has run already.
fn prepared() -> &'static Path {
    static PREPARED: OnceLock<PathBuf> = OnceLock::new();
    PREPARED.get_or_init(|| {
        if let Some(folder) = std::env::var_os("VAULTBIND_JUDGES").filter(|f| !f.is_empty()) {
            return folder.into();
        }
        let prepare = Path::new(SOURCES).join("prepare");
        let output = std::process::Command::new(prepare).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let printed = String::from_utf8(output.stdout).unwrap();
        printed.lines().last().unwrap().into()
    })
}

/// A judge about to run.
pub(super) struct Judge {
    name: String,
    command: tokio::process::Command,
    /// Nothing of the caller's home folder has a say.
    home: TempDir,
}

impl Judge {
    fn new(name: &str, program: impl AsRef<OsStr>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = tokio::process::Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Self {
            name: name.to_owned(),
            command,
            home,
        }
    }

    /// A program of `e2e/judges/python`.
    pub(super) fn python(program: &str) -> Self {
        let judge = Self::new(program, prepared().join("python/bin/python"));
        let source = format!("{SOURCES}/python/{program}.py");
        // Its cache would be written beside the sources.
        judge.env("PYTHONDONTWRITEBYTECODE", "1").arg(source)
    }

    /// A Go program of `e2e/judges`.
    pub(super) fn go(program: &str) -> Self {
        Self::new(&format!("go-{program}"), prepared().join(program))
    }

    /// The openssl command; `prepare` saw to it that it is there.
    pub(super) fn openssl(command: &str) -> Self {
        prepared();
        Self::new(&format!("openssl-{command}"), "openssl").arg(command)
    }

    pub(super) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(super) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Makes it a client of `azure`, in the way users are told to.
    pub(super) fn at(self, azure: &Azure) -> Self {
        let ca = self.home.path().join("ca.pem");
        std::fs::write(&ca, azure.ca_pem()).unwrap();
        let proxy = format!("http://{}", azure.proxy_addr());
        self.env("HTTPS_PROXY", &proxy)
            // It refuses plain HTTP: no judge may reach the machine's own metadata endpoint.
            .env("HTTP_PROXY", &proxy)
            .env("NO_PROXY", "127.0.0.1")
            .env(
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                format!("http://{}", azure.imds_addr()),
            )
            .env("SSL_CERT_FILE", &ca)
            .env("REQUESTS_CA_BUNDLE", &ca)
    }

    /// Runs it and returns what it printed, which is also searched for leaks. It must succeed.
    pub(super) async fn run(mut self) -> String {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let log = |kind: &str| {
            let file = format!("judge-{run:03}-{}{kind}.log", self.name);
            logs().path().join(file)
        };
        let (output, errors) = (log(""), log("-errors"));
        let name = &self.name;
        let mut child = self
            .command
            .stdout(File::create(&output).unwrap())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let status = tokio::time::timeout(LIMIT, child.wait()).await;
        let printed = std::fs::read_to_string(&output).unwrap();
        let errors = std::fs::read_to_string(&errors).unwrap();
        let success = matches!(&status, Ok(Ok(status)) if status.success());
        assert!(success, "{name}: {status:?}\n{errors}\n{printed}");
        printed
    }

    /// Runs it and reads the JSON that it printed.
    pub(super) async fn json<T: DeserializeOwned>(self) -> T {
        let printed = self.run().await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"))
    }
}

/// SHA-256 in hexadecimal, as the judges print it.
pub(super) fn sha256(contents: &[u8]) -> String {
    let digest = Sha256::digest(contents);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
