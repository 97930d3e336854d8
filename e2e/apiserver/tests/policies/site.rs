//! One API server for all tests with the driver's resources, the chart's rights and policies, and the
//! controllers of Kubernetes whose work the policies must not hinder; and a namespace for each test.

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vaultbind_apiserver::{
    ApiServer, Controllers, driver, enforced, folder, install, manifest, rendered,
};

use crate::actor::Actor;

/// The operator's ServiceAccount.
pub(crate) const OPERATOR: (&str, &str) = ("kube-system", "vaultbind-operator");

/// Who brings the operator's objects back from a backup.
const RESTORER: &str = "system:serviceaccount:velero:velero";

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What runs.
pub(crate) struct Site {
    pub(crate) server: ApiServer,
    operator: String,
    _controllers: Controllers,
}

impl Site {
    async fn start() -> Self {
        let server = ApiServer::start().await.unwrap();
        install(&server, &folder()).await.unwrap();
        driver(&server, "api://AzureADTokenExchange").await.unwrap();
        let chart =
            ["rbac", "orphans", "policies"].map(|name| format!("templates/operator/{name}.yaml"));
        let chart = chart.each_ref().map(String::as_str);
        let values = json!({"policies": {"restoreUsers": [RESTORER]}});
        let chart = rendered(&values, &chart).await.unwrap();
        manifest(&server, &chart).await.unwrap();
        // Who may do anything in a namespace: by it a test shows that a policy refuses, and not RBAC.
        let anything = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "anything"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
        });
        manifest(&server, &anything.to_string()).await.unwrap();
        enforced(&server).await.unwrap();
        let controllers = [
            "clusterrole-aggregation-controller",
            "garbage-collector-controller",
            "namespace-controller",
            "validatingadmissionpolicy-status-controller",
        ];
        Self {
            operator: server.token(OPERATOR.0, OPERATOR.1).await.unwrap(),
            _controllers: Controllers::start(&server, &controllers).unwrap(),
            server,
        }
    }

    pub(crate) fn admin(&self) -> Actor {
        Actor(self.server.client().unwrap())
    }

    pub(crate) fn operator(&self) -> Actor {
        Actor(self.server.client_with(&self.operator).unwrap())
    }

    /// The one that the chart's value `policies.restoreUsers` names, with every right.
    pub(crate) fn restorer(&self) -> Actor {
        let client = self.server.client_as(RESTORER, &["system:masters"]);
        Actor(client.unwrap())
    }
}

/// The site. It ends with this process.
pub(crate) async fn site() -> &'static Site {
    // What runs must not end with the runtime of the test that happens to be the first.
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static SITE: tokio::sync::OnceCell<Site> = tokio::sync::OnceCell::const_new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new().unwrap());
    SITE.get_or_init(|| async { runtime.spawn(Site::start()).await.unwrap() })
        .await
}

/// A namespace of a test's own, and who has to do with it.
pub(crate) struct Tenant {
    pub(crate) namespace: String,
    /// The administrator.
    pub(crate) admin: Actor,
    /// Has the built-in role `edit` in the namespace.
    pub(crate) editor: Actor,
    /// Has the built-in role `view` in the cluster.
    pub(crate) reader: Actor,
    /// Has what the chart gives.
    pub(crate) operator: Actor,
}

impl Tenant {
    pub(crate) async fn new(prefix: &str) -> Self {
        let site = site().await;
        let namespace = site.server.namespace(prefix).await.unwrap();
        let tenant = Self {
            admin: site.admin(),
            editor: account(site, &namespace, "editor").await,
            reader: account(site, &namespace, "reader").await,
            operator: site.operator(),
            namespace,
        };
        tenant.grant("editor", "edit").await;
        tenant.grant_in_cluster("reader", "view").await;
        // Roles are put together, and known, after a moment.
        tenant
            .granted(&tenant.editor, "vaultbind.dev", "vaultbindings", "create")
            .await;
        tenant
            .granted(&tenant.reader, "vaultbind.dev", "vaultbindings", "list")
            .await;
        tenant
    }

    /// One whose editor may also write SecretProviderClasses, as the driver's chart adds to that role.
    pub(crate) async fn of_classes(prefix: &str) -> Self {
        let tenant = Self::new(prefix).await;
        let (group, kind) = ("secrets-store.csi.x-k8s.io", "secretproviderclasses");
        let rules = json!([{"apiGroups": [group], "resources": [kind], "verbs": ["*"]}]);
        tenant.allow("editor", "classes", &rules).await;
        for verb in ["create", "patch"] {
            tenant.granted(&tenant.editor, group, kind, verb).await;
        }
        tenant
    }

    /// The same, where the operator may do anything.
    pub(crate) async fn with_mighty_operator(prefix: &str) -> Self {
        let tenant = Self::new(prefix).await;
        let (namespace, name) = OPERATOR;
        tenant
            .bind_role(namespace, name, "ClusterRole", "anything")
            .await;
        tenant
            .granted(&tenant.operator, "apps", "deployments", "create")
            .await;
        tenant
    }

    /// A ServiceAccount of the namespace, which has no right but what it is given.
    pub(crate) async fn account(&self, name: &str) -> Actor {
        account(site().await, &self.namespace, name).await
    }

    /// Gives a ServiceAccount of the namespace a ClusterRole in it.
    pub(crate) async fn grant(&self, account: &str, role: &str) {
        let namespace = &self.namespace;
        self.bind_role(namespace, account, "ClusterRole", role)
            .await;
    }

    /// Gives a ServiceAccount of the namespace these rights in it.
    pub(crate) async fn allow(&self, account: &str, role: &str, rules: &Value) {
        let mut object = self.object("rbac.authorization.k8s.io/v1", "Role", role);
        object["rules"] = rules.clone();
        self.admin.create(&object).await.unwrap();
        let namespace = &self.namespace;
        self.bind_role(namespace, account, "Role", role).await;
    }

    async fn bind_role(&self, namespace: &str, account: &str, kind: &str, role: &str) {
        let name = format!("{account}-{role}");
        let mut object = self.object("rbac.authorization.k8s.io/v1", "RoleBinding", &name);
        object["roleRef"] = json!({
            "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role,
        });
        object["subjects"] =
            json!([{"kind": "ServiceAccount", "namespace": namespace, "name": account}]);
        self.admin.create(&object).await.unwrap();
    }

    async fn grant_in_cluster(&self, account: &str, role: &str) {
        let object = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{}-{account}", self.namespace)},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role,
            },
            "subjects": [
                {"kind": "ServiceAccount", "namespace": self.namespace, "name": account},
            ],
        });
        self.admin.create(&object).await.unwrap();
    }

    /// Waits until somebody may do something in the namespace.
    pub(crate) async fn granted(&self, who: &Actor, group: &str, resource: &str, verb: &str) {
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": {
                "namespace": self.namespace,
                "group": group, "resource": resource, "subresource": part, "verb": verb,
            }},
        });
        let (who, review) = (&who, &review);
        eventually("a right is known", || async move {
            let answer = who.create(review).await.unwrap();
            (answer.data["status"]["allowed"] == true).then_some(())
        })
        .await;
    }

    /// An object of the namespace with nothing but a name.
    pub(crate) fn object(&self, version: &str, kind: &str, name: &str) -> Value {
        json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
        })
    }

    /// A patch that adds an owner. It is there: the collector would take what it owns otherwise.
    pub(crate) async fn owner(&self) -> Value {
        let owner = self.object("v1", "ConfigMap", "app");
        let uid = self.admin.apply(&owner).await.unwrap().metadata.uid;
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": uid,
        }]}})
    }

    /// A binding; the patch is laid over its spec.
    pub(crate) fn binding(&self, name: &str, patch: &Value) -> Value {
        let mut binding = self.object("vaultbind.dev/v1alpha1", "VaultBinding", name);
        binding["spec"] = json!({
            "vault": {
                "name": "kv-payments-prod",
                "tenantID": "11111111-2222-3333-4444-555555555555",
            },
            "identity": {
                "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "serviceAccountName": "payments",
            },
            "objects": [{"name": "db-password"}],
        });
        for (key, value) in patch.as_object().into_iter().flatten() {
            binding["spec"][key] = value.clone();
        }
        binding
    }

    /// A SecretProviderClass with the operator's labels for a binding of its name.
    pub(crate) fn managed(&self, name: &str) -> Value {
        let mut class = self.class(name);
        class["metadata"]["labels"] = marks(name);
        class
    }

    /// A SecretProviderClass as people write it.
    pub(crate) fn class(&self, name: &str) -> Value {
        let version = "secrets-store.csi.x-k8s.io/v1";
        let mut class = self.object(version, "SecretProviderClass", name);
        class["spec"] = json!({"provider": "vaultbind", "parameters": {"objects": "[]"}});
        class
    }
}

async fn account(site: &Site, namespace: &str, name: &str) -> Actor {
    let token = site.server.token(namespace, name).await.unwrap();
    Actor(site.server.client_with(&token).unwrap())
}

/// The labels of what the operator makes for a binding.
pub(crate) fn marks(binding: &str) -> Value {
    json!({"app.kubernetes.io/managed-by": "vaultbind", "vaultbind.dev/binding": binding})
}

/// Tries until there is something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
