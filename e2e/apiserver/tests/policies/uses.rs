//! P1 and P7: whoever writes a binding may use its class, and act as its ServiceAccount.

use serde_json::{Value, json};
use vaultbind_apiserver::folder;

use crate::actor::{annotations, labels, refused, says, without_right};
use crate::site::{Tenant, eventually};

/// A class for everything, with a name of its own.
async fn class(tenant: &Tenant) -> String {
    let name = format!("{}-class", tenant.namespace);
    let class = json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultClass",
        "metadata": {"name": name},
        "spec": {},
    });
    tenant.admin.create(&class).await.unwrap();
    name
}

#[tokio::test]
async fn a_class_is_named_only_by_those_who_may_use_it() {
    let tenant = Tenant::new("use").await;
    let class = class(&tenant).await;
    let binding = tenant.binding("payments", &json!({"vaultClassName": class}));
    let said = refused("class-use", tenant.editor.create(&binding).await);
    says(
        &said,
        &[
            "spec.vaultClassName",
            &class,
            &tenant.namespace,
            "the verb use on vaultclasses/",
        ],
    );
    without_right(tenant.reader.create(&binding).await);
    without_right(tenant.operator.create(&binding).await);

    let rules = json!([{
        "apiGroups": ["vaultbind.dev"], "resources": ["vaultclasses"], "verbs": ["use"],
        "resourceNames": [class],
    }]);
    tenant.allow("editor", "use-of-the-class", &rules).await;
    let (editor, binding) = (&tenant.editor, &binding);
    eventually("use is granted", || async move {
        editor.create(binding).await.ok()
    })
    .await;
    tenant.reader.get(binding).await.unwrap();

    // It is that class, and no other.
    let other = tenant.binding("other", &json!({"vaultClassName": "default"}));
    refused("class-use", tenant.editor.create(&other).await);
    let foreign = json!({"spec": {"vaultClassName": "default"}});
    refused("class-use", tenant.editor.patch(binding, &foreign).await);
    // Nor is it for others.
    tenant.grant("deployer", "edit").await;
    let deployer = tenant.account("deployer").await;
    tenant
        .granted(&deployer, "vaultbind.dev", "vaultbindings", "patch")
        .await;
    let change = json!({"spec": {"objects": [{"name": "api-key"}]}});
    refused("class-use", deployer.patch(binding, &change).await);
    tenant.editor.patch(binding, &change).await.unwrap();
}

#[tokio::test]
async fn a_binding_without_a_class_needs_no_use() {
    let tenant = Tenant::new("classless").await;
    let binding = tenant.binding("payments", &Value::Null);
    tenant.editor.create(&binding).await.unwrap();
    let change = json!({"spec": {"objects": [{"name": "api-key"}]}});
    tenant.editor.patch(&binding, &change).await.unwrap();
}

#[tokio::test]
async fn what_is_not_the_spec_is_changed_without_use_and_identity() {
    let tenant = Tenant::new("unrelated").await;
    let class = class(&tenant).await;
    let binding = tenant.binding("payments", &json!({"vaultClassName": class}));
    tenant.admin.create(&binding).await.unwrap();
    // May write bindings, and nothing else.
    let rules = json!([
        {"apiGroups": ["vaultbind.dev"], "resources": ["*"], "verbs": ["*"]},
    ]);
    tenant.allow("clerk", "bindings-only", &rules).await;
    let clerk = tenant.account("clerk").await;
    tenant
        .granted(&clerk, "vaultbind.dev", "vaultbindings", "patch")
        .await;

    for (who, policy) in [(&tenant.editor, "class-use"), (&clerk, "own-identity")] {
        let now = annotations(&json!({"vaultbind.dev/check-requested-at": "2026-01-01T00:00:00Z"}));
        who.patch(&binding, &now).await.unwrap();
        who.patch(&binding, &labels(&json!({"team": "pay"})))
            .await
            .unwrap();
        let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
        who.patch(&binding, &hold).await.unwrap();
        who.patch(&binding, &tenant.owner().await).await.unwrap();
        let release = json!({"metadata": {"finalizers": null, "ownerReferences": null}});
        who.patch(&binding, &release).await.unwrap();
        let suspend = json!({"spec": {"reconcilePolicy": "Suspend"}});
        refused(policy, who.patch(&binding, &suspend).await);
    }
    let status = json!({"status": {"observedGeneration": 1}});
    tenant
        .operator
        .patch_part(&binding, "status", &status)
        .await
        .unwrap();
    clerk.delete(&binding).await.unwrap();
}

#[tokio::test]
async fn a_binding_lends_nobody_an_identity() {
    let tenant = Tenant::new("identity").await;
    let rules = json!([
        {"apiGroups": ["vaultbind.dev"], "resources": ["vaultbindings"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"],
         "resourceNames": ["shop"]},
    ]);
    tenant.allow("clerk", "bindings-as-shop", &rules).await;
    let clerk = tenant.account("clerk").await;
    tenant
        .granted(&clerk, "vaultbind.dev", "vaultbindings", "create")
        .await;

    let binding = tenant.binding("payments", &Value::Null);
    let said = refused("own-identity", clerk.create(&binding).await);
    says(
        &said,
        &[
            "spec.identity.serviceAccountName",
            " payments ",
            &tenant.namespace,
            "create on serviceaccounts/token",
        ],
    );
    let mut identity = binding["spec"]["identity"].clone();
    identity["serviceAccountName"] = json!("shop");
    let shop = tenant.binding("shop", &json!({"identity": identity}));
    clerk.create(&shop).await.unwrap();
    // Neither does a change of one that is there.
    let back = json!({"spec": {"identity": {"serviceAccountName": "payments"}}});
    refused("own-identity", clerk.patch(&shop, &back).await);

    without_right(tenant.reader.create(&binding).await);
    without_right(tenant.operator.create(&binding).await);
    tenant.editor.create(&binding).await.unwrap();
    without_right(tenant.reader.delete(&binding).await);
}

/// The role that the documentation gives for deployers.
#[tokio::test]
async fn the_documented_role_of_a_deployer_is_enough_and_no_more() {
    let tenant = Tenant::new("deployer").await;
    let page = folder().join("../docs/install.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let role = blocks.find(|block| block.contains("name: vaultbind-deployer"));
    let role: Value = serde_yaml::from_str(role.unwrap()).unwrap();
    tenant.admin.apply(&role).await.unwrap();
    tenant.grant("deployer", "vaultbind-deployer").await;
    let deployer = tenant.account("deployer").await;
    tenant
        .granted(&deployer, "vaultbind.dev", "vaultbindings", "create")
        .await;

    let binding = tenant.binding("payments", &json!({"vaultClassName": "prod"}));
    deployer.apply(&binding).await.unwrap();
    let change = json!({"spec": {"objects": [{"name": "api-key"}]}});
    deployer.patch(&binding, &change).await.unwrap();
    let class = json!({"spec": {"vaultClassName": "test"}});
    refused("class-use", deployer.patch(&binding, &class).await);
    let account = json!({"spec": {"identity": {"serviceAccountName": "default"}}});
    refused("own-identity", deployer.patch(&binding, &account).await);
    deployer.delete(&binding).await.unwrap();
}
