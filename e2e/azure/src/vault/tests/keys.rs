//! Keys through the handler.

use super::*;
use crate::vault::Collection;

fn base64url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}

#[test]
fn seeded_keys_have_the_public_half_of_their_type() {
    let vaults = vault(
        "  keys:\n  - {name: rsa, type: RSA, size: 2048}\n  - {name: p256, type: EC, curve: P-256}\n  \
         - {name: p384, type: EC-HSM, curve: P-384}\n  - {name: p521, type: EC, curve: P-521}\n  \
         - {name: oct, type: oct-HSM}\n",
    );
    let rsa = get(&vaults, "/keys/rsa");
    let key = &rsa.body["key"];
    assert_eq!(
        (key["kty"].as_str(), key["e"].as_str()),
        (Some("RSA"), Some("AQAB"))
    );
    let modulus = base64url(key["n"].as_str().unwrap());
    assert_eq!(modulus.len(), 256);
    assert_ne!(modulus[0], 0);
    assert_eq!(rsa.body["attributes"]["hsmPlatform"], "0");
    assert_eq!(rsa.body["attributes"]["exportable"], false);
    for (name, kty, curve, width) in [
        ("p256", "EC", "P-256", 32),
        ("p384", "EC-HSM", "P-384", 48),
        ("p521", "EC", "P-521", 66),
    ] {
        let answer = get(&vaults, &format!("/keys/{name}"));
        let key = &answer.body["key"];
        assert_eq!(
            (key["kty"].as_str(), key["crv"].as_str()),
            (Some(kty), Some(curve))
        );
        for coordinate in ["x", "y"] {
            assert_eq!(
                base64url(key[coordinate].as_str().unwrap()).len(),
                width,
                "{name}"
            );
        }
        assert!(key.get("d").is_none());
    }
    assert_eq!(get(&vaults, "/keys/oct").body["key"]["kty"], "oct-HSM");
    let list = get(&vaults, "/keys");
    let items = list.body["value"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    assert!(
        items
            .iter()
            .all(|item| item["kid"].is_string() && item.get("key").is_none())
    );
}

#[test]
fn keys_are_created_imported_updated_disabled_and_deleted() {
    let vaults = vault("");
    let created = call(
        &vaults,
        "POST",
        "/keys/made/create",
        r#"{"kty":"EC","crv":"P-256"}"#,
    );
    assert_eq!(created.status, 200);
    let jwk = &created.body["key"];
    let body = serde_json::json!({ "key": {
        "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"], "d": "AQ", "key_ops": ["sign"],
    } });
    let imported = call(&vaults, "PUT", "/keys/brought", &body.to_string());
    assert_eq!(
        (imported.status, &imported.body["key"]["x"]),
        (200, &jwk["x"])
    );
    assert_eq!(imported.body["key"]["key_ops"], serde_json::json!(["sign"]));
    assert!(imported.body["key"].get("d").is_none());

    let body = r#"{"attributes":{"enabled":false},"key_ops":["verify"]}"#;
    let updated = call(&vaults, "PATCH", "/keys/made", body);
    assert_eq!(
        updated.body["key"]["key_ops"],
        serde_json::json!(["verify"])
    );
    let read = get(&vaults, "/keys/made");
    assert_eq!(
        (read.status, &read.body["attributes"]["enabled"]),
        (200, &Value::Bool(false))
    );
    vaults
        .set_enabled("kv-one", Collection::Keys, "made", None, true, NOW)
        .unwrap();
    assert_eq!(
        get(&vaults, "/keys/made").body["attributes"]["enabled"],
        true
    );

    let deleted = call(&vaults, "DELETE", "/keys/made", "");
    assert_eq!(
        deleted.text("recoveryId"),
        "https://kv-one.vault.azure.net/deletedkeys/made"
    );
    assert_eq!(deleted.body["key"]["kid"], created.body["key"]["kid"]);
    let again = call(&vaults, "POST", "/keys/made/create", r#"{"kty":"EC"}"#);
    assert_eq!(
        (again.status, again.inner()),
        (409, "ObjectIsDeletedButRecoverable")
    );
    assert_eq!(
        call(&vaults, "POST", "/deletedkeys/made/recover", "").status,
        200
    );
    assert_eq!(
        get(&vaults, "/keys/made/versions").body["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn keys_that_cannot_be_made_are_refused() {
    let vaults = vault("");
    for body in [
        r#"{"kty":"EC","crv":"P-256K"}"#,
        r#"{"kty":"RSA","key_size":1024}"#,
        r#"{"kty":"oct"}"#,
        "{}",
    ] {
        let answer = call(&vaults, "POST", "/keys/k/create", body);
        assert_eq!(
            (answer.status, answer.code()),
            (400, "BadParameter"),
            "{body}"
        );
    }
    for key in [
        r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","d":"AQ"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQ"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
    ] {
        let answer = call(&vaults, "PUT", "/keys/k", &format!("{{\"key\":{key}}}"));
        assert_eq!(
            (answer.status, answer.code()),
            (400, "BadParameter"),
            "{key}"
        );
    }
    assert_eq!(get(&vaults, "/keys/k").status, 404);
}

#[test]
fn a_rotation_makes_a_version_that_expires_by_the_policy() {
    let vaults = vault("  keys: [{name: k, type: EC}]\n");
    let fresh = get(&vaults, "/keys/k/rotationpolicy");
    assert_eq!(
        fresh.text("id"),
        "https://kv-one.vault.azure.net/keys/k/rotationpolicy"
    );
    assert_eq!(
        fresh.body["lifetimeActions"][0]["trigger"]["timeBeforeExpiry"],
        "P30D"
    );
    let body = r#"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},
        "action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P120D"}}"#;
    let set = call(&vaults, "PUT", "/keys/k/rotationpolicy", body);
    assert_eq!(
        (set.status, &set.body["attributes"]["expiryTime"]),
        (200, &"P120D".into())
    );
    let before = get(&vaults, "/keys/k");
    let rotated = call(&vaults, "POST", "/keys/k/rotate", "");
    assert_eq!(rotated.status, 200);
    assert_ne!(rotated.body["key"]["kid"], before.body["key"]["kid"]);
    assert_ne!(rotated.body["key"]["x"], before.body["key"]["x"]);
    assert_eq!(rotated.body["attributes"]["exp"], NOW + 120 * 86_400);
    let old = call(&vaults, "POST", "/keys/k/rotate?api-version=7.2", "");
    assert_eq!((old.status, old.code()), (400, "BadParameter"));
}
