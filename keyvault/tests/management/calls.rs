//! What is asked and answered when all goes well.

use serde_json::{Value, json};
use vaultbind_azure::Action;
use vaultbind_keyvault::ManagementError;
use vaultbind_keyvault::management::Call;

use crate::stage::*;

#[tokio::test]
async fn a_credential_is_written_read_and_deleted() {
    let stage = Stage::start().await;
    let identity = stage.get(&web()).await;
    assert_eq!(identity["properties"]["clientId"], CLIENT);

    let put = credential("web");
    let made = stage.call(&put).await.unwrap();
    assert_eq!((made.status, &made.operation), (201, &None));
    let sent = put.body.clone().unwrap();
    let issuer = |body: &Value| body["properties"]["issuer"].clone();
    assert_eq!(issuer(&made.body), issuer(&sent));
    assert_eq!(stage.call(&put).await.unwrap().status, 200);

    let path = format!("{}/federatedIdentityCredentials/web", web());
    assert_eq!(issuer(&stage.get(&path).await), issuer(&sent));
    for status in [200, 204] {
        let deleted = stage.call(&Call::delete(&path, VERSION)).await.unwrap();
        assert_eq!((deleted.status, deleted.body), (status, Value::Null));
    }
    let gone = stage.refused(&Call::get(&path, VERSION)).await;
    assert_eq!(gone.status, 404);
    assert!(gone.code.ends_with("NotFound"), "{gone:?}");
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let setting = Setting {
        more: "arm: {settings: {pageSize: 2}}".to_owned(),
        ..Setting::default()
    };
    let stage = Stage::start_with(setting).await;
    for name in ["one", "two", "three", "four"] {
        stage.call(&credential(name)).await.unwrap();
    }
    let path = format!("{}/federatedIdentityCredentials", web());
    let mut names = Vec::new();
    let mut pages = 0;
    let mut next = Some(Call::list(&path, VERSION, None));
    while let Some(call) = next {
        let page = stage.call(&call).await.unwrap().body;
        let items = page["value"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].clone()));
        pages += 1;
        next = page["nextLink"].as_str().map(Call::follow);
    }
    names.sort_by_key(Value::to_string);
    assert_eq!(names, ["four", "one", "three", "two"]);
    assert_eq!(pages, 2);
}

#[tokio::test]
async fn a_list_is_filtered() {
    let stage = Stage::start().await;
    let path = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments");
    let all = Call::list(&path, "2022-04-01", None);
    let all = stage.call(&all).await.unwrap().body;
    let known = all["value"][0]["properties"]["principalId"].as_str();
    for (principal, count) in [(known.unwrap(), 1), (STRANGER, 0)] {
        let filter = format!("principalId eq '{principal}'");
        let list = Call::list(&path, "2022-04-01", Some(&filter));
        let page = stage.call(&list).await.unwrap().body;
        assert_eq!(page["value"].as_array().unwrap().len(), count, "{page}");
    }
}

#[tokio::test]
async fn a_page_elsewhere_is_not_asked_for() {
    let stage = Stage::start().await;
    for link in [
        "https://evil.test/subscriptions?$skiptoken=x",
        "https://kv-shop.vault.azure.net/secrets?api-version=7.4",
        "http://management.azure.com/subscriptions",
    ] {
        let body = json!({"value": [], "nextLink": link});
        stage.fault("GET", Action::Json { body }, 1);
        let page = stage.get(&web()).await;
        let next = Call::follow(page["nextLink"].as_str().unwrap());
        let calls = stage.azure.calls().len();
        let error = stage.call(&next).await.unwrap_err();
        assert!(matches!(error, ManagementError::BadAnswer { .. }), "{link}");
        assert_eq!(stage.azure.calls().len(), calls);
    }
}

#[tokio::test]
async fn an_operation_is_followed_to_its_end() {
    let stage = Stage::start().await;
    let path = format!(
        "{SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.ContainerService/managedClusters/\
         blue/identityBindings/web"
    );
    let body = json!({"properties": {"managedIdentity": {"resourceId": web()}}});
    let put = Call::put(&path, "2025-10-02-preview", body);
    let begun = stage.call(&put).await.unwrap();
    let operation = Call::follow(&begun.operation.unwrap());
    let state = stage.call(&operation).await.unwrap();
    assert_eq!(state.body["status"], "InProgress");
    stage.azure.advance_clock(60);
    let state = stage.call(&operation).await.unwrap();
    assert_eq!(state.body["status"], "Succeeded");
}
