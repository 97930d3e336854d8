//! Changes of vaults by the administration.

use serde_json::{Value, json};
use vaultbind_azure::Azure;

use crate::admin::ask;
use crate::client::{access_token, get, text};
use crate::{BACKUP, VAULT, azure};

/// What an object's GET answers the administrator of the vault.
async fn read(azure: &Azure, token: &str, object: &str) -> (u16, Value) {
    let target = format!("/{object}?api-version=7.4");
    let reply = get(azure, VAULT, &target, Some(token)).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn versions_are_disabled_and_enabled() {
    let azure = azure().await;
    let token = access_token(&azure).await;
    let (_, versions) = read(&azure, &token, "secrets/api-key/versions").await;
    let (_, current) = read(&azure, &token, "secrets/api-key").await;
    let current = text(&current["id"]);
    let ids = versions["value"].as_array().unwrap().iter();
    let old = ids.map(|item| text(&item["id"])).find(|id| *id != current);
    let old = old.unwrap().rsplit('/').next().unwrap().to_owned();
    for (object, version) in [
        ("secrets/db-password", None),
        ("keys/signing", None),
        ("certificates/web", None),
        ("secrets/api-key", Some(old.as_str())),
    ] {
        let path = match version {
            Some(version) => format!("{object}/{version}"),
            None => object.to_owned(),
        };
        for enabled in [false, true] {
            let body = json!({"enabled": enabled, "version": version});
            let target = format!("/vaults/myvault/{object}/enabled");
            assert_eq!(ask(&azure, "PUT", &target, &body).await.status, 204);
            let (status, body) = read(&azure, &token, &path).await;
            match (object.starts_with("secrets"), enabled) {
                (true, false) => assert_eq!(status, 403, "{path} {body}"),
                _ => assert_eq!(body["attributes"]["enabled"], enabled, "{path} {body}"),
            }
        }
        assert_eq!(read(&azure, &token, "secrets/api-key").await.0, 200);
    }
}

#[tokio::test]
async fn roles_and_network_are_changed() {
    let azure = azure().await;
    let token = access_token(&azure).await;
    let assignments = "/vaults/myvault/role-assignments";
    let reader = json!({"principal": BACKUP, "role": "Key Vault Reader"});
    let one = json!({
        "principal": BACKUP, "role": "Key Vault Secrets User", "object": "secrets/db-password",
    });
    let object = "72f988bf-0000-4000-8000-0000000000b1";
    let administrator = json!({"principal": object, "role": "Key Vault Administrator"});
    let network = "/vaults/myvault/network";
    for (method, target, body, secret, list) in [
        ("PUT", assignments, &reader, 200, 200),
        (
            "DELETE",
            assignments,
            &json!({"principal": object}),
            403,
            200,
        ),
        ("PUT", assignments, &one, 200, 200),
        ("DELETE", assignments, &reader, 200, 403),
        ("DELETE", assignments, &one, 403, 403),
        ("PUT", assignments, &administrator, 200, 200),
        ("PUT", network, &json!({"network": "PrivateOnly"}), 403, 403),
        ("PUT", network, &json!({"network": "Firewall"}), 403, 403),
        (
            "PUT",
            network,
            &json!({"network": "Firewall", "allowedAddresses": ["127.0.0.1"]}),
            200,
            200,
        ),
        ("PUT", network, &json!({"network": "Open"}), 200, 200),
    ] {
        let reply = ask(&azure, method, target, body).await;
        assert_eq!(reply.status, 204, "{method} {body} {:?}", reply.body);
        let found = (
            read(&azure, &token, "secrets/db-password").await.0,
            read(&azure, &token, "secrets").await.0,
        );
        assert_eq!(found, (secret, list), "{method} {target} {body}");
    }
}

#[tokio::test]
async fn certificates_get_new_versions() {
    let azure = azure().await;
    let token = access_token(&azure).await;
    let (_, first) = read(&azure, &token, "certificates/web").await;
    let versions = "/vaults/myvault/certificates/web/versions";
    let renewed = ask(&azure, "POST", versions, &Value::Null).await;
    assert_eq!(renewed.status, 200, "{:?}", renewed.body);
    let renewed = text(&renewed.json()["version"]);
    let (_, second) = read(&azure, &token, "certificates/web").await;
    assert!(text(&second["id"]).ends_with(&renewed), "{second}");
    assert_ne!(first["x5t"], second["x5t"]);
    assert_eq!(
        first["policy"]["x509_props"],
        second["policy"]["x509_props"]
    );
    // The key and the secret go along, and the secret is what can be imported elsewhere.
    let (_, secret) = read(&azure, &token, "secrets/web").await;
    assert!(text(&secret["id"]).ends_with(&renewed), "{secret}");
    let import = json!({"value": secret["value"]});
    for name in ["web", "copy"] {
        let target = format!("/vaults/myvault/certificates/{name}/versions");
        let imported = ask(&azure, "POST", &target, &import).await;
        assert_eq!(imported.status, 200, "{:?}", imported.body);
        let (_, third) = read(&azure, &token, &format!("certificates/{name}")).await;
        assert!(text(&third["id"]).ends_with(&text(&imported.json()["version"])));
        assert_eq!(third["x5t"], second["x5t"]);
        // Nobody here signs for the issuer of an import.
        let refused = ask(&azure, "POST", &target, &Value::Null).await;
        assert_eq!(refused.status, 400, "{:?}", refused.body);
        assert!(text(&refused.json()["error"]).contains("import"));
    }
}

#[tokio::test]
async fn errors_name_what_is_missing_or_wrong() {
    let azure = azure().await;
    let null = Value::Null;
    let enabled = json!({"enabled": false});
    let role = json!({"principal": "p", "role": "Reader"});
    for (method, target, body, status, part) in [
        ("PUT", "secrets/none/enabled", &enabled, 404, "none"),
        ("PUT", "pictures/a/enabled", &enabled, 400, "pictures"),
        ("PUT", "secrets/api-key/enabled", &json!({}), 400, "enabled"),
        ("PUT", "role-assignments", &role, 400, "Reader"),
        (
            "DELETE",
            "role-assignments",
            &json!({"principal": "p", "object": "secrets/a"}),
            400,
            "role",
        ),
        (
            "PUT",
            "role-assignments",
            &json!({"principal": "p", "role": "Key Vault Reader", "object": "a"}),
            400,
            "secrets/name",
        ),
        (
            "PUT",
            "network",
            &json!({"network": "Closed"}),
            400,
            "network",
        ),
        (
            "PUT",
            "network",
            &json!({"network": "Open", "allowedAddresses": ["127.0.0.1"]}),
            400,
            "allowedAddresses",
        ),
        ("POST", "certificates/none/versions", &null, 404, "none"),
        (
            "POST",
            "certificates/web/versions",
            &json!({"value": "c2VjcmV0"}),
            400,
            "PKCS#12",
        ),
        (
            "POST",
            "certificates/a%2fb/versions",
            &json!({"value": "x"}),
            400,
            "a/b",
        ),
    ] {
        let reply = ask(&azure, method, &format!("/vaults/myvault/{target}"), body).await;
        let message = text(&reply.json()["error"]);
        assert_eq!(reply.status, status, "{method} {target} {message}");
        assert!(message.contains(part), "{part} in {message}");
        let reply = ask(&azure, method, &format!("/vaults/nope/{target}"), body).await;
        if status == 404 {
            let message = text(&reply.json()["error"]);
            assert!(message.contains("nope"), "{message}");
        }
    }
}
