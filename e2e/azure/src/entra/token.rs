//! The token endpoint: client credentials with a secret or a federated assertion.

use std::collections::HashMap;

use serde_json::json;

use super::assertion;
use super::error::EntraError;
use crate::answer::{Answer, Inbound, json as answer_json};
use crate::arm::BoundCluster;
use crate::cloud::Cloud;
use crate::directory::Principal;
use crate::state::State;
use crate::token::Grant;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door<'a> {
    LoginHost(Cloud),
    /// The token proxy of a cluster.
    TokenProxy(Cloud, &'a BoundCluster),
}

impl Door<'_> {
    fn cloud(self) -> Cloud {
        let (Self::LoginHost(cloud) | Self::TokenProxy(cloud, _)) = self;
        cloud
    }
}

/// Answers a token request; `client_id` is set as soon as the request told it.
pub(super) fn grant(
    state: &State,
    door: Door<'_>,
    tenant: &str,
    request: &Inbound<'_>,
    now: i64,
    client_id: &mut Option<String>,
) -> Result<Answer, EntraError> {
    let form = Form::parse(&request.body);
    *client_id = form.get("client_id").map(str::to_owned);
    let grant_type = form.require("grant_type")?;
    let given_client_id = form.require("client_id")?;
    if grant_type != "client_credentials" {
        return Err(EntraError::grant_type(grant_type));
    }
    let found = state.directory.tenant(tenant, door.cloud());
    let tenant = found.ok_or_else(|| EntraError::tenant_in_token_request(tenant))?;
    let audience = audience(form.require("scope")?)?;
    let principal = state
        .directory
        .principal(&tenant.tenant_id, given_client_id, now)
        .ok_or_else(|| EntraError::application(given_client_id, &tenant.tenant_id))?;
    let proof = match (form.get("client_assertion"), form.get("client_secret")) {
        (Some(token), _) => {
            if form.require("client_assertion_type")? != ASSERTION_TYPE {
                return Err(EntraError::missing("client_assertion_type"));
            }
            match door {
                Door::LoginHost(_) => assertion::check(&state.issuers, &principal, token, now)?,
                Door::TokenProxy(_, cluster) => {
                    assertion::check_bound(&state.issuers, cluster, &principal, token, now)?;
                }
            }
            "2"
        }
        (None, Some(secret)) if matches!(door, Door::LoginHost(_)) => {
            check_secret(&principal, secret, now)?;
            "1"
        }
        (None, _) => return Err(EntraError::no_credential()),
    };
    let lifetime = state.token_lifetime;
    let grant = Grant {
        audience,
        issuer: tenant.cloud.token_issuer(&tenant.tenant_id),
        tenant_id: tenant.tenant_id,
        client_id: principal.client_id,
        object_id: principal.object_id,
        proof,
        resource_id: principal.resource_id,
    };
    Ok(answer_json(
        200,
        &json!({
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": state.tokens.mint(&grant, now, lifetime),
        }),
    ))
}

/// Scopes of OpenID Connect, which some client libraries always add; this flow ignores them.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The audience a scope asks for. Entra takes one resource's `/.default` in this flow.
fn audience(scope: &str) -> Result<String, EntraError> {
    let mut scopes = scope
        .split_whitespace()
        .filter(|one| !OPENID_SCOPES.contains(one));
    let (Some(only), None) = (scopes.next(), scopes.next()) else {
        return Err(EntraError::scope(scope));
    };
    match only.strip_suffix("/.default") {
        Some("") => Err(EntraError::scope(scope)),
        Some(resource) => Ok(resource.to_owned()),
        None => Err(EntraError::scope_without_default(scope)),
    }
}

fn check_secret(principal: &Principal, secret: &str, now: i64) -> Result<(), EntraError> {
    let mut matching = principal
        .secrets
        .iter()
        .filter(|known| known.value == secret)
        .peekable();
    if matching.peek().is_none() {
        return Err(EntraError::secret(&principal.client_id));
    }
    match matching.any(|known| known.expires.is_none_or(|expires| now < expires)) {
        true => Ok(()),
        false => Err(EntraError::secret_expired(&principal.client_id)),
    }
}

/// The fields of a form; empty ones count as missing.
struct Form(HashMap<String, String>);

impl Form {
    fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn require(&self, name: &str) -> Result<&str, EntraError> {
        self.get(name).ok_or_else(|| EntraError::missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_resource_with_default() {
        for (scope, expected) in [
            (
                "https://vault.azure.net/.default",
                Ok("https://vault.azure.net"),
            ),
            (
                "https://vault.azure.net//.default",
                Ok("https://vault.azure.net/"),
            ),
            ("https://vault.azure.net/user_impersonation", Err(1_002_012)),
            ("https://vault.azure.net", Err(1_002_012)),
            ("/.default", Err(70_011)),
            ("a/.default b/.default", Err(70_011)),
            (
                "https://vault.azure.net/.default openid offline_access profile",
                Ok("https://vault.azure.net"),
            ),
            ("openid profile", Err(70_011)),
        ] {
            let found = audience(scope).map_err(|error| error.code);
            assert_eq!(found.as_deref().map_err(|code| *code), expected, "{scope}");
        }
    }
}
