//! Kubernetes Secrets of bindings: there without a pod, read by others as environment, gone with their binding.

use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use vaultbind_cluster_tests::{Site, eventually};

use crate::bindings::rotate;
use crate::support::{kubectl, site_with_secrets};

/// What a Secret holds under a key; nothing while there is none.
async fn held(site: &Site, name: &str, key: &str) -> Option<Vec<u8>> {
    let secret = site.secrets().get_opt(name).await.unwrap()?;
    Some(secret.data?.get(key)?.0.clone())
}

async fn holds(site: &Site, name: &str, key: &str, value: &str) {
    let is = || async {
        let held = held(site, name, key).await;
        Ok((held.as_deref() == Some(value.as_bytes())).then_some(()))
    };
    eventually(&format!("Secret {name} has the value"), is)
        .await
        .unwrap();
}

/// A pod that has a Secret as its environment and mounts nothing.
fn pod(secret: &str) -> Value {
    json!({
        "metadata": {"name": "consumer"},
        "spec": {
            "containers": [{
                "name": "main",
                "image": "bed.local/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["/bin/busybox", "sleep", "86400"],
                "envFrom": [{"secretRef": {"name": secret}}],
            }],
        },
    })
}

#[tokio::test]
async fn a_secret_needs_no_pod_feeds_an_environment_follows_the_vault_and_goes_with_its_binding() {
    let (site, [value]) = site_with_secrets("secret", ["db"]).await;
    let mut binding = site.binding("app", &json!([{ "name": "db" }]));
    let data = json!([{ "key": "DB", "from": "db" }]);
    binding["spec"]["secrets"] = json!([
        { "name": "env", "data": data },
        { "name": "kept", "data": data, "deletionPolicy": "Retain" },
    ]);
    site.bind(binding).await.unwrap();
    // Ready says that the Secrets are there, too: the chart's default class admits them.
    site.ready("app").await.unwrap();
    assert_eq!(held(&site, "env", "DB").await.unwrap(), value.as_bytes());

    let pod = serde_json::from_value(pod("env")).unwrap();
    site.pods()
        .create(&PostParams::default(), &pod)
        .await
        .unwrap();
    site.running("consumer").await.unwrap();
    let environment = site
        .exec("consumer", &["/bin/busybox", "env"])
        .await
        .unwrap();
    let environment = String::from_utf8(environment).unwrap();
    assert!(environment.contains(&format!("DB={value}\n")));

    let rotated = rotate(&site).await;
    let namespace = format!("--namespace={}", site.namespace);
    let asked = "vaultbind.dev/check-requested-at=now";
    kubectl(&["annotate", "vaultbinding", "app", &namespace, asked]);
    holds(&site, "env", "DB", &rotated).await;
    holds(&site, "kept", "DB", &rotated).await;

    let bindings = site.bindings();
    bindings
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    let gone = || async {
        let held = site.secrets().get_opt("env").await?;
        Ok(held.is_none().then_some(()))
    };
    eventually("the garbage collector takes the Secret", gone)
        .await
        .unwrap();
    holds(&site, "kept", "DB", &rotated).await;
}
