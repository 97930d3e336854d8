//! Seeds that are added at run time.

use serde_json::{Value, json};
use vaultbind_azure::{Azure, Seed};

use crate::admin::ask;
use crate::client::{Connection, Reply, access_token, get, text, token};
use crate::{SCOPE, TENANT, VAULT, azure};

const NEW_TENANT: &str = "90000000-0000-4000-8000-000000000001";
const NEW_APPLICATION: &str = "90000000-0000-4000-8000-0000000000a1";
const NEW_VAULT: &str = "new-vault.vault.azure.net";

/// A scenario: a tenant with an application, and a vault the application may read.
const SCENARIO: &str = "
tenants:
- tenantID: 90000000-0000-4000-8000-000000000001
  applications:
  - clientID: 90000000-0000-4000-8000-0000000000a1
    clientSecrets: [{value: new-secret}]
vaults:
- name: new-vault
  tenantID: 90000000-0000-4000-8000-000000000001
  roleAssignments:
  - {principal: 90000000-0000-4000-8000-0000000000a1, role: Key Vault Secrets User}
  secrets: [{name: a, value: one}]
";

/// A request with a body as it is.
async fn send(azure: &Azure, method: &str, target: &str, body: &str) -> Reply {
    let mut connection = Connection::plain(azure.admin_addr()).await.unwrap();
    let body = body.to_owned();
    let reply = connection.send(method, "localhost", target, &[], body);
    reply.await.unwrap()
}

async fn seed(azure: &Azure, body: &str) -> Reply {
    send(azure, "POST", "/seed", body).await
}

/// The answer to a sign-in with a secret.
async fn sign_in(azure: &Azure, tenant: &str, client: &str, secret: &str) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", secret),
        ("scope", SCOPE),
    ];
    token(azure, tenant, &form).await
}

#[tokio::test]
async fn a_tenant_and_its_vault_come_and_the_vault_goes() {
    let azure = azure().await;
    assert_eq!(get(&azure, NEW_VAULT, "/secrets", None).await.status, 421);
    let added = seed(&azure, SCENARIO).await;
    assert_eq!(added.status, 204, "{:?}", added.body);
    let token = sign_in(&azure, NEW_TENANT, NEW_APPLICATION, "new-secret").await;
    let token = text(&token.json()["access_token"]);
    let target = "/secrets/a?api-version=7.4";
    let secret = get(&azure, NEW_VAULT, target, Some(&token)).await;
    assert_eq!(secret.json()["value"], "one");
    // The tenants do not mix.
    let other = access_token(&azure).await;
    assert_eq!(
        get(&azure, NEW_VAULT, target, Some(&other)).await.status,
        401
    );

    for (name, status) in [("New-Vault", 204), ("new-vault", 404)] {
        let target = format!("/vaults/{name}");
        let reply = send(&azure, "DELETE", &target, "").await;
        assert_eq!(reply.status, status, "{name}");
    }
    assert_eq!(
        get(&azure, NEW_VAULT, target, Some(&token)).await.status,
        421
    );
    let refused = Connection::proxied(&azure, NEW_VAULT).await.err().unwrap();
    assert!(refused.to_string().contains(" 502 "), "{refused}");
    let again = SCENARIO.split_once("vaults:").unwrap().1;
    let again = seed(&azure, &format!("vaults:{again}")).await;
    assert_eq!(again.status, 204, "{:?}", again.body);
    assert_eq!(
        get(&azure, NEW_VAULT, target, Some(&token)).await.status,
        200
    );
}

#[tokio::test]
async fn tenants_issuers_and_identities_are_added_to() {
    let azure = azure().await;
    let client = "90000000-0000-4000-8000-0000000000a2";
    let machine = "90000000-0000-4000-8000-0000000000a3";
    let user = "90000000-0000-4000-8000-0000000000a4";
    // As JSON, with a tab, which YAML does not take.
    let body = json!({
        "tenants": [{"tenantID": TENANT, "applications": [
            {"clientID": client, "clientSecrets": [{"value": "s"}]},
        ]}],
        "issuers": [{"issuer": "https://new.example/"}],
        "managedIdentities": {
            "tenantID": NEW_TENANT,
            "systemAssigned": {"clientID": machine},
            "userAssigned": [{"clientID": user}],
        },
    });
    let added = seed(&azure, &format!("\t{body}")).await;
    assert_eq!(added.status, 204, "{:?}", added.body);
    assert_eq!(sign_in(&azure, TENANT, client, "s").await.status, 200);
    access_token(&azure).await;
    let request = json!({
        "namespace": "n", "serviceAccountName": "s", "audience": "a",
        "issuer": "https://new.example/",
    });
    let signed = ask(&azure, "POST", "/service-account-token", &request).await;
    assert_eq!(signed.status, 200);

    let mut connection = Connection::plain(azure.imds_addr()).await.unwrap();
    for (selector, expected) in [
        (String::new(), machine),
        (format!("&client_id={user}"), user),
        (format!("&client_id={}", crate::NODES), crate::NODES),
        (format!("&client_id={}", crate::SYSTEM), ""),
    ] {
        let target =
            format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=r{selector}");
        let headers = [("metadata", "true")];
        let reply = connection.send("GET", "localhost", &target, &headers, "");
        let reply = reply.await.unwrap().json();
        assert_eq!(
            reply["client_id"].as_str().unwrap_or_default(),
            expected,
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_key_set_may_come_from_a_file_and_again() {
    let azure = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let keys = ask(&azure, "GET", "/jwks", &Value::Null).await.json();
    let own = &keys["https://oidc.cluster.example/"];
    std::fs::write(&file, own.to_string()).unwrap();
    let issuer = |name: &str| format!("issuers: [{{issuer: '{name}', jwksFile: {file:?}}}]");
    for (name, status) in [
        ("https://file.example/", 204),
        // The same keys once more are no harm.
        ("https://file.example/", 204),
        ("https://oidc.cluster.example/", 204),
        ("https://stranger.example/", 409),
    ] {
        let reply = seed(&azure, &issuer(name)).await;
        assert_eq!(reply.status, status, "{name} {:?}", reply.body);
    }
    let request = json!({
        "namespace": "n", "serviceAccountName": "s", "audience": "a",
        "issuer": "https://file.example/",
    });
    let refused = ask(&azure, "POST", "/service-account-token", &request).await;
    assert!(text(&refused.json()["error"]).contains("only public keys"));
}

#[tokio::test]
async fn nothing_is_added_when_a_part_is_refused() {
    let azure = azure().await;
    for (wrong, status, parts) in [
        (
            "issuers: [{issuer: 'https://x/', jwks: {keys: [{kty: RSA, n: '!', e: AQAB}]}}]",
            400,
            ["issuers", "jwks: key 0"],
        ),
        (
            "issuers: [{issuer: 'https://x/', jwksFile: /nothing/here}]",
            400,
            ["jwksFile", "/nothing/here"],
        ),
        (
            "tenants: [{tenantID: nope}]",
            400,
            ["document 2: tenants[0].tenantID", "not a GUID"],
        ),
        ("vault: []", 400, ["`vault`", "`vaults`"]),
        ("vaults: [{name: my-, tenantID: t}]", 400, ["my-", "name"]),
        (
            "vaults: [{name: other, tenantID: t, secrets: [{name: a}]}]",
            400,
            ["vault other, secrets/a", "value: missing"],
        ),
        (
            "vaults: [{name: NEW-vault, tenantID: t}]",
            400,
            ["NEW-vault", "used twice"],
        ),
        (
            "vaults: [{name: MyVault, tenantID: t}]",
            409,
            ["MyVault", "name"],
        ),
        (
            "tenants: [{tenantID: 72f988bf-0000-4000-8000-000000000001, applications: [{clientID: \
             72f988bf-0000-4000-8000-0000000000a1}]}]",
            409,
            ["clientID", "72f988bf-0000-4000-8000-0000000000a1"],
        ),
        (
            "tenants: [{tenantID: 72f988bf-0000-4000-8000-000000000001, cloud: AzureChina}]",
            409,
            ["cloud", "72f988bf-0000-4000-8000-000000000001"],
        ),
        (
            "tenants: [{tenantID: 90000000-0000-4000-8000-000000000009, domains: \
             [contoso.onmicrosoft.com]}]",
            409,
            ["domains", "contoso.onmicrosoft.com"],
        ),
        (
            "managedIdentities: {tenantID: 72f988bf-0000-4000-8000-000000000001, userAssigned: \
             [{clientID: 72f988bf-0000-4000-8000-0000000000a4}]}",
            409,
            ["clientID", "72f988bf-0000-4000-8000-0000000000a4"],
        ),
    ] {
        let reply = seed(&azure, &format!("{SCENARIO}---\n{wrong}\n")).await;
        assert_eq!(reply.status, status, "{wrong} {:?}", reply.body);
        let message = text(&reply.json()["error"]);
        for part in parts {
            assert!(message.contains(part), "{part} in {message}");
        }
        let signed_in = sign_in(&azure, NEW_TENANT, NEW_APPLICATION, "new-secret").await;
        assert_eq!(signed_in.status, 400, "{wrong}");
        let vault = get(&azure, NEW_VAULT, "/secrets", None).await;
        assert_eq!(vault.status, 421, "{wrong}");
    }
    // What was there before still is.
    let token = access_token(&azure).await;
    let target = "/secrets/db-password?api-version=7.4";
    assert_eq!(get(&azure, VAULT, target, Some(&token)).await.status, 200);
    assert_eq!(seed(&azure, SCENARIO).await.status, 204);
}

#[tokio::test]
async fn many_scenarios_are_added_side_by_side() {
    let azure = azure().await;
    let seeds = (0..8).map(|number| {
        let seed = SCENARIO
            .replace("90000000", &format!("9000000{number}"))
            .replace("new-vault", &format!("new-vault-{number}"));
        let seed = Seed::from_yaml("seed", &seed).unwrap();
        // Twice each: one of the two must lose.
        [seed.clone(), seed]
    });
    let added = std::thread::scope(|scope| {
        let threads: Vec<_> = seeds
            .flatten()
            .map(|seed| scope.spawn(|| azure.seed(&{ seed }).is_ok()))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.filter(|added| *added).count()
    });
    assert_eq!(added, 8);
    for number in 0..8 {
        let host = format!("new-vault-{number}.vault.azure.net");
        assert_eq!(get(&azure, &host, "/secrets", None).await.status, 401);
        let (tenant, client) = (
            NEW_TENANT.replace("90000000", &format!("9000000{number}")),
            NEW_APPLICATION.replace("90000000", &format!("9000000{number}")),
        );
        let signed_in = sign_in(&azure, &tenant, &client, "new-secret").await;
        assert_eq!(signed_in.status, 200);
    }
}
