//! What is in memory, for someone who looks for trouble. No values, tokens or digests.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::entry::Entry;
use super::state::State;
use crate::ObjectId;

/// What is in memory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Objects that are known, with those that failed.
    pub objects: usize,
    /// Bytes they are counted with.
    pub bytes: usize,
    /// By principal.
    pub principals: Vec<PrincipalView>,
}

/// What is in memory of one principal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalView {
    /// Who it is.
    pub principal: String,
    /// Seconds that its token lives on, if there is one.
    pub token_seconds_left: Option<u64>,
    /// Its objects.
    pub objects: Vec<ObjectView>,
}

/// One object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// The vault's name.
    pub vault: String,
    /// Type, name and version that were asked for.
    pub object: String,
    /// The version that is in memory.
    pub version: Option<String>,
    /// Seconds since the vault was asked for it.
    pub age_seconds: Option<u64>,
    /// Whether it is being read.
    pub reading: bool,
    /// The failure that is not tried again yet.
    pub failure: Option<String>,
}

pub(super) fn of(state: &State, now: Instant) -> View {
    let (objects, bytes) = state.size();
    let mut principals: Vec<PrincipalView> = state
        .principals()
        .map(|(key, holding)| {
            let vaults = holding.vaults.iter();
            let mut objects: Vec<ObjectView> = vaults
                .flat_map(|(vault, objects)| {
                    let view = |(id, entry)| object(vault.name(), id, entry, now);
                    objects.iter().map(view)
                })
                .collect();
            objects.sort_by(|a, b| (&a.vault, &a.object).cmp(&(&b.vault, &b.object)));
            PrincipalView {
                principal: key.describe(),
                token_seconds_left: holding.tokens.left(now).map(|left| left.as_secs()),
                objects,
            }
        })
        .collect();
    principals.sort_by(|a, b| a.principal.cmp(&b.principal));
    View {
        objects,
        bytes,
        principals,
    }
}

fn object(vault: &str, id: &ObjectId, entry: &Entry, now: Instant) -> ObjectView {
    let age = |asked| -> Duration { now.saturating_duration_since(asked) };
    ObjectView {
        vault: vault.to_owned(),
        object: id.to_string(),
        version: entry.held().map(|held| held.fetched.version.to_string()),
        age_seconds: entry.held().map(|held| age(held.asked).as_secs()),
        reading: entry.in_flight(),
        failure: entry.failure(now).map(ToString::to_string),
    }
}
