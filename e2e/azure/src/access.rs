//! Authentication towards vaults, and the answers a vault gives before it is asked: the 401
//! challenge, throttling, outage.

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::answer::{Answer, Inbound, json as answer_json};
use crate::cloud::Cloud;
use crate::state::State;
use crate::token::TokenError;
use crate::vault::{Caller, VaultInfo};

/// The application id of Key Vault, which is an audience too.
const VAULT_APPLICATION: &str = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";

/// Why a request is answered with 401, in Key Vault's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unauthorized(String);

/// Who sent a request.
pub(crate) fn authenticate(
    state: &State,
    vault: &VaultInfo,
    request: &Inbound<'_>,
    now: i64,
) -> Result<Caller, Unauthorized> {
    let refuse = |message: &str| Err(Unauthorized(message.to_owned()));
    let Some(token) = request.bearer() else {
        return refuse("AKV10000: Request is missing a Bearer or PoP token.");
    };
    let bearer = match state.tokens.verify(token, now) {
        Ok(bearer) => bearer,
        Err(error) => {
            return refuse(match error {
                TokenError::Malformed => {
                    "[InvalidToken] Error validating token: the token is malformed."
                }
                TokenError::Signature => {
                    "AKV10046: Unable to resolve the key used for signature validation."
                }
                TokenError::Expired => "[TokenExpired] Error validating token: 'S2S12086'.",
                TokenError::NotYetValid => "[TokenNotYetValid] Error validating token: 'S2S12087'.",
            });
        }
    };
    let resource = vault.resource;
    let audience = bearer.audience.trim_end_matches('/');
    if audience != resource && audience != VAULT_APPLICATION {
        return refuse(&format!(
            "AKV10022: Invalid audience. Expected {resource} or {VAULT_APPLICATION}, found: {}.",
            bearer.audience
        ));
    }
    let issuer = vault_cloud(vault).token_issuer(&vault.tenant_id);
    if !bearer.issuer.eq_ignore_ascii_case(&issuer) {
        return refuse(&format!(
            "AKV10032: Invalid issuer. Expected one of {issuer}, found {}.",
            bearer.issuer
        ));
    }
    Ok(Caller {
        client_id: bearer.client_id,
        object_id: bearer.object_id,
        tenant_id: bearer.tenant_id,
    })
}

/// The client id of a request's token, if the token is one of ours.
pub(crate) fn client_id(state: &State, request: &Inbound<'_>, now: i64) -> Option<String> {
    let bearer = state.tokens.verify(request.bearer()?, now).ok()?;
    Some(bearer.client_id)
}

fn vault_cloud(vault: &VaultInfo) -> Cloud {
    Cloud::of_vault(vault.resource).unwrap_or_default()
}

impl Unauthorized {
    /// The 401 with the challenge that tells clients where to get a token, and for what.
    pub(crate) fn answer(&self, vault: &VaultInfo, request: &Inbound<'_>) -> Answer {
        let mut answer = error(401, "Unauthorized", &self.0, request);
        let header = format!(
            "Bearer authorization=\"https://{}/{}\", resource=\"{}\"",
            vault_cloud(vault).login_host(),
            vault.tenant_id,
            vault.resource
        );
        if let Ok(header) = HeaderValue::from_str(&header) {
            answer
                .headers_mut()
                .insert(http::header::WWW_AUTHENTICATE, header);
        }
        answer
    }
}

/// The answer of a vault that is throttled, down, or made to fail otherwise.
pub(crate) fn fault(status: u16, request: &Inbound<'_>) -> Answer {
    let (code, message) = match status {
        401 => (
            "Unauthorized",
            "AKV10000: Request is missing a Bearer or PoP token.",
        ),
        403 => ("Forbidden", "The request was refused."),
        404 => ("NotFound", "Not found."),
        429 => (
            "Throttled",
            "Request was not processed because too many requests were received. Reason: \
             VaultRequestTypeLimitReached",
        ),
        503 => (
            "ServiceUnavailable",
            "The service is temporarily unavailable.",
        ),
        504 => (
            "GatewayTimeout",
            "The gateway did not receive a response in time.",
        ),
        500.. => (
            "InternalServerError",
            "The service could not process the request.",
        ),
        _ => ("BadParameter", "The request could not be processed."),
    };
    error(status, code, message, request)
}

/// `GET /healthstatus`, which needs no token.
pub(crate) fn health(request: &Inbound<'_>) -> Answer {
    with_headers(answer_json(200, &Value::from("OK")), request)
}

fn error(status: u16, code: &str, message: &str, request: &Inbound<'_>) -> Answer {
    let body = json!({"error": {"code": code, "message": message}});
    with_headers(answer_json(status, &body), request)
}

fn with_headers(mut answer: Answer, request: &Inbound<'_>) -> Answer {
    let headers = answer.headers_mut();
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
        (
            "strict-transport-security",
            "max-age=31536000;includeSubDomains",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-ms-keyvault-region", "westeurope"),
        ("x-ms-keyvault-service-version", "1.9.2203.1"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let family = match request.client_address.is_ipv4() {
        true => ("Ipv4", "InterNetwork"),
        false => ("Ipv6", "InterNetworkV6"),
    };
    let network = format!(
        "conn_type={};addr={};act_addr_fam={};",
        family.0, request.client_address, family.1
    );
    for (name, value) in [
        ("x-ms-keyvault-network-info", network.as_str()),
        ("x-ms-request-id", &uuid::Uuid::new_v4().to_string()),
        (
            "x-ms-client-request-id",
            request.header("x-ms-client-request-id").unwrap_or_default(),
        ),
    ] {
        match HeaderValue::from_str(value) {
            Ok(value) if !value.is_empty() => headers.insert(HeaderName::from_static(name), value),
            _ => None,
        };
    }
    answer
}
