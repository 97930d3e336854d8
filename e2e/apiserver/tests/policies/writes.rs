//! P3: what the operator may write, also if it had every right to Secrets and SecretProviderClasses.

use serde_json::{Value, json};

use crate::actor::{labels, refused, says, without_right};
use crate::site::{Tenant, marks};

const POLICY: &str = "operator-writes";

fn secret(tenant: &Tenant, name: &str, kind: &str, marks: &Value) -> Value {
    let mut secret = tenant.object("v1", "Secret", name);
    secret["type"] = json!(kind);
    secret["metadata"]["labels"] = marks.clone();
    // What the API server demands of these types.
    secret["stringData"] = match kind {
        "kubernetes.io/tls" => json!({"tls.crt": "", "tls.key": ""}),
        "kubernetes.io/basic-auth" => json!({"username": "somebody"}),
        "kubernetes.io/ssh-auth" => json!({"ssh-privatekey": "none"}),
        "kubernetes.io/dockerconfigjson" => json!({".dockerconfigjson": "{}"}),
        "kubernetes.io/dockercfg" => json!({".dockercfg": "{}"}),
        _ => json!({"key": "none"}),
    };
    secret
}

#[tokio::test]
async fn a_secret_is_written_with_the_operators_labels_only() {
    let tenant = Tenant::with_mighty_operator("secrets").await;
    let own = secret(&tenant, "own", "Opaque", &marks("payments"));
    // That it is not there is learnt by a dry run, which makes nothing.
    tenant.operator.try_apply(&own).await.unwrap();
    assert_eq!(tenant.admin.get(&own).await.unwrap_err().code, 404);
    tenant.operator.apply(&own).await.unwrap();
    tenant.operator.try_apply(&own).await.unwrap();

    for (name, labels) in [
        ("bare", json!({})),
        ("half", json!({"app.kubernetes.io/managed-by": "vaultbind"})),
        ("other-half", json!({"vaultbind.dev/binding": "payments"})),
        (
            "foreign",
            json!({"app.kubernetes.io/managed-by": "Helm", "vaultbind.dev/binding": "payments"}),
        ),
        (
            "empty",
            json!({"app.kubernetes.io/managed-by": "vaultbind", "vaultbind.dev/binding": ""}),
        ),
    ] {
        let secret = secret(&tenant, name, "Opaque", &labels);
        let said = refused(POLICY, tenant.operator.create(&secret).await);
        says(
            &said,
            &[
                "app.kubernetes.io/managed-by=vaultbind",
                "vaultbind.dev/binding",
            ],
        );
        refused(POLICY, tenant.operator.apply(&secret).await);
        // It holds for the operator alone.
        tenant.editor.create(&secret).await.unwrap();
        without_right(tenant.reader.create(&secret).await);
        without_right(tenant.reader.get(&secret).await);
    }
    // Nor does it stay the operator's by losing them.
    refused(
        POLICY,
        tenant
            .operator
            .patch(&own, &labels(&json!({"vaultbind.dev/binding": null})))
            .await,
    );
    refused(
        POLICY,
        tenant
            .operator
            .patch(&own, &labels(&json!({"vaultbind.dev/binding": "shop"})))
            .await,
    );
    tenant.operator.delete(&own).await.unwrap();
}

#[tokio::test]
async fn a_foreign_secret_is_left_alone_until_it_is_handed_over() {
    let tenant = Tenant::with_mighty_operator("foreign").await;
    let foreign = secret(&tenant, "database", "Opaque", &json!({"team": "pay"}));
    tenant.editor.create(&foreign).await.unwrap();
    let wanted = secret(&tenant, "database", "Opaque", &marks("payments"));
    let said = refused(POLICY, tenant.operator.try_apply(&wanted).await);
    says(
        &said,
        &["put the labels", "vaultbind.dev/binding", "hand it over"],
    );
    refused(POLICY, tenant.operator.apply(&wanted).await);
    refused(POLICY, tenant.operator.delete(&foreign).await);
    // One label is no consent, and neither is an owner that somebody wrote.
    let half = labels(&json!({"app.kubernetes.io/managed-by": "vaultbind"}));
    tenant.editor.patch(&foreign, &half).await.unwrap();
    refused(POLICY, tenant.operator.try_apply(&wanted).await);
    let binding = tenant.binding("database", &Value::Null);
    let uid = tenant.admin.create(&binding).await.unwrap().metadata.uid;
    let owned = json!({"metadata": {"ownerReferences": [{
        "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding", "name": "database", "uid": uid,
    }]}});
    tenant.editor.patch(&foreign, &owned).await.unwrap();
    refused(POLICY, tenant.operator.try_apply(&wanted).await);

    tenant
        .editor
        .patch(&foreign, &labels(&marks("payments")))
        .await
        .unwrap();
    // To that binding, and no other.
    let another = secret(&tenant, "database", "Opaque", &marks("shop"));
    refused(POLICY, tenant.operator.try_apply(&another).await);
    tenant.operator.try_apply(&wanted).await.unwrap();
    tenant.operator.apply(&wanted).await.unwrap();
    tenant.operator.delete(&wanted).await.unwrap();
}

#[tokio::test]
async fn only_types_that_are_no_credential_of_the_cluster() {
    let tenant = Tenant::with_mighty_operator("types").await;
    for (number, kind) in [
        "Opaque",
        "kubernetes.io/tls",
        "kubernetes.io/basic-auth",
        "kubernetes.io/ssh-auth",
        "kubernetes.io/dockerconfigjson",
    ]
    .into_iter()
    .enumerate()
    {
        let good = secret(&tenant, &format!("good-{number}"), kind, &marks("payments"));
        tenant.operator.apply(&good).await.expect(kind);
    }
    for (number, kind) in [
        "kubernetes.io/dockercfg",
        "example.com/own",
        "helm.sh/release.v1",
    ]
    .into_iter()
    .enumerate()
    {
        let bad = secret(&tenant, &format!("bad-{number}"), kind, &marks("payments"));
        let said = refused(POLICY, tenant.operator.apply(&bad).await);
        says(&said, &["type:", "kubernetes.io/dockerconfigjson"]);
        tenant.editor.create(&bad).await.expect(kind);
    }
}

/// GHSA of 2026 on External Secrets (CVE-2026-42876): a user had the operator make a Secret that Kubernetes
/// fills with the token of a ServiceAccount.
#[tokio::test]
async fn cve_2026_42876_no_secret_that_kubernetes_makes_a_token_of() {
    let tenant = Tenant::with_mighty_operator("token-secret").await;
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
    ] {
        let mut secret = secret(&tenant, "token", kind, &marks("payments"));
        secret["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "editor"});
        refused(POLICY, tenant.operator.create(&secret).await);
        refused(POLICY, tenant.operator.apply(&secret).await);
        // Not even if somebody hands one over.
        tenant.admin.create(&secret).await.unwrap();
        let touch =
            json!({"metadata": {"annotations": {"kubernetes.io/service-account.name": "reader"}}});
        refused(POLICY, tenant.operator.patch(&secret, &touch).await);
        refused(POLICY, tenant.operator.try_apply(&secret).await);
        tenant.admin.delete(&secret).await.unwrap();
    }
    // Nor by way of the driver, which makes Secrets of what a class says.
    let mut class = tenant.managed("payments");
    class["spec"]["secretObjects"] = json!([{
        "secretName": "token", "type": "kubernetes.io/service-account-token",
        "data": [{"objectName": "db", "key": "token"}],
    }]);
    let said = refused(POLICY, tenant.operator.apply(&class).await);
    says(&said, &["spec.secretObjects"]);
    let plain = tenant.managed("payments");
    tenant.operator.apply(&plain).await.unwrap();
    refused(POLICY, tenant.operator.apply(&class).await);
}

#[tokio::test]
async fn nothing_is_deleted_as_a_collection() {
    let tenant = Tenant::with_mighty_operator("collection").await;
    let own = secret(&tenant, "own", "Opaque", &marks("payments"));
    tenant.operator.apply(&own).await.unwrap();
    let said = refused(POLICY, tenant.operator.delete_all(&own).await);
    says(&said, &["by their names only"]);
    let foreign = secret(&tenant, "foreign", "Opaque", &json!({}));
    tenant.editor.create(&foreign).await.unwrap();
    refused(POLICY, tenant.operator.delete_all(&own).await);
    let class = tenant.managed("payments");
    tenant.operator.apply(&class).await.unwrap();
    refused(POLICY, tenant.operator.delete_all(&class).await);
    for object in [&own, &foreign, &class] {
        tenant.admin.get(object).await.unwrap();
    }
    tenant.editor.delete_all(&own).await.unwrap();
    assert_eq!(tenant.admin.get(&foreign).await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_class_is_written_under_the_name_of_its_binding_only() {
    let tenant = Tenant::new("spc").await;
    let own = tenant.managed("payments");
    tenant.operator.apply(&own).await.unwrap();
    let mut wrong = tenant.managed("shop");
    wrong["metadata"]["labels"] = marks("payments");
    refused(POLICY, tenant.operator.apply(&wrong).await);
    refused(POLICY, tenant.operator.apply(&tenant.class("shop")).await);

    // Somebody else's of that name.
    let theirs = tenant.class("theirs");
    tenant.admin.create(&theirs).await.unwrap();
    let said = refused(
        POLICY,
        tenant.operator.apply(&tenant.managed("theirs")).await,
    );
    says(&said, &["leaves objects alone"]);
    // Labels that were taken from an own one are put back, as long as the binding owns it.
    let binding = tenant.binding("stripped", &Value::Null);
    let uid = tenant.admin.create(&binding).await.unwrap().metadata.uid;
    let mut stripped = tenant.class("stripped");
    stripped["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "vaultbind.dev/v1alpha1", "kind": "VaultBinding", "name": "stripped", "uid": uid,
    }]);
    tenant.admin.create(&stripped).await.unwrap();
    tenant
        .operator
        .apply(&tenant.managed("stripped"))
        .await
        .unwrap();
    // The driver's older version of the resource is no way around.
    let mut old = tenant.class("old");
    old["apiVersion"] = json!("secrets-store.csi.x-k8s.io/v1alpha1");
    refused(POLICY, tenant.operator.apply(&old).await);
    // It has no right to delete one.
    without_right(tenant.operator.delete(&own).await);
}
