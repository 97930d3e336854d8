//! `kubectl vaultbind gc`: what is left of a binding whose removal failed, seen and removed by whoever may.

use std::os::unix::fs::PermissionsExt as _;

use k8s_openapi::api::core::v1::ConfigMap;
use vaultbind_e2e::stage::random;

use super::*;
use crate::plugin::{Ran, kubectl_with};
use crate::site::shared_with_azure_and_no_limits;

const OTHER_ISSUER: &str = "https://oidc.gone.test/";

/// An application with a secret that may remove what the operator makes, as variables of the environment.
fn person(scene: &Scene) -> Vec<(&'static str, String)> {
    let client = crate::scene::guid(&random("kv").split_off(3));
    let secret = random("person");
    let roles = ["identities", "access"].map(|name| {
        let role = documented_role(name);
        json!({"principal": client, "role": role["name"], "scope": SUBSCRIPTION})
    });
    scene.world.seed(
        scene.site(),
        &json!({
            "tenants": [{"tenantID": TENANT, "applications": [{
                "clientID": client,
                "clientSecrets": [{"value": secret}],
            }]}],
            "arm": {"roleAssignments": roles},
        }),
    );
    vec![
        ("AZURE_CLIENT_ID", client),
        ("AZURE_TENANT_ID", TENANT.to_owned()),
        ("AZURE_CLIENT_SECRET", secret),
    ]
}

/// Ids in the operator's list of the bindings of a scene.
async fn recorded(scene: &Scene) -> Vec<String> {
    let lists: Api<ConfigMap> = Api::namespaced(scene.client(), ACCOUNT_OF_OPERATOR.0);
    let list = lists.get("vaultbind-orphans").await.unwrap();
    let mut ids: Vec<String> = (list.data.unwrap_or_default().values())
        .map(|text| serde_json::from_str::<Value>(text).unwrap())
        .filter(|one| one["binding"] == json!(format!("{}/payments", scene.world.namespace)))
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Id and state of what a report lists.
fn left(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let text = |one: &Value| one.as_str().unwrap().to_owned();
    let mut left: Vec<_> = (report["left"].as_array().unwrap().iter())
        .map(|one| (text(&one["id"]), text(&one["state"])))
        .collect();
    left.sort();
    left
}

fn all_in(state: &str, ids: &[String]) -> Vec<(String, String)> {
    ids.iter()
        .map(|id| (id.clone(), state.to_owned()))
        .collect()
}

#[tokio::test]
async fn what_could_not_be_removed_is_listed_and_removed_and_what_is_of_others_stays() {
    let shared = shared_with_azure_and_no_limits().await;
    let own = scene_on(shared, "azgc", &["db-password"]).await;
    let admin = shared.site.server.kubeconfig();
    let person = person(&own);
    let (scene, admin, person) = (&own, &admin, &person);
    let gc = |more: &'static [&'static str]| async move {
        let mut arguments = vec!["gc", "-o", "json"];
        arguments.extend(more);
        kubectl_with(shared, scene, admin, &arguments, person).await
    };
    bind(scene, "payments", &["db-password"], &Value::Null).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    let group = format!("{SUBSCRIPTION}/resourceGroups/{}", scene.world.namespace);
    let made = scene.azure().managed_below(&group);
    assert_eq!(made.len(), 2, "{made:?}");
    let other = json!({"name": "vaultbind-shop-web", "issuer": OTHER_ISSUER, "subject": "system:serviceaccount:shop:web"});
    let other = serde_json::from_value(other).unwrap();
    scene
        .azure()
        .put_federated_credential(&scene.world.identity, &other)
        .unwrap();

    let kept = gc(&["--delete"]).await;
    assert_eq!(kept.code, 0, "{kept:?}");
    assert_eq!(left(&kept), [], "a binding keeps all of it");

    let fault = json!({
        "match": {"service": "arm", "method": "DELETE", "path": format!("{group}/*")},
        "action": {"status": {"code": 403}},
    });
    let fault = scene
        .azure()
        .add_fault(serde_json::from_value(fault).unwrap())
        .unwrap();
    delete_at_last(scene).await;
    assert_eq!(recorded(scene).await, made);

    let listed = gc(&[]).await;
    assert_eq!((listed.code, left(&listed)), (1, all_in("Left", &made)));
    let refused = gc(&["--delete"]).await;
    assert_eq!((refused.code, left(&refused)), (1, all_in("Failed", &made)));
    assert!(refused.out.contains("HTTP 403"), "{refused:?}");
    assert_eq!(recorded(scene).await, made);

    assert!(scene.azure().remove_fault(fault));
    let removed = gc(&["--delete", "--check-issuers"]).await;
    assert_eq!(
        (removed.code, left(&removed)),
        (0, all_in("Removed", &made))
    );
    assert_eq!(recorded(scene).await, [""; 0]);
    let others = removed.json()["otherIssuers"].clone();
    assert_eq!(others.as_array().unwrap().len(), 1, "{others:#}");
    assert_eq!(others[0]["issuer"], OTHER_ISSUER);
    assert_eq!(others[0]["answers"], "Silent");
    let command = others[0]["command"].as_str().unwrap();
    assert!(
        command.starts_with("az identity federated-credential delete"),
        "{command}"
    );
    let (credentials, assignments) = there(scene);
    assert_eq!(
        (credentials, assignments),
        (vec!["vaultbind-shop-web".to_owned()], vec![])
    );
    own.finish().await;
}

/// Deletes the binding, which waits for its time first.
async fn delete_at_last(scene: &Scene) {
    let api = scene.bindings();
    let params = DeleteParams::default();
    api.delete("payments", &params).await.unwrap();
    let api = &api;
    eventually(PATIENCE * 3, "it goes", || async move {
        let left = api.get_opt("payments").await.unwrap();
        left.map_or(Ok(()), |left| Err(left.status))
    })
    .await;
}

#[tokio::test]
async fn the_azure_cli_says_who_asks_and_what_it_prints_is_not_repeated() {
    let shared = shared_with_azure_and_no_limits().await;
    let scene = scene_on(shared, "azgccli", &["db-password"]).await;
    let admin = shared.site.server.kubeconfig();
    let folder = tempfile::tempdir().unwrap();
    let az = folder.path().join("az");
    let text =
        "#!/bin/sh\necho \"$@\" >\"$0.asked\"\necho this-is-hush-hush | tee /dev/stderr\nexit 1\n";
    std::fs::write(&az, text).unwrap();
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    bind(&scene, "payments", &["db-password"], &Value::Null).await;
    let environment = [("AZ_FOLDER", folder.path().display().to_string())];
    let ran = kubectl_with(shared, &scene, &admin, &["gc"], &environment).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("az login"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("hush"), "{ran:?}");
    let asked = std::fs::read_to_string(folder.path().join("az.asked")).unwrap();
    assert!(
        asked.contains("account get-access-token")
            && asked.contains("https://management.azure.com"),
        "{asked}"
    );
    delete(&scene, "payments").await;
    scene.finish().await;
}
