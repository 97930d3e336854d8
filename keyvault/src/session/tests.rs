use azure_core::http::{Request, Url};

use super::*;
use crate::VaultHost;
use crate::testing::{management_session, session, session_at};

fn get(url: &str) -> Request {
    Request::new(Url::parse(url).unwrap(), azure_core::http::Method::Get)
}

#[test]
fn requests_go_to_the_vault_its_login_host_and_the_identity_endpoint_only() {
    let session = session();
    let allowed = [
        (
            "https://kv-test.vault.azure.net/secrets/a/",
            Service::Vault,
            Operation::GetSecret,
        ),
        (
            "https://kv-test.vault.azure.net:443/keys/a/",
            Service::Vault,
            Operation::GetKey,
        ),
        (
            "https://kv-test.vault.azure.net/certificates/a/",
            Service::Vault,
            Operation::GetCertificate,
        ),
        (
            "https://kv-test.vault.azure.net/secrets?api-version=7.4",
            Service::Vault,
            Operation::ListObjects,
        ),
        (
            "https://kv-test.vault.azure.net/keys/versions/versions?api-version=7.4",
            Service::Vault,
            Operation::ListVersions,
        ),
        (
            "https://kv-test.vault.azure.net/secrets/versions?api-version=7.4",
            Service::Vault,
            Operation::GetSecret,
        ),
        (
            "https://login.microsoftonline.com/t/oauth2/v2.0/token",
            Service::Entra,
            Operation::Token,
        ),
        (
            "http://169.254.169.254/metadata/identity/oauth2/token",
            Service::Imds,
            Operation::Token,
        ),
    ];
    for (url, service, operation) in allowed {
        assert_eq!(session.route(&get(url)), Ok((service, operation)), "{url}");
    }
    let refused = [
        "http://kv-test.vault.azure.net/secrets/a/",
        "https://kv-test.vault.azure.net:8443/secrets/a/",
        "https://kv-other.vault.azure.net/secrets/a/",
        "https://kv-test.vault.azure.net.evil.test/secrets/a/",
        "https://login.microsoftonline.us/t/oauth2/v2.0/token",
        "https://169.254.169.254/metadata",
        "http://127.0.0.1/metadata",
    ];
    for url in refused {
        let error = session.route(&get(url)).unwrap_err();
        assert!(
            matches!(error, Unreachable::WrongHost { .. }),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_answered_with_the_clouds_challenge_and_never_sent() {
    let session = session();
    let client = SessionClient(Arc::clone(&session));
    let request = get("https://kv-test.vault.azure.net/secrets/a/?api-version=7.4");
    let answer = client.execute_request(&request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::Unauthorized);
    let challenge = answer.headers().get_str(&WWW_AUTHENTICATE).unwrap();
    assert!(
        challenge.contains("resource=\"https://vault.azure.net\""),
        "{challenge}"
    );
    assert_eq!(session.tally.vault_calls(), 0);
}

#[tokio::test]
async fn a_foreign_next_link_is_refused_before_the_token_leaves() {
    let session = session();
    let client = SessionClient(Arc::clone(&session));
    let mut request = get("https://evil.test/secrets?$skiptoken=x");
    request.insert_header(AUTHORIZATION, "Bearer token");
    let error = client.execute_request(&request).await.unwrap_err();
    assert!(
        error.to_string().contains("evil.test was refused"),
        "{error}"
    );
    assert_eq!(
        (session.tally.vault_calls(), session.tally.token_calls()),
        (0, 0)
    );
}

#[test]
fn beside_an_allowed_host_no_other_is_asked_not_even_the_clouds_vaults() {
    let vault = VaultHost::from(&"kv.corp.example".parse().unwrap());
    let session = session_at(&vault);
    let route = session.route(&get("https://kv.corp.example/secrets/a/"));
    assert_eq!(route, Ok((Service::Vault, Operation::GetSecret)));
    for url in [
        "http://kv.corp.example/secrets/a/",
        "https://kv.corp.example:8443/secrets/a/",
        "https://kv.corp.example./secrets/a/",
        "https://x.kv.corp.example/secrets/a/",
        "https://corp.example/secrets/a/",
        "https://kv.corp.example.evil.test/secrets/a/",
        "https://kv.vault.azure.net/secrets/a/",
        "https://management.azure.com/secrets/a/",
    ] {
        let refused = session.route(&get(url));
        assert!(
            matches!(refused, Err(Unreachable::WrongHost { .. })),
            "{url}"
        );
    }
}

#[tokio::test]
async fn without_a_token_proxy_no_token_goes_anywhere() {
    let session = session();
    let client = crate::session::TokenProxyClient(Arc::clone(&session));
    let request = get("https://login.microsoftonline.com/t/oauth2/v2.0/token");
    assert!(client.execute_request(&request).await.is_err());
    assert_eq!(session.tally.token_calls(), 0);
}

#[test]
fn a_session_with_resource_manager_asks_no_vault() {
    use azure_core::http::Method;

    let session = management_session();
    let url = "https://management.azure.com/subscriptions/s/providers/x?api-version=1";
    for (method, operation) in [
        (Method::Get, Operation::GetResource),
        (Method::Put, Operation::PutResource),
        (Method::Delete, Operation::DeleteResource),
    ] {
        let request = Request::new(Url::parse(url).unwrap(), method);
        let route = session.route(&request);
        assert_eq!(route, Ok((Service::ResourceManager, operation)));
    }
    let token = session.route(&get(
        "https://login.microsoftonline.com/t/oauth2/v2.0/token",
    ));
    assert_eq!(token, Ok((Service::Entra, Operation::Token)));
    for url in [
        "http://management.azure.com/subscriptions/s",
        "https://management.azure.com:8443/subscriptions/s",
        "https://management.usgovcloudapi.net/subscriptions/s",
        "https://management.azure.com.evil.test/subscriptions/s",
        "https://kv-test.vault.azure.net/secrets/a",
    ] {
        let refused = session.route(&get(url));
        assert!(
            matches!(refused, Err(Unreachable::WrongHost { .. })),
            "{url}"
        );
    }
}
