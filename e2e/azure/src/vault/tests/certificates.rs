//! Certificates through the handler.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::vault::Collection;

const WEB: &str = "  certificates: [{name: web, subject: CN=web.example.org, dnsNames: \
                   [web.example.org], issuer: Chain, key: {type: EC, curve: P-256}, tags: {a: b}}]\n";
const CREATE: &str = r#"{"policy":{"issuer":{"name":"Self"},"key_props":{"kty":"EC","crv":"P-256"},
    "secret_props":{"contentType":"application/x-pem-file"},"x509_props":{"subject":"CN=a",
    "sans":{"dns_names":["a.example.org"]},"validity_months":6}},"tags":{"t":"u"}}"#;

fn path(id: &str) -> &str {
    id.split_once(".net").unwrap().1
}

#[test]
fn certificate_key_and_secret_share_name_version_and_times() {
    let vaults = vault(WEB);
    let certificate = get(&vaults, "/certificates/web");
    assert_eq!(certificate.status, 200);
    let version = certificate
        .text("id")
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        certificate.text("kid"),
        format!("https://kv-one.vault.azure.net/keys/web/{version}")
    );
    assert_eq!(
        certificate.text("sid"),
        format!("https://kv-one.vault.azure.net/secrets/web/{version}")
    );
    assert_eq!(certificate.text("x5t").len(), 27);
    assert_eq!(certificate.body["attributes"]["nbf"], NOW - 600);
    let policy = &certificate.body["policy"];
    assert_eq!(
        policy["id"],
        "https://kv-one.vault.azure.net/certificates/web/policy"
    );
    assert_eq!(policy["x509_props"]["subject"], "CN=web.example.org");
    assert_eq!(policy["key_props"]["crv"], "P-256");
    assert_eq!(
        policy["secret_props"]["contentType"],
        "application/x-pkcs12"
    );
    assert_eq!(policy["issuer"]["name"], "Chain");

    let secret = get(&vaults, path(certificate.text("sid")));
    assert_eq!(secret.text("kid"), certificate.text("kid"));
    assert_eq!(secret.body["managed"], true);
    assert_eq!(secret.text("contentType"), "application/x-pkcs12");
    let key = get(&vaults, path(certificate.text("kid")));
    assert_eq!(
        (
            key.body["managed"].as_bool(),
            key.body["key"]["crv"].as_str()
        ),
        (Some(true), Some("P-256"))
    );
    for other in [&secret, &key] {
        for time in ["nbf", "exp", "created"] {
            assert_eq!(
                other.body["attributes"][time], certificate.body["attributes"][time],
                "{time}"
            );
        }
    }
    let by_version = get(&vaults, path(certificate.text("id")));
    assert_eq!(by_version.text("cer"), certificate.text("cer"));
    assert!(by_version.body.get("policy").is_none() && by_version.body.get("pending").is_none());
    let items = get(&vaults, "/certificates").body;
    assert_eq!(items["value"][0]["x5t"], certificate.body["x5t"]);
    assert_eq!(items["value"][0]["subject"], "CN=web.example.org");
    assert_eq!(get(&vaults, "/secrets").body["value"][0]["managed"], true);
}

#[test]
fn a_creation_is_accepted_then_completed_on_the_next_look() {
    let vaults = vault("");
    let created = call(&vaults, "POST", "/certificates/a/create", CREATE);
    assert_eq!(
        (created.status, created.text("status")),
        (202, "inProgress")
    );
    assert!(!created.text("csr").is_empty());
    let location = created.headers["location"].to_str().unwrap();
    let (base, query) = location.split_once('?').unwrap();
    assert_eq!(
        base,
        "https://kv-one.vault.azure.net/certificates/a/pending"
    );
    assert_eq!(
        query,
        format!("api-version=7.6&request_id={}", created.text("request_id"))
    );
    let pending = get(&vaults, path(location));
    assert_eq!(pending.text("status"), "completed");
    assert_eq!(
        pending.text("target"),
        "https://kv-one.vault.azure.net/certificates/a"
    );
    let secret = get(&vaults, "/secrets/a");
    assert!(
        secret
            .text("value")
            .starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    assert_eq!(secret.text("contentType"), "application/x-pem-file");
    assert_eq!(secret.body["tags"]["t"], "u");
    assert!(get(&vaults, "/certificates/a").body["pending"]["id"].is_string());
}

#[test]
fn a_certificate_not_yet_issued_has_no_cer_and_is_disabled() {
    let vaults = vault("");
    vaults.set_issuance_delay("kv-one", 30).unwrap();
    call(&vaults, "POST", "/certificates/a/create", CREATE);
    let waiting = get(&vaults, "/certificates/a");
    assert_eq!(
        (waiting.status, &waiting.body["attributes"]["enabled"]),
        (200, &Value::Bool(false))
    );
    for absent in ["cer", "kid", "sid", "x5t"] {
        assert!(waiting.body.get(absent).is_none(), "{absent}");
    }
    assert!(waiting.body["policy"].is_object());
    assert_eq!(get(&vaults, "/secrets/a").status, 404);
    let again = call(&vaults, "POST", "/certificates/a/create", CREATE);
    assert_eq!((again.status, again.code()), (409, "Conflict"));
    let later = request("GET", "/certificates/a?api-version=7.6", "");
    let issued = send(&vaults, &later, NOW + 30);
    assert_eq!(issued.text("id"), waiting.text("id"));
    assert_eq!(issued.body["attributes"]["enabled"], true);
    assert_eq!(issued.body["attributes"]["created"], NOW);
}

#[test]
fn a_failed_creation_is_shown_as_such_and_can_be_removed() {
    let vaults =
        vault("  certificates: [{name: bad, subject: CN=a, issuer: Failing, key: {type: EC}}]\n");
    let pending = get(&vaults, "/certificates/bad/pending");
    assert_eq!(pending.text("status"), "failed");
    assert!(pending.body["error"]["code"].is_string());
    let certificate = get(&vaults, "/certificates/bad");
    assert_eq!(
        (certificate.status, certificate.body.get("cer")),
        (200, None)
    );
    assert_eq!(
        call(&vaults, "DELETE", "/certificates/bad/pending", "").status,
        200
    );
    assert_eq!(
        get(&vaults, "/certificates/bad").code(),
        "CertificateNotFound"
    );
}

#[test]
fn disabling_a_certificate_leaves_it_readable_but_not_its_secret() {
    let vaults = vault(WEB);
    let body = r#"{"attributes":{"enabled":false}}"#;
    let updated = call(&vaults, "PATCH", "/certificates/web", body);
    assert_eq!(updated.status, 200);
    let certificate = get(&vaults, "/certificates/web");
    assert_eq!(certificate.body["attributes"]["enabled"], false);
    assert!(!certificate.text("cer").is_empty());
    assert_eq!(get(&vaults, "/secrets/web").inner(), "SecretDisabled");
    assert_eq!(
        get(&vaults, "/keys/web").body["attributes"]["enabled"],
        false
    );
    vaults
        .set_enabled("kv-one", Collection::Certificates, "web", None, true, NOW)
        .unwrap();
    assert_eq!(get(&vaults, "/secrets/web").status, 200);
}

#[test]
fn the_version_before_is_told_from_its_api_version_on() {
    let vaults = vault(&WEB.replace("tags:", "count: 2, tags:"));
    let old = get(&vaults, "/secrets/web?api-version=7.6");
    assert!(old.body.get("previousVersion").is_none());
    let new = get(&vaults, "/secrets/web?api-version=2025-07-01");
    let previous = new.text("previousVersion");
    let first = get(
        &vaults,
        &format!("/secrets/web/{previous}?api-version=2025-07-01"),
    );
    assert_eq!(
        (first.status, first.body.get("previousVersion")),
        (200, None)
    );
    assert_eq!(first.body["attributes"]["created"], NOW - 86_400);
    assert_eq!(
        get(&vaults, "/certificates/web/versions").body["value"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn what_belongs_to_a_certificate_is_changed_through_it_only() {
    let vaults = vault(&format!("{WEB}  secrets: [{{name: plain, value: v}}]\n"));
    for (method, target, body) in [
        ("PUT", "/secrets/web", r#"{"value":"x"}"#),
        ("DELETE", "/secrets/web", ""),
        ("DELETE", "/keys/web", ""),
        ("POST", "/keys/web/rotate", ""),
    ] {
        let answer = call(&vaults, method, target, body);
        assert_eq!(
            (answer.status, answer.code()),
            (403, "Forbidden"),
            "{method} {target}"
        );
    }
    let taken = call(&vaults, "POST", "/certificates/plain/create", CREATE);
    assert_eq!((taken.status, taken.code()), (409, "Conflict"));
}

#[test]
fn key_and_secret_are_deleted_recovered_and_purged_with_the_certificate() {
    let vaults = vault(WEB);
    let certificate = get(&vaults, "/certificates/web");
    let deleted = call(&vaults, "DELETE", "/certificates/web", "");
    assert_eq!(
        deleted.text("recoveryId"),
        "https://kv-one.vault.azure.net/deletedcertificates/web"
    );
    assert_eq!(deleted.text("id"), certificate.text("id"));
    for gone in ["/certificates/web", "/secrets/web", "/keys/web"] {
        assert_eq!(get(&vaults, gone).status, 404, "{gone}");
    }
    assert_eq!(get(&vaults, "/deletedsecrets/web").status, 200);
    let answer = call(&vaults, "POST", "/deletedsecrets/web/recover", "");
    assert_eq!(answer.status, 403);
    let answer = call(&vaults, "POST", "/certificates/web/create", CREATE);
    assert_eq!(answer.inner(), "ObjectIsDeletedButRecoverable");
    assert_eq!(
        call(&vaults, "POST", "/deletedcertificates/web/recover", "").status,
        200
    );
    assert_eq!(get(&vaults, "/secrets/web").status, 200);
    call(&vaults, "DELETE", "/certificates/web", "");
    assert_eq!(
        call(&vaults, "DELETE", "/deletedcertificates/web", "").status,
        204
    );
    assert_eq!(get(&vaults, "/deletedsecrets/web").status, 404);
    assert_eq!(get(&vaults, "/deletedkeys/web").status, 404);
}

#[test]
fn a_pem_certificate_is_imported_with_its_chain_in_order() {
    let vaults = vault(&WEB.replace("tags:", "contentType: application/x-pem-file, tags:"));
    let secret = get(&vaults, "/secrets/web");
    let value = secret.text("value");
    let blocks: Vec<&str> = value
        .split_inclusive("-----END CERTIFICATE-----\n")
        .collect();
    let [first, second, third] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len())
    };
    let reordered = format!("{third}{second}{first}");
    for (name, value) in [
        ("copy", reordered.clone()),
        ("encoded", STANDARD.encode(&reordered)),
    ] {
        let body = serde_json::json!({ "value": value }).to_string();
        let imported = call(
            &vaults,
            "POST",
            &format!("/certificates/{name}/import"),
            &body,
        );
        assert_eq!(imported.status, 200, "{imported:?}");
        assert_eq!(
            imported.text("cer"),
            get(&vaults, "/certificates/web").text("cer")
        );
        assert_eq!(imported.body["policy"]["issuer"]["name"], "Unknown");
        let copy = get(&vaults, &format!("/secrets/{name}"));
        assert_eq!(copy.text("contentType"), "application/x-pem-file");
        assert!(
            copy.text("value").starts_with(first),
            "key and leaf come first"
        );
    }
    for (value, message) in [
        ("", "can not be read"),
        (
            "-----BEGIN CERTIFICATE-----",
            "Private key is not specified",
        ),
        (second, "Private key is not specified"),
        (
            first.split_once("-----BEGIN CERT").unwrap().0,
            "No certificate belongs",
        ),
    ] {
        let body = serde_json::json!({ "value": value }).to_string();
        let answer = call(&vaults, "POST", "/certificates/bad/import", &body);
        assert_eq!(
            (answer.status, answer.code()),
            (400, "BadParameter"),
            "{message}"
        );
        assert!(answer.message().contains(message), "{answer:?}");
    }
}

#[test]
fn the_policy_is_read_and_changed_by_section() {
    let vaults = vault(WEB);
    let body = r#"{"x509_props":{"subject":"CN=new"},"issuer":{"name":"Self"}}"#;
    let changed = call(&vaults, "PATCH", "/certificates/web/policy", body);
    assert_eq!(changed.status, 200);
    let policy = get(&vaults, "/certificates/web/policy").body;
    assert_eq!(policy["x509_props"]["subject"], "CN=new");
    assert_eq!(policy["issuer"]["name"], "Self");
    assert_eq!(policy["key_props"]["crv"], "P-256");
    let renewed = call(&vaults, "POST", "/certificates/web/create", "{}");
    assert_eq!(renewed.status, 202, "{renewed:?}");
    assert_eq!(
        get(&vaults, "/certificates/web/versions").body["value"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
