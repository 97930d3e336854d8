//! Who asks Resource Manager, and the 401 for those it does not know.

use super::error::ArmError;
use super::reply::Reply;
use super::reply::time;
use crate::answer::Inbound;
use crate::cloud::Cloud;
use crate::state::State;
use crate::token::{Bearer, TokenError};

/// Who sent a request.
pub(super) fn authenticate(
    state: &State,
    cloud: Cloud,
    request: &Inbound<'_>,
    now: i64,
) -> Result<Bearer, ArmError> {
    let refuse = |code, message: String| Err(ArmError::gateway(401, code, message));
    let Some(token) = request.bearer() else {
        let message = "Authentication failed. The 'Authorization' header is missing.";
        return refuse("AuthenticationFailed", message.to_owned());
    };
    let bearer = match state.tokens.verify(token, now) {
        Ok(bearer) => bearer,
        Err(TokenError::Expired) => {
            let message = format!(
                "The access token expiry UTC time is earlier than current UTC time '{}'.",
                time(now)
            );
            return refuse("ExpiredAuthenticationToken", message);
        }
        Err(TokenError::Malformed | TokenError::Signature | TokenError::NotYetValid) => {
            let message = "The access token is invalid.".to_owned();
            return refuse("InvalidAuthenticationToken", message);
        }
    };
    let audiences = cloud.management_audiences();
    if !audiences.contains(&bearer.audience.trim_end_matches('/')) {
        let allowed = audiences.map(|audience| format!("'{audience}/'")).join(",");
        let message = format!(
            "The access token has been obtained for wrong audience or resource '{}'. It should \
             exactly match with one of the allowed audiences {allowed}.",
            bearer.audience
        );
        return refuse("InvalidAuthenticationTokenAudience", message);
    }
    Ok(bearer)
}

/// The refusal of a token of a tenant that the subscription is not in.
pub(super) fn other_tenant(cloud: Cloud, bearer: &Bearer, tenants: &[&str]) -> ArmError {
    let expected = tenants
        .iter()
        .map(|tenant| format!("'{}'", cloud.token_issuer(tenant)))
        .collect::<Vec<_>>()
        .join(",");
    let message = format!(
        "The access token is from the wrong issuer '{}'. It must match the tenant {expected} \
         associated with this subscription.",
        bearer.issuer
    );
    ArmError::gateway(401, "InvalidAuthenticationTokenTenant", message)
}

/// A 401 tells clients where tokens come from.
pub(super) fn challenge(reply: Reply, cloud: Cloud, tenant: Option<&str>) -> Reply {
    let tenant = tenant.unwrap_or("common");
    let header = format!(
        "Bearer authorization_uri=\"https://{}/{tenant}\", error=\"invalid_token\", \
         error_description=\"The access token is missing, invalid or for somebody else.\"",
        cloud.login_host()
    );
    reply.with("www-authenticate", header)
}
