//! Addresses, answers and what is told of refusals.

use azure_core::http::StatusCode;
use azure_core::http::headers::Headers;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::callers::{NoProof, NoToken};

const WEB: &str = "/subscriptions/S/resourceGroups/my group (1)/providers/x/identities/web";

fn url(call: &Call) -> String {
    String::from(call.url(Cloud::Public).unwrap())
}

fn read(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &str,
) -> Result<Answer, ManagementError> {
    let mut all = Headers::new();
    for (name, value) in headers {
        all.insert(*name, *value);
    }
    Answer::read(StatusCode::from(status), &all, body.as_bytes())
}

fn refusal(status: u16, code: &str, message: &str) -> ManagementError {
    let body = json!({"error": {"code": code, "message": message}});
    read(status, &[], &body.to_string()).unwrap_err()
}

#[test]
fn a_call_goes_to_the_clouds_host_with_its_version_and_filter() {
    let web = "subscriptions/S/resourceGroups/my%20group%20(1)/providers/x/identities/web";
    assert_eq!(
        url(&Call::get(WEB, "2024-11-30")),
        format!("https://management.azure.com/{web}?api-version=2024-11-30")
    );
    let filter = "principalId eq 'a&b+ü' and atScope()";
    assert_eq!(
        url(&Call::list(WEB, "2022-04-01", Some(filter))),
        format!(
            "https://management.azure.com/{web}?api-version=2022-04-01\
             &$filter=principalId%20eq%20%27a%26b%2B%C3%BC%27%20and%20atScope%28%29"
        )
    );
    let put = Call::put(WEB, "1", json!({"properties": {}}));
    assert_eq!(put.verb, Verb::Put);
    for cloud in Cloud::ALL {
        let url = put.url(cloud).unwrap();
        assert_eq!(url.host_str(), Some(cloud.management_host()));
    }
}

#[test]
fn a_name_cannot_lead_to_another_resource() {
    for path in [
        "",
        "/",
        "subscriptions/s",
        "/subscriptions//s",
        "/subscriptions/s/",
        "/subscriptions/s/identities/..",
        "/subscriptions/s/./identities",
        "/subscriptions/s/identities/web?api-version=1&x=",
        "/subscriptions/s/identities/web#a",
        "/subscriptions/s/identities/%2e%2e",
        "/subscriptions/s/identities\\web",
        "/subscriptions/s/identities/a\r\nb",
        "//evil.test/subscriptions",
    ] {
        for call in [Call::get(path, "1"), Call::delete(path, "1")] {
            let error = call.url(Cloud::Public).unwrap_err();
            assert!(matches!(error, ManagementError::BadAnswer { .. }), "{path}");
            assert!(!error.is_passing());
        }
    }
    let long = format!("/{}", "a".repeat(3000));
    assert!(Call::get(&long, "1").url(Cloud::Public).is_err());
}

#[test]
fn links_are_followed_to_the_clouds_host_only_and_unchanged() {
    let next = "https://management.azure.com:443/subscriptions/s/x?api-version=1&$skiptoken=a%2Bb";
    let followed = url(&Call::follow(next));
    assert_eq!(followed, next.replace(":443", ""));
    for link in [
        "http://management.azure.com/subscriptions/s",
        "https://management.azure.com:8443/subscriptions/s",
        "https://management.usgovcloudapi.net/subscriptions/s",
        "https://management.azure.com.evil.test/x",
        "https://evil.test/management.azure.com",
        "https://management.azure.com@evil.test/",
        "https://user:word@management.azure.com/subscriptions/s",
        "https://management.azure.com./subscriptions/s",
        "/subscriptions/s",
        "",
        "file:///etc/passwd",
    ] {
        let error = Call::follow(link).url(Cloud::Public).unwrap_err();
        assert!(matches!(error, ManagementError::BadAnswer { .. }), "{link}");
        let told = error.to_string();
        assert!(told.contains("only https://management.azure.com"), "{told}");
        assert!(!told.contains("word"), "{told}");
    }
}

#[test]
fn an_answer_tells_the_operation_that_goes_on() {
    let state = "https://management.azure.com/operations/1";
    let made = [("location", "/subscriptions/s/x")];
    let begun = [
        ("location", "https://management.azure.com/results/1"),
        ("azure-asyncoperation", state),
        ("retry-after", "7"),
    ];
    let taken = [("location", state)];
    for (status, headers, body, operation, value) in [
        (200, &[][..], r#"{"id":"x"}"#, None, json!({"id": "x"})),
        (201, &made, "{}", None, json!({})),
        (201, &begun, "{}", Some(state), json!({})),
        (202, &begun, "", Some(state), Value::Null),
        (202, &taken, "", Some(state), Value::Null),
        (204, &[], "", None, Value::Null),
    ] {
        let answer = read(status, headers, body).unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.operation.as_deref(), operation, "{status}");
        assert_eq!(answer.body, value);
        let waits = headers.iter().any(|(name, _)| *name == "retry-after");
        let wait = waits.then_some(Duration::from_secs(7));
        assert_eq!(answer.retry_after, wait);
    }
    let html = read(200, &[], "<html>").unwrap_err();
    assert!(matches!(html, ManagementError::BadAnswer { .. }), "{html}");
}

#[test]
fn a_refusal_tells_code_words_and_when_to_ask_again() {
    let headers = [("retry-after", "17"), ("x-ms-request-id", "1-2\u{7}")];
    for body in [
        r#"{"error":{"code":"RoleAssignmentExists","message":"It\r\nexists.","details":[]}}"#,
        r#"{"code":"RoleAssignmentExists","message":"It exists.","subcode":""}"#,
    ] {
        let ManagementError::Refused(refusal) = read(409, &headers, body).unwrap_err() else {
            panic!("no refusal")
        };
        assert_eq!(refusal.status, 409);
        assert_eq!(refusal.code, "RoleAssignmentExists");
        assert_eq!(refusal.message, "It exists.");
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(17)));
        assert_eq!(refusal.request_id.as_deref(), Some("1-2 "));
    }
    for body in ["", "<html>", "[]", r#"{"error":null}"#, r#"{"error":"x"}"#] {
        let error = read(403, &[], body).unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(403), None), "{body}");
        assert!(error.to_string().ends_with("(HTTP 403)"), "{error}");
    }
    let long = refusal(400, &"c".repeat(1000), &"m".repeat(10_000));
    assert!(long.to_string().len() < 800);
}

#[test]
fn what_passes_is_told_from_what_somebody_has_to_change() {
    for (status, code, passing) in [
        (400, "BadRequest", false),
        (401, "InvalidAuthenticationToken", false),
        (403, "AuthorizationFailed", false),
        (404, "ResourceNotFound", false),
        (408, "", true),
        (
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
            true,
        ),
        (409, "RoleAssignmentExists", false),
        (409, "ScopeLocked", false),
        (429, "SubscriptionRequestsThrottled", true),
        (500, "InternalServerError", true),
        (503, "ServerTimeout", true),
    ] {
        let error = refusal(status, code, "words");
        assert_eq!(error.is_passing(), passing, "{status} {code}");
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.code(), Some(code).filter(|code| !code.is_empty()));
    }
    let no_token = |proof| ManagementError::NoToken(Arc::new(NoToken::Proof(proof)));
    assert!(no_token(NoProof::passing("wait")).is_passing());
    assert!(!no_token(NoProof::lasting("change")).is_passing());
    let host = "management.azure.com".to_owned();
    let cause = Unreachable::Silent { host };
    assert!(ManagementError::Unreachable { cause }.is_passing());
}

#[test]
fn what_is_told_is_the_same_at_every_try() {
    for (status, one, other) in [
        (429, "retry after 17 seconds", "retry after 4 seconds"),
        (503, "node 7", "node 8"),
        (
            400,
            "Wrong. Request ID: 0e1f8e6e-0000-4000-8000-00000000000a, at 2026-01-05T10:00:00.1Z.",
            "Wrong. Request ID: 9e1f8e6e-0000-4000-8000-00000000000b, at 2026-02-06T11:30:59Z.",
        ),
    ] {
        let told = refusal(status, "Code", one).to_string();
        assert_eq!(told, refusal(status, "Code", other).to_string());
    }
    let told = refusal(403, "AuthorizationFailed", "No 'write' over '/x'.").to_string();
    assert_eq!(
        told,
        "Resource Manager does not allow it: give the identity that asks a role that does (HTTP \
         403, AuthorizationFailed): No 'write' over '/x'."
    );
}

#[test]
fn ids_of_requests_and_times_are_left_out_and_other_ids_stay() {
    const ID: &str = "0e1f8e6e-0000-4000-8000-00000000000a";
    for (message, expected) in [
        (format!("client '{ID}' of"), format!("client '{ID}' of")),
        (
            format!("tracking id '{ID}'."),
            "tracking id '..'.".to_owned(),
        ),
        (format!("correlationId={ID}"), "correlationId=..".to_owned()),
        (
            format!("Activity ID is: {ID}!"),
            "Activity ID is: ..!".to_owned(),
        ),
        (
            format!("Trace ID: {ID} Correlation ID: {ID} Timestamp: 2026-01-05 10:00:00Z"),
            "Trace ID: .. Correlation ID: .. Timestamp: .. ..".to_owned(),
        ),
        (
            "api-version '2024-11-30-preview' is none".to_owned(),
            "api-version '2024-11-30-preview' is none".to_owned(),
        ),
        (
            "The api-version '2023-02-01' is invalid".to_owned(),
            "The api-version '2023-02-01' is invalid".to_owned(),
        ),
        ("a\r\n\tb\u{202e}c  d".to_owned(), "a b c d".to_owned()),
        ("ü 10:00:00.".to_owned(), "ü ...".to_owned()),
        (
            "at 2026-01-05T10:00:00.12Z, so".to_owned(),
            "at .., so".to_owned(),
        ),
    ] {
        assert_eq!(super::cleaned::cleaned(&message), expected);
    }
}

proptest! {
    #[test]
    fn an_accepted_path_is_asked_for_segment_by_segment(path in "/([a-zA-Z0-9 .()é'%?#/\\\\;:@+&=-]{0,8}/?){0,4}") {
        if let Ok(url) = Call::get(&path, "1").url(Cloud::Public) {
            prop_assert_eq!(url.host_str(), Some("management.azure.com"));
            prop_assert_eq!(url.query(), Some("api-version=1"));
            // Escapes are of one byte each.
            let mut bytes = Vec::new();
            let mut rest = url.path().bytes();
            while let Some(byte) = rest.next() {
                bytes.push(match byte {
                    b'%' => {
                        let digits = [rest.next().unwrap(), rest.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    byte => byte,
                });
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), path);
        }
    }

    #[test]
    fn any_answer_is_told_in_one_short_line(status in 100_u16..600, body in ".{0,80}", message in ".{0,2000}") {
        let told = json!({"error": {"code": &body, "message": &message}}).to_string();
        for body in [body.as_str(), told.as_str()] {
            if let Err(error) = read(status, &[], body) {
                let line = error.to_string();
                prop_assert!(line.chars().count() < 800, "{}", line);
                prop_assert!(!line.chars().any(crate::text::is_unprintable), "{:?}", line);
            }
        }
    }
}
