//! The emulated Entra: the token endpoint with client credentials, and the discovery documents
//! that client libraries ask for before it.

mod assertion;
mod discovery;
mod error;
mod token;

use http::Method;

use crate::answer::{Answer, Inbound, json};
use crate::cloud::Cloud;
use crate::state::State;
use error::EntraError;
use token::Door;

/// What came of a request: the answer, and who asked as far as known.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) client_id: Option<String>,
}

/// Answers a request to a login host.
pub(crate) fn handle(state: &State, cloud: Cloud, request: &Inbound<'_>, now: i64) -> Outcome {
    let mut client_id = None;
    let result = route(state, cloud, request, now, &mut client_id);
    let correlation = correlation_id(request);
    let mut answer = result.unwrap_or_else(|error| error.answer(cloud, &correlation, now));
    add_headers(&mut answer, &correlation);
    Outcome { answer, client_id }
}

/// Answers a request to the token proxy of a cluster, which knows the token endpoint only.
pub(crate) fn handle_proxied(
    state: &State,
    server_name: &str,
    request: &Inbound<'_>,
    now: i64,
) -> Outcome {
    let mut client_id = None;
    let mut cloud = Cloud::Public;
    let segments: Vec<_> = request.path.split('/').collect();
    let cluster = state.arm.bound_cluster(server_name, state.clock.now());
    let result = match (request.method, segments.as_slice(), cluster) {
        (&Method::POST, [.., tenant, "oauth2", "v2.0", "token"], Some(cluster)) => {
            let known =
                |cloud: &Cloud| state.directory.tenant(&cluster.tenant_id, *cloud).is_some();
            cloud = Cloud::ALL.into_iter().find(known).unwrap_or_default();
            let door = Door::TokenProxy(cloud, &cluster);
            token::grant(state, door, tenant, request, now, &mut client_id)
        }
        _ => Err(EntraError::not_found(request.path)),
    };
    let correlation = correlation_id(request);
    let mut answer = result.unwrap_or_else(|error| error.answer(cloud, &correlation, now));
    add_headers(&mut answer, &correlation);
    Outcome { answer, client_id }
}

/// The outage or throttling answer of the token endpoint.
pub(crate) fn unavailable(cloud: Cloud, request: &Inbound<'_>, status: u16, now: i64) -> Answer {
    let correlation = correlation_id(request);
    let mut answer = EntraError::unavailable(status).answer(cloud, &correlation, now);
    add_headers(&mut answer, &correlation);
    answer
}

fn route(
    state: &State,
    cloud: Cloud,
    request: &Inbound<'_>,
    now: i64,
    client_id: &mut Option<String>,
) -> Result<Answer, EntraError> {
    let segments: Vec<_> = request
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    match (request.method, segments.as_slice()) {
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => token::grant(
            state,
            Door::LoginHost(cloud),
            tenant,
            request,
            now,
            client_id,
        ),
        (&Method::GET, ["common", "discovery", "instance"]) => {
            discovery::instances(request.query).map(|body| json(200, &body))
        }
        (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            discovery::configuration(state, cloud, tenant).map(|body| json(200, &body))
        }
        (&Method::GET, [_, "discovery", "v2.0", "keys"]) => {
            // Access tokens are for the emulated vaults only, which know their key.
            Ok(json(200, &serde_json::json!({"keys": []})))
        }
        (_, [_, "oauth2", "v2.0", "token"]) => Err(EntraError::method(request.method)),
        _ => Err(EntraError::not_found(request.path)),
    }
}

/// The client's own id for the request if it is one, else a new one.
fn correlation_id(request: &Inbound<'_>) -> String {
    request
        .header("client-request-id")
        .filter(|id| uuid::Uuid::try_parse(id).is_ok())
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

fn add_headers(answer: &mut Answer, correlation: &str) {
    use http::HeaderValue;
    let headers = answer.headers_mut();
    headers.insert(
        "cache-control",
        HeaderValue::from_static("no-store, no-cache"),
    );
    headers.insert("pragma", HeaderValue::from_static("no-cache"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        "strict-transport-security",
        HeaderValue::from_static("max-age=31536000; includeSubDomains"),
    );
    for (name, value) in [
        ("x-ms-request-id", uuid::Uuid::new_v4().to_string()),
        ("client-request-id", correlation.to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}
