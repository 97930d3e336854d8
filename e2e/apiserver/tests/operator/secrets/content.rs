//! What a Secret holds is what pods mount.

use k8s_openapi::ByteString;
use serde_json::json;
use vaultbind_e2e::stage::TENANT;

use super::*;

/// Makes a vault with secrets, a key and certificates of a chain.
fn vault(scene: &Scene) -> String {
    let name = scene.world.vault.replacen("kv-", "kx-", 1);
    let seed = json!({"vaults": [{
        "name": name,
        "tenantID": TENANT,
        "roleAssignments": [
            {"principal": scene.world.identity, "role": "Key Vault Administrator"},
        ],
        "secrets": [
            {"name": "plain", "value": crate::scene::value()},
            {"name": "binary", "value": "AAECA/8="},
        ],
        "keys": [{"name": "signing", "type": "RSA", "size": 2048}],
        "certificates": [
            {"name": "web", "subject": "CN=web.example.com", "issuer": "Chain"},
            {
                "name": "pem", "subject": "CN=pem.example.com", "issuer": "Chain",
                "contentType": "application/x-pem-file",
            },
        ],
    }]});
    let seed = serde_json::from_value(seed).unwrap();
    scene.azure().seed(&seed).unwrap();
    name
}

#[tokio::test]
async fn a_secret_holds_the_very_bytes_that_pods_mount() {
    let types = ["Opaque", "kubernetes.io/tls"];
    let scene = scene("bytes", &[], &types).await;
    let parts = json!(["FullChain", "PrivateKey", "CA", "Leaf"]);
    let with_pfx = json!(["FullChain", "PrivateKey", "CA", "Leaf", "PFX"]);
    let patch = json!({
        "vaultClassName": scene.world.namespace,
        "vault": {"name": vault(&scene), "tenantID": TENANT},
        "objects": [
            {"name": "plain"},
            {"name": "binary", "file": {"decode": "Base64"}},
            {"name": "signing", "type": "Key"},
            {"name": "web", "type": "Certificate", "parts": with_pfx},
            {"name": "pem", "type": "Certificate", "parts": parts},
        ],
        "secrets": [
            {"name": "all", "data": [
                {"key": "plain", "from": "plain"},
                {"key": "binary", "from": "binary"},
                {"key": "signing", "from": "signing"},
                {"key": "web_tls.crt", "from": "web", "part": "FullChain"},
                {"key": "web_tls.key", "from": "web", "part": "PrivateKey"},
                {"key": "web_ca.crt", "from": "web", "part": "CA"},
                {"key": "web_leaf.crt", "from": "web", "part": "Leaf"},
                {"key": "web_tls.p12", "from": "web", "part": "PFX"},
                {"key": "pem_tls.crt", "from": "pem", "part": "FullChain"},
                {"key": "pem_tls.key", "from": "pem", "part": "PrivateKey"},
                {"key": "pem_ca.crt", "from": "pem", "part": "CA"},
                {"key": "pem_leaf.crt", "from": "pem", "part": "Leaf"},
            ]},
            {"name": "web-tls", "type": "kubernetes.io/tls", "data": [
                {"key": "tls.crt", "from": "web", "part": "FullChain"},
                {"key": "tls.key", "from": "web", "part": "PrivateKey"},
            ]},
        ],
    });
    scene.bind("payments", &[], &patch).await;
    scene.until("payments", "the Secrets", is_synced).await;
    let mounted = scene.mount("payments").await.unwrap();
    let all = secret(&scene, "all").await.data.unwrap();
    assert_eq!(all.len(), 12);
    assert_eq!(all["binary"], ByteString(vec![0, 1, 2, 3, 0xff]));
    for (key, value) in &all {
        let file = key.replacen('_', "/", 1);
        assert!(mounted.files[&file] == value.0, "{key}");
    }
    let tls = secret(&scene, "web-tls").await;
    assert_eq!(tls.type_.as_deref(), Some("kubernetes.io/tls"));
    let tls = tls.data.unwrap();
    for key in ["tls.crt", "tls.key"] {
        assert!(mounted.files[&format!("web/{key}")] == tls[key].0, "{key}");
    }
    scene.finish().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_what_is_asked_for_leaves_the_secret_as_it_is() {
    let scene = scene("unfit", &["plain"], &["Opaque"]).await;
    let patch = json!({
        "vaultClassName": scene.world.namespace,
        "objects": [{"name": "plain", "file": {"decode": "Hex"}}],
        "secrets": [{"name": "env", "data": [{"key": "K", "from": "plain"}]}],
    });
    scene.bind("payments", &[], &patch).await;
    let unfit = is_unsynced("ValueUnfit");
    let binding = scene.until("payments", "a refusal", unfit).await;
    let text = crate::scene::message(&binding, ConditionType::SecretsSynced);
    assert!(text.contains("not hexadecimal"), "{text}");
    scene.finish().await;
}
