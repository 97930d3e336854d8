//! What rows are run on: a cluster of their own, with a node that has driver and provider, and in each row's
//! namespace a healthy binding, a Deployment that mounts it, and its pod.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use vaultbind_apiserver::Audit;
use vaultbind_crds::VaultBinding;
use vaultbind_e2e::operator::Operator;
use vaultbind_kubectl::args::Args;
use vaultbind_kubectl::terminal::Terminal;

use super::deeds::Do;
use crate::scene::{World, eventually, is_ready};
use crate::site::{Site, logs};

const PATIENCE: Duration = Duration::from_secs(120);

/// What mends a row.
#[derive(Clone, Debug)]
pub(super) enum Mend {
    /// Not tried.
    No,
    /// The first command that doctor names.
    Command,
    /// As that, and the Deployment makes a new pod.
    Rolled,
    /// What the command would do in Azure or elsewhere.
    By(Vec<Do>),
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Merged into the spec of the binding.
    pub(super) spec: Value,
    /// Before the binding is made.
    pub(super) before: Vec<Do>,
    /// Whether the binding is ready before it is broken.
    pub(super) ready: bool,
    pub(super) broken: Vec<Do>,
    pub(super) ask: &'static str,
    pub(super) step: &'static str,
    pub(super) reason: &'static str,
    /// A piece of a command, or of the text if there is none.
    pub(super) command: &'static str,
    pub(super) mend: Mend,
}

pub(super) struct Report {
    pub(super) exit: u8,
    pub(super) json: Value,
    pub(super) text: String,
}

#[derive(Clone)]
pub(super) struct Bench {
    name: &'static str,
    pub(super) site: Arc<Site>,
    pub(super) operator: Arc<tokio::sync::Mutex<Option<Operator>>>,
}

impl Bench {
    /// The name is that of the operator.
    pub(super) async fn start(name: &'static str) -> Self {
        let site = Site::start(Audit::None).await;
        let bench = Self {
            name,
            site: Arc::new(site),
            operator: Arc::default(),
        };
        bench.start_operator().await;
        let system = json!({"namespace": "kube-system"});
        bench
            .apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": system["namespace"]}}))
            .await
            .unwrap();
        for node in ["node-a", "node-c"] {
            bench
                .apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}))
                .await
                .unwrap();
            bench
                .apply(
                    &json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
                "metadata": {"name": node},
                "spec": {"drivers": [{"name": "secrets-store.csi.k8s.io", "nodeID": node}]}}),
                )
                .await
                .unwrap();
        }
        for (name, labels) in [
            (
                "csi-secrets-store-1",
                json!({"app": "secrets-store-csi-driver"}),
            ),
            (
                "vaultbind-provider-1",
                json!({
                "app.kubernetes.io/name": "vaultbind", "app.kubernetes.io/component": "provider"}),
            ),
        ] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
                "spec": {"nodeName": "node-a", "containers": [{"name": "main", "image": "none"}]}});
            bench.apply(&pod).await.unwrap();
            let ready = json!({"status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}]}});
            bench.pod_status("kube-system", name, &ready).await;
        }
        bench
    }

    pub(super) async fn start_operator(&self) {
        let quick = [
            "--lease-duration",
            "3s",
            "--lease-renew-deadline",
            "2s",
            "--lease-retry-period",
            "500ms",
        ];
        let operator = self.site.operator(self.name, &quick).await;
        *self.operator.lock().await = Some(operator);
    }

    pub(super) async fn end(self) {
        if let Some(operator) = self.operator.lock().await.take() {
            operator.terminate().await.unwrap();
        }
    }

    pub(super) fn client(&self) -> Client {
        self.site.server.client().unwrap()
    }

    pub(super) async fn sh(&self, script: &str) -> Result<String, String> {
        let kubectl = self.site.server.kubectl();
        let kubectl = kubectl.as_std();
        let words: Vec<String> = std::iter::once(kubectl.get_program())
            .chain(kubectl.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let script = format!("kubectl() {{ {} \"$@\"; }}\n{script}", words.join(" "));
        let output = tokio::process::Command::new("bash")
            .args(["-ec", &script])
            .output()
            .await;
        let output = output.map_err(|error| error.to_string())?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.status.success() {
            Ok(said)
        } else {
            Err(format!("{script}: {said}"))
        }
    }

    pub(super) async fn apply(&self, object: &Value) -> Result<(), String> {
        let object = object.to_string().replace('\'', "'\\''");
        self.sh(&format!("kubectl apply -f - <<< '{object}'"))
            .await
            .map(drop)
    }

    async fn pod_status(&self, namespace: &str, name: &str, status: &Value) {
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
    }

    async fn world(&self) -> World {
        let world = World::make(
            &self.site,
            "doctor",
            "Key Vault Secrets User",
            &["db-password"],
        )
        .await;
        self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": world.namespace}}))
            .await
            .unwrap();
        self.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "api", "namespace": world.namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "template": {"metadata": {"labels": {"app": "api"}}, "spec": {
                "serviceAccountName": "app",
                "containers": [{"name": "main", "image": "none",
                    "volumeMounts": [{"name": "secrets", "mountPath": "/secrets"}]}],
                "volumes": [{"name": "secrets", "csi": {
                    "driver": "secrets-store.csi.k8s.io", "readOnly": true,
                    "volumeAttributes": {"secretProviderClass": "payments"}}}],
            }},
        }}))
        .await
        .unwrap();
        world
    }

    async fn bind(&self, world: &World, spec: &Value) {
        self.apply(&world.binding("payments", &["db-password"], spec))
            .await
            .unwrap();
    }

    async fn ready(&self, world: &World) -> VaultBinding {
        let bindings: Api<VaultBinding> = Api::namespaced(self.client(), &world.namespace);
        let bindings = &bindings;
        eventually(PATIENCE, "ready", || async move {
            let binding = bindings.get("payments").await.unwrap();
            if is_ready(&binding) {
                Ok(binding)
            } else {
                Err(format!("{:?}", binding.status))
            }
        })
        .await
    }

    /// What the Deployment's controller and a scheduler do: a pod as the template says.
    pub(super) async fn start_pod(&self, world: &World, node: &str, running: bool) {
        let namespace = &world.namespace;
        let deployments: Api<Deployment> = Api::namespaced(self.client(), namespace);
        let template = deployments.get("api").await.unwrap().spec.unwrap().template;
        let mut spec = json!(template.spec.unwrap());
        spec["nodeName"] = json!(node);
        let pod = json!({
            "metadata": {
                "name": "api-5d4f-x", "namespace": namespace,
                "labels": {"app": "api", "pod-template-hash": "5d4f"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                    "name": "api-5d4f", "uid": "4a1e0000-0000-4000-8000-000000000001", "controller": true}],
            },
            "spec": spec,
        });
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let now = DeleteParams::default().grace_period(0);
        let _ = pods.delete("api-5d4f-x", &now).await;
        let pod: Pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let status = if running {
            json!({"status": {"phase": "Running"}})
        } else {
            json!({"status": {"phase": "Pending", "containerStatuses": [{
                "name": "main", "image": "none", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ContainerCreating"}}}]}})
        };
        self.pod_status(namespace, "api-5d4f-x", &status).await;
        if running {
            self.mounted(world).await;
        }
    }

    /// What the driver writes of the running pod.
    async fn mounted(&self, world: &World) {
        let bindings: Api<VaultBinding> = Api::namespaced(self.client(), &world.namespace);
        let Some(binding) = bindings.get_opt("payments").await.unwrap() else {
            return;
        };
        let objects = binding.status.iter().flat_map(|status| &status.objects);
        let objects: Vec<Value> = objects
            .filter_map(|one| {
                Some(json!({"id": format!("secret/{}", one.object_name), "version": one.pinned.as_ref()?}))
            })
            .collect();
        self.apply(&json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClassPodStatus",
            "metadata": {"name": "api-payments", "namespace": world.namespace},
            "status": {"podName": "api-5d4f-x", "secretProviderClassName": "payments",
                "mounted": true, "objects": objects},
        }))
        .await
        .unwrap();
    }

    /// A namespace in which nothing is wrong.
    pub(super) async fn healthy(&self) -> World {
        let world = self.world().await;
        self.bind(&world, &Value::Null).await;
        self.ready(&world).await;
        self.start_pod(&world, "node-a", true).await;
        world
    }

    /// The arguments that make one an editor of the namespace who sees its bindings.
    pub(super) async fn editor(&self, world: &World) -> Vec<String> {
        // What the controller of aggregated roles would put into the role `edit`.
        let script = "for role in edit view; do
              kubectl create rolebinding -n {ns} $role --clusterrole system:aggregate-to-$role --user editor
            done
            kubectl create role -n {ns} bindings --verb get,list \
              --resource vaultbindings.vaultbind.dev,secretproviderclasses.secrets-store.csi.x-k8s.io
            kubectl create role -n {ns} mounts --verb get,list \
              --resource secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io
            kubectl create rolebinding -n {ns} bindings --role bindings --user editor
            kubectl create rolebinding -n {ns} mounts --role mounts --user editor";
        self.sh(&filled(script, world)).await.unwrap();
        ["--as", "editor"].map(str::to_owned).to_vec()
    }

    /// What doctor says, for programs and for people.
    pub(super) async fn ask_as(
        &self,
        world: &World,
        target: &str,
        who: &[String],
    ) -> Result<Report, String> {
        let kubeconfig = self.site.server.kubeconfig().display().to_string();
        let mut said = Vec::new();
        for format in ["json", "table"] {
            let mut words = vec!["kubectl-vaultbind".to_owned(), "doctor".to_owned()];
            words.extend((!target.is_empty()).then(|| target.to_owned()));
            let flags = [
                "-n",
                &world.namespace,
                "--kubeconfig",
                &kubeconfig,
                "-o",
                format,
            ];
            words.extend(flags.map(str::to_owned));
            words.extend(who.iter().cloned());
            let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
            let (mut terminal, out, err) = Terminal::in_memory();
            let exit = vaultbind_kubectl::run(args, &mut terminal).await;
            said.push((exit.code(), out.text() + &err.text()));
        }
        let [(exit, json), (_, text)] = <[(u8, String); 2]>::try_from(said).unwrap();
        // It is searched for values and tokens.
        let file = format!(
            "{}-{}.doctor.log",
            world.namespace,
            target.replace('/', "-")
        );
        std::fs::write(logs().path().join(file), format!("{json}\n{text}")).unwrap();
        let parsed = serde_json::from_str(&json).map_err(|error| format!("{error}: {json}"))?;
        Ok(Report {
            exit,
            json: parsed,
            text,
        })
    }

    async fn ask(&self, world: &World, target: &str) -> Result<Report, String> {
        self.ask_as(world, target, &[]).await
    }

    /// Asks until doctor says what is wanted, while checks of the vault are asked for, as a person would.
    async fn until(
        &self,
        world: &World,
        target: &str,
        wanted: impl Fn(&Report) -> bool,
    ) -> Result<Report, String> {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let script = "kubectl annotate vaultbinding -n {ns} --all --overwrite \
                          vaultbind.dev/check-requested-at=\"$(date +%FT%T.%NZ)\"";
            let _ = self.sh(&filled(script, world)).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let report = self.ask(world, target).await?;
            if wanted(&report) {
                return Ok(report);
            }
            if std::time::Instant::now() >= deadline {
                return Err(format!("{}\n{:#}", report.text, report.json));
            }
        }
    }

    /// Runs one row.
    pub(super) async fn run(&self, row: &Row) -> Result<(), String> {
        let started = std::time::Instant::now();
        let ran = self
            .row(row)
            .await
            .map_err(|error| format!("{}: {error}", row.name));
        println!("{:>6.1?} {}", started.elapsed(), row.name);
        if let Err(error) = &ran {
            println!("{error}");
        }
        ran
    }

    async fn row(&self, row: &Row) -> Result<(), String> {
        let world = self.world().await;
        for what in &row.before {
            self.act(&world, what).await?;
        }
        let spec = filled(&row.spec.to_string(), &world);
        self.bind(&world, &serde_json::from_str(&spec).unwrap())
            .await;
        if row.ready {
            self.ready(&world).await;
            self.start_pod(&world, "node-a", true).await;
        }
        for what in &row.broken {
            self.act(&world, what).await?;
        }
        let target = row.ask;
        let is = |report: &Report| {
            let (state, step, reason) = told(&report.json);
            if row.step.is_empty() {
                return state == "Healthy";
            }
            state == "Failed" && step == row.step && reason == row.reason
        };
        let report = self.until(&world, target, is).await?;
        let exit = u8::from(!row.step.is_empty());
        if report.exit != exit || !report.text.contains(&filled(row.command, &world)) {
            return Err(format!(
                "exit {}, without {}:\n{}",
                report.exit, row.command, report.text
            ));
        }
        if !row.step.is_empty() && !report.text.contains(row.reason) {
            return Err(format!("without its reason:\n{}", report.text));
        }
        let command = report.json["items"][0]["steps"]
            .as_array()
            .and_then(|steps| {
                let checks = steps
                    .iter()
                    .flat_map(|step| step["checks"].as_array().unwrap());
                let mut failed = checks.filter(|check| check["state"] == "Failed");
                Some(failed.next()?["commands"][0].as_str()?.to_owned())
            });
        match &row.mend {
            Mend::No => return Ok(()),
            Mend::Command | Mend::Rolled => {
                let command = command.ok_or("there is no command")?;
                self.sh(&command).await?;
            }
            Mend::By(all) => {
                for what in all {
                    self.act(&world, what).await?;
                }
            }
        }
        if matches!(row.mend, Mend::Rolled) {
            self.start_pod(&world, "node-a", true).await;
        }
        let content = |report: &Report| told(&report.json).0 == "Healthy" && report.exit == 0;
        self.until(&world, target, content)
            .await
            .map_err(|report| format!("not mended: {report}"))?;
        Ok(())
    }
}

pub(super) fn filled(text: &str, world: &World) -> String {
    text.replace("{ns}", &world.namespace)
        .replace("{vault}", &world.vault)
        .replace("{client}", &world.identity)
}

/// State, step and reason of the worst.
pub(super) fn told(json: &Value) -> (String, String, String) {
    let worst = &json["items"][0];
    let word = |key: &str| worst[key].as_str().unwrap_or_default().to_owned();
    (word("state"), word("step"), word("reason"))
}
