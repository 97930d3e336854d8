//! Scenarios that change what all others use.

use std::time::Duration;

use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use vaultbind_cluster_tests::{Cluster, PodSpec, Site, within};

use crate::support::{secret_object, site_with_secrets};

/// The provider's pods that are ready, after its DaemonSet has settled.
async fn provider_settled(cluster: &Cluster) {
    let settled = || async {
        let set = cluster.provider().get("vaultbind-provider").await?;
        let generation = set.metadata.generation;
        let Some(status) = set.status else {
            return Ok(None);
        };
        let current = status.observed_generation == generation
            && status.updated_number_scheduled == Some(status.desired_number_scheduled)
            && status.number_ready == status.desired_number_scheduled
            && status.number_unavailable.unwrap_or_default() == 0;
        Ok(current.then_some(()))
    };
    within(
        Duration::from_secs(120),
        "the provider has settled",
        settled,
    )
    .await
    .unwrap();
}

async fn restart_provider(cluster: &Cluster, mark: &str) {
    let annotation = json!({ "vaultbind.dev/restarted": mark });
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotation } } } });
    let patch = Patch::Merge(patch);
    let params = PatchParams::default();
    cluster
        .provider()
        .patch("vaultbind-provider", &params, &patch)
        .await
        .unwrap();
}

async fn scale(site: &Site, name: &str, replicas: u32) {
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    site.deployments()
        .patch_scale(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

async fn ready_replicas(site: &Site, name: &str, count: i32) {
    let ask = || async {
        let status = site
            .deployments()
            .get(name)
            .await?
            .status
            .unwrap_or_default();
        let ready = status.ready_replicas.unwrap_or_default();
        Ok((ready == count && status.replicas.unwrap_or_default() == count).then_some(()))
    };
    let what = format!("{count} replicas of {name}");
    within(Duration::from_secs(300), &what, ask).await.unwrap();
}

async fn every_replica_reads(site: &Site, app: &str, path: &str, value: &str) {
    let labels = ListParams::default().labels(&format!("app={app}"));
    for pod in site.pods().list(&labels).await.unwrap() {
        let name = pod.metadata.name.unwrap();
        assert_eq!(
            site.read(&name, path).await.unwrap(),
            value.as_bytes(),
            "{name}"
        );
    }
}

pub(crate) async fn no_failed_mount(site: &Site) {
    let events: Api<k8s_openapi::api::core::v1::Event> =
        Api::namespaced(site.cluster.client.clone(), &site.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let failed: Vec<_> = events
        .items
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some("FailedMount"))
        .filter_map(|event| event.message)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn alone_sixty_pods_of_one_deployment_start_from_nothing() {
    let (site, [value]) = site_with_secrets("sixty", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let deployment = serde_json::from_value(PodSpec::new("app", "all").deployment(0)).unwrap();
    site.deployments()
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    scale(&site, "app", 60).await;
    ready_replicas(&site, "app", 60).await;
    every_replica_reads(&site, "app", "/mnt/all/db", &value).await;
    no_failed_mount(&site).await;
    scale(&site, "app", 0).await;
    ready_replicas(&site, "app", 0).await;
}

#[tokio::test]
async fn alone_the_provider_is_replaced_under_twenty_pods_that_come_and_go() {
    let (site, [value]) = site_with_secrets("upgrade", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let deployment = serde_json::from_value(PodSpec::new("app", "all").deployment(20)).unwrap();
    site.deployments()
        .create(&PostParams::default(), &deployment)
        .await
        .unwrap();
    ready_replicas(&site, "app", 20).await;
    for round in 0..3 {
        restart_provider(&site.cluster, &format!("{}-{round}", site.namespace)).await;
        // Half of the pods go while the provider is being replaced, and new ones come.
        scale(&site, "app", 10).await;
        scale(&site, "app", 20).await;
        provider_settled(&site.cluster).await;
        ready_replicas(&site, "app", 20).await;
    }
    every_replica_reads(&site, "app", "/mnt/all/db", &value).await;
    no_failed_mount(&site).await;
}
