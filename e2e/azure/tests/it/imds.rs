//! The managed identity endpoint.

use serde_json::Value;
use vaultbind_azure::{Azure, Options, Service};

use crate::client::{Connection, Reply, get, text};
use crate::{NODES, SYSTEM, VAULT, azure};

const TOKEN: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

async fn ask(azure: &Azure, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let mut connection = Connection::plain(azure.imds_addr()).await.unwrap();
    connection
        .send(method, "169.254.169.254", target, headers, "")
        .await
        .unwrap()
}

#[tokio::test]
async fn identities_are_selected_and_their_tokens_reach_the_vault() {
    let azure = azure().await;
    let resource_id = "/subscriptions/72f988bf-0000-4000-8000-0000000000f1/resourcegroups/shop/\
                       providers/microsoft.managedidentity/userassignedidentities/nodes";
    for (selector, client_id) in [
        (String::new(), SYSTEM),
        (format!("&client_id={NODES}"), NODES),
        (
            "&object_id=72f988bf-0000-4000-8000-0000000000b4".to_owned(),
            NODES,
        ),
        (format!("&msi_res_id={resource_id}"), NODES),
        (format!("&mi_res_id={resource_id}"), NODES),
    ] {
        let target = format!("{TOKEN}{selector}");
        let reply = ask(&azure, "GET", &target, &[("metadata", "true")]).await;
        assert_eq!(reply.status, 200, "{selector}");
        let body = reply.json();
        assert_eq!(body["client_id"], client_id);
        assert!(
            body.as_object().unwrap().values().all(Value::is_string),
            "{body}"
        );
        assert_eq!(body["expires_in"], "86399");
        let token = text(&body["access_token"]);
        let answer = get(&azure, VAULT, "/secrets?api-version=7.4", Some(&token)).await;
        assert_ne!(answer.status, 401);
        assert_eq!(
            azure.calls().last().unwrap().client_id.as_deref(),
            Some(client_id)
        );
    }
    assert_eq!(azure.calls()[0].service, Service::Imds);
}

#[tokio::test]
async fn requests_that_are_wrong_are_told_why() {
    let azure = azure().await;
    let header: &[(&str, &str)] = &[("metadata", "true")];
    let unknown = format!("{TOKEN}&client_id=72f988bf-0000-4000-8000-00000000000f");
    for (method, target, headers, status, description) in [
        (
            "GET",
            TOKEN,
            &[][..],
            400,
            "Required metadata header not specified",
        ),
        (
            "GET",
            TOKEN,
            &[("metadata", "false")][..],
            400,
            "Required metadata header not specified",
        ),
        ("GET", &unknown, header, 400, "Identity not found"),
        ("POST", TOKEN, header, 405, "The method is not allowed"),
        (
            "GET",
            "/metadata/instance",
            header,
            404,
            "The requested path does not exist",
        ),
        (
            "GET",
            "/metadata/identity/oauth2/token?api-version=2018-02-01",
            header,
            400,
            "Required resource parameter not specified",
        ),
    ] {
        let reply = ask(&azure, method, target, headers).await;
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.json()["error_description"], description);
    }
}

#[tokio::test]
async fn a_machine_without_identities_says_so() {
    let azure = Azure::start(Options::default()).await.unwrap();
    let reply = ask(&azure, "GET", TOKEN, &[("metadata", "true")]).await;
    assert_eq!(reply.json()["error_description"], "Identity not found");
}
