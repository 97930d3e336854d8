//! The token endpoint and the discovery documents.

use serde_json::Value;
use vaultbind_azure::seed::FederatedCredentialSeed;
use vaultbind_azure::{Action, Azure, Fault, Match, Service, TokenRequest};

use crate::client::{Connection, get, text, token};
use crate::{BACKUP, LOGIN, NODES, SCOPE, TENANT, VAULT, WEB, azure};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn secret_form<'a>(client_id: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", SCOPE),
    ]
}

fn assertion_form<'a>(client_id: &'a str, assertion: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
        ("scope", SCOPE),
    ]
}

fn web_request() -> TokenRequest {
    TokenRequest {
        namespace: "shop".into(),
        service_account_name: "web".into(),
        audience: "api://AzureADTokenExchange".into(),
        ..TokenRequest::default()
    }
}

fn assertion(azure: &Azure, request: &TokenRequest) -> String {
    azure.service_account_token(request).unwrap().token
}

fn with<'a>(
    mut form: Vec<(&'a str, &'a str)>,
    name: &str,
    value: Option<&'a str>,
) -> Vec<(&'a str, &'a str)> {
    form.retain(|(key, _)| *key != name || value.is_some());
    for (key, old) in &mut form {
        if let (true, Some(value)) = (*key == name, value) {
            *old = value;
        }
    }
    form
}

#[tokio::test]
async fn a_secret_gives_a_token() {
    let azure = azure().await;
    for tenant in [TENANT, "contoso.onmicrosoft.com"] {
        let reply = token(&azure, tenant, &secret_form(BACKUP, "backup-secret")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), Some("no-store, no-cache"));
        let body = reply.json();
        assert_eq!(
            (&body["expires_in"], &body["token_type"]),
            (&3599.into(), &"Bearer".into())
        );
    }
    let call = &azure.calls()[0];
    assert_eq!(
        (call.service, call.client_id.as_deref()),
        (Service::Entra, Some(BACKUP))
    );
}

#[tokio::test]
async fn requests_that_are_wrong_get_entras_error() {
    let azure = azure().await;
    let good = || secret_form(BACKUP, "backup-secret");
    let unknown = "72f988bf-0000-4000-8000-00000000000f";
    for (tenant, form, status, error, code) in [
        (
            TENANT,
            with(good(), "grant_type", None),
            400,
            "invalid_request",
            900_144,
        ),
        (
            TENANT,
            with(good(), "client_id", None),
            400,
            "invalid_request",
            900_144,
        ),
        (
            TENANT,
            with(good(), "scope", None),
            400,
            "invalid_request",
            900_144,
        ),
        (
            TENANT,
            with(good(), "grant_type", Some("password")),
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (unknown, good(), 400, "invalid_request", 90_002),
        (
            TENANT,
            with(good(), "scope", Some("https://vault.azure.net")),
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            TENANT,
            with(good(), "scope", Some("/.default")),
            400,
            "invalid_scope",
            70_011,
        ),
        (
            TENANT,
            secret_form(unknown, "x"),
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            TENANT,
            with(good(), "client_secret", None),
            401,
            "invalid_client",
            7_000_218,
        ),
        (
            TENANT,
            secret_form(BACKUP, "wrong"),
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            TENANT,
            secret_form(BACKUP, "backup-old-secret"),
            401,
            "invalid_client",
            7_000_222,
        ),
    ] {
        let reply = token(&azure, tenant, &form).await;
        let body = reply.json();
        assert_eq!(body["error_codes"], Value::from(vec![code]), "{body}");
        assert_eq!(
            (reply.status, &body["error"]),
            (status, &error.into()),
            "{body}"
        );
        let description = text(&body["error_description"]);
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{description}"
        );
        for part in ["trace_id", "correlation_id", "timestamp"] {
            assert!(
                description.contains(&text(&body[part])),
                "{part} in {description}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_account_token_gives_a_token() {
    let azure = azure().await;
    let assertion = assertion(&azure, &web_request());
    let reply = token(&azure, TENANT, &assertion_form(WEB, &assertion)).await;
    assert_eq!(reply.status, 200);
    let access = text(&reply.json()["access_token"]);
    assert_ne!(
        get(&azure, VAULT, "/secrets?api-version=7.4", Some(&access))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn assertions_that_do_not_match_get_entras_error() {
    let azure = azure().await;
    let changed = |change: fn(&mut TokenRequest)| {
        let mut request = web_request();
        change(&mut request);
        assertion(&azure, &request)
    };
    let claim = |name: &str, value: &str| {
        let claims = [(name.to_owned(), value.into())].into_iter().collect();
        assertion(
            &azure,
            &TokenRequest {
                claims,
                ..web_request()
            },
        )
    };
    let good = assertion(&azure, &web_request());
    let unsigned = format!("{}.AAAA", good.rsplit_once('.').unwrap().0);
    let lost = "72f988bf-0000-4000-8000-0000000000c2";
    for (client_id, assertion, status, code) in [
        (
            WEB,
            changed(|r| r.issuer = Some("https://stranger.example/".into())),
            401,
            700_211,
        ),
        // A slash at the end counts.
        (
            WEB,
            claim("iss", "https://oidc.cluster.example"),
            401,
            700_211,
        ),
        (
            WEB,
            changed(|r| r.audience = "api://other".into()),
            401,
            700_212,
        ),
        (WEB, changed(|r| r.namespace = "other".into()), 401, 700_213),
        (
            WEB,
            changed(|r| r.service_account_name = "Web".into()),
            401,
            7_002_138,
        ),
        (WEB, changed(|r| r.expires_in = Some(-600)), 401, 700_024),
        (WEB, unsigned, 401, 700_027),
        // Signed by another issuer in this one's name.
        (
            WEB,
            assertion(
                &azure,
                &TokenRequest {
                    issuer: Some("https://stranger.example/".into()),
                    claims: [("iss".to_owned(), "https://oidc.cluster.example/".into())]
                        .into_iter()
                        .collect(),
                    ..web_request()
                },
            ),
            401,
            700_027,
        ),
        (WEB, claim("iss", WEB), 401, 700_027),
        (WEB, "nonsense".to_owned(), 400, 50_027),
        (lost, claim("iss", "https://lost.example/"), 400, 50_166),
        (BACKUP, good, 401, 70_025),
    ] {
        let reply = token(&azure, TENANT, &assertion_form(client_id, &assertion)).await;
        let body = reply.json();
        assert_eq!(body["error_codes"], Value::from(vec![code]), "{body}");
        assert_eq!(reply.status, status, "{body}");
        assert!(!body.to_string().contains(&assertion));
    }
}

#[tokio::test]
async fn federated_credentials_come_and_go() {
    let azure = azure().await;
    let assertion = assertion(&azure, &web_request());
    let status = async || {
        token(&azure, TENANT, &assertion_form(NODES, &assertion))
            .await
            .status
    };
    assert_eq!(status().await, 401);
    let credential = FederatedCredentialSeed {
        name: "shop".into(),
        issuer: "https://oidc.cluster.example/".into(),
        subject: "system:serviceaccount:shop:web".into(),
        audiences: Vec::new(),
    };
    azure.put_federated_credential(NODES, &credential).unwrap();
    assert_eq!(status().await, 200);
    azure.remove_federated_credential(NODES, "shop").unwrap();
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn clients_discover_the_token_endpoint() {
    let azure = azure().await;
    let authority = format!("https://{LOGIN}/{TENANT}/oauth2/v2.0/authorize");
    let target =
        format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={authority}");
    let instance = get(&azure, LOGIN, &target, None).await.json();
    let endpoint = text(&instance["tenant_discovery_endpoint"]);
    let path = endpoint.strip_prefix(&format!("https://{LOGIN}")).unwrap();
    let configuration = get(&azure, LOGIN, path, None).await.json();
    assert_eq!(
        configuration["token_endpoint"],
        format!("https://{LOGIN}/{TENANT}/oauth2/v2.0/token")
    );
    for (target, error) in [
        (
            "/nobody.example/v2.0/.well-known/openid-configuration",
            "invalid_tenant",
        ),
        (
            "/common/discovery/instance?authorization_endpoint=https://evil.example/t",
            "invalid_instance",
        ),
    ] {
        let reply = get(&azure, LOGIN, target, None).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &error.into()));
    }
    let mut connection = Connection::direct(&azure, LOGIN).await.unwrap();
    let target = format!("/{TENANT}/oauth2/v2.0/token");
    assert_eq!(
        connection
            .send("GET", LOGIN, &target, &[], "")
            .await
            .unwrap()
            .status,
        405
    );
}

#[tokio::test]
async fn an_outage_is_told_as_entra_does() {
    let azure = azure().await;
    let action = Action::Status {
        code: 503,
        retry_after: Some(7),
        retry_after_millis: None,
    };
    let of_entra = Match {
        service: Some(Service::Entra),
        ..Match::default()
    };
    azure.add_fault(Fault::new(of_entra, action)).unwrap();
    let reply = token(&azure, TENANT, &secret_form(BACKUP, "backup-secret")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("7"))
    );
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
}
