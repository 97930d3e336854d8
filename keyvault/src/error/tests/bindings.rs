//! Identity bindings: what is said when the token proxy gives no token.

use super::*;

fn bound() -> Identity {
    Identity::IdentityBinding {
        tenant: TENANT.parse().unwrap(),
        client: CLIENT.parse().unwrap(),
        token: Sensitive::from("e30.e30.c2ln"),
    }
}

fn entra(code: u32) -> String {
    format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS{code}: m","error_codes":[{code}]}}"#
    )
}

#[test]
fn each_refusal_names_what_to_correct() {
    let bind = "use-managed-identity";
    let forbidden = r#"{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}"#;
    let cases = [
        (403, forbidden, TokenProblem::TokenProxyRefused(403), bind),
        (401, "{}", TokenProblem::TokenProxyRefused(401), bind),
        (
            403,
            &entra(0),
            TokenProblem::TokenProxyRefused(403),
            "bind the identity to the cluster",
        ),
        (
            401,
            &entra(700_213),
            TokenProblem::NoBindingCredential { code: 700_213 },
            "aks-identity-binding",
        ),
        (
            400,
            &entra(700_016),
            TokenProblem::UnknownClient,
            "check clientID",
        ),
        (429, "", TokenProblem::Throttled, "tried again"),
        (502, "", TokenProblem::Failing(502), "tried again"),
    ];
    for (status, body, problem, remedy) in cases {
        let error = TokenError::from_azure(&session(), &bound(), &answer(status, body));
        assert_eq!(error.problem, problem, "{body}");
        let text = error.to_string();
        assert!(text.contains(remedy) && text.contains(CLIENT), "{text}");
        assert!(!text.contains("c2ln"), "{text}");
        assert!(text.chars().count() <= 300, "{text}");
    }
}

#[test]
fn a_refusal_in_words_that_the_sdk_cannot_read_is_a_refusal() {
    let session = session();
    let unread = Error::with_message(ErrorKind::Credential, "expected value at line 1");
    let host = TokenError::from_azure(&session, &bound(), &unread).host;
    session.remember(host.clone(), Failure::Status(403));
    let error = TokenError::from_azure(&session, &bound(), &unread);
    assert_eq!(error.problem, TokenProblem::TokenProxyRefused(403));
    assert_eq!(error.category(), Category::Unauthenticated);
    session.remember(host, Failure::Status(503));
    let error = TokenError::from_azure(&session, &bound(), &unread);
    assert_eq!(error.problem, TokenProblem::Failing(503));
}

#[test]
fn what_stands_in_the_way_is_told_of_the_token_proxy_and_not_of_proxies() {
    let host = || "kubernetes.default.svc.cluster.local".to_owned();
    let reason = || "its CA cannot be read: name a PEM file in --token-proxy-ca-file".to_owned();
    let cases = [
        (Unreachable::NoTokenProxy, "--token-proxy-url"),
        (
            Unreachable::NoTokenProxy,
            "provider.identityBinding.enabled",
        ),
        (
            Unreachable::TokenProxy { reason: reason() },
            "--token-proxy-ca-file",
        ),
        (Unreachable::Name { host: host() }, "--token-proxy-url"),
        (Unreachable::Silent { host: host() }, "NetworkPolicy"),
        (
            Unreachable::Connect {
                host: host(),
                reason: "connection refused".into(),
            },
            "NetworkPolicy",
        ),
        (
            Unreachable::Untrusted {
                host: format!("{}.ests.aks", "a".repeat(53)),
                reason: "issued by an unknown authority".into(),
            },
            "--token-proxy-ca-file",
        ),
        (
            Unreachable::Tls {
                host: host(),
                reason: "timed out".into(),
            },
            "--sni-name",
        ),
    ];
    let session = session();
    for (unreachable, remedy) in cases {
        let error = Error::new(ErrorKind::Io, unreachable.clone()).with_context("retries expired");
        let text = TokenError::from_azure(&session, &bound(), &error).to_string();
        assert!(text.contains(remedy) && text.contains(CLIENT), "{text}");
        assert!(!text.contains("HTTPS_PROXY"), "{text}");
        assert!(text.chars().count() <= 300, "{text}");
    }
}
