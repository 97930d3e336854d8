//! P6: of pods and workloads the operator changes nothing but what refreshes and restarts, also if it had every
//! right to them.

use serde_json::{Value, json};

use crate::actor::{Outcome, annotations, labels, refused, says, without_right};
use crate::site::Tenant;

const PODS: &str = "operator-pods";
const WORKLOADS: &str = "operator-workloads";

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "shop"}, "annotations": {"note": "1"}},
        "spec": {"containers": [{"name": "shop", "image": "none.example/shop"}]},
    })
}

fn pod(tenant: &Tenant, name: &str) -> Value {
    let mut pod = tenant.object("v1", "Pod", name);
    pod["metadata"]["annotations"] = json!({"note": "1"});
    pod["metadata"]["labels"] = json!({"app": "shop"});
    pod["spec"] = template()["spec"].clone();
    pod
}

fn workload(tenant: &Tenant, kind: &str, name: &str) -> Value {
    let selector = json!({"matchLabels": {"app": "shop"}});
    let (version, spec) = match kind {
        "Job" => {
            let mut template = template();
            template["spec"]["restartPolicy"] = json!("Never");
            ("batch/v1", json!({"template": template}))
        }
        "CronJob" => {
            let mut template = template();
            template["spec"]["restartPolicy"] = json!("Never");
            let job = json!({"spec": {"template": template}});
            (
                "batch/v1",
                json!({"schedule": "0 0 1 1 *", "jobTemplate": job}),
            )
        }
        "ReplicationController" => ("v1", json!({"template": template()})),
        "StatefulSet" => {
            let spec = json!({"selector": selector, "template": template(), "serviceName": "shop"});
            ("apps/v1", spec)
        }
        _ => (
            "apps/v1",
            json!({"selector": selector, "template": template()}),
        ),
    };
    let mut workload = tenant.object(version, kind, name);
    workload["metadata"]["annotations"] = json!({"note": "1"});
    workload["spec"] = spec;
    workload
}

fn restart(at: &Value) -> Value {
    template_of(&json!({"metadata": {"annotations": {"vaultbind.dev/restartedAt": at}}}))
}

fn template_of(patch: &Value) -> Value {
    json!({"spec": {"template": patch}})
}

#[tokio::test]
async fn a_pod_is_refreshed_and_evicted() {
    let tenant = Tenant::with_mighty_operator("refresh").await;
    let pod = pod(&tenant, "shop");
    tenant.editor.create(&pod).await.unwrap();
    for value in [json!("1"), json!("2"), Value::Null] {
        let refresh = annotations(&json!({"vaultbind.dev/refresh": value}));
        tenant.operator.patch(&pod, &refresh).await.unwrap();
        without_right(tenant.reader.patch(&pod, &refresh).await);
    }
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": "shop", "namespace": tenant.namespace},
    });
    tenant
        .operator
        .create_part(&pod, "eviction", &eviction)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_workload_is_restarted() {
    let tenant = Tenant::with_mighty_operator("restart").await;
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let workload = workload(&tenant, kind, "shop");
        tenant.editor.create(&workload).await.unwrap();
        for at in [
            json!("2026-01-01T00:00:00Z"),
            json!("2026-01-02T00:00:00Z"),
            Value::Null,
        ] {
            tenant
                .operator
                .patch(&workload, &restart(&at))
                .await
                .unwrap();
        }
        // As a template comes that has no annotations, nor labels of the workload.
        let bare = json!({
            "metadata": {"annotations": null}, "spec": {"template": {"metadata": {"annotations": null}}},
        });
        tenant.editor.patch(&workload, &bare).await.unwrap();
        tenant
            .operator
            .patch(&workload, &restart(&json!("2026-01-03T00:00:00Z")))
            .await
            .unwrap();
        tenant
            .operator
            .apply(&{
                let mut wanted = restart(&json!("2026-01-04T00:00:00Z"));
                for field in ["apiVersion", "kind", "metadata"] {
                    wanted[field] = workload[field].clone();
                }
                wanted["metadata"]["annotations"].take();
                wanted
            })
            .await
            .unwrap();
        without_right(tenant.reader.patch(&workload, &restart(&json!("1"))).await);
        tenant
            .editor
            .patch(&workload, &template_of(&template()))
            .await
            .unwrap();
    }
}

/// Escalation: whoever has the operator's token changes what runs, and has every Secret and ServiceAccount of
/// the namespace.
#[tokio::test]
async fn escalation_by_a_pod_is_refused() {
    let tenant = Tenant::with_mighty_operator("pods").await;
    let there = pod(&tenant, "shop");
    tenant.editor.create(&there).await.unwrap();
    let image = json!({"spec": {"containers": [{"name": "shop", "image": "none.example/evil"}]}});
    for change in [
        image.clone(),
        json!({"spec": {"activeDeadlineSeconds": 1}}),
        labels(&json!({"app": "other"})),
        labels(&json!({"more": "1"})),
        annotations(&json!({"note": "2"})),
        annotations(&json!({"note": null})),
        annotations(&json!({"vaultbind.dev/refresh-all": "1"})),
        annotations(&json!({"vaultbind.dev/refresh": "1", "other": "1"})),
        json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        json!({"metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1",
        }]}}),
    ] {
        let said = refused(PODS, tenant.operator.patch(&there, &change).await);
        says(&said, &["vaultbind.dev/refresh"]);
    }
    let debug =
        json!({"spec": {"ephemeralContainers": [{"name": "sh", "image": "none.example/evil"}]}});
    refused(
        PODS,
        tenant
            .operator
            .patch_part(&there, "ephemeralcontainers", &debug)
            .await,
    );
    let status = json!({"status": {"phase": "Succeeded"}});
    refused(
        PODS,
        tenant.operator.patch_part(&there, "status", &status).await,
    );
    let node = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "shop"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node"},
    });
    refused(
        PODS,
        tenant.operator.create_part(&there, "binding", &node).await,
    );
    // To run a command in one.
    let exec: Outcome<Value> = tenant
        .operator
        .create_part(&there, "exec?command=id", &json!({}))
        .await;
    refused(PODS, exec);
    refused(PODS, tenant.operator.create(&pod(&tenant, "new")).await);
    refused(PODS, tenant.operator.delete(&there).await);
    refused(PODS, tenant.operator.delete_all(&there).await);
    // Others are as they were.
    tenant.editor.patch(&there, &image).await.unwrap();
    tenant.editor.delete(&there).await.unwrap();
}

/// The same by way of a workload's template.
#[tokio::test]
async fn escalation_by_a_workload_is_refused() {
    let tenant = Tenant::with_mighty_operator("workloads").await;
    let evil = json!({"containers": [{"name": "shop", "image": "none.example/evil"}]});
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let mut there = workload(&tenant, kind, "shop");
        there["spec"]["minReadySeconds"] = json!(5);
        there["spec"]["template"]["metadata"]["name"] = json!("shop");
        tenant.editor.create(&there).await.unwrap();
        for change in [
            template_of(&json!({"metadata": {"name": null}})),
            json!({"spec": {"minReadySeconds": null}}),
            template_of(&json!({"spec": evil})),
            template_of(&json!({"spec": {"serviceAccountName": "editor"}})),
            template_of(&json!({"metadata": {"annotations": {"note": "2"}}})),
            template_of(&json!({"metadata": {"annotations": {"note": null}}})),
            template_of(&json!({"metadata": {"annotations": null}})),
            template_of(
                &json!({"metadata": {"annotations": {"vaultbind.dev/restartedAt": "1", "x": "1"}}}),
            ),
            template_of(&json!({"metadata": {"labels": {"more": "1"}}})),
            json!({"spec": {"minReadySeconds": 9}}),
            labels(&json!({"more": "1"})),
            annotations(&json!({"note": "2"})),
            annotations(&json!({"vaultbind.dev/restartedAt": "1"})),
            json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        ] {
            let said = refused(WORKLOADS, tenant.operator.patch(&there, &change).await);
            says(&said, &["vaultbind.dev/restartedAt"]);
        }
        let mut status = json!({"status": {"observedGeneration": 7}});
        if kind != "DaemonSet" {
            let replicas = json!({"spec": {"replicas": 0}});
            refused(WORKLOADS, tenant.operator.patch(&there, &replicas).await);
            refused(
                WORKLOADS,
                tenant.operator.patch_part(&there, "scale", &replicas).await,
            );
            tenant
                .editor
                .patch_part(&there, "scale", &replicas)
                .await
                .unwrap();
            status["status"]["replicas"] = json!(0);
        }
        refused(
            WORKLOADS,
            tenant.operator.patch_part(&there, "status", &status).await,
        );
        refused(
            WORKLOADS,
            tenant
                .operator
                .create(&workload(&tenant, kind, "new"))
                .await,
        );
        refused(WORKLOADS, tenant.operator.delete(&there).await);
        refused(WORKLOADS, tenant.operator.delete_all(&there).await);
        tenant
            .editor
            .patch(&there, &template_of(&json!({"spec": evil})))
            .await
            .unwrap();
    }
    // What cannot be restarted is not touched at all.
    for kind in ["ReplicaSet", "Job", "CronJob", "ReplicationController"] {
        let there = workload(&tenant, kind, "shop");
        refused(WORKLOADS, tenant.operator.create(&there).await);
        tenant.editor.create(&there).await.unwrap();
        if kind != "Job" {
            let again = restart(&json!("1"));
            refused(WORKLOADS, tenant.operator.patch(&there, &again).await);
        }
        refused(
            WORKLOADS,
            tenant
                .operator
                .patch(&there, &labels(&json!({"a": "b"})))
                .await,
        );
        refused(WORKLOADS, tenant.operator.delete(&there).await);
    }
}
