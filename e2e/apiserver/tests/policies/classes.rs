//! P5: the operator's SecretProviderClasses are changed by nobody else, and can still be collected.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::actor::{annotations, labels, refused, says, without_right};
use crate::site::{Tenant, eventually, marks, site};

const POLICY: &str = "managed-classes";

/// A binding with its class, as the operator makes it.
async fn bound(tenant: &Tenant, name: &str) -> (Value, Value) {
    let binding = tenant.binding(name, &Value::Null);
    let uid = tenant.editor.create(&binding).await.unwrap().metadata.uid;
    let mut class = tenant.managed(name);
    class["metadata"]["annotations"] = json!({"vaultbind.dev/previous": "{}"});
    class["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding", "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": false,
    }]);
    tenant.operator.apply(&class).await.unwrap();
    (binding, class)
}

#[tokio::test]
async fn what_the_operator_keeps_is_not_edited() {
    let tenant = Tenant::of_classes("edited").await;
    let (_, class) = bound(&tenant, "payments").await;
    for who in [&tenant.editor, &tenant.admin] {
        for change in [
            json!({"spec": {"parameters": {"objects": "[other]"}}}),
            json!({"spec": {"provider": "azure"}}),
            json!({"spec": {"secretObjects": [{
                "secretName": "s", "type": "Opaque", "data": [{"objectName": "a", "key": "b"}],
            }]}}),
            labels(&json!({"vaultbind.dev/binding": "shop"})),
            labels(&json!({"vaultbind.dev/binding": null})),
            labels(&json!({"vaultbind.dev/binding": null, "app.kubernetes.io/managed-by": null})),
            annotations(&json!({"vaultbind.dev/previous": "{\"secret/db\":\"0\"}"})),
            annotations(&json!({"vaultbind.dev/previous": null})),
            annotations(&json!({"vaultbind.dev/of-tomorrow": "x"})),
        ] {
            let said = refused(POLICY, who.patch(&class, &change).await);
            says(&said, &["made from the VaultBinding of their name"]);
        }
        // What is theirs is theirs.
        let own = json!({"metadata": {"labels": {"team": "pay"}, "annotations": {"note": "1"}}});
        who.patch(&class, &own).await.unwrap();
    }
    without_right(
        tenant
            .reader
            .patch(&class, &labels(&json!({"a": "b"})))
            .await,
    );
    // The operator goes on.
    let mut changed = class.clone();
    changed["spec"]["parameters"]["objects"] = json!("[new]");
    changed["metadata"]["annotations"] = json!({"vaultbind.dev/previous": "{\"a\":\"b\"}"});
    tenant.operator.apply(&changed).await.unwrap();
    // Whoever does not want it may delete it.
    tenant.editor.delete(&class).await.unwrap();
}

#[tokio::test]
async fn nobody_makes_one_up() {
    let tenant = Tenant::of_classes("made-up").await;
    refused(
        POLICY,
        tenant.editor.create(&tenant.managed("payments")).await,
    );
    let own = tenant.class("payments");
    tenant.editor.create(&own).await.unwrap();
    refused(
        POLICY,
        tenant.editor.patch(&own, &labels(&marks("payments"))).await,
    );
    // One of the labels means nothing, and a class of one's own is edited freely.
    let half = labels(&json!({"app.kubernetes.io/managed-by": "vaultbind"}));
    tenant.editor.patch(&own, &half).await.unwrap();
    let change = json!({"spec": {"parameters": {"objects": "[other]"}}});
    tenant.editor.patch(&own, &change).await.unwrap();
}

#[tokio::test]
async fn a_class_that_was_retained_can_be_had() {
    let tenant = Tenant::of_classes("retained").await;
    let class = tenant.managed("payments");
    tenant.operator.apply(&class).await.unwrap();
    let change = json!({"spec": {"parameters": {"objects": "[other]"}}});
    refused(POLICY, tenant.editor.patch(&class, &change).await);
    let mut take =
        labels(&json!({"vaultbind.dev/binding": null, "app.kubernetes.io/managed-by": null}));
    take["spec"] = change["spec"].clone();
    refused(POLICY, tenant.editor.patch(&class, &take).await);
    take["spec"].take();
    let take = labels(&take["metadata"]["labels"]);
    tenant.editor.patch(&class, &take).await.unwrap();
    tenant.editor.patch(&class, &change).await.unwrap();
}

#[tokio::test]
async fn a_backup_is_brought_back_by_whom_the_chart_names() {
    let tenant = Tenant::of_classes("restored").await;
    let class = tenant.managed("payments");
    refused(POLICY, tenant.admin.create(&class).await);
    let restorer = site().await.restorer();
    restorer.create(&class).await.unwrap();
    let change = json!({"spec": {"parameters": {"objects": "[other]"}}});
    restorer.patch(&class, &change).await.unwrap();
}

#[tokio::test]
async fn the_garbage_collector_takes_a_class_with_its_binding() {
    let tenant = Tenant::of_classes("collected").await;
    let (binding, class) = bound(&tenant, "payments").await;
    // Another owner that goes is taken from the list: a write of the collector's.
    let owner = tenant.object("v1", "ConfigMap", "app");
    let uid = tenant
        .admin
        .create(&owner)
        .await
        .unwrap()
        .metadata
        .uid
        .unwrap();
    let found = tenant.admin.get(&class).await.unwrap();
    let mut owners = json!(found.metadata.owner_references);
    owners.as_array_mut().unwrap().push(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": uid,
    }));
    let both = json!({"metadata": {"ownerReferences": owners}});
    tenant.editor.patch(&class, &both).await.unwrap();
    tenant.admin.delete(&owner).await.unwrap();
    let (admin, class) = (&tenant.admin, &class);
    eventually(
        "the owner that is gone is taken from the list",
        || async move {
            let found = admin.get(class).await.unwrap().metadata.owner_references?;
            (found.len() == 1).then_some(())
        },
    )
    .await;
    tenant.editor.delete(&binding).await.unwrap();
    eventually("the class goes with its binding", || async move {
        admin
            .get(class)
            .await
            .err()
            .filter(|status| status.code == 404)
    })
    .await;
}

#[tokio::test]
async fn all_ways_of_deleting_a_binding_work() {
    let tenant = Tenant::of_classes("ways").await;
    let admin = &tenant.admin;
    // In the foreground the collector adds and removes finalizers.
    let (binding, class) = bound(&tenant, "foreground").await;
    tenant
        .editor
        .delete_with(&binding, &DeleteParams::foreground())
        .await
        .unwrap();
    for object in [&binding, &class] {
        eventually("both go", || async move {
            admin
                .get(object)
                .await
                .err()
                .filter(|status| status.code == 404)
        })
        .await;
    }
    // As an orphan the class loses its owner.
    let (binding, class) = bound(&tenant, "orphan").await;
    tenant
        .editor
        .delete_with(&binding, &DeleteParams::orphan())
        .await
        .unwrap();
    let (binding, class) = (&binding, &class);
    eventually("the binding goes", || async move {
        admin
            .get(binding)
            .await
            .err()
            .filter(|status| status.code == 404)
    })
    .await;
    let found = admin.get(class).await.unwrap();
    assert_eq!(found.metadata.owner_references.unwrap_or_default(), []);
}

#[tokio::test]
async fn a_namespace_can_be_deleted_with_all_that_is_in_it() {
    let tenant = Tenant::of_classes("doomed").await;
    let (_, class) = bound(&tenant, "payments").await;
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    tenant.editor.patch(&class, &hold).await.unwrap();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant.namespace},
    });
    tenant.admin.delete(&namespace).await.unwrap();
    let (admin, class, namespace) = (&tenant.admin, &class, &namespace);
    eventually("the class is being deleted", || async move {
        admin.get(class).await.unwrap().metadata.deletion_timestamp
    })
    .await;
    // Whoever holds it lets go.
    let release = json!({"metadata": {"finalizers": null}});
    admin.patch(class, &release).await.unwrap();
    eventually("the namespace is gone", || async move {
        admin
            .get(namespace)
            .await
            .err()
            .filter(|status| status.code == 404)
    })
    .await;
}
