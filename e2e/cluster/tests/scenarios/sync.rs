//! Kubernetes Secrets that the driver keeps in step with mounted files.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use vaultbind_cluster_tests::{PodSpec, Site, class, eventually, within};

use crate::support::{object, objects, site, site_with_secrets};

async fn synced(site: &Site, name: &str) -> Secret {
    let ask = || async { Ok(site.secrets().get_opt(name).await?) };
    eventually("the Secret is there", ask).await.unwrap()
}

async fn owners(site: &Site, name: &str, count: usize) {
    let ask = || async {
        let secret = site.secrets().get(name).await?;
        let owners = secret.metadata.owner_references.unwrap_or_default();
        Ok((owners.len() == count).then_some(()))
    };
    within(Duration::from_secs(90), "the Secret's owners", ask)
        .await
        .unwrap();
}

fn class_with_secret(site: &Site, name: &str, entries: &str, secret: &Value) -> Value {
    let mut class = class(name, &site.parameters(entries));
    class["spec"]["secretObjects"] = json!([secret]);
    class
}

#[tokio::test]
async fn a_secret_is_synced_labelled_read_as_environment_and_goes_with_the_last_pod() {
    let (site, [value]) = site_with_secrets("sync", ["db"]).await;
    let entries = objects(&[object("secret", "db", &[("objectAlias", "alias")])]);
    let secret = json!({
        "secretName": "synced",
        "type": "Opaque",
        "labels": { "environment": "test" },
        "data": [{ "objectName": "alias", "key": "username" }],
    });
    site.apply_class(class_with_secret(&site, "all", &entries, &secret))
        .await
        .unwrap();
    let first = PodSpec::new("first", "all").with_environment("USERNAME", "synced", "username");
    let second = PodSpec::new("second", "all");
    let post = kube::api::PostParams::default();
    for pods in [&first, &second] {
        let deployment = serde_json::from_value(pods.deployment(2)).unwrap();
        site.deployments().create(&post, &deployment).await.unwrap();
    }
    let secret = synced(&site, "synced").await;
    let labels = secret.metadata.labels.unwrap();
    assert_eq!(labels.get("environment").map(String::as_str), Some("test"));
    let managed = labels.get("secrets-store.csi.k8s.io/managed");
    assert_eq!(managed.map(String::as_str), Some("true"));
    assert_eq!(secret.data.unwrap()["username"].0, value.as_bytes());
    owners(&site, "synced", 2).await;

    let labels = kube::api::ListParams::default().labels("app=first");
    let pods = site.pods().list(&labels).await.unwrap();
    let pod = pods.items[0].metadata.name.clone().unwrap();
    site.running(&pod).await.unwrap();
    let environment = site
        .exec(&pod, &["/bin/busybox", "sh", "-c", "echo $USERNAME"])
        .await
        .unwrap();
    assert_eq!(String::from_utf8(environment).unwrap().trim_end(), value);

    let foreground = kube::api::DeleteParams::foreground();
    site.deployments()
        .delete("first", &foreground)
        .await
        .unwrap();
    owners(&site, "synced", 1).await;
    site.deployments()
        .delete("second", &foreground)
        .await
        .unwrap();
    let gone = || async {
        Ok(site
            .secrets()
            .get_opt("synced")
            .await?
            .is_none()
            .then_some(()))
    };
    within(Duration::from_secs(90), "the Secret is gone", gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_is_synced_as_a_tls_secret() {
    let vault = "  certificates: [{name: web, subject: CN=web, issuer: Chain, key: {type: RSA, size: 2048}}]\n";
    let site = site("sync-tls", vault).await;
    let entries = objects(&[object("secret", "web", &[])]);
    let secret = json!({
        "secretName": "web-tls",
        "type": "kubernetes.io/tls",
        "data": [
            { "objectName": "web", "key": "tls.crt" },
            { "objectName": "web", "key": "tls.key" },
        ],
    });
    site.apply_class(class_with_secret(&site, "all", &entries, &secret))
        .await
        .unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let secret = synced(&site, "web-tls").await;
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    let data = secret.data.unwrap();
    let pem = String::from_utf8(site.read(&pod, "/mnt/all/web").await.unwrap()).unwrap();
    let certificates = pem.find("-----BEGIN CERTIFICATE-----").unwrap();
    assert_eq!(
        String::from_utf8(data["tls.crt"].0.clone()).unwrap(),
        pem[certificates..]
    );
    let key = String::from_utf8(data["tls.key"].0.clone()).unwrap();
    assert!(
        key.starts_with("-----BEGIN RSA PRIVATE KEY-----"),
        "the driver writes PKCS#1"
    );
}

#[tokio::test]
async fn a_bare_pod_with_two_classes_syncs_two_secrets_it_owns() {
    let (site, [one, two]) = site_with_secrets("sync-two", ["one", "two"]).await;
    for name in ["one", "two"] {
        let entries = objects(&[object("secret", name, &[("objectAlias", "alias")])]);
        let secret = json!({
            "secretName": format!("synced-{name}"),
            "type": "Opaque",
            "data": [{ "objectName": "alias", "key": "username" }],
        });
        site.apply_class(class_with_secret(&site, name, &entries, &secret))
            .await
            .unwrap();
    }
    let pod = site
        .run(&PodSpec::new("reader", "one").and_class("two"))
        .await
        .unwrap();
    for (name, value) in [("one", one), ("two", two)] {
        let path = format!("/mnt/{name}/alias");
        assert_eq!(site.read(&pod, &path).await.unwrap(), value.as_bytes());
        let secret = synced(&site, &format!("synced-{name}")).await;
        assert_eq!(secret.data.unwrap()["username"].0, value.as_bytes());
        owners(&site, &format!("synced-{name}"), 1).await;
    }
}
