//! Secrets through the handler.

use super::*;
use crate::vault::{Collection, SetSecret};

pub(super) const PASSWORD: &str = "  secrets: [{name: db-password, value: s3cret, contentType: text/plain, \
                        tags: {team: pay}, notBefore: 2030-01-01T00:00:00Z}]\n";

#[test]
fn a_secret_is_read_by_name_and_by_version() {
    let vaults = vault(PASSWORD);
    let latest = get(&vaults, "/secrets/db-password");
    assert_eq!(latest.status, 200);
    assert_eq!(latest.text("value"), "s3cret");
    assert_eq!(latest.text("contentType"), "text/plain");
    assert_eq!(latest.body["tags"]["team"], "pay");
    let attributes = &latest.body["attributes"];
    assert_eq!(attributes["created"], NOW);
    assert_eq!(attributes["nbf"], 1_893_456_000);
    assert_eq!(attributes["recoveryLevel"], "Recoverable+Purgeable");
    assert_eq!(attributes["recoverableDays"], 90);
    assert!(attributes.get("exp").is_none());
    let (_, path) = latest.text("id").split_once(".net").unwrap();
    assert!(
        latest
            .text("id")
            .starts_with("https://kv-one.vault.azure.net/secrets/db-password/")
    );
    for path in [
        path.to_owned(),
        "/secrets/db-password/".into(),
        "/secrets/DB-Password".into(),
    ] {
        assert_eq!(get(&vaults, &path).body, latest.body, "{path}");
    }
}

#[test]
fn every_answer_has_the_headers_of_the_service() {
    let vaults = vault(PASSWORD);
    for answer in [
        get(&vaults, "/secrets/db-password"),
        get(&vaults, "/secrets/none"),
    ] {
        let expected = [
            ("cache-control", "no-cache"),
            ("pragma", "no-cache"),
            ("expires", "-1"),
            ("content-type", "application/json; charset=utf-8"),
            ("x-ms-keyvault-region", "westeurope"),
            ("x-ms-client-request-id", "request-one"),
            ("x-ms-keyvault-service-version", "1.9.2203.1"),
            (
                "x-ms-keyvault-network-info",
                "conn_type=Ipv4;addr=203.0.113.7;act_addr_fam=InterNetwork;",
            ),
            ("x-content-type-options", "nosniff"),
            (
                "strict-transport-security",
                "max-age=31536000;includeSubDomains",
            ),
        ];
        for (name, value) in expected {
            assert_eq!(answer.headers[name], value, "{name}");
        }
        let id = answer.headers["x-ms-request-id"].to_str().unwrap();
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    }
}

#[test]
fn errors_have_the_codes_and_words_of_the_service() {
    let vaults = vault(PASSWORD);
    let absent = "0123456789abcdef0123456789abcdef";
    let long = format!("{{\"value\":\"{}\"}}", "x".repeat(25 * 1024 + 1));
    let tags: Vec<String> = (0..16).map(|n| format!("\"t{n}\":\"\"")).collect();
    let tags = format!("{{\"value\":\"v\",\"tags\":{{{}}}}}", tags.join(","));
    let by_version = format!("/secrets/db-password/{absent}");
    let cases = [
        (
            "GET",
            "/secrets/none",
            "",
            404,
            "SecretNotFound",
            "(name/id) none was not found",
        ),
        (
            "GET",
            &by_version,
            "",
            404,
            "SecretNotFound",
            &format!("db-password/{absent} was"),
        ),
        (
            "GET",
            "/secrets/none/versions",
            "",
            404,
            "SecretNotFound",
            "(name/id) none",
        ),
        (
            "GET",
            "/keys/none",
            "",
            404,
            "KeyNotFound",
            "A key with (name/id) none",
        ),
        (
            "GET",
            "/certificates/none",
            "",
            404,
            "CertificateNotFound",
            "A certificate with",
        ),
        (
            "GET",
            "/secrets/db-password/latest",
            "",
            400,
            "BadParameter",
            "Method GET does not allow operation 'latest'",
        ),
        (
            "GET",
            "/secrets/a_b",
            "",
            400,
            "BadParameter",
            "The request URI contains an invalid name: a_b",
        ),
        (
            "PUT",
            "/secrets/new",
            "",
            400,
            "BadParameter",
            "Request body not specified",
        ),
        (
            "PUT",
            "/secrets/new",
            "{\"value\":",
            400,
            "BadParameter",
            "not valid JSON",
        ),
        (
            "PUT",
            "/secrets/new",
            "{\"value\":7}",
            400,
            "BadParameter",
            "of the wrong type",
        ),
        ("PUT", "/secrets/new", "{}", 400, "BadParameter", "missing"),
        (
            "PUT",
            "/secrets/new",
            &long,
            400,
            "BadParameter",
            "exceeds the limit of 25600",
        ),
        (
            "PUT",
            "/secrets/new",
            &tags,
            400,
            "BadParameter",
            "limit of 15",
        ),
        (
            "GET",
            "/deletedsecrets/none",
            "",
            404,
            "SecretNotFound",
            "Deleted Secret not found: none",
        ),
        (
            "GET",
            "/secrets?maxresults=26",
            "",
            400,
            "BadParameter",
            "maxresults",
        ),
        (
            "GET",
            "/secrets?maxresults=0",
            "",
            400,
            "BadParameter",
            "maxresults",
        ),
        (
            "GET",
            "/secrets?$skiptoken=%21",
            "",
            400,
            "BadParameter",
            "$skiptoken",
        ),
        ("POST", "/secrets", "", 405, "MethodNotAllowed", "POST"),
        ("GET", "/nothing", "", 404, "NotFound", ""),
    ];
    for (method, target, body, status, code, message) in cases {
        let answer = call(&vaults, method, target, body);
        let place = format!("{method} {target}: {answer:?}");
        assert_eq!((answer.status, answer.code()), (status, code), "{place}");
        assert!(answer.message().contains(message), "{place}");
        assert!(answer.body["error"].get("innererror").is_none(), "{place}");
    }
}

#[test]
fn a_body_of_the_wrong_type_is_not_repeated_in_the_error() {
    let vaults = vault("");
    let body = r#"{"value":"v","tags":"hunter2"}"#;
    let answer = call(&vaults, "PUT", "/secrets/new", body);
    assert_eq!(answer.status, 400);
    assert!(!answer.body.to_string().contains("hunter2"), "{answer:?}");
}

#[test]
fn known_api_versions_are_accepted_and_others_refused() {
    let vaults = vault(PASSWORD);
    let known = [
        "7.0",
        "7.1",
        "7.2",
        "7.3",
        "7.4",
        "7.5",
        "7.6",
        "2025-07-01",
        "2026-04-01",
    ];
    for version in known {
        let answer = get(
            &vaults,
            &format!("/secrets/db-password?api-version={version}"),
        );
        assert_eq!(answer.status, 200, "{version}");
        let days = answer.body["attributes"].get("recoverableDays");
        assert_eq!(days.is_some(), version != "7.0", "{version}");
    }
    let unknown = get(&vaults, "/secrets/db-password?api-version=9.9");
    assert_eq!((unknown.status, unknown.code()), (400, "BadParameter"));
    assert!(
        unknown
            .message()
            .starts_with("The specified version (9.9) is not recognized.")
    );
    let missing = send(&vaults, &request("GET", "/secrets/db-password", ""), NOW);
    assert_eq!((missing.status, missing.code()), (400, "BadParameter"));
}

#[test]
fn a_set_adds_a_version_and_an_update_does_not() {
    let vaults = vault(PASSWORD);
    let old = get(&vaults, "/secrets/db-password");
    let body = r#"{"value":"new","attributes":{"exp":1900000000}}"#;
    let set = call(&vaults, "PUT", "/secrets/db-password", body);
    assert_eq!((set.status, set.text("value")), (200, "new"));
    assert_ne!(set.text("id"), old.text("id"));
    let body = r#"{"tags":{"a":"b"},"contentType":"x/y"}"#;
    let request = request("PATCH", "/secrets/db-password/?api-version=7.6", body);
    let updated = send(&vaults, &request, NOW + 5);
    assert_eq!((updated.status, updated.text("id")), (200, set.text("id")));
    assert!(updated.body.get("value").is_none());
    assert_eq!(updated.body["attributes"]["created"], NOW);
    assert_eq!(updated.body["attributes"]["updated"], NOW + 5);
    assert_eq!(updated.body["attributes"]["exp"], 1_900_000_000);
    let listed = get(&vaults, "/secrets/db-password/versions");
    assert_eq!(listed.body["value"].as_array().unwrap().len(), 2);
    let items = get(&vaults, "/secrets");
    assert_eq!(items.body["value"][0]["contentType"], "x/y");
    assert_eq!(items.body["value"][0]["attributes"]["updated"], NOW + 5);
}

#[test]
fn a_disabled_version_is_refused_and_an_older_one_still_read() {
    let vaults = vault(PASSWORD);
    let old = get(&vaults, "/secrets/db-password");
    vaults
        .set_secret("kv-one", "db-password", SetSecret::new("two"), NOW)
        .unwrap();
    vaults.disable_secret("kv-one", "db-password", NOW).unwrap();
    let latest = get(&vaults, "/secrets/db-password");
    assert_eq!((latest.status, latest.code()), (403, "Forbidden"));
    assert_eq!(latest.inner(), "SecretDisabled");
    assert_eq!(
        latest.message(),
        "Operation get is not allowed on a disabled secret."
    );
    let (_, path) = old.text("id").split_once(".net").unwrap();
    assert_eq!(get(&vaults, path).text("value"), "s3cret");
    let listed = get(&vaults, "/secrets");
    assert_eq!(listed.body["value"][0]["attributes"]["enabled"], false);
    vaults
        .set_enabled(
            "kv-one",
            Collection::Secrets,
            "db-password",
            None,
            true,
            NOW,
        )
        .unwrap();
    assert_eq!(get(&vaults, "/secrets/db-password").text("value"), "two");
}

#[test]
fn an_expired_secret_can_be_read() {
    let vaults = vault("  secrets: [{name: a, value: b, expires: 2020-01-01T00:00:00Z}]\n");
    assert_eq!(get(&vaults, "/secrets/a").text("value"), "b");
}

#[test]
fn seeded_versions_are_in_order_of_creation() {
    let vaults = vault(
        "  secrets: [{name: a, value: three, versions: [{value: one}, {value: two, enabled: \
         false, version: 0123456789abcdef0123456789abcdef}]}]\n",
    );
    assert_eq!(get(&vaults, "/secrets/a").text("value"), "three");
    let versions = get(&vaults, "/secrets/a/versions");
    let mut items = versions.body["value"].as_array().unwrap().clone();
    assert!(items.is_sorted_by_key(|item| item["id"].as_str().unwrap().to_owned()));
    items.sort_by_key(|item| item["attributes"]["created"].as_i64());
    let created: Vec<_> = items
        .iter()
        .map(|item| item["attributes"]["created"].as_i64().unwrap())
        .collect();
    assert_eq!(created, [NOW - 2 * 86_400, NOW - 86_400, NOW]);
    assert!(
        items[1]["id"]
            .as_str()
            .unwrap()
            .ends_with("/a/0123456789abcdef0123456789abcdef")
    );
    assert_eq!(items[1]["attributes"]["enabled"], false);
}

#[test]
fn no_value_is_shown_by_debug() {
    let yaml = "[{name: kv-one, tenantID: t, secrets: [{name: a, value: hunter2, versions: \
                [{value: hunter2}]}]}]";
    let seeds: Vec<VaultSeed> = serde_yaml::from_str(yaml).unwrap();
    let vaults = Vaults::from_seed(&seeds, NOW).unwrap();
    let request = request("PUT", "/secrets/a", "hunter2");
    let shown = format!(
        "{seeds:?} {vaults:?} {request:?} {:?}",
        SetSecret::new("hunter2")
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("kv-one"));
}
