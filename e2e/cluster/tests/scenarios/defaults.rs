//! A driver as it comes: rotation every two minutes, and tokens handed over in the volume's attributes.

use vaultbind_cluster_tests::PodSpec;

use crate::support::{secret_object, site_with_secrets};

#[tokio::test]
async fn default_a_rotation_comes_with_the_drivers_interval() {
    let (site, [value]) = site_with_secrets("default-rotation", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/all/db").await.unwrap(),
        value.as_bytes()
    );
    let rotated = vaultbind_e2e::stage::random("rotated");
    site.set_secret("db", &rotated).await.unwrap();
    site.reads(&pod, "/mnt/all/db", rotated.as_bytes())
        .await
        .unwrap();
}
