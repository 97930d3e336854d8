//! Requests to seeded vaults, judged by what a client sees.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::{Caller, RoleAssignment, VaultRequest, VaultSeed, Vaults};

mod access;
mod certificates;
mod deletion;
mod keys;
mod lists;
mod pfx;
mod secrets;

/// 2026-11-01T00:00:00Z
const NOW: i64 = 1_793_491_200;
const HOST: &str = "kv-one.vault.azure.net";
const ADMIN: &str = "11111111-1111-1111-1111-111111111111";
const READER: &str = "22222222-2222-2222-2222-222222222222";

/// Vaults of a seed in YAML.
fn vaults(yaml: &str) -> Vaults {
    let seeds: Vec<VaultSeed> = serde_yaml::from_str(yaml).unwrap();
    Vaults::from_seed(&seeds, NOW).unwrap()
}

/// The vault `kv-one` with an administrator and these further lines of YAML.
fn vault(lines: &str) -> Vaults {
    vaults(&format!(
        "- name: kv-one\n  tenantID: t1\n  roleAssignments:\n  \
         - {{principal: {ADMIN}, role: Key Vault Administrator}}\n{lines}"
    ))
}

fn caller(client_id: &str) -> Caller {
    Caller {
        client_id: client_id.to_owned(),
        object_id: format!("object-of-{client_id}"),
        tenant_id: "t1".to_owned(),
    }
}

fn request(method: &str, target: &str, body: &str) -> VaultRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    VaultRequest {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        caller: caller(ADMIN),
        client_address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
        client_request_id: Some("request-one".to_owned()),
    }
}

/// An answer with its body read.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    fn inner(&self) -> &str {
        self.body["error"]["innererror"]["code"]
            .as_str()
            .unwrap_or_default()
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }
}

fn send(vaults: &Vaults, request: &VaultRequest, now: i64) -> Answer {
    let (parts, body) = vaults.handle(HOST, request, now).into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap()
        },
    }
}

/// Adds `api-version=7.6` unless the target has one.
fn call(vaults: &Vaults, method: &str, target: &str, body: &str) -> Answer {
    let target = match target.split_once('?') {
        None => format!("{target}?api-version=7.6"),
        Some((_, query)) if query.contains("api-version") => target.to_owned(),
        Some(_) => format!("{target}&api-version=7.6"),
    };
    send(vaults, &request(method, &target, body), NOW)
}

fn get(vaults: &Vaults, target: &str) -> Answer {
    call(vaults, "GET", target, "")
}
