//! User-assigned identities.

use serde_json::{Value, json};

use super::{
    Client, GROUP, IDENTITIES, OPERATOR, OWNER, SHOP, SHOP_OBJECT, code, managed, shop, sign_in,
    terms,
};
use crate::client::text;
use crate::{NODES, TENANT};

#[tokio::test]
async fn an_identity_is_described() {
    let azure = managed("").await;
    let operator = Client::of(&azure, OPERATOR).await;
    let lower = shop().to_ascii_lowercase();
    for target in [shop(), lower] {
        let reply = operator.get(&target).await;
        assert_eq!(
            reply.json(),
            json!({
                "id": shop().replace("resourceGroups", "resourcegroups"),
                "name": "shop",
                "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
                "location": "westeurope",
                "tags": {"team": "shop"},
                "properties": {
                    "tenantId": TENANT, "principalId": SHOP_OBJECT, "clientId": SHOP,
                },
            })
        );
    }
    let missing = operator.get(&format!("{GROUP}/{IDENTITIES}/nobody")).await;
    assert_eq!(code(&missing), (404, "ResourceNotFound".into()));
}

#[tokio::test]
async fn the_machines_identities_are_there_too() {
    let more = "arm: {roleAssignments: [{principal: 72f988bf-0000-4000-8000-0000000000d1, role: Reader, scope: /subscriptions/72f988bf-0000-4000-8000-0000000000f1}]}";
    let azure = managed(more).await;
    let owner = Client::of(&azure, OWNER).await;
    let list = format!("/subscriptions/72f988bf-0000-4000-8000-0000000000f1/{IDENTITIES}");
    let found = owner.get(&list).await.json();
    assert_eq!(found["value"][0]["properties"]["clientId"], NODES);
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_identity_is_known_to_entra_some_time_later_and_forgotten_likewise() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let target = format!("{GROUP}/{IDENTITIES}/fresh");
    let made = owner
        .put(
            &target,
            &json!({"location": "West Europe", "tags": {"a": "b"}}),
        )
        .await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(
        (&made["location"], &made["tags"]["a"]),
        (&json!("westeurope"), &json!("b"))
    );
    let client_id = text(&made["properties"]["clientId"]);
    let credential = format!("{target}/federatedIdentityCredentials/web");
    let web = terms("system:serviceaccount:shop:web");
    assert_eq!(owner.put(&credential, &web).await.status, 201);

    assert_eq!(sign_in(&azure, &client_id, "shop/web").await, Err(700_016));
    azure.advance_clock(30);
    assert!(sign_in(&azure, &client_id, "shop/web").await.is_ok());

    assert_eq!(owner.delete(&target).await.status, 200);
    assert_eq!(owner.delete(&target).await.status, 204);
    assert_eq!(owner.get(&target).await.status, 404);
    assert!(sign_in(&azure, &client_id, "shop/web").await.is_ok());
    azure.advance_clock(20);
    assert_eq!(sign_in(&azure, &client_id, "shop/web").await, Err(700_016));

    // One of the same name is another one.
    let again = owner.put(&target, &json!({"location": "westeurope"})).await;
    assert_eq!(again.status, 201);
    let again = again.json();
    assert_ne!(again["properties"], made["properties"]);
    let list = format!("{target}/federatedIdentityCredentials");
    assert_eq!(owner.get(&list).await.json(), json!({"value": []}));
}

#[tokio::test]
async fn tags_change_and_the_region_does_not() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let patched = owner
        .ask("PATCH", &shop(), &json!({"tags": {"team": "web"}}))
        .await;
    assert_eq!(
        (patched.status, &patched.json()["tags"]["team"]),
        (200, &json!("web"))
    );
    let put = owner.put(&shop(), &json!({"location": "westeurope"})).await;
    assert_eq!((put.status, &put.json()["tags"]), (200, &json!({})));
    let moved = owner.put(&shop(), &json!({"location": "eastus"})).await;
    assert_eq!(code(&moved), (409, "InvalidResourceLocation".into()));
    let target = format!("{GROUP}/{IDENTITIES}/new");
    for (target, body, expected) in [
        (&target, json!({}), "LocationRequired"),
        (
            &format!("{GROUP}/{IDENTITIES}/a"),
            json!({"location": "westeurope"}),
            "BadRequest",
        ),
    ] {
        assert_eq!(
            code(&owner.put(target, &body).await),
            (400, expected.into())
        );
    }
    let missing = owner.ask("PATCH", &target, &Value::Null).await;
    assert_eq!(missing.status, 404);
}
