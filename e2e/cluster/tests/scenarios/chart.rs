//! What helm does with the chart while teams work: an upgrade, an uninstall, an install on top of what was left;
//! and what a new user applies first.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use vaultbind_cluster_tests::{Cluster, PodSpec, Site, eventually};
use vaultbind_crds::VaultBinding;

use crate::alone::no_failed_mount;
use crate::bindings::{bound, rotate};
use crate::support::{helm, helm_sets, kubectl};

/// One pod after the other mounts a class, is read and goes, until it is told to stop; how many there were.
async fn come_and_go(site: &Site, name: &str, value: &str, stop: &AtomicBool) -> u32 {
    let mut pods = 0;
    while !stop.load(Ordering::Relaxed) {
        let pod = PodSpec::new(&format!("{name}-{pods}"), "app");
        let pod = site.run(&pod).await.unwrap();
        let read = site.read(&pod, "/mnt/app/db").await.unwrap();
        assert_eq!(read, value.as_bytes(), "{pod}");
        site.delete(&pod).await.unwrap();
        pods += 1;
    }
    pods
}

#[tokio::test]
async fn alone_an_upgrade_with_other_values_fails_no_mount_of_pods_that_come_and_go() {
    let (site, value) = bound("helm-upgrade").await;
    let stop = AtomicBool::new(false);
    let upgrades = async {
        helm_sets(r#"provider={"log":{"verbosity":2},"resources":{"requests":{"cpu":"20m"}},"vault":{"tryTimeout":"4s"}}"#).await;
        helm_sets(r#"operator={"log":{"verbosity":2},"replicas":1,"resources":{"limits":{"memory":"300Mi"}}}"#).await;
        helm_sets(r#"provider={"log":{"verbosity":5},"vault":{"tryTimeout":"5s"}}"#).await;
        helm_sets(r#"operator={"log":{"verbosity":5},"replicas":2}"#).await;
        stop.store(true, Ordering::Relaxed);
    };
    let ((), first, second) = tokio::join!(
        upgrades,
        come_and_go(&site, "one", &value, &stop),
        come_and_go(&site, "two", &value, &stop)
    );
    assert!(first > 1 && second > 1, "{first} and {second} pods");
    no_failed_mount(&site).await;

    let set = site
        .cluster
        .provider()
        .get("vaultbind-provider")
        .await
        .unwrap();
    let container = &set.spec.unwrap().template.spec.unwrap().containers[0];
    let requests = container.resources.clone().unwrap().requests.unwrap();
    assert_eq!(requests["cpu"].0, "20m");
}

/// What is left of a release that helm has uninstalled: kind and name.
fn left() -> Vec<String> {
    let found = kubectl(&[
        "get",
        "crd,clusterroles,clusterrolebindings,validatingadmissionpolicies,vaultclasses",
        "--selector=app.kubernetes.io/instance=vaultbind",
        "--output=name",
    ]);
    found.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn alone_an_uninstall_leaves_what_teams_have_and_an_install_takes_it_up() {
    let (site, value) = bound("helm-again").await;
    let pod = site.run(&PodSpec::new("stays", "app")).await.unwrap();
    let binding = site.bindings().get("app").await.unwrap();
    let pins = site.pins("app").await.unwrap();
    let class = kubectl(&[
        "get",
        "vaultclass",
        "default",
        "--output=jsonpath={.metadata.uid}",
    ]);

    helm("uninstall", &[]).await;
    assert_eq!(left(), ["vaultclass.vaultbind.dev/default"]);
    kubectl(&[
        "get",
        "crd",
        "vaultbindings.vaultbind.dev",
        "vaultclasses.vaultbind.dev",
    ]);
    assert_eq!(site.pins("app").await.unwrap(), pins);
    assert_eq!(
        site.bindings().get("app").await.unwrap().metadata.uid,
        binding.metadata.uid
    );
    assert_eq!(
        site.read(&pod, "/mnt/app/db").await.unwrap(),
        value.as_bytes()
    );
    let waits = site.create(&PodSpec::new("waits", "app")).await.unwrap();
    let rotated = rotate(&site).await;

    helm("install", &["--values=e2e/cluster/values.yaml"]).await;
    let same = kubectl(&[
        "get",
        "vaultclass",
        "default",
        "--output=jsonpath={.metadata.uid}",
    ]);
    assert_eq!(same, class);
    site.running(&waits).await.unwrap();
    // It works on: the version that came while it was away reaches the pod that was there all the time.
    site.pins_other_than("app", &pins).await.unwrap();
    site.reads(&pod, "/mnt/app/db", rotated.as_bytes())
        .await
        .unwrap();
    assert_eq!(
        site.bindings().get("app").await.unwrap().metadata.uid,
        binding.metadata.uid
    );
}

/// The documents of a file of the repository's examples.
fn example(file: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let text = std::fs::read_to_string(format!("examples/{file}")).unwrap();
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// What `kubectl vaultbind` says.
fn plugin(arguments: &[&str]) -> String {
    let program = std::env::var("VAULTBIND_E2E_PLUGIN").unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the guide shows of a command.
fn documented(command: &str) -> String {
    let guide = std::fs::read_to_string("docs/kubectl.md").unwrap();
    let command = format!("$ kubectl vaultbind {command}\n");
    let (_, rest) = guide.split_once(&command).expect(&command);
    let ends = ["\n$ ", "\n```"]
        .into_iter()
        .filter_map(|end| rest.find(end));
    rest[..ends.min().unwrap()].to_owned()
}

/// The words of a text; times and versions, which differ from run to run, by their kind.
fn without_values(text: &str) -> String {
    let kind = |word: &str| {
        let plain = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = plain.chars().filter(char::is_ascii_digit).count();
        let is_hex = plain.len() == 8 && plain.chars().all(|c| c.is_ascii_hexdigit());
        let is_date = plain.len() >= 10 && digits >= 8 && plain.contains('-');
        let age = plain.strip_suffix(['s', 'm', 'h', 'd']);
        let is_age =
            age.is_some_and(|age| !age.is_empty() && age.chars().all(|c| c.is_ascii_digit()));
        // Of a GUID only the first part looks like a version, and it is no word of its own.
        if is_hex || is_date && !plain.contains(|c: char| c.is_ascii_lowercase()) || is_age {
            word.replace(plain, "VALUE")
        } else {
            word.to_owned()
        }
    };
    let lines = text.lines().map(|line| {
        let words: Vec<String> = line.split_whitespace().map(kind).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Waits until the binding has seen the pod.
async fn has_the_pod(site: &Site) {
    let seen = |binding: &VaultBinding| {
        let status = binding.status.as_ref();
        let summary = status.and_then(|status| status.summary.as_ref());
        summary.and_then(|summary| summary.pods.as_deref()) == Some("1/1")
    };
    site.becomes("payments", "one pod", seen).await.unwrap();
}

#[tokio::test]
async fn the_examples_of_the_readme_mount_and_the_plugin_says_what_the_guide_shows() {
    let cluster = Cluster::connect().await.unwrap();
    let params = PostParams::default();
    let named = |name: &str| json!({ "metadata": { "name": name } });
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = serde_json::from_value(named("payments")).unwrap();
    namespaces.create(&params, &namespace).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), "payments");
    let account = serde_json::from_value(named("payments")).unwrap();
    accounts.create(&params, &account).await.unwrap();
    // Azure as the examples have it, but for the cluster that it trusts.
    let site = Site {
        cluster,
        namespace: "payments".to_owned(),
        tenant: "11111111-2222-3333-4444-555555555555".to_owned(),
        client_id: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".to_owned(),
        vault: "kv-payments-prod".to_owned(),
    };
    let mut azure = example("azure.yaml").remove(0);
    azure["issuers"] = json!([]);
    azure["tenants"][0]["applications"][0]["federatedCredentials"][0]["issuer"] =
        site.issuer().await.unwrap().into();
    site.cluster.azure.seed(&azure.to_string()).await.unwrap();

    kubectl(&["apply", "--filename=examples/binding.yaml"]);
    site.ready("payments").await.unwrap();
    // The Secret is there before any pod.
    let made = site.secrets().get("payments-env").await.unwrap();
    let made = made.data.unwrap()["DB_PASSWORD"].0.clone();
    let mut pod = example("pod.yaml").remove(0);
    // The node has no registry.
    let container = &mut pod["spec"]["containers"][0];
    container["image"] = "bed.local/busybox:1".into();
    container["imagePullPolicy"] = "Never".into();
    container["command"] = json!(["/bin/busybox", "sleep", "86400"]);
    let pod = serde_json::from_value(pod).unwrap();
    site.pods().create(&params, &pod).await.unwrap();
    site.running("payments-api").await.unwrap();
    let secrets = &azure["vaults"][0]["secrets"];
    let password = secrets
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["name"] == "db-password");
    let expected = password.unwrap()["value"].as_str().unwrap();
    let read = site
        .read("payments-api", "/mnt/secrets/db-password")
        .await
        .unwrap();
    assert_eq!(read, expected.as_bytes());
    assert_eq!(made, expected.as_bytes());
    let certificate = site
        .read("payments-api", "/mnt/secrets/tls/tls.crt")
        .await
        .unwrap();
    assert!(certificate.starts_with(b"-----BEGIN CERTIFICATE-----"));
    has_the_pod(&site).await;
    for command in [
        "status payments",
        "doctor payments",
        "doctor pod/payments-api",
    ] {
        let arguments: Vec<&str> = command.split(' ').collect();
        let said = plugin(&[&arguments[..], &["--namespace=payments"]].concat());
        let documented = documented(command);
        assert_eq!(without_values(&said), without_values(&documented), "{said}");
    }

    // The second binding of the file is a plan, and nobody has made its class.
    let plan = || async {
        let binding = site.bindings().get("payments-batch").await?;
        let conditions = binding
            .status
            .map(|status| status.conditions)
            .unwrap_or_default();
        Ok(conditions
            .iter()
            .any(|c| c.reason == "ClassMissing")
            .then_some(()))
    };
    eventually("the binding says that its class is missing", plan)
        .await
        .unwrap();
    assert!(
        site.classes()
            .get_opt("payments-batch")
            .await
            .unwrap()
            .is_none()
    );
}
