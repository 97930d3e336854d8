//! Bytes, room, refusals and the sweep over all that is in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::hmac;

use super::super::principal::PrincipalKey;
use super::super::state::{Place, State};
use super::entries::{flight, held};
use super::{kv_test, principal, secret};
use crate::cache::Principal;
use crate::{ClientId, Cloud, Identity, Sensitive};

const STALE: Duration = Duration::from_secs(3600);

fn digests() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"test")
}

fn key(principal: &Principal) -> Arc<PrincipalKey> {
    Arc::new(PrincipalKey::new(principal, &digests()))
}

/// Stores a value of so many bytes, asked for at `now`.
fn store(state: &mut State, principal: &Principal, name: &str, bytes: usize, now: Instant) {
    let key = key(principal);
    let place = Place {
        principal: Arc::clone(&key),
        vault: kv_test(),
        object: secret(name),
    };
    let read = state.count_read();
    let holding = state.asking(&key, &principal.identity, now);
    let objects = holding.objects(&place.vault);
    objects.entry(place.object.clone()).or_default();
    state.settle(&place, |entry| {
        entry.used = read;
        entry.store(held(&"x".repeat(bytes), now));
    });
}

fn names(state: &State) -> Vec<String> {
    let holdings = state.principals().map(|(_, holding)| holding);
    let objects = holdings.flat_map(|h| h.vaults.values().flat_map(|o| o.keys()));
    let mut names: Vec<_> = objects.map(|o| o.name.to_string()).collect();
    names.sort();
    names
}

#[test]
fn what_was_not_asked_for_longest_makes_room() {
    let now = Instant::now();
    let mut state = State::new(45_000);
    let principal = principal("payments");
    for name in ["a", "b", "c"] {
        store(&mut state, &principal, name, 10_000, now);
        assert_eq!(state.make_room(), 0);
    }
    // Asked for again, so that b is the oldest.
    store(&mut state, &principal, "a", 10_000, now);
    store(&mut state, &principal, "d", 10_000, now);
    assert_eq!(state.make_room(), 1);
    assert_eq!(names(&state), ["a", "c", "d"]);
}

#[test]
fn bytes_are_counted_up_and_down_to_nothing() {
    let now = Instant::now();
    let mut state = State::new(1 << 20);
    let principal = principal("payments");
    store(&mut state, &principal, "a", 10_000, now);
    let (_, one) = state.size();
    store(&mut state, &principal, "a", 10, now);
    let (_, smaller) = state.size();
    assert_eq!(one - smaller, 9_990);
    store(&mut state, &principal, "b", 10, now);
    assert_eq!(state.sweep(now + STALE, STALE), 2);
    assert_eq!(state.size(), (0, 0));
}

#[tokio::test]
async fn what_is_being_read_is_never_dropped() {
    let now = Instant::now();
    let mut state = State::new(1);
    let principal = principal("payments");
    store(&mut state, &principal, "a", 10, now);
    let place = Place {
        principal: key(&principal),
        vault: kv_test(),
        object: secret("a"),
    };
    state.settle(&place, |entry| entry.take_off(flight()));
    assert_eq!(state.make_room(), 0);
    assert_eq!(state.sweep(now + STALE, STALE), 0);
    assert_eq!(names(&state), ["a"]);
}

#[test]
fn a_refused_identity_loses_its_values_and_nobody_else_does() {
    let now = Instant::now();
    let mut state = State::new(1 << 20);
    let (refused, other) = (principal("payments"), principal("other"));
    for principal in [&refused, &other] {
        store(&mut state, principal, "a", 10, now);
        store(&mut state, principal, "b", 10, now);
    }
    assert_eq!(state.refuse(&key(&refused)), 2);
    assert_eq!(state.refuse(&key(&refused)), 0);
    let values = |state: &mut State, principal: &Principal| {
        let holding = state.holding(&key(principal)).unwrap();
        let entries = holding.vaults.values().flat_map(|objects| objects.values());
        entries.filter(|entry| entry.held().is_some()).count()
    };
    assert_eq!(values(&mut state, &refused), 0);
    assert_eq!(values(&mut state, &other), 2);
    assert_eq!(state.holding(&key(&refused)).unwrap().refusals, 2);
}

/// Each differs from the first in one thing that Azure, or what proves the identity, could tell
/// apart.
#[test]
fn no_two_principals_that_azure_tells_apart_share_anything() {
    let workload = principal("payments");
    let changed = |change: fn(&mut Principal)| {
        let mut principal = workload.clone();
        change(&mut principal);
        principal
    };
    let client: ClientId = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap();
    let tenant = || "11111111-2222-3333-4444-555555555555".parse().unwrap();
    let secret = |text: &str| Identity::ServicePrincipal {
        tenant: tenant(),
        client: client.clone(),
        secret: Sensitive::from(text),
    };
    let as_identity = |identity: Identity| Principal {
        identity,
        ..workload.clone()
    };
    let token = |text: &str| Principal {
        service_account: None,
        ..as_identity(Identity::WorkloadIdentity {
            tenant: tenant(),
            client: client.clone(),
            token: Sensitive::from(text),
        })
    };
    let all = [
        workload.clone(),
        changed(|p| p.cloud = Cloud::China),
        changed(|p| p.service_account.as_mut().unwrap().namespace = "other".into()),
        changed(|p| p.service_account.as_mut().unwrap().name = "other".into()),
        // Namespace and name do not run into each other.
        changed(|p| {
            let account = p.service_account.as_mut().unwrap();
            (account.namespace, account.name) = ("payment".into(), "sdefault".into());
        }),
        as_identity(Identity::WorkloadIdentity {
            tenant: "22222222-2222-3333-4444-555555555555".parse().unwrap(),
            client: client.clone(),
            token: Sensitive::from("e30.e30.c2ln"),
        }),
        as_identity(Identity::WorkloadIdentity {
            tenant: tenant(),
            client: "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee".parse().unwrap(),
            token: Sensitive::from("e30.e30.c2ln"),
        }),
        token("e30.e30.c2ln"),
        token("e30.e30.YQ"),
        // The token proxy lets others pass than Entra.
        as_identity(Identity::IdentityBinding {
            tenant: tenant(),
            client: client.clone(),
            token: Sensitive::from("e30.e30.c2ln"),
        }),
        Principal {
            service_account: None,
            ..as_identity(Identity::IdentityBinding {
                tenant: tenant(),
                client: client.clone(),
                token: Sensitive::from("e30.e30.c2ln"),
            })
        },
        as_identity(secret("hunter2")),
        as_identity(secret("hunter3")),
        // The text of a token is not the secret of the same text.
        as_identity(secret("e30.e30.c2ln")),
        as_identity(Identity::ManagedIdentity {
            client: Some(client.clone()),
        }),
        as_identity(Identity::ManagedIdentity { client: None }),
    ];
    for (i, one) in all.iter().enumerate() {
        for (j, other) in all.iter().enumerate() {
            assert_eq!(key(one) == key(other), i == j, "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_newer_token_of_the_same_service_account_shares() {
    let older = principal("payments");
    let mut newer = older.clone();
    if let Identity::WorkloadIdentity { token, .. } = &mut newer.identity {
        *token = Sensitive::from("e30.e30.bmV3");
    }
    assert_eq!(key(&older), key(&newer));
}

#[test]
fn digests_mean_nothing_in_another_process() {
    let mut principal = principal("payments");
    principal.service_account = None;
    let other = hmac::Key::new(hmac::HMAC_SHA256, b"another");
    let elsewhere = PrincipalKey::new(&principal, &other);
    assert_ne!(*key(&principal), elsewhere);
}
