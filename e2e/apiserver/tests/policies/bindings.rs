//! P9: of what people write, the operator changes its finalizer on bindings and its list of what is left in Azure.

use serde_json::{Value, json};

use crate::actor::{annotations, labels, refused, says, without_right};
use crate::site::{OPERATOR, Tenant, eventually};

const FINALIZER: &str = "vaultbind.dev/azure";
const LIST: &str = "vaultbind-orphans";

fn finalizers(all: &[&str]) -> Value {
    json!({"metadata": {"finalizers": all}})
}

#[tokio::test]
async fn the_operator_puts_its_finalizer_on_a_binding_and_takes_it_off() {
    let tenant = Tenant::new("finalizer").await;
    let mut binding = tenant.binding("payments", &Value::Null);
    binding["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let there = tenant.editor.create(&binding).await.unwrap();
    // As it writes: only if nobody else has changed anything since.
    let mut on = finalizers(&["example.com/hold", FINALIZER]);
    on["metadata"]["resourceVersion"] = json!(there.metadata.resource_version);
    let there = tenant.operator.patch(&binding, &on).await.unwrap();
    let stale = tenant.operator.patch(&binding, &on).await.unwrap_err();
    assert_eq!(stale.code, 409, "{stale:?}");
    let found = there.metadata.finalizers.unwrap();
    assert_eq!(found, ["example.com/hold", FINALIZER]);
    let status = json!({"status": {"observedGeneration": 1}});
    tenant
        .operator
        .patch_part(&binding, "status", &status)
        .await
        .unwrap();
    let off = finalizers(&["example.com/hold"]);
    tenant.operator.patch(&binding, &off).await.unwrap();
    tenant.operator.patch(&binding, &on_again()).await.unwrap();

    // A binding that is deleted goes when the last is off.
    tenant.editor.delete(&binding).await.unwrap();
    tenant.operator.patch(&binding, &off).await.unwrap();
    let held = tenant.admin.get(&binding).await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    tenant
        .editor
        .patch(&binding, &finalizers(&[]))
        .await
        .unwrap();
    assert_eq!(tenant.admin.get(&binding).await.unwrap_err().code, 404);
}

fn on_again() -> Value {
    finalizers(&["example.com/hold", FINALIZER])
}

#[tokio::test]
async fn the_operator_changes_nothing_else_of_a_binding() {
    const POLICY: &str = "operator-bindings";
    let tenant = Tenant::with_mighty_operator("only-finalizer").await;
    let mut binding = tenant.binding("payments", &Value::Null);
    binding["metadata"]["finalizers"] = json!(["example.com/a", "example.com/b"]);
    binding["metadata"]["labels"] = json!({"team": "pay"});
    let there = tenant.admin.create(&binding).await.unwrap();
    let operator = &tenant.operator;
    let with_own = |change: Value| {
        let mut change = change;
        change["metadata"]["finalizers"] = json!(["example.com/a", "example.com/b", FINALIZER]);
        change
    };
    let vault = json!({"spec": {"vault": {"name": "kv-elsewhere"}}});
    for change in [
        vault.clone(),
        with_own(vault),
        json!({"spec": {"deletionPolicy": "Retain"}}),
        json!({"spec": {"identity": {"serviceAccountName": "default"}}}),
        labels(&json!({"team": "x"})),
        labels(&json!({"team": null})),
        labels(&json!({"more": "x"})),
        annotations(&json!({"vaultbind.dev/check-requested-at": "2026-01-01T00:00:00Z"})),
        with_own(annotations(&json!({"a": "b"}))),
        tenant.owner().await,
        finalizers(&["example.com/a"]),
        finalizers(&["example.com/a", FINALIZER]),
        finalizers(&[]),
        finalizers(&["example.com/a", "example.com/b", "example.com/c"]),
        finalizers(&["example.com/a", "example.com/b", "vaultbind.dev/azure2"]),
    ] {
        let said = refused(POLICY, operator.patch(&binding, &change).await);
        says(
            &said,
            &[
                "nothing of a VaultBinding but",
                FINALIZER,
                "metadata.finalizers",
            ],
        );
    }
    refused(
        POLICY,
        operator.create(&tenant.binding("own", &Value::Null)).await,
    );
    refused(
        POLICY,
        operator.apply(&tenant.binding("own", &Value::Null)).await,
    );
    refused(POLICY, operator.delete(&binding).await);
    refused(POLICY, operator.delete_all(&binding).await);
    let now = tenant.admin.get(&binding).await.unwrap();
    assert_eq!(
        now.metadata.resource_version,
        there.metadata.resource_version
    );
    operator
        .patch(&binding, &with_own(json!({})))
        .await
        .unwrap();
    // People do as they like, also with the operator's finalizer.
    tenant
        .editor
        .patch(&binding, &finalizers(&[]))
        .await
        .unwrap();
    tenant.editor.delete(&binding).await.unwrap();
}

#[tokio::test]
async fn whoever_may_not_write_bindings_may_not_take_the_finalizer_off() {
    let tenant = Tenant::new("others").await;
    let mut binding = tenant.binding("payments", &Value::Null);
    binding["metadata"]["finalizers"] = json!([FINALIZER]);
    tenant.editor.create(&binding).await.unwrap();
    without_right(tenant.reader.patch(&binding, &finalizers(&[])).await);
    // By the chart's rights the operator neither makes bindings nor deletes them.
    let own = tenant.binding("own", &Value::Null);
    without_right(tenant.operator.create(&own).await);
    without_right(tenant.operator.delete(&binding).await);
    without_right(tenant.operator.delete_all(&binding).await);
    tenant
        .editor
        .patch(&binding, &finalizers(&[]))
        .await
        .unwrap();
}

fn list(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
    })
}

fn data(data: &Value) -> Value {
    json!({"data": data})
}

#[tokio::test]
async fn the_operator_adds_to_the_list_of_what_is_left_and_takes_nothing_away() {
    const POLICY: &str = "operator-orphans";
    let tenant = Tenant::new("orphans").await;
    let list = list(OPERATOR.0, LIST);
    let operator = &tenant.operator;
    for entry in [
        json!({"first": "a"}),
        json!({"second": "b"}),
        json!({"first": "c"}),
    ] {
        operator.patch(&list, &data(&entry)).await.unwrap();
    }
    let found = operator.get(&list).await.unwrap();
    assert_eq!(found.data["data"], json!({"first": "c", "second": "b"}));
    for change in [
        data(&json!({"first": null})),
        data(&json!({"first": null, "third": "d"})),
        data(&Value::Null),
        json!({"binaryData": {"first2": "YQ=="}}),
        json!({"immutable": true}),
        labels(&json!({"app.kubernetes.io/managed-by": "x"})),
        annotations(&json!({"helm.sh/resource-policy": null})),
        finalizers(&[FINALIZER]),
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "app", "uid": "u",
        }]}}),
    ] {
        let said = refused(POLICY, operator.patch(&list, &change).await);
        says(&said, &[LIST, "takes nothing away"]);
    }
    without_right(operator.delete(&list).await);
    without_right(operator.create(&list).await);
    // Not theirs, and people empty it.
    without_right(tenant.editor.patch(&list, &data(&json!({"a": "b"}))).await);
    without_right(tenant.reader.patch(&list, &data(&json!({"a": "b"}))).await);
    tenant
        .admin
        .patch(&list, &data(&json!({"first": null, "second": null})))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_operator_writes_no_other_config_map() {
    const POLICY: &str = "operator-orphans";
    let poor = Tenant::new("no-config-maps").await;
    let theirs = list(&poor.namespace, "theirs");
    poor.editor.create(&theirs).await.unwrap();
    without_right(poor.operator.get(&theirs).await);
    without_right(
        poor.operator
            .patch(&theirs, &data(&json!({"a": "b"})))
            .await,
    );
    let other = list(OPERATOR.0, "kube-root-ca.crt");
    without_right(poor.operator.patch(&other, &data(&json!({"a": "b"}))).await);

    let tenant = Tenant::with_mighty_operator("config-maps").await;
    let operator = &tenant.operator;
    for name in ["theirs", LIST] {
        let theirs = list(&tenant.namespace, name);
        let said = refused(POLICY, operator.create(&theirs).await);
        says(&said, &["no ConfigMap but", LIST, "its own namespace"]);
        tenant.editor.create(&theirs).await.unwrap();
        refused(
            POLICY,
            operator.patch(&theirs, &data(&json!({"a": "b"}))).await,
        );
        refused(POLICY, operator.delete(&theirs).await);
        refused(POLICY, operator.delete_all(&theirs).await);
        tenant
            .editor
            .patch(&theirs, &data(&json!({"a": "b"})))
            .await
            .unwrap();
        tenant.editor.delete(&theirs).await.unwrap();
    }
    let (admin, namespace) = (&tenant.admin, &tenant.namespace);
    eventually("nothing is left", || async move {
        admin.get(&list(namespace, "theirs")).await.err()
    })
    .await;
}
