use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn lease(holder: &str, seconds: i32) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(seconds),
        ..LeaseSpec::default()
    }
}

#[test]
fn the_step_follows_from_who_holds_it_and_for_how_long_it_was_seen_unchanged() {
    let now = Instant::now() + 100 * SECOND;
    let seen = |holder, seconds, ago: u32| {
        Some(Seen {
            spec: lease(holder, seconds),
            version: "1".to_owned(),
            since: now - ago * SECOND,
        })
    };
    for (seen, step) in [
        (None, Step::Create),
        (seen("", 15, 0), Step::Take),
        (seen("me", 15, 60), Step::Renew),
        (seen("other", 15, 0), Step::Wait(now + 15 * SECOND)),
        (seen("other", 15, 14), Step::Wait(now + SECOND)),
        (seen("other", 15, 15), Step::Take),
        (seen("other", -3, 1), Step::Wait(now + 9 * SECOND)),
    ] {
        assert_eq!(
            evaluate(seen.as_ref(), "me", now, 10 * SECOND),
            step,
            "{seen:?}"
        );
    }
}

#[test]
fn times_that_cannot_work_are_refused() {
    let timing = |duration, renew_deadline, retry_period| Timing {
        duration: Duration::from_millis(duration),
        renew_deadline: Duration::from_millis(renew_deadline),
        retry_period: Duration::from_millis(retry_period),
    };
    assert!(timing(15_000, 10_000, 2_000).check().is_ok());
    assert!(timing(2_000, 1_500, 300).check().is_ok());
    for wrong in [
        timing(15_000, 15_000, 2_000),
        timing(15_000, 10_000, 6_000),
        timing(15_000, 10_000, 0),
        timing(900, 500, 100),
    ] {
        assert!(wrong.check().is_err(), "{wrong:?}");
    }
}

#[test]
fn leadership_ends_by_itself() {
    let now = Instant::now();
    let leadership = Leadership::default();
    assert!(!leadership.holds(now));
    leadership.set(Term::Until(now + SECOND));
    assert!(leadership.holds(now));
    assert!(!leadership.holds(now + SECOND));
    assert!(Leadership::alone().holds(now + 1000 * SECOND));
}

/// A replica of the simulation: it looks and writes with a delay in between, like a real one.
#[derive(Default)]
struct Replica {
    seen: Option<Seen>,
    /// The version of the lease that it looked at, and when it did.
    looked: Option<(u64, Instant)>,
    leads_until: Option<Instant>,
}

proptest! {
    /// Whatever the replicas' pace, their delays and the clocks in their records: no two lead at once.
    #[test]
    fn never_two_lead(
        steps in proptest::collection::vec((0..3_usize, 0..4_000_u64, any::<bool>()), 1..400),
    ) {
        let timing = Timing {
            duration: 4 * SECOND,
            renew_deadline: 3 * SECOND,
            retry_period: SECOND,
        };
        let mut now = Instant::now();
        let mut version = 0_u64;
        let mut stored: Option<LeaseSpec> = None;
        let mut replicas: [Replica; 3] = Default::default();
        let mut terms = 0;
        for (who, pause, look) in steps {
            now += Duration::from_millis(pause);
            let me = who.to_string();
            let replica = &mut replicas[who];
            if look {
                replica.looked = Some((version, now));
                replica.seen = stored
                    .clone()
                    .map(|spec| Seen::again(replica.seen.take(), spec, version.to_string(), now));
            } else if let Some((known, at)) = replica.looked.take() {
                let step = evaluate(replica.seen.as_ref(), &me, at, timing.duration);
                // The write has the version that was looked at, so it fails if that is not the last.
                if !matches!(step, Step::Wait(_)) && known == version {
                    version += 1;
                    terms += i32::from(step != Step::Renew);
                    stored = Some(LeaseSpec {
                        lease_transitions: Some(terms),
                        ..lease(&me, 4)
                    });
                    replica.leads_until = Some(at + timing.renew_deadline);
                }
            }
            let leading = replicas
                .iter()
                .filter(|replica| replica.leads_until.is_some_and(|until| now < until))
                .count();
            prop_assert!(leading <= 1, "{leading} lead");
        }
    }
}
