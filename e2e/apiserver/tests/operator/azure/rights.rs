//! What the operator uses of its rights in Azure, and what the documentation gives it.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn the_documented_roles_have_what_is_used_and_nothing_else() {
    let scene = scene("azrights", &["db-password"]).await;
    let role = format!("Reads {}", scene.world.namespace);
    scene.world.seed(
        scene.site(),
        &json!({"arm": {"roleDefinitions": [{
            "name": role,
            "id": CUSTOM_ROLE,
            "dataActions": [
                "Microsoft.KeyVault/vaults/secrets/getSecret/action",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ],
        }]}}),
    );
    class(
        &scene,
        &json!({"identities": [scene.world.identity_id("*")], "roleNames": [role]}),
    )
    .await;
    let more = json!({"access": {"roleAssignment": {"roleNames": [role]}}});
    bind(&scene, "payments", &["db-password"], &more).await;
    scene.within(PATIENCE, "payments", "Ready", is_ready).await;
    delete(&scene, "payments").await;

    let azure = scene.azure();
    let activities = azure.activities();
    let mut own = activities.iter().filter(|one| one.client_id == OPERATOR);
    let object = &own.next().unwrap().object_id;
    let used = &azure.used_actions()[object];
    let documented: BTreeSet<String> = (["identities", "access"].into_iter())
        .flat_map(|name| documented_role(name)["actions"].as_array().unwrap().clone())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(*used, documented);
    scene.finish().await;
}
