//! The managed identity endpoint of a virtual machine. Every value it answers is a string.

use http::{HeaderValue, Method};
use serde_json::json;

use crate::answer::{Answer, Inbound, json as answer_json, query_value};
use crate::directory::{MachineIdentities, MachineIdentity};
use crate::state::State;
use crate::token::Grant;

const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// What came of a request: the answer, and the identity it is for.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) client_id: Option<String>,
}

/// Answers a request to the endpoint.
pub(crate) fn handle(state: &State, request: &Inbound<'_>, now: i64) -> Outcome {
    let mut client_id = None;
    let mut answer = match grant(state, request, now) {
        Ok((answer, client)) => {
            client_id = Some(client);
            answer
        }
        Err(refusal) => error(refusal.0, refusal.1),
    };
    answer
        .headers_mut()
        .insert("server", HeaderValue::from_static("IMDS/150.870.65.1854"));
    Outcome { answer, client_id }
}

/// An error answer of the endpoint.
pub(crate) fn error(status: u16, description: &str) -> Answer {
    let error = match status {
        404 => "not_found",
        405 => "method_not_allowed",
        429 => "too_many_requests",
        500.. => "server_error",
        _ => "invalid_request",
    };
    answer_json(
        status,
        &json!({"error": error, "error_description": description}),
    )
}

struct Refusal(u16, &'static str);

fn grant(state: &State, request: &Inbound<'_>, now: i64) -> Result<(Answer, String), Refusal> {
    if request.path.trim_end_matches('/') != TOKEN_PATH {
        return Err(Refusal(404, "The requested path does not exist"));
    }
    if request.method != Method::GET {
        return Err(Refusal(405, "The method is not allowed"));
    }
    if !request
        .header("metadata")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return Err(Refusal(400, "Required metadata header not specified"));
    }
    let query = |name| query_value(request.query, name).filter(|value| !value.is_empty());
    query("api-version").ok_or(Refusal(400, "Required api-version parameter not specified"))?;
    let resource =
        query("resource").ok_or(Refusal(400, "Required resource parameter not specified"))?;
    let machine = state.directory.machine();
    let selector = Selector {
        client_id: query("client_id"),
        object_id: query("object_id").or_else(|| query("principal_id")),
        resource_id: query("msi_res_id").or_else(|| query("mi_res_id")),
    };
    let MachineIdentity {
        tenant,
        principal: identity,
    } = selector.select(&machine)?;
    let lifetime = state.managed_identity_token_lifetime;
    let grant = Grant {
        audience: resource.clone(),
        issuer: tenant.cloud.token_issuer(&tenant.tenant_id),
        tenant_id: tenant.tenant_id.clone(),
        client_id: identity.client_id.clone(),
        object_id: identity.object_id.clone(),
        proof: "2",
        resource_id: identity.resource_id.clone(),
    };
    let answer = answer_json(
        200,
        &json!({
            "access_token": state.tokens.mint(&grant, now, lifetime),
            "client_id": identity.client_id,
            "expires_in": lifetime.to_string(),
            "expires_on": now.saturating_add(lifetime).to_string(),
            "ext_expires_in": lifetime.to_string(),
            "not_before": now.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    );
    Ok((answer, identity.client_id.clone()))
}

const NOT_FOUND: Refusal = Refusal(400, "Identity not found");

/// Which identity a request names.
#[derive(Debug, Default)]
struct Selector {
    client_id: Option<String>,
    object_id: Option<String>,
    resource_id: Option<String>,
}

impl Selector {
    fn select<'a>(&self, machine: &'a MachineIdentities) -> Result<&'a MachineIdentity, Refusal> {
        let Self {
            client_id,
            object_id,
            resource_id,
        } = self;
        if client_id.is_none() && object_id.is_none() && resource_id.is_none() {
            return match (&machine.system_assigned, machine.user_assigned.as_slice()) {
                (Some(identity), _) | (None, [identity]) => Ok(identity),
                (None, []) => Err(NOT_FOUND),
                (None, _) => Err(Refusal(
                    400,
                    "Multiple user assigned identities exist, please specify the clientId / \
                     resourceId of the identity in the token request",
                )),
            };
        }
        // ARM answers resource ids in varying case.
        let same = |asked: &Option<String>, known: Option<&String>| {
            asked
                .as_ref()
                .is_none_or(|asked| known.is_some_and(|known| known.eq_ignore_ascii_case(asked)))
        };
        machine
            .system_assigned
            .iter()
            .chain(&machine.user_assigned)
            .find(|MachineIdentity { principal, .. }| {
                same(client_id, Some(&principal.client_id))
                    && same(object_id, Some(&principal.object_id))
                    && same(resource_id, principal.resource_id.as_ref())
            })
            .ok_or(NOT_FOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Cloud;
    use crate::directory::{Principal, TenantInfo};

    fn identity(digit: char) -> MachineIdentity {
        let tenant = TenantInfo {
            tenant_id: "t".into(),
            cloud: Cloud::Public,
        };
        let principal = Principal {
            client_id: format!("c{digit}"),
            object_id: format!("o{digit}"),
            resource_id: Some(format!("/subscriptions/S/resourceGroups/{digit}")),
            ..Principal::default()
        };
        MachineIdentity { tenant, principal }
    }

    fn select(system: bool, user: &str, selector: &Selector) -> Result<String, &'static str> {
        let machine = MachineIdentities {
            system_assigned: system.then(|| identity('0')),
            user_assigned: user.chars().map(identity).collect(),
        };
        selector
            .select(&machine)
            .map(|identity| identity.principal.client_id.clone())
            .map_err(|refusal| refusal.1)
    }

    #[test]
    fn without_a_selector_the_machines_own_or_only_identity_is_taken() {
        for (system, user, expected) in [
            (true, "12", Ok("c0")),
            (false, "1", Ok("c1")),
            (false, "", Err("Identity not found")),
        ] {
            let found = select(system, user, &Selector::default());
            assert_eq!(found.as_deref().map_err(|error| *error), expected);
        }
        assert!(
            select(false, "12", &Selector::default())
                .unwrap_err()
                .starts_with("Multiple")
        );
    }

    #[test]
    fn selectors_find_without_case() {
        let some = |text: &str| Some(text.to_owned());
        for (selector, expected) in [
            (
                Selector {
                    client_id: some("C2"),
                    ..Selector::default()
                },
                Ok("c2"),
            ),
            (
                Selector {
                    object_id: some("o1"),
                    ..Selector::default()
                },
                Ok("c1"),
            ),
            (
                Selector {
                    resource_id: some("/subscriptions/s/resourcegroups/2"),
                    ..Selector::default()
                },
                Ok("c2"),
            ),
            (
                Selector {
                    client_id: some("c9"),
                    ..Selector::default()
                },
                Err("Identity not found"),
            ),
        ] {
            let found = select(false, "12", &selector);
            assert_eq!(
                found.as_deref().map_err(|error| *error),
                expected,
                "{selector:?}"
            );
        }
    }
}
