//! The administration: JSON over HTTP, for tests and trials. Whoever reaches it may do everything.

mod body;
mod vaults;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use bytes::Bytes;
use http::{StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::faults::{Fault, FaultId};
use crate::issuers::TokenRequest;
use crate::seed::FederatedCredentialSeed;
use crate::state::State;
use body::{AdminError, answer, parse, parse_seed};
use vaults::aside;

pub use vaults::{CertificateVersion, EnabledChange, NetworkChange, Revocation};

type Shares = Shared<Arc<State>>;

/// Serves until everything stops.
pub(crate) async fn serve(state: Arc<State>, listener: TcpListener) {
    let stopping = state.stopping.clone();
    let server = axum::serve(listener, router(state))
        .with_graceful_shutdown(stopping.clone().cancelled_owned());
    let ended = tokio::select! {
        ended = std::future::IntoFuture::into_future(server) => ended,
        // An idle client must not hold up the end.
        () = async {
            stopping.cancelled().await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        } => Ok(()),
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "administration ended");
    }
}

fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/ca.pem", get(ca))
        .route("/arm/activities", get(activities).delete(clear_activities))
        .route("/arm/actions", get(used_actions))
        .route("/arm/managed", get(managed))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance_clock))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/jwks", get(key_sets))
        .route("/service-account-token", post(service_account_token))
        .route(
            "/applications/{client_id}/federated-credentials",
            put(put_credential).post(put_credential),
        )
        .route(
            "/applications/{client_id}/federated-credentials/{name}",
            delete(remove_credential),
        )
        .route("/seed", post(seed))
        .route("/vaults/{vault}", delete(vaults::remove))
        .route("/vaults/{vault}/network", put(vaults::set_network))
        .route(
            "/vaults/{vault}/role-assignments",
            put(vaults::assign_role).delete(vaults::revoke),
        )
        .route(
            "/vaults/{vault}/secrets/{name}",
            put(vaults::set_secret).post(vaults::set_secret),
        )
        .route(
            "/vaults/{vault}/{collection}/{name}/enabled",
            put(vaults::set_enabled),
        )
        .route(
            "/vaults/{vault}/certificates/{name}/versions",
            post(vaults::add_certificate_version),
        )
        .route("/shutdown", post(shutdown))
        .fallback(async || AdminError::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            AdminError::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method")
        })
        .with_state(state)
}

async fn ca(Shared(state): Shares) -> Response {
    let pem = state.ca.pem().to_owned();
    ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response()
}

async fn calls(Shared(state): Shares) -> Response {
    answer(StatusCode::OK, &state.calls.all())
}

async fn clear_calls(Shared(state): Shares) -> StatusCode {
    state.calls.clear();
    StatusCode::NO_CONTENT
}

async fn activities(Shared(state): Shares) -> Response {
    answer(StatusCode::OK, &state.arm.activities())
}

async fn used_actions(Shared(state): Shares) -> Response {
    answer(StatusCode::OK, &state.arm.used_actions())
}

async fn clear_activities(Shared(state): Shares) -> StatusCode {
    state.arm.clear_activities();
    StatusCode::NO_CONTENT
}

/// The credentials and assignments on and below what the parameter `below` names.
async fn managed(Shared(state): Shares, uri: Uri) -> Result<Response, AdminError> {
    let query = uri.query().unwrap_or_default();
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    let below = parameters.find(|(name, _)| name == "below");
    // Below what no id begins with there is nothing, which a test would take for good news.
    let below = below
        .filter(|(_, id)| id.starts_with("/subscriptions/"))
        .ok_or_else(|| {
            let message = "below: an id of Azure is needed, which begins with /subscriptions/";
            AdminError::new(StatusCode::BAD_REQUEST, message)
        })?;
    let ids = state.arm.managed_below(&below.1, &state);
    Ok(answer(StatusCode::OK, &ids))
}

/// How far the clock is to be moved ahead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u32,
}

async fn clock(Shared(state): Shares) -> Response {
    let time = jiff::Timestamp::from_second(state.clock.now()).unwrap_or_default();
    answer(StatusCode::OK, &json!({"time": time.to_string()}))
}

async fn advance_clock(shares: Shares, body: Bytes) -> Result<Response, AdminError> {
    let Advance { seconds } = parse(&body)?;
    shares.clock.advance(seconds);
    Ok(clock(shares).await)
}

async fn faults(Shared(state): Shares) -> Response {
    answer(StatusCode::OK, &state.faults.all())
}

async fn add_fault(Shared(state): Shares, body: Bytes) -> Result<Response, AdminError> {
    let fault: Fault = parse(&body)?;
    let id = state.faults.add(fault).map_err(AdminError::invalid)?;
    Ok(answer(StatusCode::CREATED, &json!({"id": id})))
}

async fn remove_fault(
    Shared(state): Shares,
    Path(id): Path<String>,
) -> Result<StatusCode, AdminError> {
    let unknown = || AdminError::new(StatusCode::NOT_FOUND, "there is no fault of this id");
    let id = id.parse().map_err(|_| unknown())?;
    match state.faults.remove(FaultId(id)) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown()),
    }
}

async fn clear_faults(Shared(state): Shares) -> StatusCode {
    state.faults.clear();
    StatusCode::NO_CONTENT
}

async fn key_sets(Shared(state): Shares) -> Response {
    answer(StatusCode::OK, &state.issuers.key_sets())
}

async fn service_account_token(Shared(state): Shares, body: Bytes) -> Result<Response, AdminError> {
    let request: TokenRequest = parse(&body)?;
    let token = state
        .issuers
        .service_account_token(&request, state.clock.now())
        .map_err(AdminError::invalid)?;
    Ok(answer(StatusCode::OK, &token))
}

async fn put_credential(
    Shared(state): Shares,
    Path(client_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, AdminError> {
    let credential: FederatedCredentialSeed = parse(&body)?;
    state
        .directory
        .put_federated_credential(&client_id, &credential)
        .map_err(|error| AdminError::new(StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_credential(
    Shared(state): Shares,
    Path((client_id, name)): Path<(String, String)>,
) -> Result<StatusCode, AdminError> {
    state
        .directory
        .remove_federated_credential(&client_id, &name)
        .map_err(|error| AdminError::new(StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn seed(Shared(state): Shares, body: Bytes) -> Result<StatusCode, AdminError> {
    let seed = parse_seed(&body)?;
    aside(state, move |state| state.seed(&seed, state.clock.now()))
        .await?
        .map_err(|error| AdminError::of_seeding(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn shutdown(Shared(state): Shares) -> StatusCode {
    state.stop_requested.cancel();
    StatusCode::ACCEPTED
}
