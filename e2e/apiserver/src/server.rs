//! The processes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::audit::{self, Audit};
use crate::programs;

const SUPERVISE: &str = include_str!("../supervise");

/// How long a start may take; three seconds are usual on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

const KUBECONFIG: &str = "admin.kubeconfig";

/// What the API server says when its port is taken.
const PORT_TAKEN: &str = "address already in use";

/// Tries to get a port, which is free when it is looked for and may be taken when it is used.
const TRIES: u32 = 5;

/// Issuer of the tokens of its ServiceAccounts.
pub const ISSUER: &str = "https://oidc.cluster.example/e2e/";

/// An API server with an etcd of its own.
pub struct ApiServer {
    config: Config,
    programs: PathBuf,
    processes: Processes,
}

impl ApiServer {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When a program is missing or does not come up; the error has the end of its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Audit::None).await
    }

    /// The same, with a log of what is asked of it.
    ///
    /// # Errors
    /// When a program is missing or does not come up.
    pub async fn start_with(audit: Audit) -> anyhow::Result<Self> {
        let programs = programs().await?;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::try_start(&programs, &audit).await {
                Err(error) if tries < TRIES && error.to_string().contains(PORT_TAKEN) => {}
                result => return result,
            }
        }
    }

    async fn try_start(programs: &Path, audit: &Audit) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let token = random()?;
        let mut processes = Processes::start(programs, port, &token, audit)?;
        let config = processes.ready(port, &token).await?;
        Ok(Self {
            config,
            programs: programs.to_owned(),
            processes,
        })
    }

    /// A client of the administrator, who may do anything.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config.clone())?)
    }

    /// A client of somebody else, who may do what RBAC lets them.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            Some(groups.iter().map(|&group| group.to_owned()).collect());
        Ok(Client::try_from(config)?)
    }

    /// How to connect, for clients with settings of their own.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The administrator's kubeconfig, for programs.
    pub fn kubeconfig(&self) -> PathBuf {
        self.processes.folder.join(KUBECONFIG)
    }

    /// A kubeconfig of somebody else, for programs: the administrator's, who speaks as them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_as(&self, user: &str, groups: &[&str]) -> anyhow::Result<PathBuf> {
        let text = std::fs::read(self.kubeconfig())?;
        let mut kubeconfig: Value = serde_json::from_slice(&text)?;
        let admin = kubeconfig
            .pointer_mut("/users/0/user")
            .and_then(Value::as_object_mut)
            .context("the kubeconfig has a user")?;
        admin.insert("as".to_owned(), json!(user));
        admin.insert("as-groups".to_owned(), json!(groups));
        let path = self.processes.folder.join(format!("{user}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string())?;
        Ok(path)
    }

    /// A token of a ServiceAccount for the API server, as pods have one. The account is made if it is not there.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn token(&self, namespace: &str, account: &str) -> anyhow::Result<String> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let params = PostParams::default();
        if api.get_opt(account).await?.is_none() {
            let account = ServiceAccount {
                metadata: ObjectMeta {
                    name: Some(account.to_owned()),
                    ..ObjectMeta::default()
                },
                ..ServiceAccount::default()
            };
            api.create(&params, &account).await?;
        }
        let request = TokenRequest::default();
        let answer = api.create_token_request(account, &params, &request).await?;
        let status = answer.status.context("the answer has a token")?;
        Ok(status.token)
    }

    /// A client with a token.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client_with(&self, token: &str) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
        Ok(Client::try_from(config)?)
    }

    /// A kubeconfig with a token, for programs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_with(&self, name: &str, token: &str) -> anyhow::Result<PathBuf> {
        let text = std::fs::read(self.kubeconfig())?;
        let mut kubeconfig: Value = serde_json::from_slice(&text)?;
        let user = kubeconfig
            .pointer_mut("/users/0/user")
            .context("the kubeconfig has a user")?;
        *user = json!({"token": token});
        let path = self.processes.folder.join(format!("{name}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string())?;
        Ok(path)
    }

    /// The public keys of its tokens, a JSON Web Key Set.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn key_set(&self) -> anyhow::Result<Value> {
        let request = http::Request::get("/openid/v1/jwks").body(Vec::new())?;
        Ok(self.client()?.request(request).await?)
    }

    /// Its process.
    ///
    /// # Errors
    /// When it was not told.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let text = std::fs::read_to_string(self.processes.folder.join("kube-apiserver.pid"))?;
        Ok(text.trim().parse()?)
    }

    /// What was asked of it so far, if it was started with a log of that, in the order of the answers.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit(&self) -> anyhow::Result<Vec<audit::Event>> {
        audit::read(&self.processes.folder.join(audit::LOG))
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.programs.join("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            // Discovery is cached in the home folder otherwise, by host and port.
            .arg("--cache-dir")
            .arg(self.processes.folder.join("kubectl"))
            .kill_on_drop(true);
        command
    }

    /// A program of the API server's version, and a file of its own in the server's folder for what it says.
    pub(crate) fn program(&self, name: &str) -> (PathBuf, PathBuf) {
        let log = self.processes.folder.join(format!("{name}.log"));
        (self.programs.join(name), log)
    }

    /// Makes a namespace with a name of its own that begins as told.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self, prefix: &str) -> anyhow::Result<String> {
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let namespace = Api::<Namespace>::all(self.client()?)
            .create(&PostParams::default(), &namespace)
            .await?;
        namespace.metadata.name.context("a namespace has a name")
    }

    /// What the API server has logged.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> std::io::Result<String> {
        std::fs::read_to_string(self.processes.folder.join("kube-apiserver.log"))
    }
}

fn random() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// The supervisor and what it runs. They end with this.
struct Processes {
    folder: PathBuf,
    supervisor: Child,
    /// Its end is the sign to end.
    input: Option<ChildStdin>,
}

impl Processes {
    fn start(programs: &Path, port: u16, token: &str, audit: &Audit) -> anyhow::Result<Self> {
        // Short, because the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("vb-api.").tempdir()?;
        std::fs::write(
            folder.path().join("tokens.csv"),
            format!("{token},admin,admin,\"system:masters\"\n"),
        )?;
        let policy = audit.policy();
        std::fs::write(folder.path().join("audit-policy.json"), policy.to_string())?;
        let mut supervisor = Command::new("bash")
            .args(["-c", SUPERVISE, "supervise"])
            .arg(folder.path())
            .arg(programs)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot run bash")?;
        Ok(Self {
            input: supervisor.stdin.take(),
            supervisor,
            // From here on it is the supervisor's to remove.
            folder: folder.keep(),
        })
    }

    async fn ready(&mut self, port: u16, token: &str) -> anyhow::Result<Config> {
        let deadline = Instant::now() + PATIENCE;
        let mut config = None;
        loop {
            if let Some(config) = &config {
                if is_ready(config).await {
                    return Ok(Config::clone(config));
                }
            } else if let Some(certificates) = self.certificates() {
                config = Some(self.configure(port, token, &certificates).await?);
            }
            let failed = self.folder.join("failed").exists();
            if failed || self.supervisor.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the API server did not come up:\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The server's own, once it has made them: the last is that of their authority.
    fn certificates(&self) -> Option<Vec<u8>> {
        let certificates = std::fs::read(self.folder.join("pki/apiserver.crt")).ok()?;
        let end = "-----END CERTIFICATE-----\n";
        (String::from_utf8_lossy(&certificates).matches(end).count() == 2).then_some(certificates)
    }

    async fn configure(
        &self,
        port: u16,
        token: &str,
        certificates: &[u8],
    ) -> anyhow::Result<Config> {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": BASE64_STANDARD.encode(certificates),
            }}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        });
        let path = self.folder.join(KUBECONFIG);
        std::fs::write(&path, kubeconfig.to_string())?;
        let kubeconfig = Kubeconfig::read_from(path)?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        // A test waits for what it expects itself, and wants to see a refusal at once.
        config.default_retry = false;
        Ok(config)
    }

    /// The ends of the logs.
    fn logs(&self) -> String {
        ["etcd.log", "kube-apiserver.log"]
            .map(|name| {
                let log = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines
                    .get(lines.len().saturating_sub(15)..)
                    .unwrap_or_default();
                format!("--- {name}\n{}\n", end.join("\n"))
            })
            .concat()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.input.take());
        // It kills and removes, which takes milliseconds.
        let _ = self.supervisor.wait();
    }
}

async fn is_ready(config: &Config) -> bool {
    let Ok(client) = Client::try_from(config.clone()) else {
        return false;
    };
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    client.request_text(request).await.is_ok()
}
