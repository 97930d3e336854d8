//! What Azure said not long ago, so that many bindings of one identity ask once, and whose turn it is to
//! write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::observed::Seen;

/// For how long a failure is taken for granted: whoever waited for the same answer has the same failure.
const FAILURES: Duration = Duration::from_secs(5);

/// What is not looked at for so long is forgotten.
const FORGET: Duration = Duration::from_secs(2 * 60 * 60);

/// Answers by what was asked for. Each is asked for by one at a time, and who waited takes what came.
#[derive(Debug)]
pub(crate) struct Book<T> {
    pages: Mutex<HashMap<String, Page<T>>>,
}

type Page<T> = Arc<tokio::sync::Mutex<Option<Entry<T>>>>;

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    seen: Seen<T>,
}

impl<T: Clone> Book<T> {
    pub(crate) fn new() -> Self {
        Self {
            pages: Mutex::default(),
        }
    }

    fn page(&self, key: &str) -> Page<T> {
        let now = Instant::now();
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() > 64 && !pages.contains_key(key) {
            pages.retain(|_, page| {
                page.try_lock().is_ok_and(|entry| {
                    entry
                        .as_ref()
                        .is_some_and(|entry| now.duration_since(entry.at) < FORGET)
                }) || Arc::strong_count(page) > 1
            });
        }
        Arc::clone(pages.entry(key.to_owned()).or_default())
    }

    /// What is known, if it is not older; otherwise what `ask` finds out.
    pub(crate) async fn get(
        &self,
        key: &str,
        max_age: Duration,
        ask: impl Future<Output = Seen<T>>,
    ) -> Seen<T> {
        let page = self.page(key);
        let mut entry = page.lock().await;
        if let Some(entry) = entry.as_ref() {
            let most = match &entry.seen {
                Ok(_) => max_age,
                Err(_) => max_age.min(FAILURES),
            };
            if entry.at.elapsed() < most {
                return entry.seen.clone();
            }
        }
        let seen = ask.await;
        *entry = Some(Entry {
            at: Instant::now(),
            seen: seen.clone(),
        });
        seen
    }

    /// Changes what is known, after a write.
    pub(crate) async fn change(&self, key: &str, change: impl FnOnce(&mut T)) {
        let page = self.page(key);
        if let Some(Entry {
            seen: Ok(known), ..
        }) = page.lock().await.as_mut()
        {
            change(known);
        }
    }

    /// What is known does not hold any more.
    pub(crate) async fn forget(&self, key: &str) {
        let page = self.page(key);
        *page.lock().await = None;
    }
}

/// Turns to write. Azure takes one write to the federated credentials of an identity in four seconds, and two in
/// a second to those of a subscription, and refuses what comes at the same time.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Time between two writes to one identity.
    pub(crate) identity: Duration,
    /// Time between two writes in one subscription.
    pub(crate) subscription: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// From when the next write may come, by identity and by subscription.
    free: HashMap<String, Instant>,
    /// Who has which turn.
    reserved: HashMap<String, Instant>,
}

/// A turn that nobody came for is given up after so long.
const GIVEN_UP: Duration = Duration::from_secs(300);

impl Turns {
    pub(crate) fn new(identity: Duration, subscription: Duration) -> Self {
        Self {
            identity,
            subscription,
            state: Mutex::default(),
        }
    }

    /// How long `who` waits until it may write; nothing if it is its turn. Whoever is told to wait keeps its
    /// place.
    pub(crate) fn wait(
        &self,
        who: &str,
        identity: &str,
        subscription: &str,
        now: Instant,
    ) -> Option<Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { free, reserved } = &mut *state;
        reserved.retain(|_, at| *at + GIVEN_UP > now);
        free.retain(|_, at| *at + GIVEN_UP > now);
        let at = match reserved.get(who) {
            Some(at) => *at,
            None => {
                let next = |key: &str| free.get(key).copied().unwrap_or(now).max(now);
                let at = next(identity).max(next(subscription));
                free.insert(identity.to_owned(), at + self.identity);
                free.insert(subscription.to_owned(), at + self.subscription);
                reserved.insert(who.to_owned(), at);
                at
            }
        };
        if at <= now {
            reserved.remove(who);
            return None;
        }
        Some(at - now)
    }

    /// Azure asked to wait: everybody's next turn at this identity comes later.
    pub(crate) fn hold(&self, identity: &str, wait: Duration, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let free = state.free.entry(identity.to_owned()).or_insert(now);
        *free = (*free).max(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Duration = Duration::from_secs(4);
    const SUBSCRIPTION: Duration = Duration::from_millis(500);

    fn turns() -> Turns {
        Turns::new(IDENTITY, SUBSCRIPTION)
    }

    #[test]
    fn writes_to_one_identity_are_apart_and_each_comes_to_its_turn() {
        let (turns, start) = (turns(), Instant::now());
        let who = |n: u32| format!("credential {n}");
        assert_eq!(turns.wait(&who(0), "a", "s", start), None);
        for n in 1..5 {
            assert_eq!(turns.wait(&who(n), "a", "s", start), Some(IDENTITY * n));
        }
        // Asking again changes nothing.
        let later = start + Duration::from_secs(3);
        assert_eq!(
            turns.wait(&who(1), "a", "s", later),
            Some(Duration::from_secs(1))
        );
        assert_eq!(turns.wait(&who(1), "a", "s", start + IDENTITY), None);
        assert_eq!(turns.wait(&who(2), "a", "s", start + IDENTITY * 2), None);
    }

    #[test]
    fn identities_of_one_subscription_share_its_rate() {
        let (turns, start) = (turns(), Instant::now());
        assert_eq!(turns.wait("1", "a", "s", start), None);
        assert_eq!(turns.wait("2", "b", "s", start), Some(SUBSCRIPTION));
        assert_eq!(turns.wait("3", "c", "s", start), Some(SUBSCRIPTION * 2));
        assert_eq!(turns.wait("4", "d", "t", start), None);
    }

    #[test]
    fn azure_may_ask_to_wait_longer() {
        let (turns, start) = (turns(), Instant::now());
        assert_eq!(turns.wait("1", "a", "s", start), None);
        let hold = Duration::from_secs(30);
        turns.hold("a", hold, start);
        assert_eq!(turns.wait("2", "a", "s", start), Some(hold));
        assert_eq!(turns.wait("3", "b", "t", start), None);
    }

    #[test]
    fn a_turn_that_nobody_comes_for_is_given_up() {
        let (turns, start) = (turns(), Instant::now());
        assert_eq!(turns.wait("1", "a", "s", start), None);
        assert_eq!(turns.wait("2", "a", "s", start), Some(IDENTITY));
        let much_later = start + GIVEN_UP * 2;
        assert_eq!(turns.wait("3", "a", "s", much_later), None);
        assert_eq!(turns.wait("2", "a", "s", much_later), Some(IDENTITY));
    }
}
