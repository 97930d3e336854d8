//! When a binding is looked at next.

use std::time::Duration;

use jiff::Timestamp;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::rotation::DEFAULT_CHECK_INTERVAL;

use crate::observed::{ClassChoice, Cluster};

/// Longest wait after an outage.
const AFTER_OUTAGE: Duration = Duration::from_secs(60);
/// Longest wait after a refusal: what is granted takes some minutes to hold.
const AFTER_REFUSAL: Duration = Duration::from_secs(120);

/// How a look at the vault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// As it should.
    Well,
    /// It may be better soon.
    Outage,
    /// Somebody has to grant something.
    Refused,
}

/// How often the vault is asked for a binding: as it says, else its class, else 5 minutes.
pub fn check_interval(binding: &VaultBinding, cluster: &Cluster) -> Duration {
    let preset = match &cluster.class {
        ClassChoice::Chosen(class) => class.spec.defaults.check_interval,
        ClassChoice::None | ClassChoice::Missing(_) | ClassChoice::Several(_) => {
            DEFAULT_CHECK_INTERVAL
        }
    };
    let interval = binding.spec.rotation.check_interval.unwrap_or(preset);
    interval.get().max(Duration::from_secs(1))
}

/// How old an answer may be that a regular look takes: bindings whose looks are not far apart share one.
/// Looks come earlier by as much, so that a new version is seen within one interval all the same.
pub fn shared_for(interval: Duration) -> Duration {
    interval / 8
}

/// The next look. After a good one it is at the binding's own place, which its uid decides: many bindings
/// are spread evenly, and a restart moves none of them. `turns` is when
/// something changes by the clock alone.
pub(super) fn next(
    uid: &str,
    interval: Duration,
    ended: Ended,
    turns: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let regular = match ended {
        Ended::Well => place(uid, interval - shared_for(interval), now),
        Ended::Outage => after(uid, interval.min(AFTER_OUTAGE), now),
        Ended::Refused => after(uid, interval.min(AFTER_REFUSAL), now),
    };
    let turns = turns.filter(|at| *at > now);
    turns.into_iter().chain([regular]).min().unwrap_or(regular)
}

/// The first time after `now` that is the binding's.
fn place(uid: &str, interval: Duration, now: Timestamp) -> Timestamp {
    let interval = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1);
    let phase = (fraction(uid) * interval as f64) as i64;
    let now_at = now.as_second();
    let passed = (now_at - phase).rem_euclid(interval);
    later(now, interval - passed)
}

/// After the time, up to a quarter earlier so that not all come together.
fn after(uid: &str, wait: Duration, now: Timestamp) -> Timestamp {
    let seconds = wait.as_secs_f64() * (1.0 - fraction(uid) / 4.0);
    later(now, (seconds as i64).max(1))
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_add(seconds)).unwrap_or(now)
}

/// A number from 0 to below 1, always the same for the same text and evenly spread (FNV-1a, its bits
/// mixed once more).
pub fn fraction(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn many_bindings_are_spread_evenly_over_the_interval() {
        let interval = Duration::from_secs(300);
        let apart = 262;
        let mut tenths = [0; 10];
        for number in 0..2_000 {
            let uid = format!("6f1c2a34-0000-4000-8000-{number:012}");
            let next = next(&uid, interval, Ended::Well, None, at(NOW));
            tenths[usize::try_from((next.as_second() - NOW - 1) * 10 / apart).unwrap()] += 1;
        }
        assert!(
            tenths.iter().all(|count| (150..250).contains(count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn what_changes_by_the_clock_is_looked_at_when_it_does() {
        let interval = Duration::from_secs(3600);
        let plain = next("a", interval, Ended::Well, None, at(NOW));
        let sooner = at(NOW + 5);
        assert_eq!(
            next("a", interval, Ended::Well, Some(sooner), at(NOW)),
            sooner
        );
        for useless in [at(NOW), at(NOW - 1), at(NOW + 86_400)] {
            assert_eq!(
                next("a", interval, Ended::Well, Some(useless), at(NOW)),
                plain
            );
        }
    }

    proptest! {
        #[test]
        fn with_an_answer_as_old_as_it_may_be_each_look_sees_one_interval_further_and_never_now(
            uid in "[0-9a-f]{0,36}", seconds in 1_u64..100_000, now in 0_i64..4_000_000_000
        ) {
            let interval = Duration::from_secs(seconds);
            let first = next(&uid, interval, Ended::Well, None, at(now));
            prop_assert!(first > at(now));
            let second = next(&uid, interval, Ended::Well, None, first);
            let apart = Duration::try_from(second.duration_since(first)).unwrap();
            prop_assert!(Duration::try_from(first.duration_since(at(now))).unwrap() <= apart);
            let late = apart + shared_for(interval);
            // Whole seconds.
            prop_assert!(late <= interval.max(Duration::from_secs(1)) + shared_for(interval));
            prop_assert!(seconds == 1 || late <= interval, "{late:?} {interval:?}");
            prop_assert!(late + Duration::from_secs(1) > interval);
            for ended in [Ended::Outage, Ended::Refused] {
                let soon = next(&uid, interval, ended, None, at(now));
                prop_assert!(soon > at(now) && soon.as_second() - now <= i64::try_from(seconds.min(120)).unwrap());
            }
        }
    }
}
