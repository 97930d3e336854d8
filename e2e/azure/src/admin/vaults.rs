//! Changes of vaults.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Shares;
use super::body::{AdminError, answer, parse};
use crate::state::State;
use crate::vault::{Collection, Network, RoleAssignment, SetSecret, StoreError, Vaults};

/// From where a vault may be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkChange {
    /// The mode.
    pub network: Network,
    /// The addresses a firewall lets pass.
    #[serde(default)]
    pub allowed_addresses: Vec<IpAddr>,
}

/// A version to enable or disable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnabledChange {
    /// Whether it may be used.
    pub enabled: bool,
    /// The version; the current one if none.
    #[serde(default)]
    pub version: Option<String>,
}

/// Rights to take from a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// The object id or client id.
    pub principal: String,
    /// The role; without it all rights on the vault, access policies too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The object the assignment of the role is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// A version of a certificate: one to import, or one to issue under the certificate's policy.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateVersion {
    /// What to import: PEM with key and chain, or PKCS#12 in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The password of PKCS#12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for CertificateVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateVersion")
            .field("import", &self.value.is_some())
            .finish_non_exhaustive()
    }
}

type Changed = Result<StatusCode, AdminError>;

fn changed(outcome: Result<(), StoreError>) -> Changed {
    match outcome {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(AdminError::of_store(&error)),
    }
}

fn version(outcome: Result<String, StoreError>) -> Result<Response, AdminError> {
    let version = outcome.map_err(|error| AdminError::of_store(&error))?;
    Ok(answer(StatusCode::OK, &json!({"version": version})))
}

pub(super) async fn remove(Shared(state): Shares, Path(vault): Path<String>) -> Changed {
    match state.vaults.remove(&vault) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(AdminError::of_store(&StoreError::NoVault(vault))),
    }
}

pub(super) async fn set_secret(
    Shared(state): Shares,
    Path((vault, name)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, AdminError> {
    let secret: SetSecret = parse(&body)?;
    version(
        state
            .vaults
            .set_secret(&vault, &name, secret, state.clock.now()),
    )
}

pub(super) async fn set_enabled(
    Shared(state): Shares,
    path: Result<Path<(String, Collection, String)>, PathRejection>,
    body: Bytes,
) -> Changed {
    let Path((vault, collection, name)) =
        path.map_err(|error| AdminError::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let EnabledChange { enabled, version } = parse(&body)?;
    let version = version.as_deref();
    let now = state.clock.now();
    let vaults = &state.vaults;
    changed(vaults.set_enabled(&vault, collection, &name, version, enabled, now))
}

pub(super) async fn assign_role(
    Shared(state): Shares,
    Path(vault): Path<String>,
    body: Bytes,
) -> Changed {
    let assignment: RoleAssignment = parse(&body)?;
    changed(state.vaults.assign_role(&vault, &assignment))
}

pub(super) async fn revoke(
    Shared(state): Shares,
    Path(vault): Path<String>,
    body: Bytes,
) -> Changed {
    let Revocation {
        principal,
        role,
        object,
    } = parse(&body)?;
    changed(match (role, object) {
        (Some(role), object) => {
            let assignment = RoleAssignment {
                principal,
                role,
                object,
            };
            state.vaults.revoke_role(&vault, &assignment)
        }
        (None, None) => state.vaults.revoke(&vault, &principal),
        (None, Some(_)) => {
            let message = "role: must be given where object is";
            return Err(AdminError::new(StatusCode::BAD_REQUEST, message));
        }
    })
}

pub(super) async fn set_network(
    Shared(state): Shares,
    Path(vault): Path<String>,
    body: Bytes,
) -> Changed {
    let NetworkChange {
        network,
        allowed_addresses,
    } = parse(&body)?;
    changed(
        state
            .vaults
            .set_network(&vault, network, &allowed_addresses),
    )
}

pub(super) async fn add_certificate_version(
    Shared(state): Shares,
    Path((vault, name)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, AdminError> {
    let CertificateVersion { value, password } = match body.iter().all(u8::is_ascii_whitespace) {
        true => CertificateVersion::default(),
        false => parse(&body)?,
    };
    let add = move |vaults: &Vaults, now| match (value, password) {
        (Some(value), password) => {
            let password = password.as_deref();
            vaults.import_certificate(&vault, &name, &value, password, now)
        }
        (None, _) => vaults.renew_certificate(&vault, &name, now),
    };
    version(aside(state, move |state| add(&state.vaults, state.clock.now())).await?)
}

/// Does what may generate keys, which must not hold up other calls on this thread.
pub(super) async fn aside<T: Send + 'static>(
    state: Arc<State>,
    work: impl FnOnce(&State) -> T + Send + 'static,
) -> Result<T, AdminError> {
    tokio::task::spawn_blocking(move || work(&state))
        .await
        .map_err(|error| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
