use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn schedule() -> (Schedule<u8>, Instant) {
    let backoff = Backoff {
        first: SECOND,
        longest: 60 * SECOND,
    };
    (Schedule::new(backoff), Instant::now())
}

fn taken(schedule: &mut Schedule<u8>, now: Instant) -> Vec<u8> {
    std::iter::from_fn(|| schedule.take(now))
        .map(|taken| taken.key)
        .collect()
}

#[test]
fn the_most_pressing_is_first_and_of_those_the_oldest() {
    let (mut schedule, start) = schedule();
    for (key, class, after) in [
        (1, Class::Periodic, 0),
        (2, Class::Asked, 3),
        (3, Class::Asked, 1),
        (4, Class::NeverReady, 4),
        (5, Class::Deadline, 0),
    ] {
        schedule.add(key, class, start + after * SECOND, start);
    }
    assert_eq!(
        taken(&mut schedule, start + 5 * SECOND),
        vec![4, 3, 2, 5, 1]
    );
}

#[test]
fn what_is_not_due_waits_however_pressing_it_is() {
    let (mut schedule, start) = schedule();
    schedule.add(1, Class::NeverReady, start + 2 * SECOND, start);
    assert_eq!(schedule.take(start + SECOND), None);
    assert_eq!(schedule.next_due(), Some(start + 2 * SECOND));
    let turn = schedule.take(start + 5 * SECOND).unwrap();
    assert_eq!((turn.key, turn.waited), (1, 3 * SECOND));
}

#[test]
fn a_key_is_there_once_at_its_earliest_and_most_pressing() {
    let (mut schedule, start) = schedule();
    schedule.add(1, Class::Periodic, start, start);
    schedule.add(2, Class::Asked, start, start);
    schedule.add(1, Class::NeverReady, start + 9 * SECOND, start);
    assert_eq!(schedule.len(), 2);
    assert_eq!(taken(&mut schedule, start), vec![1, 2]);
}

#[test]
fn a_key_that_is_touched_while_a_worker_has_it_comes_back() {
    let (mut schedule, start) = schedule();
    schedule.add(1, Class::Periodic, start, start);
    assert_eq!(schedule.take(start).unwrap().key, 1);
    schedule.add(1, Class::Asked, start, start);
    assert_eq!(schedule.take(start), None, "two workers would have it");
    let later = Outcome::Again {
        class: Class::Periodic,
        after: 300 * SECOND,
    };
    schedule.done(&1, later, start, 0);
    let again = schedule.take(start).unwrap();
    assert_eq!((again.key, again.class), (1, Class::Asked));
    schedule.done(&1, later, start, 0);
    assert_eq!(schedule.take(start + 299 * SECOND), None);
    assert_eq!(schedule.take(start + 300 * SECOND).unwrap().key, 1);
}

#[test]
fn a_failure_waits_longer_each_time_until_something_changes() {
    let (mut schedule, start) = schedule();
    let mut now = start;
    schedule.add(1, Class::NeverReady, now, now);
    let mut waits = Vec::new();
    for _ in 0..8 {
        schedule.take(now).unwrap();
        schedule.done(&1, Outcome::Failed(Class::NeverReady), now, u64::MAX);
        let due = schedule.next_due().unwrap();
        waits.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(waits, vec![1, 2, 4, 8, 16, 32, 60, 60]);
    schedule.take(now).unwrap();
    schedule.done(&1, Outcome::Failed(Class::NeverReady), now, 0);
    assert_eq!(
        schedule.next_due(),
        Some(now + 30 * SECOND),
        "half, by chance"
    );
    schedule.add(1, Class::Asked, now, now);
    assert_eq!(schedule.take(now).unwrap().key, 1);
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let (mut schedule, start) = schedule();
    for key in [1, 2, 3] {
        schedule.add(key, Class::Asked, start + u32::from(key) * SECOND, start);
    }
    schedule.forget(&3);
    assert_eq!(schedule.take(start + SECOND).unwrap().key, 1);
    schedule.forget(&1);
    assert_eq!(schedule.take(start + SECOND), None);
    schedule.done(&1, Outcome::Failed(Class::Asked), start, 0);
    assert_eq!(taken(&mut schedule, start + 100 * SECOND), vec![2]);
    schedule.done(&2, Outcome::Gone, start, 0);
    assert!(schedule.is_empty());
}

#[test]
fn what_is_forgotten_and_made_anew_has_one_worker() {
    let (mut schedule, start) = schedule();
    schedule.add(1, Class::Periodic, start, start);
    schedule.take(start).unwrap();
    schedule.forget(&1);
    schedule.add(1, Class::NeverReady, start, start);
    assert_eq!(schedule.take(start), None);
    schedule.done(&1, Outcome::Failed(Class::Periodic), start, 0);
    assert_eq!(schedule.take(start).unwrap().class, Class::NeverReady);
}

#[tokio::test(start_paused = true)]
async fn a_worker_wakes_when_something_is_due() {
    let queue = std::sync::Arc::new(Queue::new(Backoff {
        first: SECOND,
        longest: SECOND,
    }));
    let start = Instant::now();
    let worker = {
        let queue = std::sync::Arc::clone(&queue);
        tokio::spawn(async move { (queue.take().await.key, queue.take().await.key) })
    };
    tokio::task::yield_now().await;
    queue.add("late", Class::NeverReady, 9 * SECOND);
    tokio::time::sleep(SECOND).await;
    queue.add("soon", Class::Periodic, SECOND);
    assert_eq!(worker.await.unwrap(), ("soon", "late"));
    assert_eq!(start.elapsed(), 9 * SECOND);
    assert_eq!(queue.waiting(), [Waiting::default(); 4]);
}

/// What the schedule should do, said plainly.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<u8, (Class, u64)>,
    taken: BTreeMap<u8, Option<(Class, u64)>>,
}

fn both(before: Option<(Class, u64)>, class: Class, due: u64) -> (Class, u64) {
    before.map_or((class, due), |(of, at)| (of.min(class), at.min(due)))
}

proptest! {
    /// Against the model: the same keys in the same order, no key at two workers, none lost.
    #[test]
    fn it_does_as_the_plain_model(
        steps in proptest::collection::vec((0..5_u8, 0..6_u8, 0..4_usize, 0..5_u64), 1..300),
    ) {
        let (mut schedule, start) = schedule();
        let mut model = Model::default();
        let mut clock = 0;
        for (step, key, class, seconds) in steps {
            let class = Class::ALL[class];
            let now = start + Duration::from_secs(clock);
            let due = clock + seconds;
            match step {
                0 | 1 => {
                    schedule.add(key, class, start + Duration::from_secs(due), now);
                    match model.taken.get_mut(&key) {
                        Some(meanwhile) => *meanwhile = Some(both(*meanwhile, class, due)),
                        None => {
                            let before = model.waiting.get(&key).copied();
                            model.waiting.insert(key, both(before, class, due));
                        }
                    }
                }
                2 => {
                    let expected = model
                        .waiting
                        .iter()
                        .filter(|(_, (_, due))| *due <= clock)
                        .map(|(key, (class, due))| (*class, *due, *key))
                        .min();
                    let turn = schedule.take(now);
                    prop_assert_eq!(turn.map(|turn| turn.key), expected.map(|(_, _, key)| key));
                    if let Some((_, _, key)) = expected {
                        model.waiting.remove(&key);
                        model.taken.insert(key, None);
                    }
                }
                3 => {
                    let after = Duration::from_secs(seconds);
                    schedule.done(&key, Outcome::Again { class, after }, now, 0);
                    if let Some(meanwhile) = model.taken.remove(&key) {
                        model.waiting.insert(key, both(meanwhile, class, due));
                    }
                }
                _ => clock += seconds,
            }
            prop_assert_eq!(schedule.len(), model.waiting.len() + model.taken.len());
            let depth: usize = Class::ALL
                .map(|class| {
                    schedule.waiting(class, start + Duration::from_secs(clock)).depth
                })
                .iter()
                .sum();
            let due = model.waiting.values().filter(|(_, due)| *due <= clock).count();
            prop_assert_eq!(depth, due);
        }
    }
}
