//! `kubectl vaultbind` as its users start it: the program, by kubectl, with their rights.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use vaultbind_e2e::operator::program;

use crate::scene::{Scene, pinned, versions};
use crate::site::{Shared, logs, shared};

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}\n{}", self.code, self.out, self.err)
    }
}

/// Runs `kubectl vaultbind` in a scene's namespace. What it writes is searched at the end of the scene.
pub(crate) async fn kubectl(
    shared: &Shared,
    scene: &Scene,
    kubeconfig: &Path,
    arguments: &[&str],
) -> Ran {
    kubectl_with(shared, scene, kubeconfig, arguments, &[]).await
}

/// The same with more variables of the environment; programs in `AZ_FOLDER` come before the system's.
pub(crate) async fn kubectl_with(
    shared: &Shared,
    scene: &Scene,
    kubeconfig: &Path,
    arguments: &[&str],
    environment: &[(&'static str, String)],
) -> Ran {
    let plugin = program("kubectl-vaultbind").unwrap();
    let folders = environment.iter().filter(|(name, _)| *name == "AZ_FOLDER");
    let folders: String = folders.map(|(_, folder)| format!("{folder}:")).collect();
    let path = format!(
        "{folders}{}:/usr/bin:/bin",
        plugin.parent().unwrap().display()
    );
    let kubectl = shared.site.server.kubectl();
    let namespace = ["--namespace", &scene.world.namespace];
    let namespace = if arguments[0] == "completion" {
        &[][..]
    } else {
        &namespace[..]
    };
    let output = tokio::process::Command::new(kubectl.as_std().get_program())
        .arg("vaultbind")
        .args(arguments)
        .args(namespace)
        .env_clear()
        .envs(shared.site.azure_environment())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("PATH", path)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let ran = Ran {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    };
    let file = format!(
        "{}-plugin-{}.log",
        scene.world.namespace,
        arguments.join("-").replace('/', "_")
    );
    let file: String = file.chars().take(200).collect();
    std::fs::write(logs().path().join(file), format!("{ran:?}")).unwrap();
    ran
}

/// What kubectl tells a shell that completes `kubectl vaultbind` and these words.
async fn completed(shared: &Shared, scene: &Scene, words: &[&str]) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;

    let admin = shared.site.server.kubeconfig();
    let script = kubectl(shared, scene, &admin, &["completion", "kubectl"]).await;
    assert_eq!(script.code, 0, "{script:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubectl_complete-vaultbind");
    std::fs::write(&file, script.out).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let plugin = program("kubectl-vaultbind").unwrap();
    let path = [
        folder.path(),
        plugin.parent().unwrap(),
        Path::new("/usr/bin"),
        Path::new("/bin"),
    ];
    let output = tokio::process::Command::new(shared.site.server.kubectl().as_std().get_program())
        .args(["__complete", "vaultbind"])
        .args(words)
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("KUBECONFIG", admin)
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let told = out.lines().filter(|line| !line.starts_with(':'));
    told.map(str::to_owned).collect()
}

fn file(folder: &Path, binding: &Value) -> PathBuf {
    let file = folder.join("binding.json");
    std::fs::write(&file, binding.to_string()).unwrap();
    file
}

fn conditions(plan: &Value) -> Vec<(&str, &str)> {
    let conditions = plan["conditions"].as_array().unwrap();
    conditions
        .iter()
        .map(|one| {
            (
                one["type"].as_str().unwrap(),
                one["status"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_plan_is_what_the_operator_then_does() {
    let scene = Scene::new("plan", &["db-password", "api-key"]).await;
    let shared = shared().await;
    let admin = shared.site.server.kubeconfig();
    let folder = tempfile::tempdir().unwrap();
    let binding = scene
        .world
        .binding("payments", &["db-password", "api-key"], &Value::Null);
    let file = file(folder.path(), &binding);
    let arguments = ["plan", "-f", file.to_str().unwrap(), "-o", "json"];
    let planned = kubectl(shared, &scene, &admin, &arguments).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    let planned = planned.json();
    let plan = &planned["bindings"][0];
    assert_eq!(plan["exists"], false);
    assert!(
        conditions(plan).iter().all(|(_, status)| *status == "True"),
        "{plan:#}"
    );
    let changes = plan["changes"].as_array().unwrap();
    assert_eq!(changes[0]["action"], "Create");
    assert_eq!(scene.bindings().get_opt("payments").await.unwrap(), None);
    assert_eq!(scene.classes().get_opt("payments").await.unwrap(), None);

    scene
        .bind("payments", &["db-password", "api-key"], &Value::Null)
        .await;
    let done = pinned(&scene.ready("payments").await);
    assert_eq!(done.len(), 2);
    for (name, version) in &done {
        let pin = changes
            .iter()
            .find(|change| change["name"] == **name)
            .unwrap();
        assert_eq!(pin["to"], **version, "{pin}");
    }

    let (_, newer) = scene.world.rotate(scene.azure(), "db-password");
    let told = kubectl(shared, &scene, &admin, &["plan", "payments", "-owide"]).await;
    assert!(told.code == 0 && told.out.contains(&newer), "{told:?}");
    let arguments = ["plan", "payments", "-o", "json"];
    let planned = kubectl(shared, &scene, &admin, &arguments).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    let planned = planned.json();
    let changes = planned["bindings"][0]["changes"]
        .as_array()
        .unwrap()
        .clone();
    let pin = changes
        .iter()
        .find(|change| change["action"] == "Pin")
        .unwrap();
    assert_eq!(
        (&pin["from"], &pin["to"]),
        (&json!(done["db-password"]), &json!(newer))
    );
    let diff = planned["bindings"][0]["classDiff"].to_string();
    assert!(
        diff.contains(&format!("+         objectVersion: \\\"{newer}")),
        "{diff}"
    );
    let moved = |binding: &_| pinned(binding)["db-password"] == newer;
    scene
        .asked_until("payments", "the new version", moved)
        .await;
    assert_eq!(
        versions(&scene.class("payments").await)["db-password"],
        newer
    );

    let again = kubectl(shared, &scene, &admin, &["plan", "payments"]).await;
    assert!(
        again.code == 0 && again.out.contains("Nothing would change."),
        "{again:?}"
    );
    let blind = kubectl(shared, &scene, &admin, &["plan", "payments", "--no-vault"]).await;
    assert!(
        blind.out.contains("those that the status knows"),
        "{blind:?}"
    );
    scene.finish().await;
}

#[tokio::test]
async fn a_plan_tells_what_the_api_server_and_the_vault_refuse() {
    let scene = Scene::new("refused", &["db-password"]).await;
    let shared = shared().await;
    let admin = shared.site.server.kubeconfig();
    let folder = tempfile::tempdir().unwrap();
    let mut binding = scene
        .world
        .binding("payments", &["db-password"], &Value::Null);
    binding["spec"]["identity"]["serviceAccountName"] = json!("Not A Name");
    let wrong = file(folder.path(), &binding);
    let ran = kubectl(
        shared,
        &scene,
        &admin,
        &["plan", "-f", wrong.to_str().unwrap()],
    )
    .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("spec.identity.serviceAccountName: "),
        "{ran:?}"
    );

    let missing = scene.world.binding("payments", &["nowhere"], &Value::Null);
    let missing = file(folder.path(), &missing);
    let ran = kubectl(
        shared,
        &scene,
        &admin,
        &["plan", "-f", missing.to_str().unwrap()],
    )
    .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("has no secret nowhere"), "{ran:?}");
    let ran = kubectl(shared, &scene, &admin, &["plan", "nobody"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("nobody") && ran.err.contains("--namespace"),
        "{ran:?}"
    );
    scene.finish().await;
}

#[tokio::test]
async fn the_status_is_that_of_the_binding() {
    let scene = Scene::new("told", &["db-password"]).await;
    let shared = shared().await;
    let admin = shared.site.server.kubeconfig();
    let none = kubectl(shared, &scene, &admin, &["status"]).await;
    assert!(
        none.code == 0 && none.out.starts_with("No VaultBindings in namespace"),
        "{none:?}"
    );
    scene.bind("payments", &["db-password"], &Value::Null).await;
    let version = pinned(&scene.ready("payments").await)
        .remove("db-password")
        .unwrap();
    let text = kubectl(shared, &scene, &admin, &["status", "payments"]).await;
    assert_eq!(text.code, 0, "{text:?}");
    for part in [
        "True Pinned:",
        &version[..8],
        "No pod mounts it.",
        "check every 5m",
    ] {
        assert!(text.out.contains(part), "{part}: {text:?}");
    }
    assert!(!text.out.contains('\u{1b}'), "{text:?}");
    let told = kubectl(shared, &scene, &admin, &["status", "-o", "json"])
        .await
        .json();
    assert_eq!(told["bindings"][0]["objects"][0]["pinned"], *version);

    assert_eq!(
        completed(
            shared,
            &scene,
            &["status", "--namespace", &scene.world.namespace, ""]
        )
        .await,
        ["payments"]
    );
    let commands = completed(shared, &scene, &[""]).await;
    assert!(
        commands
            .iter()
            .any(|command| command.starts_with("status\t")),
        "{commands:?}"
    );

    let broken = scene.world.binding("broken", &["nowhere"], &Value::Null);
    let broken = serde_json::from_value(broken).unwrap();
    scene
        .bindings()
        .create(&PostParams::default(), &broken)
        .await
        .unwrap();
    let seen = |binding: &vaultbind_crds::VaultBinding| crate::scene::is_observed(binding);
    scene.until("broken", "a look at it", seen).await;
    let all = kubectl(shared, &scene, &admin, &["status"]).await;
    assert_eq!(all.code, 1, "{all:?}");
    assert!(all.out.contains("has no secret nowhere"), "{all:?}");
    scene.finish().await;
}

#[tokio::test]
async fn what_is_rendered_is_what_the_api_server_takes() {
    // Where the policies are in force, nobody makes by hand what bindings are for.
    let shared = shared().await;
    let scene = Scene::on(shared, "render", "Key Vault Secrets User", &["any"]).await;
    let patch = json!({
        "objects": [
            {"name": "any"},
            {"name": "tls", "type": "Certificate"},
        ],
        "secrets": [
            {"name": "plain", "data": [{"key": "a", "from": "any"}]},
            {"name": "docker", "type": "kubernetes.io/dockerconfigjson",
             "data": [{"key": ".dockerconfigjson", "from": "any"}]},
            {"name": "basic", "type": "kubernetes.io/basic-auth", "data": [{"key": "password", "from": "any"}]},
            {"name": "ssh", "type": "kubernetes.io/ssh-auth", "data": [{"key": "ssh-privatekey", "from": "any"}]},
            {"name": "web", "type": "kubernetes.io/tls", "data": [
                {"key": "tls.crt", "from": "tls", "part": "FullChain"},
                {"key": "tls.key", "from": "tls", "part": "PrivateKey"},
            ]},
        ],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), &scene.world.binding("payments", &[], &patch));
    let admin = shared.site.server.kubeconfig();
    let arguments = ["render", "-f", file.to_str().unwrap()];
    let rendered = kubectl(shared, &scene, &admin, &arguments).await;
    assert_eq!(rendered.code, 0, "{rendered:?}");
    let mut apply = shared.site.server.kubectl();
    apply.args(["apply", "--dry-run=server", "--validate=strict", "-f", "-"]);
    let mut apply = apply
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = apply.stdin.take().unwrap();
    stdin.write_all(rendered.out.as_bytes()).await.unwrap();
    drop(stdin);
    let output = apply.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.lines().count(), 6, "{said}");
    scene.finish().await;
}

/// A user with these rights in the scene's namespace.
async fn user(scene: &Scene, shared: &Shared, name: &str, rules: &Value) -> PathBuf {
    let namespace = &scene.world.namespace;
    let name = format!("{name}-{namespace}");
    let role: Role =
        serde_json::from_value(json!({"metadata": {"name": name}, "rules": rules})).unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    }))
    .unwrap();
    let params = PostParams::default();
    let roles: Api<Role> = Api::namespaced(scene.client(), namespace);
    roles.create(&params, &role).await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(scene.client(), namespace);
    bindings.create(&params, &binding).await.unwrap();
    shared
        .site
        .server
        .kubeconfig_as(&name, &["system:authenticated"])
        .unwrap()
}

#[tokio::test]
async fn an_editor_can_plan_and_a_reader_is_told_what_is_not_seen() {
    let scene = Scene::new("rights", &["db-password"]).await;
    let shared = shared().await;
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let read = ["get", "list", "watch"];
    let csi = ["secretproviderclasses", "secretproviderclasspodstatuses"];
    let editor = json!([
        rule(
            "vaultbind.dev",
            &["vaultbindings"],
            &[
                "get", "list", "watch", "create", "update", "patch", "delete"
            ]
        ),
        rule("secrets-store.csi.x-k8s.io", &csi, &read),
        rule("", &["serviceaccounts/token"], &["create"]),
    ]);
    let editor = user(&scene, shared, "editor", &editor).await;
    let reader = json!([rule("vaultbind.dev", &["vaultbindings"], &read)]);
    let reader = user(&scene, shared, "reader", &reader).await;
    scene.bind("payments", &["db-password"], &Value::Null).await;
    scene.ready("payments").await;
    let (_, newer) = scene.world.rotate(scene.azure(), "db-password");

    let planned = kubectl(shared, &scene, &editor, &["plan", "payments", "-o", "json"]).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    let planned = planned.json();
    let plan = &planned["bindings"][0];
    let changes = plan["changes"].as_array().unwrap();
    assert!(
        changes.iter().any(|change| change["to"] == *newer),
        "{plan:#}"
    );
    // Classes, namespaces and drivers belong to the cluster.
    assert_eq!(plan["notes"].as_array().unwrap().len(), 3, "{plan:#}");

    let planned = kubectl(shared, &scene, &reader, &["plan", "payments"]).await;
    for part in [
        "you may not create serviceaccounts/token",
        "those that the status knows",
        "may not get secretproviderclass payments",
        "everything looks new",
    ] {
        assert!(planned.out.contains(part), "{part}: {planned:?}");
    }
    let told = kubectl(shared, &scene, &reader, &["status", "payments"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.out
            .contains("which pods mount is not shown: may not list"),
        "{told:?}"
    );
    let nobody = user(&scene, shared, "nobody", &json!([])).await;
    let told = kubectl(shared, &scene, &nobody, &["status"]).await;
    assert!(
        told.code == 2 && told.err.contains("may not list vaultbindings"),
        "{told:?}"
    );
    scene.finish().await;
}
