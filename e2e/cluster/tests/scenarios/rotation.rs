//! New versions reach the pods that run.

use std::time::Duration;

use serde_json::json;
use vaultbind_cluster_tests::{Cluster, DriverVersion, PodSpec, class, within};

use crate::support::{object, objects, secret_object, site_with_secrets};

#[tokio::test]
async fn a_rotation_changes_file_synced_secret_and_recorded_version() {
    let (site, [_]) = site_with_secrets("rotation", ["db"]).await;
    let mut class = class("all", &site.parameters(&secret_object("db")));
    class["spec"]["secretObjects"] = json!([{
        "secretName": "synced",
        "type": "Opaque",
        "data": [{ "objectName": "db", "key": "password" }],
    }]);
    site.apply_class(class).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let before = site.recorded(&pod, "all").await.unwrap();

    let rotated = vaultbind_e2e::stage::random("rotated");
    site.set_secret("db", &rotated).await.unwrap();
    site.reads(&pod, "/mnt/all/db", rotated.as_bytes())
        .await
        .unwrap();
    let recorded = || async { Ok((site.recorded(&pod, "all").await? != before).then_some(())) };
    within(Duration::from_secs(60), "the recorded version", recorded)
        .await
        .unwrap();
    let synced = || async {
        let data = site.secrets().get("synced").await?.data.unwrap_or_default();
        let value = data.get("password").map(|value| value.0.clone());
        Ok((value.as_deref() == Some(rotated.as_bytes())).then_some(()))
    };
    within(Duration::from_secs(120), "the synced Secret", synced)
        .await
        .unwrap();
}

#[tokio::test]
async fn unchanged_content_is_not_written_again() {
    let (site, [_]) = site_with_secrets("unchanged", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let link = ["/bin/busybox", "readlink", "/mnt/all/..data"];
    let before = site.exec(&pod, &link).await.unwrap();
    site.calls_more(2).await.unwrap();
    assert_eq!(site.exec(&pod, &link).await.unwrap(), before);
}

#[tokio::test]
async fn annotating_the_pod_rotates_at_once() {
    if Cluster::connect().await.unwrap().driver == DriverVersion::V1_5 {
        // Its rotation is its own, and does not look at pods.
        return;
    }
    let (site, [_]) = site_with_secrets("annotate", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let rotated = vaultbind_e2e::stage::random("rotated");
    site.set_secret("db", &rotated).await.unwrap();
    let read = || async {
        site.touch(&pod).await?;
        let bytes = site.read(&pod, "/mnt/all/db").await?;
        Ok((bytes == rotated.as_bytes()).then_some(()))
    };
    within(Duration::from_secs(15), "the new value", read)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_mounted_by_sub_path_does_not_rotate() {
    let (site, [value]) = site_with_secrets("sub-path", ["db"]).await;
    let entries = objects(&[object("secret", "db", &[])]);
    site.class("all", &entries).await.unwrap();
    let pod = site
        .run(&PodSpec::new("reader", "all").with_sub_path("db"))
        .await
        .unwrap();
    let rotated = vaultbind_e2e::stage::random("rotated");
    site.set_secret("db", &rotated).await.unwrap();
    site.reads(&pod, "/mnt/all/db", rotated.as_bytes())
        .await
        .unwrap();
    assert_eq!(
        site.read(&pod, "/sub/file").await.unwrap(),
        value.as_bytes()
    );
}
