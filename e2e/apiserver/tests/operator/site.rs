//! What runs: an API server with all definitions, an emulated Azure that trusts its tokens, a provider,
//! and operators.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vaultbind_apiserver::{
    ApiServer, Audit, ISSUER, driver, enforced, folder, install, manifest, operator_rights,
    rendered,
};
use vaultbind_e2e::leaks::LogFolder;
use vaultbind_e2e::operator::{Launch, Operator, program};
use vaultbind_e2e::stage::{AUDIENCE, Stage, TENANT};

use crate::{azure, policies};

/// Where operators keep their Lease.
pub(crate) const SYSTEM: &str = "vaultbind-system";

const GROUP: &str = "operators";

/// All but the operators.
pub(crate) struct Site {
    pub(crate) server: ApiServer,
    pub(crate) stage: Stage,
    ca: PathBuf,
}

impl Site {
    pub(crate) async fn start(audit: Audit) -> Self {
        let server = ApiServer::start_with(audit).await.unwrap();
        install(&server, &folder()).await.unwrap();
        driver(&server, AUDIENCE).await.unwrap();
        operator_rights(&server, GROUP).await.unwrap();
        let mut kubectl = server.kubectl();
        kubectl.args(["create", "namespace", SYSTEM]);
        assert!(kubectl.output().await.unwrap().status.success());

        let seed = json!({
            "tenants": [{"tenantID": TENANT}],
            "issuers": [{"issuer": ISSUER, "jwks": server.key_set().await.unwrap()}],
        });
        let stage = Stage::start(&seed.to_string()).await.unwrap();
        let ca = stage.folder().join("ca.pem");
        std::fs::write(&ca, stage.azure.ca_pem()).unwrap();
        Self { server, stage, ca }
    }

    /// How a program reaches the emulated Azure.
    pub(crate) fn azure_environment(&self) -> Vec<(&'static str, String)> {
        let proxy = format!("http://{}", self.stage.azure.proxy_addr());
        vec![
            ("HTTPS_PROXY", proxy),
            ("SSL_CERT_FILE", self.ca.display().to_string()),
        ]
    }

    /// Starts an operator of a name, which is also whom the API server sees.
    pub(crate) async fn operator(&self, name: &str, arguments: &[&str]) -> Operator {
        let kubeconfig = self.server.kubeconfig_as(name, &[GROUP]).unwrap();
        let mut all = vec!["--lease-namespace", SYSTEM];
        all.extend(arguments);
        self.operator_of(name, &kubeconfig, &all).await
    }

    /// Starts an operator of a name that is to the API server whom the kubeconfig says.
    pub(crate) async fn operator_of(
        &self,
        name: &str,
        kubeconfig: &Path,
        arguments: &[&str],
    ) -> Operator {
        let mut all = vec!["-v=2"];
        all.extend(arguments);
        Operator::start(&Launch {
            program: &program("vaultbind-operator").unwrap(),
            name,
            kubeconfig,
            azure: self.azure_environment(),
            log: &logs().path().join(format!("{name}.log")),
            arguments: &all,
        })
        .await
        .unwrap()
    }
}

/// The site of all tests that need none of their own, with one operator. It ends with this process.
pub(crate) struct Shared {
    pub(crate) site: Site,
    pub(crate) operator: Operator,
    /// Whether its operator reads values, for Kubernetes Secrets.
    pub(crate) reads_values: bool,
}

/// The site of bindings without Secrets: its operator never reads a value.
pub(crate) async fn shared() -> &'static Shared {
    static SHARED: tokio::sync::OnceCell<Shared> = tokio::sync::OnceCell::const_new();
    SHARED.get_or_init(|| start("operator", false)).await
}

/// The site of bindings with Secrets, whose operator has the chart's rights and is under its policies.
pub(crate) async fn shared_with_secrets() -> &'static Shared {
    static SHARED: tokio::sync::OnceCell<Shared> = tokio::sync::OnceCell::const_new();
    SHARED.get_or_init(|| start("operator-secrets", true)).await
}

/// The site of bindings that want something in Azure: all that the chart installs for the operator.
pub(crate) async fn shared_with_azure() -> &'static Shared {
    static SHARED: tokio::sync::OnceCell<Shared> = tokio::sync::OnceCell::const_new();
    let start = || start_with_azure("operator-azure", json!({}), 2, &[]);
    SHARED.get_or_init(start).await
}

/// The site of identities that are bound to the cluster `blue`: the operator knows its token proxy, and is under
/// the chart's policies.
pub(crate) async fn shared_with_token_proxy() -> &'static Shared {
    static SHARED: tokio::sync::OnceCell<Shared> = tokio::sync::OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let start = async {
                let site = Site::start(Audit::None).await;
                as_installed(&site).await;
                let flags = [
                    format!(
                        "--token-proxy-url=https://{}",
                        site.stage.azure.https_addr()
                    ),
                    "--sni-name=blue.ests.aks".to_owned(),
                    format!("--token-proxy-ca-file={}", site.ca.display()),
                ];
                let flags = flags.each_ref().map(String::as_str);
                let operator = policies::operator(&site, "operator-bound", &flags).await;
                Shared {
                    site,
                    operator,
                    reads_values: false,
                }
            };
            runtime().spawn(start).await.unwrap()
        })
        .await
}

/// The site of bindings that want something in Azure without the policy of class limits, so that the operator's
/// own check of them is seen, and with an operator that gives up as soon as it may.
pub(crate) async fn shared_with_azure_and_no_limits() -> &'static Shared {
    static SHARED: tokio::sync::OnceCell<Shared> = tokio::sync::OnceCell::const_new();
    let values = json!({"policies": {"classLimits": false}});
    let hasty = &["--azure-deletion-timeout=1m"];
    let start = || start_with_azure("operator-no-limits", values, 2, hasty);
    SHARED.get_or_init(start).await
}

/// The same with an Azure that takes 45 seconds to tell itself what has changed, by its own clock.
pub(crate) async fn shared_with_slow_azure() -> &'static Shared {
    static SHARED: tokio::sync::OnceCell<Shared> = tokio::sync::OnceCell::const_new();
    let start = || start_with_azure("operator-slow-azure", json!({}), 45, &[]);
    SHARED.get_or_init(start).await
}

async fn start_with_azure(
    name: &'static str,
    values: Value,
    propagation: u32,
    more: &'static [&'static str],
) -> Shared {
    let start = async move {
        let site = azure_site(&values, propagation).await;
        let flags = azure::identity_flags(&site, name).await;
        let flags = flags.iter().map(String::as_str).chain(more.iter().copied());
        let flags: Vec<&str> = flags.collect();
        let operator = policies::operator(&site, name, &flags).await;
        Shared {
            site,
            operator,
            reads_values: false,
        }
    };
    runtime().spawn(start).await.unwrap()
}

/// A site whose Azure knows an operator with the documented roles.
pub(crate) async fn azure_site(values: &Value, propagation: u32) -> Site {
    let site = Site::start(Audit::None).await;
    let settings = json!({
        "credentialPropagation": propagation,
        "rolePropagation": propagation,
        "principalPropagation": 0,
    });
    let seed = azure::operator_seed(&settings);
    site.stage
        .azure
        .seed(&serde_json::from_value(seed).unwrap())
        .unwrap();
    let templates = [
        "templates/operator/rbac.yaml",
        "templates/operator/policies.yaml",
        "templates/operator/orphans.yaml",
    ];
    let manifests = rendered(values, &templates).await.unwrap();
    manifest(&site.server, &manifests).await.unwrap();
    enforced(&site.server).await.unwrap();
    site
}

/// What serves must not end with the runtime of the test that happens to be the first.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// What the chart installs for the operator, but for the limits of classes, so that the operator's own
/// check of them is seen.
async fn as_installed(site: &Site) {
    let values = json!({"policies": {"classLimits": false}});
    let templates = [
        "templates/operator/rbac.yaml",
        "templates/operator/policies.yaml",
    ];
    let manifests = rendered(&values, &templates).await.unwrap();
    manifest(&site.server, &manifests).await.unwrap();
    enforced(&site.server).await.unwrap();
}

async fn start(name: &'static str, reads_values: bool) -> Shared {
    let start = async move {
        let site = Site::start(Audit::None).await;
        let operator = if reads_values {
            as_installed(&site).await;
            policies::operator(&site, name, &[]).await
        } else {
            site.operator(name, &[]).await
        };
        Shared {
            site,
            operator,
            reads_values,
        }
    };
    runtime().spawn(start).await.unwrap()
}

/// The folder of this run's logs; those of the run before are removed.
pub(crate) fn logs() -> &'static LogFolder {
    static LOGS: OnceLock<LogFolder> = OnceLock::new();
    LOGS.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("operator-logs");
        let _ = std::fs::remove_dir_all(&path);
        LogFolder::new(&path).unwrap()
    })
}
