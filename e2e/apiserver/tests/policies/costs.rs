//! The largest objects that may be written are judged: no policy costs more than the API server grants.

use serde_json::{Value, json};

use crate::actor::{annotations, refused, says};
use crate::limits::{class, refusing};
use crate::site::Tenant;

/// As many objects as a binding may have, with the longest names.
fn objects(count: usize) -> Value {
    let name = |number| format!("{}zzz{}{number:03}", "a".repeat(60), "c".repeat(61));
    let objects = (0..count).map(|number| json!({"name": name(number)}));
    objects.collect()
}

/// As many patterns as a class may have.
fn patterns(count: usize, pattern: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(pattern).collect()
}

#[tokio::test]
async fn a_hundred_long_names_are_judged_by_a_hundred_long_patterns() {
    let tenant = Tenant::new("large").await;
    let name = tenant.namespace.clone();
    let long = |number| format!("{}{number:03}*{}", "a".repeat(60), "b".repeat(60));
    let limits = json!({
        "objectNames": patterns(100, long),
        "vaults": patterns(100, |number| format!("{}{number:03}*{}", "k".repeat(120), "v".repeat(120))),
    });
    let mut spec = json!({"vaultClassName": name, "objects": objects(100)});
    spec["vault"] = json!({"uri": format!("https://{}.corp.example", "k".repeat(240)), "tenantID": "t.example"});
    let binding = tenant.binding("payments", &spec);
    let said = refusing(&tenant, &class(&name, &limits), &binding).await;
    says(&said, &["spec.vault:"]);
    // All names that are refused would be more than a message may have.
    let only_names = json!({"objectNames": patterns(100, long)});
    let name = format!("{name}-names");
    spec["vaultClassName"] = json!(name);
    let binding = tenant.binding("payments", &spec);
    let said = refusing(&tenant, &class(&name, &only_names), &binding).await;
    says(
        &said,
        &["spec.objects:", "use other names or another class"],
    );
    // One good name among them does not hide the others, nor the other way round.
    spec["objects"] =
        json!([{"name": "db", "objectName": format!("{}007{}", "a".repeat(60), "b".repeat(60))}]);
    tenant
        .admin
        .try_create(&tenant.binding("payments", &spec))
        .await
        .unwrap();
}

#[tokio::test]
async fn patterns_with_several_stars_are_judged_as_far_as_can_be_paid() {
    let tenant = Tenant::new("stars").await;
    let name = tenant.namespace.clone();
    // Six such patterns beside 90 of the cheap kind.
    let mixed = [
        patterns(90, |number| {
            format!("{}{number:03}*{}", "a".repeat(60), "b".repeat(60))
        }),
        patterns(6, |number| format!("{}{number:03}", "a*b".repeat(60))),
    ]
    .concat();
    let with = |count| {
        tenant.binding(
            "payments",
            &json!({"vaultClassName": name, "objects": objects(count)}),
        )
    };
    refusing(
        &tenant,
        &class(&name, &json!({"objectNames": mixed})),
        &with(100),
    )
    .await;
    let dear = format!("{name}-dear");
    let limits = json!({
        "objectNames": patterns(100, |number| format!("{}{number:03}", "a*b".repeat(60))),
        "vaults": patterns(100, |number| format!("{}{number:03}", "k*v.".repeat(60))),
    });
    let mut few = with(1);
    few["spec"]["vaultClassName"] = json!(dear);
    let said = refusing(
        &tenant,
        &class(&dear, &json!({"objectNames": limits["objectNames"]})),
        &few,
    )
    .await;
    says(&said, &["spec.objects:"]);
    // Past that it passes here, and is the operator's to judge: what it costs refuses nothing.
    tenant.admin.apply(&class(&dear, &limits)).await.unwrap();
    let mut many = with(100);
    many["spec"]["vaultClassName"] = json!(dear);
    many["spec"]["vault"] = json!({
        "uri": format!("https://{}.corp.example", "k".repeat(240)), "tenantID": "t.example",
    });
    tenant.admin.try_create(&many).await.unwrap();
    refused("class-limits", tenant.admin.try_create(&few).await);
}

/// So many that the API server takes, near its limit of 256 KiB.
fn many_annotations() -> Value {
    let pairs =
        (0..2000).map(|number| (format!("example.com/note-{number}"), json!("n".repeat(100))));
    Value::Object(pairs.collect())
}

#[tokio::test]
async fn large_pods_and_workloads_are_refreshed_and_restarted() {
    let tenant = Tenant::with_mighty_operator("large-pods").await;
    let volumes = (0..300).map(|number| json!({"name": format!("v{number}"), "emptyDir": {}}));
    let spec = json!({
        "containers": [{"name": "shop", "image": "none.example/shop"}],
        "volumes": volumes.collect::<Value>(),
    });
    let mut pod = tenant.object("v1", "Pod", "large");
    pod["metadata"]["annotations"] = many_annotations();
    pod["spec"] = spec.clone();
    tenant.editor.create(&pod).await.unwrap();
    let refresh = annotations(&json!({"vaultbind.dev/refresh": "1"}));
    tenant.operator.patch(&pod, &refresh).await.unwrap();
    let other = annotations(&json!({"example.com/note-1999": "m"}));
    refused("operator-pods", tenant.operator.patch(&pod, &other).await);

    let mut workload = tenant.object("apps/v1", "Deployment", "large");
    workload["metadata"]["annotations"] = many_annotations();
    workload["spec"] = json!({
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}, "annotations": many_annotations()},
            "spec": spec,
        },
    });
    tenant.editor.create(&workload).await.unwrap();
    let template =
        |value: &Value| json!({"spec": {"template": {"metadata": {"annotations": value}}}});
    let restart = template(&json!({"vaultbind.dev/restartedAt": "1"}));
    tenant.operator.patch(&workload, &restart).await.unwrap();
    let other = template(&json!({"example.com/note-1999": "m"}));
    refused(
        "operator-workloads",
        tenant.operator.patch(&workload, &other).await,
    );

    let there = tenant.managed("large");
    tenant.operator.apply(&there).await.unwrap();
    let notes = annotations(&many_annotations());
    tenant.admin.patch(&there, &notes).await.unwrap();
    let change = json!({"spec": {"provider": "azure"}});
    refused("managed-classes", tenant.admin.patch(&there, &change).await);
}
