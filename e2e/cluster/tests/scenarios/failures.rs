//! What stands in the event of a pod that does not start, and that it starts when the fault is mended.

use std::time::Duration;

use vaultbind_azure::Action;
use vaultbind_cluster_tests::{Cluster, PodSpec, Site, class};

use crate::support::{object, objects, secret_object, site_with_secrets};

/// The pod waits with an empty volume nowhere: it is not running.
async fn does_not_run(site: &Site, pod: &str) {
    let pod = site.pods().get(pod).await.unwrap();
    let phase = pod.status.and_then(|status| status.phase);
    assert_eq!(phase.as_deref(), Some("Pending"));
}

/// A pod that mounts one secret, and what its event says while it cannot start.
async fn waits(site: &Site, secret: &str, text: &str, code: &str) -> String {
    site.class("all", &secret_object(secret)).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    let event = site.event(&pod, text).await.unwrap();
    assert!(event.contains(&format!("code = {code}")), "{event}");
    does_not_run(site, &pod).await;
    pod
}

/// Now that the fault is mended.
async fn starts(site: &Site, pod: &str, file: &str, value: &str) {
    site.running(pod).await.unwrap();
    let read = site.read(pod, &format!("/mnt/all/{file}")).await.unwrap();
    assert_eq!(read, value.as_bytes());
}

#[tokio::test]
async fn a_missing_class_is_told() {
    let site = Site::bare(&Cluster::connect().await.unwrap(), "no-class")
        .await
        .unwrap();
    let pod = site
        .create(&PodSpec::new("reader", "nowhere"))
        .await
        .unwrap();
    site.event(&pod, "failed to get secretproviderclass")
        .await
        .unwrap();
    does_not_run(&site, &pod).await;
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told() {
    let (site, [_]) = site_with_secrets("no-provider", ["db"]).await;
    let mut class = class("all", &site.parameters(&secret_object("db")));
    class["spec"]["provider"] = "invalidprovider".into();
    site.apply_class(class).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    site.event(&pod, "invalidprovider").await.unwrap();
    does_not_run(&site, &pod).await;
}

#[tokio::test]
async fn a_missing_object_is_told_and_the_pod_starts_once_it_is_there() {
    let (site, [_]) = site_with_secrets("missing", ["db"]).await;
    let text = "secret later was not found in vault";
    let pod = waits(&site, "later", text, "NotFound").await;
    site.set_secret("later", "here now").await.unwrap();
    starts(&site, &pod, "later", "here now").await;
}

#[tokio::test]
async fn a_missing_role_is_told_and_the_pod_starts_once_it_is_assigned() {
    let (site, [value]) = site_with_secrets("forbidden", ["db"]).await;
    site.revoke().await.unwrap();
    let role = "Key Vault Secrets User";
    let text = format!("assign it the role {role}");
    let pod = waits(&site, "db", &text, "PermissionDenied").await;
    site.assign(&site.client_id, role).await.unwrap();
    starts(&site, &pod, "db", &value).await;
}

#[tokio::test]
async fn a_disabled_secret_is_told_and_the_pod_starts_once_it_is_enabled() {
    let (site, [value]) = site_with_secrets("disabled", ["db"]).await;
    site.enable("db", false).await.unwrap();
    let pod = waits(&site, "db", "is disabled: enable it", "FailedPrecondition").await;
    site.enable("db", true).await.unwrap();
    starts(&site, &pod, "db", &value).await;
}

#[tokio::test]
async fn a_vault_that_does_not_exist_is_told() {
    let (site, [_]) = site_with_secrets("no-vault", ["db"]).await;
    let mut parameters = site.parameters(&secret_object("db"));
    parameters["keyvaultName"] = "kv-vaultbind-nowhere".into();
    site.apply_class(class("all", &parameters)).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    let text = "the name kv-vaultbind-nowhere.vault.azure.net cannot be resolved";
    site.event(&pod, text).await.unwrap();
    does_not_run(&site, &pod).await;
}

#[tokio::test]
async fn a_mistake_in_the_class_is_told() {
    let (site, [_]) = site_with_secrets("mistake", ["db"]).await;
    let entries = objects(&[object("secret", "db", &[("objectAlias", "../escape")])]);
    site.class("all", &entries).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    let event = site.event(&pod, "set a relative path").await.unwrap();
    assert!(event.contains("code = InvalidArgument"), "{event}");
}

#[tokio::test]
async fn a_vault_that_throttles_for_twenty_seconds_delays_the_pod() {
    let (site, [value]) = site_with_secrets("throttled", ["db"]).await;
    let throttle = Action::Status {
        code: 429,
        retry_after: Some(5),
        retry_after_millis: None,
    };
    let fault = site.fault(throttle).await.unwrap();
    site.class("all", &secret_object("db")).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    does_not_run(&site, &pod).await;
    site.mend(fault).await.unwrap();
    starts(&site, &pod, "db", &value).await;
}

#[tokio::test]
async fn a_pod_does_not_start_on_an_empty_volume_while_the_vault_is_down() {
    let (site, [value]) = site_with_secrets("down", ["db"]).await;
    let fault = site.fault(Action::Drop).await.unwrap();
    // Only a final code: with others kubelet may start the pod.
    let pod = waits(&site, "db", "broke before it answered", "Unknown").await;
    site.mend(fault).await.unwrap();
    starts(&site, &pod, "db", &value).await;
}

#[tokio::test]
async fn files_stay_while_the_vault_is_down() {
    let (site, [value]) = site_with_secrets("stay", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let fault = site.fault(Action::Drop).await.unwrap();
    // Not before the provider has tried again, and failed.
    site.calls_more(1).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/all/db").await.unwrap(),
        value.as_bytes()
    );
    let pod_now = site.pods().get(&pod).await.unwrap();
    let restarts = pod_now.status.unwrap().container_statuses.unwrap()[0].restart_count;
    assert_eq!(restarts, 0);
    site.mend(fault).await.unwrap();
}

#[tokio::test]
async fn pods_of_a_known_class_start_while_the_vault_is_down_and_the_log_tells_from_what() {
    let (site, [value]) = site_with_secrets("known", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let first = site.run(&PodSpec::new("first", "all")).await.unwrap();
    let fault = site.fault(Action::Drop).await.unwrap();
    let later = site.run(&PodSpec::new("later", "all")).await.unwrap();
    assert_eq!(
        site.read(&later, "/mnt/all/db").await.unwrap(),
        value.as_bytes()
    );
    site.mend(fault).await.unwrap();

    // Each pod's mount is one line, with its versions and where they came from.
    let log = site.cluster.provider_log().await.unwrap();
    for (pod, source) in [(&first, "from_vault"), (&later, "from_memory")] {
        let told = |line: &&str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            let ours = line["namespace"] == *site.namespace && line["pod"] == **pod;
            let memory = line["from_memory"].as_u64().unwrap_or_default()
                + line["from_memory_stale"].as_u64().unwrap_or_default();
            let from = if memory == 0 {
                "from_vault"
            } else {
                "from_memory"
            };
            let versions = line["versions"].as_str().unwrap_or_default();
            ours && line["result"] == "mounted" && from == source && versions.contains("secret/db=")
        };
        assert!(
            log.lines().any(|line| told(&line)),
            "{pod}: no line says {source}"
        );
    }
}

#[tokio::test]
async fn an_event_is_one_event_however_often_the_mount_is_tried() {
    let (site, [_]) = site_with_secrets("one-event", ["db"]).await;
    site.class("all", &secret_object("gone")).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    site.event(&pod, "was not found").await.unwrap();
    site.calls_more(3).await.unwrap();
    let events = site.events(&pod).await.unwrap();
    let distinct: std::collections::BTreeSet<_> = events
        .iter()
        .filter(|event| event.contains("was not found"))
        .collect();
    assert_eq!(distinct.len(), 1, "{distinct:#?}");
}
