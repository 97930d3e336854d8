//! The waiting, on a clock that goes on only when everybody waits.

use std::sync::atomic::AtomicU32;

use super::*;

#[derive(Default)]
struct Seen {
    throttled: AtomicU32,
    waited: AtomicU32,
    opened: AtomicU32,
    closed: AtomicU32,
}

impl Observer for Seen {
    fn call(&self, _: &crate::transport::Call) {}
    fn throttled(&self, _: Service, _: u16) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }
    fn waited(&self, _: Service, _: Duration) {
        self.waited.fetch_add(1, Ordering::Relaxed);
    }
    fn circuit(&self, _: Service, open: bool) {
        let count = if open { &self.opened } else { &self.closed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn budget(limits: &Limits) -> (Arc<Budget>, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let observer = Arc::clone(&seen) as Arc<dyn Observer>;
    let budget = Budget::new(Service::Vault, "kv".to_owned(), limits, Some(observer));
    (budget, seen)
}

fn after(seconds: u64) -> Instant {
    now() + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_in_time_ends_at_once_with_what_stands_in_the_way() {
    let (budget, seen) = budget(&limits());
    let permit = budget.admit(after(30), false, &mut 0).await.unwrap();
    permit.settle(throttled(Some(40_000)));
    let start = now();
    let refused = budget.admit(after(30), false, &mut 0).await.unwrap_err();
    assert!(
        matches!(refused.reason, Some(Failure::Status(429))),
        "{refused:?}"
    );
    assert_eq!(now(), start);
    // One with more time waits for it.
    budget.admit(after(50), false, &mut 0).await.unwrap();
    assert!(now() >= start + Duration::from_secs(40));
    assert_eq!(seen.throttled.load(Ordering::Relaxed), 1);
    assert_eq!(seen.waited.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_go_in_the_order_in_which_they_came() {
    let limits = Limits {
        concurrency: 1,
        ..limits()
    };
    let (budget, _) = budget(&limits);
    let order = Arc::new(Mutex::new(Vec::new()));
    let first = budget.admit(after(60), false, &mut 0).await.unwrap();
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tokio::spawn(async move {
                let permit = budget.admit(after(60), false, &mut 0).await.unwrap();
                order.lock().unwrap().push(n);
                tokio::time::sleep(Duration::from_millis(5)).await;
                permit.settle(Outcome::Answered);
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(budget.view().waiting, 10);
    // Neither a caller that gives up nor one that is cancelled holds up the others.
    tasks[0].abort();
    tasks[4].abort();
    drop(first);
    for task in tasks {
        let _ = task.await;
    }
    assert_eq!(*order.lock().unwrap(), [1, 2, 3, 5, 6, 7, 8, 9]);
    let view = budget.view();
    assert_eq!((view.waiting, view.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn while_nothing_answers_probes_fail_for_all_who_wait() {
    let (budget, seen) = budget(&limits());
    for _ in 0..5 {
        let permit = budget.admit(after(60), false, &mut 0).await.unwrap();
        permit.settle(unanswered());
    }
    assert!(budget.is_open());
    let sent = Arc::new(AtomicU32::new(0));
    let calls = (0..100).map(|_| {
        let (budget, sent) = (Arc::clone(&budget), Arc::clone(&sent));
        async move {
            // Each has failed once before it came here.
            let mut failures = 1;
            while failures < UNANSWERED {
                match budget.admit(after(30), false, &mut failures).await {
                    Ok(permit) => {
                        sent.fetch_add(1, Ordering::Relaxed);
                        failures += 1;
                        permit.settle(unanswered());
                    }
                    Err(refused) => {
                        assert!(matches!(refused.reason, Some(Failure::Unreachable(_))));
                        return;
                    }
                }
            }
        }
    });
    let start = now();
    futures::future::join_all(calls).await;
    assert_eq!(
        sent.load(Ordering::Relaxed),
        4,
        "one probe for each failure"
    );
    assert!(now() < start + Duration::from_secs(10));
    assert_eq!(seen.opened.load(Ordering::Relaxed), 1);
    assert_eq!(seen.closed.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_to_an_outage_waits_for_two_probes() {
    let (budget, _) = budget(&limits());
    for _ in 0..10 {
        let permit = budget.admit(after(60), false, &mut 0).await.unwrap();
        permit.settle(unanswered());
    }
    let probe = budget.admit(after(60), false, &mut 0).await.unwrap();
    let late = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move {
            let mut failures = 0;
            let permit = budget.admit(after(60), false, &mut failures).await.unwrap();
            permit.settle(unanswered());
            failures + 1
        }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    probe.settle(unanswered());
    assert_eq!(late.await.unwrap(), UNANSWERED);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_back_serves_all_who_wait_without_a_burst() {
    let (budget, seen) = budget(&limits());
    for _ in 0..5 {
        let permit = budget.admit(after(60), false, &mut 0).await.unwrap();
        permit.settle(unanswered());
    }
    let first = Arc::new(Mutex::new(None));
    let start = now();
    let calls = (0..100).map(|_| {
        let (budget, first) = (Arc::clone(&budget), Arc::clone(&first));
        async move {
            let permit = budget.admit(after(30), false, &mut 0).await.unwrap();
            let first = *first.lock().unwrap().get_or_insert(now());
            let round_trips = (now() - first).as_millis() / 30;
            let in_flight = budget.view().in_flight;
            assert!(
                in_flight <= 1 << round_trips,
                "{in_flight} after {round_trips}"
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
            permit.settle(Outcome::Answered);
        }
    });
    futures::future::join_all(calls).await;
    assert!(now() < start + Duration::from_secs(2));
    assert_eq!(seen.closed.load(Ordering::Relaxed), 1);
    assert!(!budget.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_50_a_second_serves_500_with_few_refusals() {
    for retry_after in [None, Some(1_000)] {
        let (budget, _) = budget(&limits());
        // Counts what came in the second that runs, as a service would.
        let window = Arc::new(Mutex::new((now(), 0_u32)));
        let refused = Arc::new(AtomicU32::new(0));
        let start = now();
        let calls = (0..500).map(|_| {
            let (budget, window) = (Arc::clone(&budget), Arc::clone(&window));
            let refused = Arc::clone(&refused);
            async move {
                let deadline = start + Duration::from_secs(30);
                loop {
                    let Ok(permit) = budget.admit(deadline, false, &mut 0).await else {
                        return false;
                    };
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let fits = {
                        let mut window = window.lock().unwrap();
                        if now() - window.0 >= Duration::from_secs(1) {
                            *window = (now(), 0);
                        }
                        window.1 += 1;
                        window.1 <= 50
                    };
                    if fits {
                        permit.settle(Outcome::Answered);
                        return true;
                    }
                    refused.fetch_add(1, Ordering::Relaxed);
                    permit.settle(throttled(retry_after));
                }
            }
        });
        let served = futures::future::join_all(calls).await;
        assert!(served.iter().all(|served| *served), "{retry_after:?}");
        let refused = refused.load(Ordering::Relaxed);
        println!("{retry_after:?}: {refused} refused, {:?}", now() - start);
        assert!(refused <= 130, "{refused} refused, {retry_after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_sent_again_goes_before_those_that_have_not_been_sent() {
    let limits = Limits {
        concurrency: 1,
        ..limits()
    };
    let (budget, _) = budget(&limits);
    let first = budget.admit(after(60), false, &mut 0).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, again) in [("new 1", false), ("new 2", false), ("again", true)] {
        let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let permit = budget.admit(after(60), again, &mut 0).await.unwrap();
            order.lock().unwrap().push(name);
            permit.settle(Outcome::Answered);
        }));
        // Each waits before the next comes.
        tokio::task::yield_now().await;
    }
    first.settle(Outcome::Answered);
    for task in tasks {
        task.await.unwrap();
    }
    // One that is new had the turn already.
    assert_eq!(*order.lock().unwrap(), ["new 1", "again", "new 2"]);
}
