//! What a binding says when something in Azure is not as it should be: reason and remedy.

use vaultbind_apiserver::Controllers;
use vaultbind_e2e::admin::Admin;

use super::*;
use crate::site::shared_with_azure_and_no_limits;

/// Waits for a reason, and returns what is said with it.
async fn says(scene: &Scene, type_: ConditionType, wanted: &str) -> String {
    let holds = |binding: &VaultBinding| reason(binding, type_) == wanted;
    let what = format!("{type_} {wanted}");
    let binding = scene.within(PATIENCE, "payments", &what, holds).await;
    message(&binding, type_).to_owned()
}

#[tokio::test]
async fn an_identity_that_is_not_there_and_one_of_another_client() {
    let scene = scene("azident", &["db-password"]).await;
    let missing = json!({"identity": {"federatedCredential": {"identityResourceID": scene.world.identity_id("gone")}}});
    bind(&scene, "payments", &["db-password"], &missing).await;
    let said = says(&scene, ConditionType::IdentityReady, "IdentityNotFound").await;
    assert!(said.contains("az identity list"), "{said}");
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));

    let other = "00000000-1111-4000-8000-000000000001";
    let patch = json!({"spec": {"identity": {
        "clientID": other,
        "federatedCredential": {"identityResourceID": scene.world.identity_id("app")},
    }}});
    scene.patch("payments", &patch).await;
    let said = says(&scene, ConditionType::IdentityReady, "ClientMismatch").await;
    assert!(
        said.contains(other) && said.contains(&scene.world.identity),
        "{said}"
    );
    assert_eq!(writes(scene.azure(), &scene.world.namespace), []);
    delete(&scene, "payments").await;
    scene.finish().await;
}

#[tokio::test]
async fn a_vault_with_access_policies_gets_no_role() {
    let scene = scene("azpolicy", &["db-password"]).await;
    let name = format!("{}p", scene.world.vault);
    scene.world.seed(
        scene.site(),
        &json!({"vaults": [{
            "name": name,
            "tenantID": TENANT,
            "subscriptionID": SUBSCRIPTION.rsplit_once('/').unwrap().1,
            "resourceGroup": scene.world.namespace,
            "authorization": "AccessPolicies",
        }]}),
    );
    let id = scene.world.vault_id().replace(&scene.world.vault, &name);
    let patch = json!({
        "vault": {"name": name, "tenantID": TENANT},
        "access": {"roleAssignment": {"vaultResourceID": id}},
    });
    bind(&scene, "payments", &["db-password"], &patch).await;
    let said = says(
        &scene,
        ConditionType::AccessReady,
        "VaultUsesAccessPolicies",
    )
    .await;
    assert!(
        said.contains("az keyvault set-policy") && said.contains("--object-id"),
        "{said}"
    );
    says(&scene, ConditionType::IdentityReady, "TokenIssued").await;
    let (credentials, assignments) = there(&scene);
    assert_eq!((credentials.len(), assignments.len()), (1, 0));
    delete(&scene, "payments").await;
    scene.finish().await;
}

#[tokio::test]
async fn a_vault_that_is_deleted_a_firewall_and_another_tenant() {
    let scene = scene("azvault", &["db-password"]).await;
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;

    let admin = Admin::new(scene.azure().admin_addr());
    let network = |mode: &str| serde_json::from_value(json!({"network": mode})).unwrap();
    admin
        .set_network(&scene.world.vault, &network("PrivateOnly"))
        .await
        .unwrap();
    scene.ask("payments").await;
    let said = says(&scene, ConditionType::AccessReady, "PrivateOnly").await;
    assert!(said.contains("private DNS zone"), "{said}");
    admin
        .set_network(&scene.world.vault, &network("Open"))
        .await
        .unwrap();
    scene.asked_until("payments", "Ready", is_ready).await;

    let tenant = "00000000-2222-4000-8000-000000000001";
    scene
        .patch(
            "payments",
            &json!({"spec": {"vault": {"tenantID": tenant}}}),
        )
        .await;
    let said = says(&scene, ConditionType::IdentityReady, "TenantMismatch").await;
    assert!(said.contains(tenant) && said.contains(TENANT), "{said}");
    scene
        .patch(
            "payments",
            &json!({"spec": {"vault": {"tenantID": TENANT}}}),
        )
        .await;
    scene.asked_until("payments", "Ready", is_ready).await;

    admin.remove_vault(&scene.world.vault).await.unwrap();
    // Azure's answers hold for some seconds.
    let missing =
        |binding: &VaultBinding| reason(binding, ConditionType::AccessReady) == "VaultNotFound";
    let binding = scene
        .asked_until("payments", "VaultNotFound", missing)
        .await;
    let said = message(&binding, ConditionType::AccessReady);
    assert!(said.contains("az keyvault list-deleted"), "{said}");
    // A scope that is gone holds nothing up.
    delete(&scene, "payments").await;
    assert_eq!(there(&scene).0, Vec::<String>::new());
    scene.finish().await;
}

#[tokio::test]
async fn a_role_that_somebody_takes_away_and_a_credential_that_somebody_changes_come_back() {
    let scene = scene("azrevoke", &["db-password"]).await;
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let before = there(&scene);
    scene.azure().revoke_below(&scene.world.vault_id());
    scene
        .azure()
        .remove_federated_credential(&scene.world.identity, &before.0[0])
        .unwrap();
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));
    let again = || async {
        if there(&scene) == before {
            Ok(())
        } else {
            Err(there(&scene))
        }
    };
    let asking = async {
        loop {
            scene.ask("payments").await;
            tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        }
    };
    tokio::select! {
        () = eventually(PATIENCE, "both are there again", again) => {}
        () = asking => unreachable!(),
    }
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    delete(&scene, "payments").await;
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));
    scene.finish().await;
}

#[tokio::test]
async fn what_cannot_be_removed_holds_a_binding_up_for_its_time_and_is_on_record_then() {
    let hasty = shared_with_azure_and_no_limits().await;
    let scene = scene_on(hasty, "azorphan", &["db-password"]).await;
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let group = format!("{SUBSCRIPTION}/resourceGroups/{}", scene.world.namespace);
    let left = scene.azure().managed_below(&group);
    let fault = json!({
        "match": {"service": "arm", "method": "DELETE", "path": format!("{group}/*")},
        "action": {"status": {"code": 403}},
    });
    let fault = serde_json::from_value(fault).unwrap();
    let fault = scene.azure().add_fault(fault).unwrap();
    let api = scene.bindings();
    api.delete("payments", &DeleteParams::default())
        .await
        .unwrap();
    let events: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(scene.client(), &scene.world.namespace);
    let (api, events) = (&api, &events);
    let event = |wanted: &'static str| async move {
        eventually(PATIENCE * 3, wanted, || async move {
            let all = events
                .list(&kube::api::ListParams::default())
                .await
                .unwrap()
                .items;
            let mut found = all
                .into_iter()
                .filter(|one| one.reason.as_deref() == Some(wanted));
            found.next().ok_or("no such event")
        })
        .await
    };
    let delayed = event("RemovalDelayed").await;
    assert_eq!(delayed.type_.as_deref(), Some("Warning"));
    assert!(delayed.note.unwrap().contains("HTTP 403"));
    assert!(api.get_opt("payments").await.unwrap().is_some(), "it waits");
    eventually(PATIENCE * 3, "it goes", || async move {
        api.get_opt("payments")
            .await
            .unwrap()
            .map_or(Ok(()), |left| Err(left.status))
    })
    .await;
    event("OrphansLeft").await;
    let (namespace, _) = ACCOUNT_OF_OPERATOR;
    let lists: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(scene.client(), namespace);
    let list = lists.get("vaultbind-orphans").await.unwrap();
    let entries = list.data.unwrap_or_default();
    let mut recorded: Vec<String> = (entries.values())
        .map(|text| serde_json::from_str::<Value>(text).unwrap())
        .filter(|one| one["binding"] == json!(format!("{}/payments", scene.world.namespace)))
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    recorded.sort();
    assert_eq!(recorded, left);
    assert!(scene.azure().remove_fault(fault));
    scene.finish().await;
}

#[tokio::test]
async fn a_namespace_that_is_deleted_takes_all_of_it_along() {
    let scene = scene("aznamespace", &["db-password"]).await;
    let controllers = Controllers::start(&scene.site().server, &["namespace-controller"]);
    let _controllers = controllers.unwrap();
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(scene.client());
    let name = &scene.world.namespace;
    namespaces
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    let namespaces = &namespaces;
    eventually(PATIENCE * 2, "the namespace goes", || async move {
        namespaces
            .get_opt(name)
            .await
            .unwrap()
            .map_or(Ok(()), |left| Err(left.status))
    })
    .await;
    assert_eq!(there(&scene), (Vec::new(), Vec::new()));
    scene.finish().await;
}
