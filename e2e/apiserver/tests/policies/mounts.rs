//! P8: in a namespace that asks for it nothing is mounted but what a binding says.

use serde_json::{Value, json};

use crate::actor::{labels, refused, says, without_right};
use crate::site::{Tenant, eventually, site};

const PODS: &str = "only-bindings-pods";
const CLASSES: &str = "only-bindings-classes";

/// Puts the label on the namespace, and waits until it counts.
async fn ask(tenant: &Tenant) {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant.namespace},
    });
    let label = labels(&json!({"vaultbind.dev/only-bindings": "true"}));
    tenant.admin.patch(&namespace, &label).await.unwrap();
    let probe = tenant.class("probe");
    let (admin, probe) = (&tenant.admin, &probe);
    eventually("the label counts", || async move {
        admin.try_create(probe).await.err()
    })
    .await;
}

fn pod(tenant: &Tenant, name: &str, csi: &Value) -> Value {
    let mut pod = tenant.object("v1", "Pod", name);
    pod["spec"] = json!({
        "containers": [{"name": "shop", "image": "none.example/shop"}],
        "volumes": [{"name": "none", "emptyDir": {}}, {"name": "vault", "csi": csi}],
    });
    pod
}

fn volume(attributes: &Value) -> Value {
    json!({"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": attributes})
}

#[tokio::test]
async fn a_volume_names_a_class_and_nothing_else() {
    let tenant = Tenant::of_classes("mounts").await;
    let good = volume(&json!({"secretProviderClass": "payments"}));
    let mut credentials = good.clone();
    credentials["nodePublishSecretRef"] = json!({"name": "credentials"});
    let attribute = |key: &str| volume(&json!({"secretProviderClass": "payments", key: "x"}));
    let bad = [
        (attribute("clientID"), "secretProviderClass"),
        (attribute("objects"), "secretProviderClass"),
        (attribute("keyvaultName"), "secretProviderClass"),
        (credentials, "nodePublishSecretRef"),
    ];
    // Without the label nothing is asked.
    for (csi, _) in &bad {
        tenant
            .editor
            .try_create(&pod(&tenant, "free", csi))
            .await
            .unwrap();
    }
    ask(&tenant).await;
    tenant
        .editor
        .create(&pod(&tenant, "good", &good))
        .await
        .unwrap();
    let other = json!({"driver": "csi.example", "volumeAttributes": {"clientID": "x"}});
    tenant
        .editor
        .create(&pod(&tenant, "other", &other))
        .await
        .unwrap();
    let mut bare = pod(&tenant, "bare", &good);
    bare["spec"].as_object_mut().unwrap().remove("volumes");
    tenant.editor.create(&bare).await.unwrap();
    for (csi, what) in &bad {
        let said = refused(PODS, tenant.editor.create(&pod(&tenant, "bad", csi)).await);
        says(&said, &[what]);
        refused(PODS, tenant.admin.create(&pod(&tenant, "bad", csi)).await);
        without_right(tenant.reader.create(&pod(&tenant, "bad", csi)).await);
    }
    // One bad volume among good ones is enough, and pods that are there can be changed and go.
    let mut mixed = pod(&tenant, "mixed", &good);
    let second = json!({"name": "second", "csi": bad[0].0});
    mixed["spec"]["volumes"]
        .as_array_mut()
        .unwrap()
        .push(second);
    refused(PODS, tenant.editor.create(&mixed).await);
    let there = pod(&tenant, "good", &good);
    tenant
        .editor
        .patch(&there, &labels(&json!({"a": "b"})))
        .await
        .unwrap();
    tenant.editor.delete(&there).await.unwrap();
}

#[tokio::test]
async fn classes_are_the_operators() {
    let tenant = Tenant::of_classes("only").await;
    let old = tenant.class("old");
    tenant.editor.create(&old).await.unwrap();
    ask(&tenant).await;
    for who in [&tenant.editor, &tenant.admin] {
        let said = refused(CLASSES, who.create(&tenant.class("own")).await);
        says(&said, &["write a VaultBinding"]);
        let change = json!({"spec": {"parameters": {"objects": "[other]"}}});
        refused(CLASSES, who.patch(&old, &change).await);
    }
    without_right(tenant.reader.create(&tenant.class("own")).await);
    // What does not decide what is mounted is free, and so is the way out.
    tenant
        .editor
        .patch(&old, &labels(&json!({"a": "b"})))
        .await
        .unwrap();
    tenant.editor.delete(&old).await.unwrap();
    tenant
        .editor
        .create(&tenant.binding("payments", &Value::Null))
        .await
        .unwrap();
    tenant
        .operator
        .apply(&tenant.managed("payments"))
        .await
        .unwrap();
    let restorer = site().await.restorer();
    restorer.create(&tenant.managed("shop")).await.unwrap();
}
