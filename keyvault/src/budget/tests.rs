//! The decisions as pure functions of time, and the waiting on a clock that stands still.

mod waiting;

use proptest::prelude::*;

use super::decisions::{Admission, Core, Outcome, Ticket};
use super::*;
use crate::transport::Unreachable;

fn limits() -> Limits {
    Limits::default()
}

fn unanswered() -> Outcome {
    Outcome::Unanswered(Failure::Unreachable(Unreachable::Silent {
        host: "host".to_owned(),
    }))
}

fn throttled(retry_after: Option<u64>) -> Outcome {
    Outcome::Throttled {
        status: 429,
        retry_after: retry_after.map(Duration::from_millis),
    }
}

/// Admits one request.
fn go(core: &mut Core, now: Instant) -> Option<Ticket> {
    match core.admit(now) {
        Admission::Go { probe } => Some(Ticket { sent: now, probe }),
        Admission::Until(_) | Admission::Full => None,
    }
}

fn held_for(core: &Core, now: Instant) -> Duration {
    core.closed_until(now)
        .map_or(Duration::ZERO, |until| until - now)
}

#[test]
fn without_trouble_the_rate_and_the_number_in_flight_are_what_bounds_requests() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    let first: Vec<_> = (0..200).filter_map(|_| go(&mut core, start)).collect();
    assert_eq!(first.len(), 64, "in flight");
    for ticket in first {
        core.settle(ticket, Outcome::Answered, start, 0.0);
    }
    let mut admitted = 64;
    let mut now = start;
    while now < start + Duration::from_secs(10) {
        while let Some(ticket) = go(&mut core, now) {
            admitted += 1;
            core.settle(ticket, Outcome::Answered, now, 0.0);
        }
        now += Duration::from_millis(1);
    }
    assert!(
        (3990..=4000).contains(&admitted),
        "{admitted} in ten seconds"
    );
}

#[test]
fn a_lower_limit_holds_at_once_and_a_higher_one_gives_its_rate_and_no_burst() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    let sent = |core: &mut Core, now| {
        let go = |_: &u32| {
            let ticket = go(core, now);
            ticket
                .map(|ticket| core.settle(ticket, Outcome::Answered, now, 0.0))
                .is_some()
        };
        (0..2000).take_while(go).count()
    };
    core.limit(4);
    // A quarter of what ten seconds may have, and then three quarters of it evenly.
    assert_eq!(sent(&mut core, start), 10);
    let later = start + Duration::from_secs(2);
    assert_eq!(sent(&mut core, later), 6);
    core.limit(40);
    assert_eq!(sent(&mut core, later), 0);
    assert_eq!(sent(&mut core, later + Duration::from_secs(1)), 30);
}

#[test]
fn a_throttle_holds_everyone_for_as_long_as_it_asks_and_an_hour_is_a_minute() {
    for (asked, least, most) in [(2_000, 2_000, 2_500), (3_600_000, 60_000, 60_500)] {
        let start = Instant::now();
        let mut core = Core::new(&limits(), start);
        let ticket = go(&mut core, start).unwrap();
        core.settle(ticket, throttled(Some(asked)), start, 0.999);
        let held = held_for(&core, start);
        let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
        assert!((least..=most).contains(&held), "{held:?}");
        assert!(go(&mut core, start + least - Duration::from_millis(1)).is_none());
        assert!(go(&mut core, start + held + Duration::from_secs(1)).is_some());
    }
}

#[test]
fn without_retry_after_the_hold_doubles_up_to_16_s_until_there_is_an_answer() {
    let mut now = Instant::now();
    let mut core = Core::new(&limits(), now);
    for seconds in [1, 2, 4, 8, 16, 16] {
        now += Duration::from_secs(30);
        let ticket = go(&mut core, now).unwrap();
        core.settle(ticket, throttled(None), now, 0.0);
        assert_eq!(held_for(&core, now), Duration::from_secs(seconds));
    }
    now += Duration::from_secs(30);
    let ticket = go(&mut core, now).unwrap();
    core.settle(ticket, Outcome::Answered, now, 0.0);
    let ticket = go(&mut core, now + Duration::from_secs(1)).unwrap();
    now += Duration::from_secs(2);
    core.settle(ticket, throttled(None), now, 0.0);
    assert_eq!(held_for(&core, now), Duration::from_secs(1));
}

#[test]
fn throttles_of_requests_sent_before_the_first_one_came_count_once() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    let tickets: Vec<_> = (0..50).filter_map(|_| go(&mut core, start)).collect();
    let (answered, refused) = tickets.split_at(20);
    let now = start + Duration::from_millis(30);
    for ticket in answered {
        core.settle(*ticket, Outcome::Answered, now, 0.0);
    }
    for ticket in refused {
        core.settle(*ticket, throttled(None), now, 0.0);
    }
    assert_eq!(held_for(&core, now), Duration::from_secs(1));
    // 20 were answered in the last second: it starts again with 0.7 of that, not of less.
    let rate = core.rate(now + Duration::from_secs(1));
    assert!((13.9..14.1).contains(&rate), "{rate}");
}

#[test]
fn after_a_hold_requests_are_paced_and_the_rate_grows_back() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    let tickets: Vec<_> = (0..64).filter_map(|_| go(&mut core, start)).collect();
    for (n, ticket) in tickets.into_iter().enumerate() {
        let outcome = if n < 50 {
            Outcome::Answered
        } else {
            throttled(Some(1_000))
        };
        core.settle(ticket, outcome, start, 0.0);
    }
    let end = start + held_for(&core, start);
    let at_once = (0..100).filter(|_| go(&mut core, end).is_some()).count();
    assert!(at_once <= 1, "{at_once} at the end of the hold");
    assert_eq!(core.state(end), State::Throttled);
    let rate = |after| core.rate(end + Duration::from_millis(after));
    assert!((34.0..36.0).contains(&rate(0)), "{}", rate(0));
    assert!((45.0..55.0).contains(&rate(3_500)), "{}", rate(3_500));
    assert!(rate(8_000) < rate(10_000) && rate(10_000) < rate(13_000));
    assert!((rate(20_000) - 400.0).abs() < 0.1, "{}", rate(20_000));
}

#[test]
fn a_throttled_service_gets_no_hedges_and_a_hanging_one_a_tenth_more() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    let ticket = go(&mut core, start).unwrap();
    assert!(core.hedge(start));
    core.settle(ticket, throttled(Some(1_000)), start, 0.0);
    assert!(!core.hedge(start + Duration::from_millis(500)));
    assert!(!core.hedge(start + Duration::from_millis(1_500)));

    let limits = Limits {
        requests_per_second: 1_000_000,
        concurrency: 1_000_000,
        ..limits()
    };
    let mut core = Core::new(&limits, start);
    let mut hedges = 0;
    for n in 0..1_000 {
        assert!(go(&mut core, start + Duration::from_millis(n)).is_some());
        hedges += u32::from(core.hedge(start + Duration::from_millis(n)));
    }
    assert!((105..=110).contains(&hedges), "{hedges} of 1,000");
}

#[test]
fn a_hedge_waits_for_three_usual_latencies_within_its_bounds() {
    for (after, latency, expected) in [
        (Some(300), None, Some(300)),
        (Some(300), Some(5), Some(300)),
        (Some(300), Some(200), Some(600)),
        (Some(300), Some(1_500), Some(2_000)),
        (Some(3_000), Some(1_500), Some(3_000)),
        (None, Some(5), None),
    ] {
        let mut hedging = hedging::Hedging::new(after.map(Duration::from_millis));
        if let Some(latency) = latency {
            hedging.observe(Duration::from_millis(latency));
        }
        let delay = hedging.delay().map(|delay| delay.as_millis());
        assert_eq!(delay, expected);
    }
}

#[test]
fn without_answers_one_probe_at_a_time_finds_out_and_then_they_double() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    let tickets: Vec<_> = (0..5).filter_map(|_| go(&mut core, start)).collect();
    let last = go(&mut core, start).unwrap();
    for ticket in tickets {
        assert!(!matches!(core.state(start), State::Open));
        core.settle(ticket, unanswered(), start, 0.5);
    }
    assert_eq!(core.state(start), State::Open);
    // A straggler changes nothing.
    core.settle(last, unanswered(), start, 0.5);

    let mut now = start;
    for millis in [500, 1_000, 2_000, 4_000, 4_000] {
        let pause = held_for(&core, now);
        assert_eq!(pause, Duration::from_millis(millis));
        now += pause;
        let probe = go(&mut core, now).unwrap();
        assert!(probe.probe && go(&mut core, now).is_none());
        assert_eq!(
            core.settle(probe, unanswered(), now, 0.5),
            Change::ProbeFailed
        );
    }
    now += Duration::from_secs(4);
    let probe = go(&mut core, now).unwrap();
    // A probe that is cancelled leaves its place to the next one.
    core.settle(probe, Outcome::Unknown, now, 0.5);
    let probe = go(&mut core, now).unwrap();
    assert!(probe.probe);
    assert_eq!(
        core.settle(probe, Outcome::Answered, now, 0.5),
        Change::Closed
    );
    let mut waves = Vec::new();
    for _ in 0..7 {
        now += Duration::from_secs(1);
        let wave: Vec<_> = (0..100).filter_map(|_| go(&mut core, now)).collect();
        waves.push(wave.len());
        for ticket in wave {
            core.settle(ticket, Outcome::Answered, now, 0.5);
        }
    }
    assert_eq!(waves, [2, 4, 8, 16, 32, 64, 64]);
}

#[test]
fn one_failure_while_it_recovers_opens_the_circuit_again() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    for _ in 0..5 {
        let ticket = go(&mut core, start).unwrap();
        core.settle(ticket, unanswered(), start, 0.5);
    }
    let now = start + Duration::from_secs(1);
    let probe = go(&mut core, now).unwrap();
    core.settle(probe, Outcome::Answered, now, 0.5);
    assert_eq!(core.state(now), State::Recovering);
    let ticket = go(&mut core, now).unwrap();
    assert_eq!(core.settle(ticket, unanswered(), now, 0.5), Change::Opened);
}

#[test]
fn lost_requests_among_answered_ones_open_nothing() {
    let start = Instant::now();
    let mut core = Core::new(&limits(), start);
    for n in 0..1_000_u64 {
        let now = start + Duration::from_millis(10 * n);
        let ticket = go(&mut core, now).unwrap();
        let outcome = match n % 5 {
            0 => Outcome::Answered,
            _ => unanswered(),
        };
        core.settle(ticket, outcome, now, 0.5);
    }
    assert_ne!(core.state(start + Duration::from_secs(11)), State::Open);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Admit,
    Settle(usize, u8, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..3_000).prop_map(Step::Wait),
        Just(Step::Admit),
        Just(Step::Admit),
        (
            0_usize..8,
            0_u8..4,
            proptest::option::of(0_u64..100_000_000)
        )
            .prop_map(|(which, how, after)| Step::Settle(which, how, after)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_limits_hold_and_nothing_waits_for_ever(
        steps in proptest::collection::vec(step(), 1..200),
        per_second in 1_u32..1_000,
        concurrency in 1_usize..16,
        jitter in 0.0_f64..1.0,
    ) {
        let limits = Limits {
            requests_per_second: per_second,
            concurrency,
            ..Limits::default()
        };
        let mut now = Instant::now();
        let mut core = Core::new(&limits, now);
        let mut out = Vec::new();
        for step in steps {
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Admit => match core.admit(now) {
                    Admission::Go { probe } => out.push(Ticket { sent: now, probe }),
                    Admission::Until(until) => {
                        prop_assert!(until > now);
                        prop_assert!(until <= now + Duration::from_secs(62), "{:?}", until - now);
                    }
                    Admission::Full => prop_assert!(!out.is_empty()),
                },
                Step::Settle(which, how, after) => {
                    if which < out.len() {
                        let ticket = out.swap_remove(which);
                        let outcome = match how {
                            0 => Outcome::Answered,
                            1 => throttled(after),
                            2 => unanswered(),
                            _ => Outcome::Unknown,
                        };
                        core.settle(ticket, outcome, now, jitter);
                    }
                }
            }
            prop_assert_eq!(core.in_flight, out.len());
            // One more may be a probe, beside what the outage left over.
            prop_assert!(out.len() <= concurrency + 1);
            prop_assert!(out.iter().filter(|ticket| ticket.probe).count() <= concurrency + 1);
            let rate = core.rate(now);
            prop_assert!(rate >= f64::from(per_second).min(2.0) && rate <= f64::from(per_second));
        }
        // Once all have ended there is always a way on.
        for ticket in out.drain(..) {
            core.settle(ticket, Outcome::Unknown, now, jitter);
        }
        let mut waits = 0;
        while let Admission::Until(until) = core.admit(now) {
            now = until;
            waits += 1;
            prop_assert!(waits < 10);
        }
    }
}
