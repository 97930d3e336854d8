//! What a seed says of Resource Manager, while it runs.

use serde_json::json;
use vaultbind_azure::Seed;

use super::{Client, OPERATOR, STRANGER, managed, shop};
use crate::admin::ask;

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_nothing_of_it_is_added() {
    let azure = managed("").await;
    let scope = "/subscriptions/00000000-0000-0000-0000-000000000000";
    let given =
        |principal: &str, role: &str| json!({"principal": principal, "role": role, "scope": scope});
    let cluster = json!({
        "resourceID": format!("{scope}/resourceGroups/b/providers/Microsoft.ContainerService/managedClusters/BLUE"),
        "tenantID": crate::TENANT,
        "issuer": "https://other.example/",
    });
    let identity = json!({"resourceID": shop(), "tenantID": crate::TENANT, "clientID": OPERATOR});
    for (wrong, status, part) in [
        (
            json!({"roleAssignments": [given("nobody", "Reader")]}),
            400,
            "nobody",
        ),
        (
            json!({"roleAssignments": [given(OPERATOR, "King")]}),
            400,
            "no role King",
        ),
        (
            json!({"roleAssignments": [{"principal": OPERATOR, "role": "Reader", "scope": "/a"}]}),
            400,
            "scope",
        ),
        (
            json!({"roleAssignments": [given(OPERATOR, "Reader"), given(OPERATOR, "reader")]}),
            409,
            "already",
        ),
        (
            json!({"roleAssignments": [{
                "principal": OPERATOR, "role": "Reader", "scope": scope, "condition": "if",
            }]}),
            400,
            "condition",
        ),
        (
            json!({"roleDefinitions": [{"name": "Owner"}]}),
            409,
            "Owner",
        ),
        (json!({"clusters": [cluster]}), 409, "BLUE"),
        (json!({"identities": [identity]}), 409, "shop"),
        (
            json!({"settings": {"reads": {"size": 1}}}),
            400,
            "perSecond",
        ),
    ] {
        let mut seed = json!({"arm": wrong});
        if wrong["roleAssignments"].is_null() {
            seed["arm"]["roleAssignments"] = json!([given(STRANGER, "Reader")]);
        }
        let reply = ask(&azure, "POST", "/seed", &seed).await;
        assert_eq!(reply.status, status, "{wrong}");
        let error = reply.json()["error"].to_string();
        assert!(error.contains(part), "{part} in {error}");
    }
    let stranger = Client::of(&azure, STRANGER).await;
    assert_eq!(stranger.get(&shop()).await.status, 403);
    let right = json!({"arm": {"roleAssignments": [given(STRANGER, "Reader")]}});
    assert_eq!(ask(&azure, "POST", "/seed", &right).await.status, 204);
    assert_eq!(stranger.get(&shop()).await.status, 200);
    let again = ask(&azure, "POST", "/seed", &right).await;
    assert_eq!(again.status, 409);
}

#[tokio::test]
async fn settings_of_a_later_seed_take_the_place_of_the_ones_before() {
    let azure = managed("arm: {settings: {reads: {size: 0, perSecond: 0.001}}}").await;
    let operator = Client::of(&azure, OPERATOR).await;
    assert_eq!(operator.get(&shop()).await.status, 429);
    let same = json!({"arm": {"identities": []}});
    assert_eq!(ask(&azure, "POST", "/seed", &same).await.status, 204);
    assert_eq!(operator.get(&shop()).await.status, 429);
    let other = Seed::from_yaml(
        "other",
        "arm: {settings: {reads: {size: 5, perSecond: 1000}}}",
    );
    azure.seed(&other.unwrap()).unwrap();
    azure.advance_clock(1);
    let reply = operator.get(&shop()).await;
    assert_eq!(reply.status, 200);
    let left = reply.header("x-ms-ratelimit-remaining-subscription-reads");
    assert_eq!(left, Some("4"));
}

#[test]
fn two_files_may_not_set_different_things() {
    let seed = |seconds| {
        let text = format!("arm: {{settings: {{rolePropagation: {seconds}}}}}");
        Seed::from_yaml("a", &text).unwrap()
    };
    let mut all = seed(1);
    all.merge(seed(1)).unwrap();
    let error = all.merge(seed(2)).unwrap_err();
    assert!(error.to_string().contains("arm.settings"), "{error}");
}
