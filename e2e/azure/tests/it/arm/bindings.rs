//! Identity bindings of AKS clusters, and the token proxy that goes by them.

use serde_json::{Value, json};
use tokio::net::TcpStream;
use vaultbind_azure::{Azure, Seed, TokenRequest};

use super::{
    ASSIGNMENTS, Client, GROUP, IDENTITIES, ISSUER, OPERATOR, OWNER, SECRETS_USER, SHOP,
    SHOP_OBJECT, STRANGER, code, credential, managed, read_secret, shop,
};
use crate::client::{Connection, Reply, text};
use crate::{SCOPE, TENANT};

const BLUE: &str = "providers/Microsoft.ContainerService/managedClusters/blue";

fn binding(name: &str) -> String {
    format!("{GROUP}/{BLUE}/identityBindings/{name}")
}

fn of(identity: &str) -> Value {
    json!({"properties": {"managedIdentity": {"resourceId": identity}}})
}

/// What the token proxy of the cluster says to a ServiceAccount of the namespace `shop`.
async fn exchange(azure: &Azure, name: &str, audience: &str) -> Reply {
    exchange_at(azure, "blue.ests.aks", name, audience).await
}

async fn exchange_at(azure: &Azure, proxy: &str, name: &str, audience: &str) -> Reply {
    let request = TokenRequest {
        namespace: "shop".into(),
        service_account_name: name.into(),
        audience: audience.into(),
        issuer: Some(ISSUER.into()),
        ..TokenRequest::default()
    };
    let assertion = azure.service_account_token(&request).unwrap().token;
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", SHOP)
        .append_pair("scope", SCOPE)
        .append_pair("client_assertion", &assertion)
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .finish();
    let stream = TcpStream::connect(azure.https_addr()).await.unwrap();
    let mut connection = Connection::tls(azure, stream, proxy).await.unwrap();
    let target = format!("/{TENANT}/oauth2/v2.0/token");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    // The proxy is asked by its address: the server name alone says which cluster it is.
    connection
        .send("POST", "10.0.0.1", &target, &form, body)
        .await
        .unwrap()
}

async fn exchanged(azure: &Azure, name: &str) -> u16 {
    exchange(azure, name, "api://AKSIdentityBinding")
        .await
        .status
}

/// The status of an operation that an answer tells of.
async fn follow(client: &Client<'_>, reply: &Reply, header: &str) -> Reply {
    let url = reply.header(header).unwrap();
    let target = url.strip_prefix("https://management.azure.com").unwrap();
    assert!(reply.header("retry-after").is_some());
    client.get(target).await
}

#[tokio::test]
async fn a_binding_lets_the_token_proxy_give_tokens() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let operator = Client::of(&azure, OPERATOR).await;
    assert_eq!(exchanged(&azure, "web").await, 403);

    let made = operator.put(&binding("shop"), &of(&shop())).await;
    assert_eq!(made.status, 201);
    let body = made.json();
    let issuer = format!("https://ib.oic.prod-aks.azure.com/{TENANT}/{SHOP}");
    assert_eq!(
        body["properties"],
        json!({
            "managedIdentity": {
                "resourceId": shop(), "objectId": SHOP_OBJECT, "clientId": SHOP,
                "tenantId": TENANT,
            },
            "oidcIssuer": {"oidcIssuerUrl": issuer},
            "provisioningState": "Creating",
        })
    );
    let operation = follow(&operator, &made, "azure-asyncoperation").await;
    assert_eq!(operation.json()["status"], "InProgress");
    assert_eq!(exchanged(&azure, "web").await, 403);
    azure.advance_clock(5);
    let operation = follow(&operator, &made, "azure-asyncoperation").await;
    assert_eq!(operation.json()["status"], "Succeeded");
    let ready = operator.get(&binding("SHOP")).await.json();
    assert_eq!(ready["properties"]["provisioningState"], "Succeeded");
    let list = format!("{GROUP}/{BLUE}/identityBindings");
    assert_eq!(operator.get(&list).await.json(), json!({"value": [ready]}));

    // AKS has given the identity a credential, which takes its time too.
    let given = owner.get(&credential("aks-identity-binding")).await.json();
    assert_eq!(given["properties"]["issuer"], issuer);
    assert_eq!(exchanged(&azure, "web").await, 401);
    azure.advance_clock(30);
    let role = format!(
        "/subscriptions/{SHOP}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_USER}"
    );
    let vault = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/myvault");
    let body = json!({"properties": {"roleDefinitionId": role, "principalId": SHOP_OBJECT}});
    let target = format!("{vault}/{ASSIGNMENTS}/{SHOP}");
    assert_eq!(owner.put(&target, &body).await.status, 201);
    azure.advance_clock(60);
    let reply = exchange(&azure, "web", "api://AKSIdentityBinding").await;
    let token = text(&reply.json()["access_token"]);
    assert_eq!(read_secret(&azure, &token, "db-password").await, 200);

    // Only whom the cluster lets, with a token for the proxy.
    assert_eq!(exchanged(&azure, "job").await, 403);
    let other = exchange(&azure, "web", "api://AzureADTokenExchange").await;
    assert_eq!(other.json()["error_codes"][0], 700_212);

    let gone = operator.delete(&binding("shop")).await;
    assert_eq!((gone.status, gone.body.len()), (202, 0));
    assert_eq!(follow(&operator, &gone, "location").await.status, 202);
    let going = operator.get(&binding("shop")).await.json();
    assert_eq!(going["properties"]["provisioningState"], "Deleting");
    azure.advance_clock(5);
    assert_eq!(follow(&operator, &gone, "location").await.status, 204);
    assert_eq!(
        code(&operator.get(&binding("shop")).await),
        (404, "ResourceNotFound".into())
    );
    assert_eq!(operator.delete(&binding("shop")).await.status, 204);
    assert_eq!(exchanged(&azure, "web").await, 403);
    // Its credential stays.
    assert_eq!(
        owner.get(&credential("aks-identity-binding")).await.status,
        200
    );
}

#[tokio::test]
async fn a_binding_is_there_once_and_is_not_changed_meanwhile() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let made = owner.put(&binding("shop"), &of(&shop())).await;
    assert_eq!(made.status, 201);
    let busy = owner.put(&binding("shop"), &of(&shop())).await;
    assert_eq!(code(&busy), (409, "OperationNotAllowed".into()));
    let second = owner.put(&binding("second"), &of(&shop())).await;
    assert_eq!(code(&second), (409, "Conflict".into()));
    azure.advance_clock(5);
    let fresh = format!("{GROUP}/{IDENTITIES}/fresh");
    let identity = owner.put(&fresh, &json!({"location": "westeurope"})).await;
    assert_eq!(identity.status, 201);
    let nobody = format!("{GROUP}/{IDENTITIES}/nobody");
    for (target, body) in [
        (binding("shop"), of(&fresh)),
        (binding("other"), of(&nobody)),
    ] {
        let reply = owner.put(&target, &body).await;
        assert_eq!(code(&reply), (400, "BadRequest".into()), "{body}");
    }
    let elsewhere = binding("shop").replace("blue", "red");
    let reply = owner.put(&elsewhere, &of(&shop())).await;
    assert_eq!(code(&reply), (404, "ParentResourceNotFound".into()));
}

#[tokio::test]
async fn entity_tags_guard_a_binding() {
    let azure = managed("").await;
    let owner = Client::of(&azure, OWNER).await;
    let put = async |headers: &[(&str, &str)]| {
        owner
            .ask_with("PUT", &binding("shop"), headers, &of(&shop()))
            .await
    };
    assert_eq!(put(&[("if-match", "*")]).await.status, 412);
    let made = put(&[("if-none-match", "*")]).await;
    assert_eq!(made.status, 201);
    azure.advance_clock(5);
    assert_eq!(put(&[("if-none-match", "*")]).await.status, 412);
    let tag = text(&made.json()["eTag"]);
    let updated = put(&[("if-match", &tag)]).await;
    assert_eq!(updated.status, 200);
    azure.advance_clock(5);
    let old = put(&[("if-match", &tag)]).await;
    assert_eq!(code(&old), (412, "PreconditionFailed".into()));
}

#[tokio::test]
async fn whoever_binds_an_identity_must_be_let_to_write_its_credentials() {
    let azure = managed("").await;
    let more = "
arm:
  roleDefinitions:
  - {name: Binder, actions: ['Microsoft.ContainerService/managedClusters/identityBindings/*']}
  roleAssignments:
  - principal: 72f988bf-0000-4000-8000-0000000000d3
    role: Binder
    scope: /subscriptions/00000000-0000-0000-0000-000000000000
";
    azure.seed(&Seed::from_yaml("more", more).unwrap()).unwrap();
    let stranger = Client::of(&azure, STRANGER).await;
    let reply = stranger.put(&binding("shop"), &of(&shop())).await;
    assert_eq!(code(&reply), (403, "LinkedAuthorizationFailed".into()));
    // Somebody else's operation is nobody else's business.
    let owner = Client::of(&azure, OWNER).await;
    let made = owner.put(&binding("shop"), &of(&shop())).await;
    let operation = follow(&stranger, &made, "azure-asyncoperation").await;
    assert_eq!(code(&operation), (403, "AuthorizationFailed".into()));
}

#[tokio::test]
async fn a_seed_has_identities_bound_from_the_start() {
    let green = |more: &str| {
        format!(
            "
arm:
  clusters:
  - resourceID: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/vaultbind/{}
    tenantID: {TENANT}
    issuer: {ISSUER}
    identityBindings: [{{name: shop, clientID: {SHOP}}}{more}]
",
            BLUE.replace("blue", "green")
        )
    };
    let azure = managed(&green("")).await;
    let reply = exchange_at(&azure, "green.ests.aks", "web", "api://AKSIdentityBinding").await;
    assert_eq!(reply.status, 200);
    let owner = Client::of(&azure, OWNER).await;
    let target = binding("shop").replace("blue", "green");
    let made = owner.get(&target).await.json();
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert_eq!(
        owner.get(&credential("aks-identity-binding")).await.status,
        200
    );
    assert_eq!(exchanged(&azure, "web").await, 403);

    let azure = managed("").await;
    for more in [
        format!(", {{name: second, clientID: {SHOP}}}"),
        format!(", {{name: nobody, clientID: {TENANT}}}"),
    ] {
        let seed = Seed::from_yaml("green", &green(&more)).unwrap();
        let refused = azure.seed(&seed).unwrap_err().to_string();
        assert!(refused.contains("identityBindings"), "{refused}");
    }
}
