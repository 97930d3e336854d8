mod bindings;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{RawResponse, StatusCode};

use super::*;
use crate::session::Failure;
use crate::testing::{session, session_at, session_with};
use crate::transport::Unreachable;
use crate::{Identity, ObjectId, ObjectType, Sensitive, VaultHost};

const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn answer(status: u16, body: &str) -> Error {
    let mut headers = Headers::new();
    headers.insert("x-ms-request-id", "req-1");
    let status = StatusCode::from(status);
    let raw = RawResponse::from_bytes(status, headers, body.as_bytes().to_vec());
    let kind = ErrorKind::HttpResponse {
        status,
        error_code: None,
        raw_response: Some(Box::new(raw)),
    };
    // The SDK wraps what matters in errors that say little.
    Error::with_message(kind, "inner").with_context("non-transport error occurred")
}

#[test]
fn a_secret_that_is_read_for_its_certificate_is_told_as_such_and_in_300_characters() {
    let body = |inner: &str| {
        format!(
            r#"{{"error":{{"code":"Forbidden","message":"m","innererror":{{"code":"{inner}"}}}}}}"#
        )
    };
    let long = ObjectId {
        name: "n".repeat(127).parse().unwrap(),
        version: Some("a".repeat(32).parse().unwrap()),
        ..object(ObjectType::Secret)
    };
    let elsewhere = format!("{}.corp.example", "v".repeat(63));
    let elsewhere = VaultHost::from(&elsewhere.parse().unwrap());
    for session in [session_with(&"v".repeat(24)), session_at(&elsewhere)] {
        for (status, body) in [
            (403, body("ForbiddenByRbac")),
            (403, body("AccessDenied")),
            (403, body("SecretDisabled")),
            (404, String::new()),
        ] {
            let mut error = FetchError::from_azure(&session, CLIENT, &long, &answer(status, &body));
            error.of_certificate = true;
            let message = error.to_string();
            assert!(message.contains("certificate nnn"), "{message}");
            assert!(message.contains("'s secret"), "{message}");
            assert!(message.chars().count() <= 300, "{message}");
        }
        let body = body("ForbiddenByConnection");
        let error = FetchError::from_azure(&session, CLIENT, &long, &answer(403, &body));
        let message = error.to_string();
        assert!(message.chars().count() <= 300, "{message}");
    }
}

#[test]
fn each_reader_is_told_of_fields_that_it_has() {
    let provider = ["node", "mount", "objectType", "objectVersion", "cloudName"];
    let kind = "oct".to_owned();
    let other_tenant = false;
    for problem in [
        FetchProblem::NotFound,
        FetchProblem::Disabled,
        FetchProblem::Forbidden(Forbidden::Firewall),
        FetchProblem::Forbidden(Forbidden::PrivateOnly),
        FetchProblem::TokenRejected { other_tenant },
        FetchProblem::Throttled,
        FetchProblem::Failing(503),
        FetchProblem::NotIssued,
        FetchProblem::UnsupportedKey { kind },
    ] {
        let mut error = FetchError::new(
            &session(),
            CLIENT,
            &object(ObjectType::Secret),
            problem.clone(),
        );
        let message = error.to_string();
        assert!(provider.iter().any(|w| message.contains(w)), "{message}");
        error.reader = Reader::Operator;
        let message = error.to_string();
        let foreign = provider.iter().any(|word| message.contains(word));
        assert!(!foreign && !message.contains("provider"), "{message}");
    }
}

#[test]
fn a_host_elsewhere_is_told_in_full_and_its_name_is_not_guessed() {
    let vault = VaultHost::from(&"kv.corp.example".parse().unwrap());
    let body = r#"{"error":{"code":"Forbidden","innererror":{"code":"AccessDenied"}}}"#;
    let id = object(ObjectType::Secret);
    let error = FetchError::from_azure(&session_at(&vault), CLIENT, &id, &answer(403, body));
    let message = error.to_string();
    assert!(message.contains("of vault kv.corp.example"), "{message}");
    assert!(message.contains("--name <its name>"), "{message}");
}

#[test]
fn an_object_is_missing_only_if_the_vault_itself_says_so() {
    let missing = |status: u16, body: &str| {
        let id = object(ObjectType::Secret);
        FetchError::from_azure(&session(), CLIENT, &id, &answer(status, body)).is_missing()
    };
    let code = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"words"}}}}"#);
    for named in ["SecretNotFound", "KeyNotFound", "CertificateNotFound"] {
        assert!(missing(404, &code(named)), "{named}");
        assert!(!missing(403, &code(named)), "{named}");
    }
    for page in ["", "<html>404 Not Found</html>", "{}"] {
        assert!(!missing(404, page), "{page}");
    }
}

fn object(object_type: ObjectType) -> ObjectId {
    ObjectId {
        object_type,
        name: "db".parse().unwrap(),
        version: None,
    }
}

fn workload_identity() -> Identity {
    use base64::Engine as _;
    let claims = r#"{"iss":"https://oidc.test/c/","sub":"system:serviceaccount:shop:web"}"#;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    Identity::WorkloadIdentity {
        tenant: TENANT.parse().unwrap(),
        client: CLIENT.parse().unwrap(),
        token: Sensitive::from(format!("e30.{payload}.c2ln")),
    }
}

#[test]
fn every_refusal_of_the_vault_has_its_category_and_its_remedy() {
    let body = |code: &str, inner: &str| {
        format!(
            r#"{{"error":{{"code":"{code}","message":"words","innererror":{{"code":"{inner}"}}}}}}"#
        )
    };
    let issuer = r#"{"error":{"code":"Unauthorized","message":"AKV10032: Invalid issuer."}}"#;
    let cases = [
        (
            404,
            body("SecretNotFound", ""),
            Category::NotFound,
            "check objectName",
        ),
        (
            403,
            body("Forbidden", "SecretDisabled"),
            Category::FailedPrecondition,
            "enable it",
        ),
        (
            403,
            body("Forbidden", "ForbiddenByRbac"),
            Category::PermissionDenied,
            "Key Vault Secrets User",
        ),
        (
            403,
            body("Forbidden", "AccessDenied"),
            Category::PermissionDenied,
            "az keyvault set-policy --name kv-test",
        ),
        (
            403,
            body("Forbidden", "ForbiddenByPolicy"),
            Category::PermissionDenied,
            "--secret-permissions get",
        ),
        (
            403,
            body("Forbidden", "ForbiddenByFirewall"),
            Category::PermissionDenied,
            "networking rules",
        ),
        (
            403,
            body("Forbidden", "ForbiddenByConnection"),
            Category::PermissionDenied,
            "private endpoint",
        ),
        (
            403,
            "<html>".to_owned(),
            Category::PermissionDenied,
            "HTTP 403",
        ),
        (
            401,
            issuer.to_owned(),
            Category::Unauthenticated,
            "another tenant",
        ),
        (
            401,
            body("Unauthorized", ""),
            Category::Unauthenticated,
            "HTTP 401",
        ),
        (
            400,
            body("BadParameter", ""),
            Category::InvalidArgument,
            "BadParameter",
        ),
        (
            429,
            body("Throttled", ""),
            Category::Unreachable,
            "tried again",
        ),
        (503, String::new(), Category::Unreachable, "HTTP 503"),
    ];
    let session = session();
    for (status, body, category, remedy) in cases {
        let error = answer(status, &body);
        let error = FetchError::from_azure(&session, CLIENT, &object(ObjectType::Secret), &error);
        let text = error.to_string();
        assert_eq!(error.category(), category, "{status} {text}");
        assert!(text.contains(remedy), "{text}");
        assert!(text.chars().count() <= 300, "{text}");
        assert!(
            !text.contains("req-1"),
            "ids differ from try to try: {text}"
        );
        assert_eq!(error.request_id.as_deref(), Some("req-1"));
    }
}

#[test]
fn the_longest_names_leave_room_for_the_remedy() {
    let session = session_with("kv-456789012345678901234");
    let kinds = [ObjectType::Secret, ObjectType::Key, ObjectType::Certificate];
    for object_type in kinds {
        let object = ObjectId {
            object_type,
            name: "n".repeat(127).parse().unwrap(),
            version: Some("0123456789abcdef0123456789abcdef".parse().unwrap()),
        };
        for problem in [
            FetchProblem::NotFound,
            FetchProblem::Disabled,
            FetchProblem::Forbidden(Forbidden::Role),
            FetchProblem::Forbidden(Forbidden::AccessPolicy),
            FetchProblem::Forbidden(Forbidden::Firewall),
            FetchProblem::Forbidden(Forbidden::PrivateOnly),
            FetchProblem::Forbidden(Forbidden::Other),
            FetchProblem::NotIssued,
            FetchProblem::UnsupportedKey {
                kind: "oct-HSM".to_owned(),
            },
            FetchProblem::Refused {
                status: 400,
                code: "BadParameter".to_owned(),
            },
            FetchProblem::BadAnswer {
                what: "cannot be read",
            },
        ] {
            let text = FetchError::new(&session, CLIENT, &object, problem).to_string();
            assert!(text.chars().count() <= 300, "{}: {text}", text.len());
        }
    }
}

#[test]
fn what_a_vault_says_cannot_break_or_fill_a_message() {
    let hostile = format!("a\r\nERROR\u{202e}b{}", "c".repeat(5_000));
    let session = session();
    let object = object(ObjectType::Key);
    let kind = FetchProblem::UnsupportedKey {
        kind: hostile.clone(),
    };
    let body = serde_json::json!({"error": {"code": hostile, "message": hostile,
        "innererror": {"code": hostile}}});
    let entra = serde_json::json!({"error": hostile, "error_description": hostile});
    let identity = workload_identity();
    let mut texts = vec![FetchError::new(&session, CLIENT, &object, kind).to_string()];
    for status in [400, 403, 418] {
        let error = answer(status, &body.to_string());
        let error = FetchError::from_azure(&session, CLIENT, &object, &error);
        texts.extend([error.to_string(), error.code.unwrap()]);
        let error = answer(status, &entra.to_string());
        let error = TokenError::from_azure(&session, &identity, &error);
        texts.extend([error.to_string(), error.detail]);
    }
    for text in texts {
        assert!(text.chars().count() <= 400, "{text}");
        assert!(!text.contains(crate::text::is_unprintable), "{text:?}");
    }
}

#[test]
fn an_outage_is_told_without_the_object_that_it_happened_to_hit() {
    let session = session();
    for problem in [FetchProblem::Throttled, FetchProblem::Failing(503)] {
        let error = FetchError::new(&session, CLIENT, &object(ObjectType::Secret), problem);
        assert!(!error.to_string().contains("db"), "{error}");
    }
}

#[test]
fn the_machines_own_identity_is_no_name_for_a_command() {
    let problem = FetchProblem::Forbidden(Forbidden::AccessPolicy);
    let identity = Identity::ManagedIdentity { client: None };
    let object = object(ObjectType::Secret);
    let text = FetchError::new(&session(), identity.name(), &object, problem).to_string();
    assert!(text.contains("--object-id"), "{text}");
    assert!(!text.contains("--spn"), "{text}");
}

#[test]
fn a_challenge_that_the_sdk_cannot_follow_is_a_rejected_token() {
    let session = session();
    let error = Error::with_message(ErrorKind::Credential, "no scope in the challenge");
    let object = object(ObjectType::Secret);
    let told = |session| FetchError::from_azure(session, CLIENT, &object, &error).category();
    assert_eq!(told(&session), Category::Internal);
    let host = session.target_host().to_owned();
    session.remember(host, Failure::Status(401));
    assert_eq!(told(&session), Category::Unauthenticated);
}

#[test]
fn every_refusal_of_entra_names_what_to_correct() {
    let body = |code: u32| {
        format!(
            r#"{{"error":"invalid_client","error_description":"AADSTS{code}: words. Trace ID: 1",
                "error_codes":[{code}]}}"#
        )
    };
    let cases = [
        (401, 7000215, "put the secret's value, not its id"),
        (401, 7000222, "has expired"),
        (400, 700016, "check clientID and tenantID"),
        (400, 90002, "check tenantID and cloudName"),
        (400, 70021, "subject 'system:serviceaccount:shop:web'"),
        (401, 700211, "issuer 'https://oidc.test/c/'"),
        (401, 700212, "audience"),
        (401, 700213, "subject 'system:serviceaccount:shop:web'"),
        (401, 7002138, "upper and lower case count"),
        (401, 700024, "check the clocks"),
        (401, 700027, "publishes its current keys"),
        (400, 50166, "AADSTS50166"),
    ];
    let (session, identity) = (session(), workload_identity());
    for (status, code, remedy) in cases {
        let error = TokenError::from_azure(&session, &identity, &answer(status, &body(code)));
        let text = error.to_string();
        assert_eq!(error.category(), Category::Unauthenticated, "{text}");
        assert!(text.contains(remedy), "{text}");
        assert!(text.contains(&code.to_string()), "{text}");
        assert!(text.chars().count() <= 300, "{text}");
        assert!(
            !text.contains("Trace ID"),
            "ids differ from try to try: {text}"
        );
        assert!(
            error.detail.contains("Trace ID"),
            "the log has Entra's words"
        );
    }
}

#[test]
fn an_outage_of_entra_is_no_refusal() {
    let (session, identity) = (session(), workload_identity());
    for status in [429, 500, 503] {
        let error = TokenError::from_azure(&session, &identity, &answer(status, "<html>"));
        assert_eq!(error.category(), Category::Unreachable, "{error}");
    }
}

#[test]
fn the_managed_identity_endpoints_refusals_are_told_apart() {
    let identity = Identity::ManagedIdentity { client: None };
    let body =
        |words: &str| format!(r#"{{"error":"invalid_request","error_description":"{words}"}}"#);
    let cases = [
        (
            400,
            body("Identity not found"),
            TokenProblem::IdentityNotAssigned,
        ),
        (
            400,
            body("Multiple user assigned identities exist, please specify the clientId"),
            TokenProblem::IdentityAmbiguous,
        ),
        (429, String::new(), TokenProblem::Throttled),
        (500, String::new(), TokenProblem::Failing(500)),
    ];
    for (status, body, problem) in cases {
        let error = TokenError::from_azure(&session(), &identity, &answer(status, &body));
        assert_eq!(error.problem, problem);
    }
}

#[test]
fn an_unreachable_endpoint_is_found_under_the_sdks_wrapping() {
    let host = || "kv-test.vault.azure.net".to_owned();
    let proxy = || "proxy.test:3128".to_owned();
    let cases = [
        (Unreachable::Name { host: host() }, "DNS"),
        (Unreachable::NameTimeout { host: host() }, "NetworkPolicy"),
        (Unreachable::Silent { host: host() }, "network path"),
        (
            Unreachable::ProxyUntrusted {
                proxy: proxy(),
                reason: "issued by an unknown authority".into(),
            },
            "add the CA that signed it",
        ),
        (
            Unreachable::Connect {
                host: host(),
                reason: "connection refused".into(),
            },
            "firewall",
        ),
        (
            Unreachable::Untrusted {
                host: host(),
                reason: "expired".into(),
            },
            "SSL_CERT_FILE",
        ),
        (
            Unreachable::Tls {
                host: host(),
                reason: "timed out".into(),
            },
            "interferes",
        ),
        (
            Unreachable::ProxyRefused {
                proxy: proxy(),
                host: host(),
                status: 403,
            },
            "NO_PROXY",
        ),
        (
            Unreachable::ProxyRefused {
                proxy: proxy(),
                host: host(),
                status: 407,
            },
            "password",
        ),
        (
            Unreachable::Proxy {
                proxy: proxy(),
                reason: "timed out".into(),
            },
            "HTTPS_PROXY",
        ),
        (Unreachable::Broken { host: host() }, "network path"),
    ];
    let session = session();
    for (unreachable, remedy) in cases {
        let error = Error::new(ErrorKind::Io, unreachable.clone()).with_context("retries expired");
        let error = FetchError::from_azure(&session, CLIENT, &object(ObjectType::Key), &error);
        assert_eq!(error.problem, FetchProblem::Unreachable(unreachable));
        let text = error.to_string();
        assert!(text.contains(remedy), "{text}");
        assert!(text.chars().count() <= 300, "{text}");
    }
}
