//! P2: what the class of a binding does not admit.

use serde_json::{Value, json};

use crate::actor::{annotations, labels, refused, says, without_right};
use crate::site::{Tenant, eventually};

/// Makes a class, waits until it refuses this binding, and returns what is said then.
pub(crate) async fn refusing(tenant: &Tenant, class: &Value, binding: &Value) -> String {
    let _ = tenant.admin.apply(class).await.unwrap();
    let admin = &tenant.admin;
    eventually("the class is known to the policy", || async move {
        let outcome = admin.try_create(binding).await;
        outcome.is_err().then(|| refused("class-limits", outcome))
    })
    .await
}

pub(crate) fn class(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultClass",
        "metadata": {"name": name},
        "spec": spec,
    })
}

#[tokio::test]
async fn a_namespace_is_admitted_by_its_labels() {
    let tenant = Tenant::new("selector").await;
    let name = tenant.namespace.clone();
    let binding = tenant.binding("payments", &json!({"vaultClassName": name}));
    let selector = json!({"namespaceSelector": {
        "matchLabels": {"tier": "prod"},
        "matchExpressions": [
            {"key": "region", "operator": "In", "values": ["eu", "us"]},
            {"key": "team", "operator": "NotIn", "values": ["guests"]},
            {"key": "owner", "operator": "Exists"},
            {"key": "frozen", "operator": "DoesNotExist"},
        ],
    }});
    let said = refusing(&tenant, &class(&name, &selector), &binding).await;
    says(
        &said,
        &[
            "spec.vaultClassName",
            &name,
            "spec.namespaceSelector",
            "use another class",
        ],
    );

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let good = json!({"tier": "prod", "region": "eu", "owner": "me"});
    let relabel = async |change: &Value| {
        let clean =
            json!({"tier": null, "region": null, "team": null, "owner": null, "frozen": null});
        tenant
            .admin
            .patch(&namespace, &labels(&clean))
            .await
            .unwrap();
        tenant
            .admin
            .patch(&namespace, &labels(&good))
            .await
            .unwrap();
        tenant
            .admin
            .patch(&namespace, &labels(change))
            .await
            .unwrap();
    };
    let (admin, binding) = (&tenant.admin, &binding);
    for bad in [
        json!({"tier": "test"}),
        json!({"tier": null}),
        json!({"region": "apac"}),
        json!({"region": null}),
        json!({"team": "guests"}),
        json!({"owner": null}),
        json!({"frozen": "yes"}),
    ] {
        relabel(&json!({})).await;
        eventually("the labels admit it", || async move {
            admin.try_create(binding).await.ok()
        })
        .await;
        relabel(&bad).await;
        eventually(&format!("the labels refuse it: {bad}"), || async move {
            admin.try_create(binding).await.err()
        })
        .await;
    }
}

#[tokio::test]
async fn a_vault_is_admitted_by_its_name_or_host() {
    let tenant = Tenant::new("vaults").await;
    let name = tenant.namespace.clone();
    let limits = class(
        &name,
        &json!({"vaults": ["KV-*-prod", "kv-one", "*.corp.example", "a*b*c"]}),
    );
    let bound = |vault: &Value| {
        let mut vault = vault.clone();
        vault["tenantID"] = json!("contoso.example");
        tenant.binding("payments", &json!({"vaultClassName": name, "vault": vault}))
    };
    let said = refusing(
        &tenant,
        &limits,
        &bound(&json!({"name": "kv-payments-test"})),
    )
    .await;
    says(
        &said,
        &[
            "spec.vault:",
            &name,
            "kv-payments-test.vault.azure.net",
            "spec.vaults",
        ],
    );
    for (vault, admitted) in [
        (json!({"name": "kv-payments-prod"}), true),
        (json!({"name": "KV-x-PROD"}), true),
        // The star would have to stand for less than nothing.
        (json!({"name": "kv-prod"}), false),
        (json!({"name": "kv-one"}), true),
        (json!({"name": "kv-one", "cloud": "AzureChina"}), true),
        (json!({"name": "kv-one2"}), false),
        (json!({"name": "axbyc"}), true),
        (json!({"name": "axbyd"}), false),
        (json!({"uri": "https://kv.corp.example"}), true),
        (json!({"uri": "https://KV.corp.example:443/"}), true),
        (json!({"uri": "https://kvxcorp.example"}), false),
        (json!({"uri": "https://kv-one.vault.azure.net/"}), true),
        (json!({"uri": "https://kv-one.elsewhere.example"}), true),
        (json!({"uri": "https://elsewhere.example"}), false),
    ] {
        let outcome = tenant.admin.try_create(&bound(&vault)).await;
        match admitted {
            true => assert!(outcome.is_ok(), "{vault}: {outcome:?}"),
            false => drop(refused("class-limits", outcome)),
        }
    }
}

#[tokio::test]
async fn names_and_selections_are_admitted_by_patterns() {
    let tenant = Tenant::new("names").await;
    let name = tenant.namespace.clone();
    let limits = class(
        &name,
        &json!({"objectNames": ["{namespace}-*", "shared", "x-*-y-*", "*-end"]}),
    );
    let with = |objects: &Value| {
        tenant.binding(
            "payments",
            &json!({"vaultClassName": name, "objects": objects}),
        )
    };
    let bad = json!([
        {"name": format!("{name}-db")},
        {"name": "db", "objectName": "other-db"},
        {"name": "all", "select": {"tags": {"team": "pay"}}},
        {"name": "SHARED"},
    ]);
    let said = refusing(&tenant, &limits, &with(&bad)).await;
    says(
        &said,
        &[
            "spec.objects:",
            &name,
            "names in the vault of db, all,",
            "spec.objectNames",
        ],
    );
    for (object, admitted) in [
        (
            json!({"name": "db", "objectName": format!("{}-db", name.to_uppercase())}),
            true,
        ),
        (json!({"name": "shared"}), true),
        (json!({"name": "shared2"}), false),
        (json!({"name": "x-1-y-2"}), true),
        (json!({"name": "x-y-2"}), false),
        (json!({"name": "the-end"}), true),
        (
            json!({"name": "s", "select": {"prefix": format!("{name}-flags-")}}),
            true,
        ),
        (json!({"name": "s", "select": {"prefix": name}}), false),
        (json!({"name": "s", "select": {"prefix": "x-1-y-2"}}), true),
        (json!({"name": "s", "select": {"prefix": "shared"}}), false),
        // All names with this prefix are more than those that end so.
        (json!({"name": "s", "select": {"prefix": "the-end"}}), false),
    ] {
        let outcome = tenant.admin.try_create(&with(&json!([object]))).await;
        match admitted {
            true => assert!(outcome.is_ok(), "{object}: {outcome:?}"),
            false => drop(refused("class-limits", outcome)),
        }
    }
}

#[tokio::test]
async fn a_class_that_was_tightened_refuses_changes_and_leaves_old_bindings_reachable() {
    let tenant = Tenant::new("tightened").await;
    let name = tenant.namespace.clone();
    let old = tenant.binding("old", &json!({"vaultClassName": name}));
    tenant
        .admin
        .create(&class(&name, &json!({})))
        .await
        .unwrap();
    tenant.admin.create(&old).await.unwrap();
    let tight = class(&name, &json!({"objectNames": ["other-*"]}));
    let new = tenant.binding("new", &json!({"vaultClassName": name}));
    refusing(&tenant, &tight, &new).await;

    let rules = json!([{
        "apiGroups": ["vaultbind.dev"], "resources": ["vaultclasses"], "verbs": ["use"],
    }]);
    tenant.allow("editor", "use-of-classes", &rules).await;
    tenant
        .granted(&tenant.editor, "vaultbind.dev", "vaultclasses", "use")
        .await;
    let editor = &tenant.editor;
    let now = annotations(&json!({"vaultbind.dev/check-requested-at": "2026-01-01T00:00:00Z"}));
    editor.patch(&old, &now).await.unwrap();
    let mut hold = tenant.owner().await;
    hold["metadata"]["finalizers"] = json!(["example.com/hold"]);
    editor.patch(&old, &hold).await.unwrap();
    let release = json!({"metadata": {"finalizers": null, "ownerReferences": null}});
    editor.patch(&old, &release).await.unwrap();
    let status = json!({"status": {"observedGeneration": 1}});
    tenant
        .operator
        .patch_part(&old, "status", &status)
        .await
        .unwrap();
    let change = json!({"spec": {"deletionPolicy": "Retain"}});
    refused("class-limits", editor.patch(&old, &change).await);
    refused("class-limits", tenant.admin.patch(&old, &change).await);
    without_right(tenant.reader.patch(&old, &change).await);
    // Several policies refuse it to the operator, and any of them may be the one that is told.
    let status = tenant.operator.patch(&old, &change).await.unwrap_err();
    assert!(
        status.code == 403
            && status
                .message
                .contains("ValidatingAdmissionPolicy 'vaultbind-"),
        "{status:?}"
    );
    let comply = json!({"spec": {"objects": [{"name": "other-password"}]}});
    editor.patch(&old, &comply).await.unwrap();
    let back = json!({"spec": {"objects": [{"name": "db-password"}]}});
    refused("class-limits", editor.patch(&old, &back).await);
    // What is suspended harms nobody; that it goes on again is a change as any other.
    let suspend = json!({"spec": {
        "reconcilePolicy": "Suspend", "objects": [{"name": "db-password"}],
    }});
    editor.patch(&old, &suspend).await.unwrap();
    let resume = json!({"spec": {"reconcilePolicy": "Apply"}});
    refused("class-limits", editor.patch(&old, &resume).await);
    editor.delete(&old).await.unwrap();
}

#[tokio::test]
async fn a_binding_that_names_no_class_is_held_to_the_default_one() {
    let tenant = Tenant::new("default").await;
    // All other tests name this vault, so that it admits what they do.
    let mut default = class(&tenant.namespace, &json!({"vaults": ["kv-payments-prod"]}));
    default["metadata"]["annotations"] = json!({"vaultbind.dev/is-default-class": "true"});
    let vault = json!({"vault": {"name": "kv-elsewhere", "tenantID": "contoso.example"}});
    let said = refusing(&tenant, &default, &tenant.binding("b", &vault)).await;
    says(&said, &[&tenant.namespace, "kv-elsewhere"]);
    tenant
        .admin
        .try_create(&tenant.binding("b", &Value::Null))
        .await
        .unwrap();
    // One that names another class is not; that there is none of this name is for the operator to say.
    let mut other = tenant.binding("b", &vault);
    other["spec"]["vaultClassName"] = json!("there-is-none");
    tenant.admin.try_create(&other).await.unwrap();
    tenant.admin.delete(&default).await.unwrap();
}
