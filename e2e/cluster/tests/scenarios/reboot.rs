//! The node loses power and comes back: pods have their files again, from the vault.
//!
//! The emulated Azure comes back empty, so the first half leaves its seed in the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;
use vaultbind_cluster_tests::{Cluster, PodSpec, Site};
use vaultbind_e2e::stage::random;

use crate::support::secret_object;

const PODS: [&str; 3] = ["one", "two", "three"];

fn notes(cluster: &Cluster) -> Api<ConfigMap> {
    Api::namespaced(cluster.client.clone(), "default")
}

#[tokio::test]
async fn reboot_before_pods_run() {
    let site = Site::bare(&Cluster::connect().await.unwrap(), "reboot")
        .await
        .unwrap();
    let value = random("value");
    let vault = format!("  secrets: [{{name: db, value: {value}}}]\n");
    let seed = site.seed(&vault).await.unwrap();
    site.cluster.azure.seed(&seed).await.unwrap();
    site.class("all", &secret_object("db")).await.unwrap();
    for pod in PODS {
        site.run(&PodSpec::new(pod, "all")).await.unwrap();
        assert_eq!(
            site.read(pod, "/mnt/all/db").await.unwrap(),
            value.as_bytes()
        );
    }
    let data = BTreeMap::from([
        ("namespace".to_owned(), site.namespace.clone()),
        ("vault".to_owned(), site.vault.clone()),
        ("seed".to_owned(), seed),
        ("value".to_owned(), value),
    ]);
    let note = json!({ "metadata": { "name": "reboot" }, "data": data });
    let note = serde_json::from_value(note).unwrap();
    notes(&site.cluster)
        .create(&PostParams::default(), &note)
        .await
        .unwrap();
}

#[tokio::test]
async fn reboot_after_pods_run_again_with_their_files() {
    let cluster = Cluster::connect().await.unwrap();
    let note = notes(&cluster).get("reboot").await.unwrap().data.unwrap();
    cluster.azure.seed(&note["seed"]).await.unwrap();
    let site = Site {
        namespace: note["namespace"].clone(),
        vault: note["vault"].clone(),
        tenant: String::new(),
        client_id: String::new(),
        cluster,
    };
    for pod in PODS {
        site.running(pod).await.unwrap();
        site.reads(pod, "/mnt/all/db", note["value"].as_bytes())
            .await
            .unwrap();
    }
}
