//! One request: whose it is, what faults make of it, what the service answers.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::{Connection, Front};
use crate::answer::{Answer, Inbound, bearer, query_value, text};
use crate::calls::{Call, Service};
use crate::cloud::{Cloud, Target};
use crate::faults::{Outcome, Probe};
use crate::state::State;
use crate::vault::VaultRequest;
use crate::{access, arm, entra, imds};

/// The body of an answer.
pub(crate) type Body = Full<Bytes>;

/// Larger requests are none that Azure takes.
const MAX_BODY: usize = 1 << 20;

/// The longest client id that is logged: a GUID.
const MAX_CLIENT_ID: usize = 36;

/// The connection is to be closed without an answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("dropped on purpose")]
pub(crate) struct Dropped;

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
enum Destination<'a> {
    Entra(Cloud),
    /// The token proxy of a cluster, by its server name.
    TokenProxy(&'a str),
    Arm(Cloud),
    Vault,
    Imds,
}

impl Destination<'_> {
    fn service(self) -> Service {
        match self {
            Self::Entra(_) | Self::TokenProxy(_) => Service::Entra,
            Self::Arm(_) => Service::Arm,
            Self::Vault => Service::Vault,
            Self::Imds => Service::Imds,
        }
    }
}

/// Answers a request, or says that it gets no answer.
pub(super) async fn answer(
    state: &Arc<State>,
    front: &Front,
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    let host = host_name(&parts.uri, &parts.headers);
    let target =
        match front {
            Front::Imds => Some(Destination::Imds),
            Front::TokenProxy(name) => Some(Destination::TokenProxy(name)),
            Front::Azure => Target::of_host_or(&host, |host| state.vaults.find(host).is_some())
                .map(|target| match target {
                    Target::Entra(cloud) => Destination::Entra(cloud),
                    Target::ResourceManager(cloud) => Destination::Arm(cloud),
                    Target::Vault => Destination::Vault,
                }),
        };
    let Some(destination) = target else {
        tracing::info!(connection = connection.id, %host, "not a host of the emulated Azure");
        let body = format!("{host:?} is not a host of the emulated Azure.\n");
        return Ok(text(421, &body).map(Full::new));
    };
    let authenticated = bearer(&parts.headers).is_some();
    let id = state.calls.begin(Call {
        service: destination.service(),
        host: host.clone(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        api_version: query_value(parts.uri.query().unwrap_or_default(), "api-version"),
        status: None,
        authenticated,
        client_id: None,
        connection: connection.id,
        http_version: format!("{:?}", parts.version),
        millis: state.millis(),
    });
    let probe = Probe {
        service: destination.service(),
        host: &host,
        method: parts.method.as_str(),
        path: parts.uri.path(),
        authenticated,
    };
    let outcome = state.faults.strike(probe).await;
    match outcome {
        Outcome::Hang => return Err(never_answer(state, connection).await),
        Outcome::Drop => {
            connection.abort.cancel();
            return Err(Dropped);
        }
        _ => {}
    }
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(_) => return Err(Dropped),
    };
    let (answer, client_id) = match body {
        Some(body) => {
            let inbound = Inbound {
                host: &host,
                method: &parts.method,
                path: parts.uri.path(),
                query: parts.uri.query().unwrap_or_default(),
                headers: &parts.headers,
                body,
                client_address: connection.peer.ip(),
            };
            conclude(state, destination, &inbound, &outcome).await
        }
        None => (text(413, "The request is too large.\n"), None),
    };
    let status = answer.status().as_u16();
    let client_id = client_id.filter(|id| id.len() <= MAX_CLIENT_ID);
    tracing::debug!(
        connection = connection.id, %host, method = %parts.method, path = parts.uri.path(), status,
    );
    state.calls.finish(id, status, client_id);
    Ok(answer.map(Full::new))
}

/// The answer of a service, or of the fault that stands before it.
async fn conclude(
    state: &Arc<State>,
    destination: Destination<'_>,
    request: &Inbound<'_>,
    outcome: &Outcome,
) -> (Answer, Option<String>) {
    let now = state.clock.now();
    let failure = |status| match destination {
        Destination::Entra(cloud) => entra::unavailable(cloud, request, status, now),
        Destination::TokenProxy(_) => entra::unavailable(Cloud::Public, request, status, now),
        Destination::Arm(_) => arm::fault(status, request),
        Destination::Imds => imds::error(status, "The endpoint is made to fail"),
        Destination::Vault => access::fault(status, request),
    };
    let answer = match outcome {
        Outcome::Proceed { skew } => {
            let token_now = now.saturating_add(*skew);
            return serve(state, destination, request, now, token_now).await;
        }
        Outcome::Status {
            code,
            retry_after,
            retry_after_millis,
        } => {
            let mut answer = failure(*code);
            let headers = answer.headers_mut();
            if let Some(seconds) = retry_after {
                headers.insert(http::header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            if let Some(millis) = retry_after_millis {
                headers.insert("retry-after-ms", HeaderValue::from(*millis));
            }
            answer
        }
        Outcome::Garbage => json(Bytes::from_static(b"\x00\xff{\"value\":<html>")),
        Outcome::Json(body) => json(Bytes::from(body.clone())),
        // Hanging and dropped calls have left already.
        Outcome::BarrierTimeout | Outcome::Hang | Outcome::Drop => failure(504),
    };
    let client_id = match destination {
        Destination::Vault | Destination::Arm(_) => access::client_id(state, request, now),
        Destination::Entra(_) | Destination::TokenProxy(_) | Destination::Imds => None,
    };
    (answer, client_id)
}

/// A body that is said to be JSON.
fn json(body: Bytes) -> Answer {
    let mut answer = Response::new(body);
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    answer
}

/// `token_now` is the clock that token times are made and judged by.
async fn serve(
    state: &Arc<State>,
    destination: Destination<'_>,
    request: &Inbound<'_>,
    now: i64,
    token_now: i64,
) -> (Answer, Option<String>) {
    match destination {
        Destination::Entra(cloud) => {
            let entra::Outcome { answer, client_id } =
                entra::handle(state, cloud, request, token_now);
            (answer, client_id)
        }
        Destination::TokenProxy(name) => {
            let entra::Outcome { answer, client_id } =
                entra::handle_proxied(state, name, request, token_now);
            (answer, client_id)
        }
        Destination::Arm(cloud) => {
            let time = state.clock.since_epoch();
            let arm::Outcome { answer, client_id } =
                arm::handle(state, cloud, request, time, token_now).await;
            (answer, client_id)
        }
        Destination::Imds => {
            let imds::Outcome { answer, client_id } = imds::handle(state, request, token_now);
            (answer, client_id)
        }
        Destination::Vault => serve_vault(state, request, now, token_now).await,
    }
}

async fn serve_vault(
    state: &Arc<State>,
    request: &Inbound<'_>,
    now: i64,
    token_now: i64,
) -> (Answer, Option<String>) {
    let Some(vault) = state.vaults.find(request.host) else {
        let body = format!("{}: no such vault is seeded.\n", request.host);
        return (text(421, &body), None);
    };
    if request.method == Method::GET && request.path == "/healthstatus" {
        return (access::health(request), None);
    }
    let caller = match access::authenticate(state, &vault, request, token_now) {
        Ok(caller) => caller,
        Err(unauthorized) => {
            let client_id = access::client_id(state, request, token_now);
            return (unauthorized.answer(&vault, request), client_id);
        }
    };
    let client_id = Some(caller.client_id.clone());
    let grants = state.arm.data_grants(&caller.object_id, now);
    let vault_request = VaultRequest {
        method: request.method.clone(),
        path: request.path.to_owned(),
        query: request.query.to_owned(),
        body: request.body.clone(),
        caller,
        client_address: request.client_address,
        client_request_id: request.header("x-ms-client-request-id").map(str::to_owned),
    };
    if request.method != Method::POST {
        return (
            state
                .vaults
                .handle_with(request.host, &vault_request, &grants, now),
            client_id,
        );
    }
    // A POST may generate keys, which must not hold up other calls on this thread.
    let (vaults, host) = (Arc::clone(state), request.host.to_owned());
    let handled = tokio::task::spawn_blocking(move || {
        vaults
            .vaults
            .handle_with(&host, &vault_request, &grants, now)
    });
    match handled.await {
        Ok(answer) => (answer, client_id),
        Err(error) => {
            tracing::error!(%error, "the vault did not answer");
            (access::fault(500, request), client_id)
        }
    }
}

/// The host of `:authority` or `Host`, lower case and without port.
pub(super) fn host_name(uri: &Uri, headers: &HeaderMap) -> String {
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers
            .get(http::header::HOST)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

/// Waits until the connection or the server ends.
pub(super) async fn never_answer(state: &State, connection: &Connection) -> Dropped {
    tokio::select! {
        () = state.stopping.cancelled() => {}
        () = connection.abort.cancelled() => {}
    }
    Dropped
}
