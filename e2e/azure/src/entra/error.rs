//! The errors of the token endpoint, in Entra's words.

use http::Method;
use serde_json::json;

use crate::answer::{Answer, json as answer_json};
use crate::cloud::Cloud;

/// An error with its AADSTS code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntraError {
    pub(super) status: u16,
    pub(super) code: u32,
    error: &'static str,
    text: String,
    /// Whether the answer has an `error_uri`.
    uri: bool,
}

impl EntraError {
    fn new(status: u16, error: &'static str, code: u32, text: String) -> Self {
        Self {
            status,
            code,
            error,
            text,
            uri: false,
        }
    }

    fn client(code: u32, text: String) -> Self {
        Self::new(401, "invalid_client", code, text)
    }

    fn request(code: u32, text: String) -> Self {
        Self::new(400, "invalid_request", code, text)
    }

    fn with_uri(self) -> Self {
        Self { uri: true, ..self }
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::request(900_144, text)
    }

    pub(super) fn no_credential() -> Self {
        let text = "The request body must contain the following parameter: 'client_assertion' or \
                    'client_secret'.";
        Self::client(7_000_218, text.to_owned()).with_uri()
    }

    pub(super) fn grant_type(grant_type: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{grant_type}'.");
        Self::new(400, "unsupported_grant_type", 70_003, text)
    }

    pub(super) fn tenant_in_token_request(tenant: &str) -> Self {
        Self::request(90_002, tenant_not_found(tenant)).with_uri()
    }

    pub(super) fn tenant_in_discovery(tenant: &str) -> Self {
        Self::new(400, "invalid_tenant", 90_002, tenant_not_found(tenant)).with_uri()
    }

    pub(super) fn instance(authority: &str) -> Self {
        let text = format!("Unknown or invalid instance: {authority}");
        Self::new(400, "invalid_instance", 50_049, text).with_uri()
    }

    pub(super) fn scope(scope: &str) -> Self {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for \
             the input parameter 'scope' is not valid. The scope {scope} is not valid."
        );
        Self::new(400, "invalid_scope", 70_011, text)
    }

    pub(super) fn scope_without_default(scope: &str) -> Self {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have \
             a scope value with /.default suffixed to the resource identifier (application ID URI)."
        );
        Self::new(400, "invalid_scope", 1_002_012, text)
    }

    pub(super) fn application(client_id: &str, tenant: &str) -> Self {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory '{tenant}'. \
             This can happen if the application has not been installed by the administrator of \
             the tenant or consented to by any user in the tenant. You may have sent your \
             authentication request to the wrong tenant."
        );
        Self::new(400, "unauthorized_client", 700_016, text).with_uri()
    }

    pub(super) fn secret(client_id: &str) -> Self {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the \
             client secret value, not the client secret ID, for a secret added to app \
             '{client_id}'."
        );
        Self::client(7_000_215, text).with_uri()
    }

    pub(super) fn secret_expired(client_id: &str) -> Self {
        let text = format!(
            "The provided client secret keys for app '{client_id}' are expired. Visit the Azure \
             portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider \
             using certificate credentials for added security: https://aka.ms/certCreds."
        );
        Self::client(7_000_222, text).with_uri()
    }

    pub(super) fn malformed_assertion() -> Self {
        Self::request(50_027, "JWT token is invalid or malformed.".to_owned())
    }

    pub(super) fn algorithm(algorithm: &str) -> Self {
        let text = format!(
            "Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported \
             signing algorithms are: 'RS256'"
        );
        Self::request(5_002_738, text)
    }

    pub(super) fn no_federated_credentials(client_id: &str, name: &str) -> Self {
        let text = format!(
            "The client '{client_id}'({name}) has no configured federated identity credentials."
        );
        Self::client(70_025, text)
    }

    /// The token proxy's refusal. What the real one answers is not documented.
    pub(super) fn not_bound(subject: &str, client_id: &str) -> Self {
        let text = format!(
            "'{subject}' may not use the managed identity '{client_id}', or no identity binding of \
             this cluster is for it."
        );
        Self::new(403, "unauthorized_client", 0, text)
    }

    pub(super) fn certificate(client_id: &str) -> Self {
        let text = format!(
            "The certificate with identifier used to sign the client assertion is not registered \
             on application. [Reason - The key was not found.] Client application: '{client_id}'."
        );
        Self::client(700_027, text).with_uri()
    }

    pub(super) fn signature(reason: &str) -> Self {
        let text = format!("Client assertion failed signature validation. [Reason - {reason}]");
        Self::client(700_027, text).with_uri()
    }

    pub(super) fn issuer_unreachable(issuer: &str) -> Self {
        let text = format!("Request to External OIDC endpoint failed. Issuer: '{issuer}'.");
        Self::request(50_166, text)
    }

    pub(super) fn assertion_time(now: &str, from: &str, until: &str) -> Self {
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion \
             valid from {from}, expiry time of assertion {until}. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
        );
        Self::client(700_024, text).with_uri()
    }

    pub(super) fn no_match(code: u32, what: &str, value: &str) -> Self {
        let detail = match code {
            7_002_138 => {
                " The subject matches with case-insensitive comparison, but not with \
                 case-sensitive comparison."
            }
            _ => "",
        };
        let text = format!(
            "No matching federated identity record found for presented assertion {what} \
             '{value}'.{detail} Check your federated identity credential Subject, Audience and \
             Issuer against the presented assertion. \
             https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
        );
        Self::client(code, text)
    }

    pub(super) fn unavailable(status: u16) -> Self {
        let text = match status {
            429 => "The server is terminating the request because it was throttled.",
            _ => "The service is temporarily unavailable. Please retry later.",
        };
        Self::new(status, "temporarily_unavailable", 90_033, text.to_owned())
    }

    pub(super) fn method(method: &Method) -> Self {
        let text =
            format!("Endpoint only accepts POST, OPTIONS requests. Received a {method} request.");
        Self::new(405, "invalid_request", 900_561, text)
    }

    pub(super) fn not_found(path: &str) -> Self {
        let text = format!("The emulated login host has nothing at {path}.");
        Self::new(404, "invalid_request", 900_144, text)
    }

    /// The answer, with ids and time in the text as Entra has them.
    pub(super) fn answer(&self, cloud: Cloud, correlation: &str, now: i64) -> Answer {
        let Self {
            status,
            code,
            error,
            text,
            uri,
        } = self;
        let time = timestamp(now, "%Y-%m-%d %H:%M:%SZ");
        let trace = uuid::Uuid::new_v4().to_string();
        // The token proxy of a cluster has words of its own, without a code.
        let (prefix, codes) = match code {
            0 => (String::new(), Vec::new()),
            code => (format!("AADSTS{code}: "), vec![*code]),
        };
        let mut body = json!({
            "error": error,
            "error_description": format!(
                "{prefix}{text} Trace ID: {trace} Correlation ID: {correlation} \
                 Timestamp: {time}"
            ),
            "error_codes": codes,
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        if let (true, Some(body)) = (uri, body.as_object_mut()) {
            let uri = format!("https://{}/error?code={code}", cloud.login_host());
            body.insert("error_uri".to_owned(), uri.into());
        }
        answer_json(*status, &body)
    }
}

fn tenant_not_found(tenant: &str) -> String {
    format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are \
         signing into the correct cloud. Check with your subscription administrator, this may \
         happen if there are no active subscriptions for the tenant."
    )
}

/// A time as Entra's texts have it.
pub(super) fn timestamp(seconds: i64, format: &str) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => seconds.to_string(),
    }
}
