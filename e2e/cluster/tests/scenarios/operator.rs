//! The operator as helm installs it: its rights, its replicas, its namespaces.

use std::fs;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::json;
use vaultbind_cluster_tests::{Cluster, within};

use crate::bindings::{bound, rotate};
use crate::support::site_with_secrets;

/// Whether the operator may do something in a namespace.
async fn may(cluster: &Cluster, namespace: &str, verb: &str, resource: &str) -> bool {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({ "metadata": {}, "spec": {
        "user": "system:serviceaccount:vaultbind-system:vaultbind-operator",
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "resourceAttributes": {
            "namespace": namespace,
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
        },
    } });
    let review = serde_json::from_value(review).unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    let review = reviews.create(&PostParams::default(), &review).await;
    review.unwrap().status.unwrap().allowed
}

const CLASSES: &str = "secretproviderclasses.secrets-store.csi.x-k8s.io";

#[tokio::test]
async fn the_operator_may_read_no_secret_and_change_no_workload() {
    let cluster = Cluster::connect().await.unwrap();
    assert!(may(&cluster, "default", "patch", CLASSES).await);
    assert!(
        may(
            &cluster,
            "default",
            "patch",
            "vaultbindings/status.vaultbind.dev"
        )
        .await
    );
    for (verb, resource) in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "secrets"),
        ("get", "configmaps"),
        ("list", "pods"),
        ("create", "pods/exec"),
        ("patch", "deployments.apps"),
        ("update", "serviceaccounts"),
        ("patch", "vaultbindings.vaultbind.dev"),
        ("delete", CLASSES),
        ("get", "leases.coordination.k8s.io"),
    ] {
        let allowed = may(&cluster, "default", verb, resource).await;
        assert!(!allowed, "{verb} {resource}");
    }
}

/// Installs the chart anew with a value changed.
fn helm_sets(value: &str) {
    let output = Command::new("helm")
        .args(["upgrade", "vaultbind", "charts/vaultbind", "--reuse-values"])
        .args([
            "--namespace",
            "vaultbind-system",
            "--wait",
            "--timeout",
            "90s",
        ])
        .args(["--set-json", value])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn alone_an_operator_of_one_namespace_has_no_rights_in_others() {
    let (site, [_]) = site_with_secrets("watched", ["db"]).await;
    let other = site_with_secrets("unwatched", ["db"]).await.0;
    let namespace = &site.namespace;
    helm_sets(&format!("operator.watchNamespaces=[\"{namespace}\"]"));

    for token in ["serviceaccounts/token", CLASSES] {
        assert!(may(&site.cluster, namespace, "create", token).await);
        assert!(!may(&site.cluster, &other.namespace, "create", token).await);
    }
    for site in [&other, &site] {
        let binding = site.binding("app", &json!([{ "name": "db" }]));
        site.bind(binding).await.unwrap();
    }
    site.ready("app").await.unwrap();
    assert_eq!(other.bindings().get("app").await.unwrap().status, None);

    helm_sets("operator.watchNamespaces=[]");
    other.ready("app").await.unwrap();
}

/// Kills the operator in a pod: it has no time to give anything up.
fn kill(pod: &str) {
    let name = format!("HOSTNAME={pod}");
    for process in fs::read_dir("/proc").unwrap() {
        let folder = process.unwrap().path();
        let environment = fs::read_to_string(folder.join("environ")).unwrap_or_default();
        let command = fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        if command.starts_with("/bin/vaultbind-operator\0")
            && environment.split('\0').any(|variable| variable == name)
        {
            let process = folder.file_name().unwrap();
            let status = Command::new("kill").arg("-KILL").arg(process).status();
            assert!(status.unwrap().success());
            return;
        }
    }
    panic!("no operator runs in {pod}");
}

#[tokio::test]
async fn alone_another_replica_goes_on_when_the_leader_is_killed() {
    let (site, _) = bound("leader").await;
    let cluster = &site.cluster;
    let leader = cluster.leader().await.unwrap().unwrap();
    let pods = cluster.pods().list(&ListParams::default()).await.unwrap();
    let names = pods.items.into_iter().filter_map(|pod| pod.metadata.name);
    let pod = names.into_iter().find(|pod| leader.contains(pod)).unwrap();
    kill(&pod);
    // Its container would start again and take part.
    let params = DeleteParams::default().grace_period(0);
    cluster.pods().delete(&pod, &params).await.unwrap();
    let follower = || async {
        let holder = cluster.leader().await?;
        Ok(holder.filter(|holder| !holder.contains(&pod)))
    };
    within(Duration::from_secs(60), "another leader", follower)
        .await
        .unwrap();

    let before = site.pins("app").await.unwrap();
    rotate(&site).await;
    site.ask_for_check("app").await.unwrap();
    site.pins_other_than("app", &before).await.unwrap();
}
