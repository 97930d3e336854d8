//! When a token is used, refreshed and dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Next, Tokens};
use crate::flight::Flight;
use crate::identity::ResourceToken;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What comes next, in one word.
fn next(tokens: &Tokens<&'static str>, now: Instant) -> &'static str {
    match tokens.next(now) {
        Next::Use { refresh: false, .. } => "use",
        Next::Use { refresh: true, .. } => "use and refresh",
        Next::Failed(_) => "failed",
        Next::Join(_) => "join",
        Next::Ask => "ask",
    }
}

#[test]
fn a_token_is_refreshed_in_the_last_part_of_its_life_and_not_used_at_its_end() {
    let start = Instant::now();
    let mut tokens = Tokens::default();
    assert_eq!(next(&tokens, start), "ask");
    tokens.store(Arc::new(ResourceToken::living(3600)), start);
    for (age, expected) in [
        (0, "use"),
        (2800, "use"),
        (3000, "use and refresh"),
        (3580, "use and refresh"),
        (3595, "ask"),
        (4000, "ask"),
    ] {
        assert_eq!(next(&tokens, start + seconds(age)), expected, "{age} s");
    }
}

#[test]
fn a_refresh_that_fails_for_want_of_an_answer_leaves_the_token_in_use() {
    let start = Instant::now();
    let mut tokens = Tokens::default();
    tokens.store(Arc::new(ResourceToken::living(3600)), start);
    let late = start + seconds(3300);
    tokens.fail(Arc::new("HTTP 503"), true, late, late + seconds(2));
    assert_eq!(next(&tokens, late), "use");
    assert_eq!(next(&tokens, late + seconds(10)), "use and refresh");
}

#[test]
fn a_refusal_ends_the_token_in_use() {
    let start = Instant::now();
    let mut tokens = Tokens::default();
    tokens.store(Arc::new(ResourceToken::living(3600)), start);
    tokens.fail(
        Arc::new("unknown client"),
        false,
        start,
        start + seconds(10),
    );
    assert_eq!(next(&tokens, start), "failed");
    assert_eq!(next(&tokens, start + seconds(10)), "ask");
}

#[test]
fn a_rejected_token_is_dropped_once_in_a_while_for_all_who_used_it() {
    let start = Instant::now();
    let mut tokens = Tokens::default();
    let first = Arc::new(ResourceToken::living(3600));
    let second = Arc::new(ResourceToken::living(3600));
    tokens.store(Arc::clone(&first), start);
    assert!(tokens.reject(&first, start));
    assert_eq!(next(&tokens, start), "ask");
    tokens.store(Arc::clone(&second), start);
    // Another read that had used the first only takes the second.
    assert!(tokens.reject(&first, start));
    assert_eq!(next(&tokens, start), "use");
    // The vault takes none: the next one is not asked for at once.
    assert!(!tokens.reject(&second, start));
    assert_eq!(next(&tokens, start), "use");
    assert!(tokens.reject(&second, start + seconds(10)));
}

#[tokio::test]
async fn whoever_comes_while_a_token_is_asked_for_joins() {
    let now = Instant::now();
    let mut tokens = Tokens::default();
    tokens.take_off(Flight::start(
        Arc::default(),
        std::future::pending(),
        || unreachable!(),
    ));
    assert_eq!(next(&tokens, now), "join");
    tokens.land();
    assert_eq!(next(&tokens, now), "ask");
}
