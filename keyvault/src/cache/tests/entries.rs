//! What a mount does about one object, by what is known of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::entry::{Entry, Held, Next};
use super::super::flight::{Flight, Progress, Waiting};
use super::super::{ReadError, Source};
use super::secret;
use crate::error::{FetchError, FetchProblem, Forbidden};
use crate::testing::session;
use crate::transport::Unreachable;
use crate::{Content, Fetched, Sensitive};

const FRESH: Duration = Duration::from_secs(60);
const STALE: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_secs(10);

pub(super) fn value(text: &str) -> Arc<Fetched> {
    Arc::new(Fetched {
        version: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        validity: Default::default(),
        content: Content::Secret {
            value: Sensitive::from(text),
            content_type: None,
            of_certificate: false,
        },
    })
}

pub(super) fn held(text: &str, asked: Instant) -> Held {
    Held {
        fetched: value(text),
        asked,
    }
}

pub(super) fn failure(problem: FetchProblem) -> Arc<ReadError> {
    let error = FetchError::new(&session(), "client", &secret("a"), problem);
    Arc::new(ReadError::Fetch(error))
}

fn outage() -> Arc<ReadError> {
    failure(FetchProblem::Throttled)
}

pub(super) fn flight() -> Flight {
    let progress = Progress::new(Waiting::Vault(session()));
    Flight::start(progress, std::future::pending(), || unreachable!())
}

/// What comes next, in one word.
fn next(entry: &mut Entry, now: Instant, stale_for: Duration) -> &'static str {
    match entry.next(now, FRESH, stale_for) {
        Next::Memory(_) => Source::Memory.as_str(),
        Next::Stale(_) => Source::Stale.as_str(),
        Next::Failed(_) => Source::FailedBefore.as_str(),
        Next::Join(_) => "join",
        Next::Read => "read",
    }
}

#[test]
fn a_value_is_fresh_then_read_again_and_never_served_by_itself_after_that() {
    let start = Instant::now();
    let mut entry = Entry::default();
    assert_eq!(next(&mut entry, start, STALE), "read");
    entry.store(held("a", start));
    for (seconds, expected) in [
        (0, "memory"),
        (59, "memory"),
        (60, "read"),
        (3599, "read"),
        (4000, "read"),
    ] {
        let now = start + Duration::from_secs(seconds);
        assert_eq!(next(&mut entry, now, STALE), expected, "{seconds} s");
    }
}

#[test]
fn an_outage_leaves_the_value_within_its_bound_and_a_refusal_does_not() {
    let forbidden = FetchProblem::Forbidden;
    let host = || "kv-test.vault.azure.net".to_owned();
    for (problem, expected) in [
        (FetchProblem::Throttled, "stale"),
        (FetchProblem::Failing(503), "stale"),
        (
            FetchProblem::Unreachable(Unreachable::Deadline { host: host() }),
            "stale",
        ),
        (
            FetchProblem::Unreachable(Unreachable::Name { host: host() }),
            "stale",
        ),
        (FetchProblem::BadAnswer { what: "is odd" }, "stale"),
        (forbidden(Forbidden::Firewall), "stale"),
        (forbidden(Forbidden::PrivateOnly), "stale"),
        (forbidden(Forbidden::Role), "failed_before"),
        (forbidden(Forbidden::AccessPolicy), "failed_before"),
        (forbidden(Forbidden::Other), "failed_before"),
        (FetchProblem::NotFound, "failed_before"),
        (FetchProblem::Disabled, "failed_before"),
        (FetchProblem::NotIssued, "failed_before"),
        (
            FetchProblem::TokenRejected {
                other_tenant: false,
            },
            "failed_before",
        ),
    ] {
        let start = Instant::now();
        let mut entry = Entry::default();
        entry.store(held("a", start));
        let now = start + FRESH;
        entry.fail(failure(problem.clone()), now + PAUSE);
        assert_eq!(next(&mut entry, now, STALE), expected, "{problem:?}");
        let kept = expected == "stale";
        assert_eq!(entry.held().is_some(), kept, "{problem:?}");
        // The failure is not taken for granted for ever.
        assert_eq!(next(&mut entry, now + PAUSE, STALE), "read", "{problem:?}");
    }
}

#[test]
fn without_stale_service_an_outage_is_a_failure() {
    let start = Instant::now();
    let mut entry = Entry::default();
    entry.store(held("a", start));
    let now = start + FRESH;
    entry.fail(outage(), now + PAUSE);
    assert_eq!(next(&mut entry, now, Duration::ZERO), "failed_before");
}

#[test]
fn past_its_bound_a_value_is_not_served_in_an_outage() {
    let start = Instant::now();
    let mut entry = Entry::default();
    entry.store(held("a", start));
    for (age, expected) in [(STALE - PAUSE, "stale"), (STALE, "failed_before")] {
        entry.fail(outage(), start + age + PAUSE);
        assert_eq!(next(&mut entry, start + age, STALE), expected, "{age:?}");
    }
}

#[tokio::test]
async fn whoever_comes_while_a_read_is_under_way_joins_it() {
    let start = Instant::now();
    let mut entry = Entry::default();
    entry.take_off(flight());
    assert_eq!(next(&mut entry, start, STALE), "join");
    entry.land();
    assert_eq!(next(&mut entry, start, STALE), "read");
}

#[tokio::test]
async fn an_overdue_read_is_waited_for_only_by_those_who_have_nothing_else() {
    let start = Instant::now();
    let later = start + FRESH;
    let mut entry = Entry::default();
    entry.store(held("a", start));
    let (slow, other) = (flight(), flight());
    entry.take_off(slow.clone());
    assert_eq!(next(&mut entry, later, STALE), "join");
    entry.is_overdue(&other);
    assert_eq!(next(&mut entry, later, STALE), "join");
    entry.is_overdue(&slow);
    assert_eq!(next(&mut entry, later, STALE), "stale");
    assert_eq!(next(&mut entry, later, Duration::ZERO), "join");
    // The next read has its own time.
    entry.take_off(other);
    assert_eq!(next(&mut entry, later, STALE), "join");
}

#[test]
fn an_entry_is_spent_when_nothing_of_it_can_be_served() {
    let start = Instant::now();
    let mut entry = Entry::default();
    assert!(entry.is_spent(start, STALE));
    entry.store(held("a", start));
    assert_eq!(next(&mut entry, start, STALE), "memory");
    assert!(!entry.is_spent(start + STALE - PAUSE, STALE));
    assert!(entry.is_spent(start + STALE, STALE));
    // What is fresh by its class is kept, whatever the bound of stale service.
    assert!(!entry.is_spent(start + FRESH / 2, Duration::ZERO));
    entry.fail(outage(), start + STALE + PAUSE);
    assert!(!entry.is_spent(start + STALE, STALE));
}
