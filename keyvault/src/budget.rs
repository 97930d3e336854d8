//! How often a service of Azure may be asked, and when not at all: one budget per vault, shared by
//! every mount of the node.
//!
//! A budget admits requests in the order in which they came: so many per second, so many at a time,
//! none while the service has asked for a pause, one at a time while it gives no answers. What it
//! decides is in [`decisions`] and the modules below it, pure functions of the time and a random number;
//! here is the waiting. Entra has a budget for each tenant, because one tenant's throttling must not
//! hold back another's identities; Resource Manager has one for each subscription, as it throttles.

mod book;
mod circuit;
mod decisions;
mod hedging;
mod hold;
mod pace;
mod random;
mod retry_after;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::session::Failure;
use crate::transport::{Hedge, Observer, Service};

pub(crate) use book::Budgets;
use circuit::Change;
pub(crate) use decisions::Outcome;
use decisions::{Admission, Core, Ticket};
use random::Random;
pub(crate) use retry_after::{retry_after, retry_after_of};

/// Requests without an answer after which a call gives up; probes that failed while it waited count.
pub(crate) const UNANSWERED: u32 = 5;

/// What a node may ask of each service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests per second; at least 1. Key Vault documents 4,000 in ten seconds for one vault.
    pub requests_per_second: u32,
    /// Requests at a time; at least 1.
    pub concurrency: usize,
    /// How long one request may take, from when it has a connection to itself or a stream of one.
    pub try_timeout: Duration,
    /// How long to wait at least before the same request is sent once more on another connection;
    /// absent for never.
    pub hedge_after: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 400,
            concurrency: 64,
            try_timeout: Duration::from_secs(5),
            hedge_after: Some(Duration::from_millis(300)),
        }
    }
}

/// What a budget does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Lets them go, up to its limits.
    Flowing,
    /// Lets them go at a lower rate, because the service had throttled.
    Throttled,
    /// Holds all of them until the service wants to be asked again.
    Held,
    /// Sends one at a time to find out whether the service answers again.
    Open,
    /// Lets more and more go at a time, because the service is back.
    Recovering,
}

impl State {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flowing => "flowing",
            Self::Throttled => "throttled",
            Self::Held => "held",
            Self::Open => "open",
            Self::Recovering => "recovering",
        }
    }
}

/// A budget as it is now.
#[derive(Debug, Clone)]
pub struct BudgetView {
    /// What is asked.
    pub service: Service,
    /// Its host; of Entra with the tenant, of Resource Manager with the subscription.
    pub name: String,
    /// What happens to requests.
    pub state: State,
    /// Requests per second allowed.
    pub requests_per_second: f64,
    /// Requests that were let go and have not ended.
    pub in_flight: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// How long nobody will be let go.
    pub held_for: Option<Duration>,
}

/// A request was not let go in time.
#[derive(Debug)]
pub(crate) struct NotAdmitted {
    /// What stood in its way, if that is known.
    pub(crate) reason: Option<Failure>,
}

/// The budget of one service.
pub(crate) struct Budget {
    service: Service,
    name: String,
    core: Mutex<Core>,
    random: Mutex<Random>,
    /// Held by whoever is next.
    turn: tokio::sync::Mutex<()>,
    /// Held by whoever of those that have not been sent yet is next but for the turn. The others
    /// queue for it, first come, first served; those that are sent again need not.
    queue: tokio::sync::Mutex<()>,
    /// Tells whoever is next to look again.
    changed: Notify,
    /// Counts the probes that failed, for all who wait.
    failed_probes: watch::Sender<u32>,
    waiting: AtomicUsize,
    used: Mutex<Instant>,
    observer: Option<Arc<dyn Observer>>,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Tokio's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Budget {
    fn new(
        service: Service,
        name: String,
        limits: &Limits,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        let now = now();
        Arc::new(Self {
            service,
            name,
            core: Mutex::new(Core::new(limits, now)),
            random: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
            queue: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            failed_probes: watch::Sender::new(0),
            waiting: AtomicUsize::new(0),
            used: Mutex::new(now),
            observer,
        })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on no more requests per second than these.
    pub(crate) fn limit(&self, per_second: u32) {
        self.core().limit(per_second);
        self.changed.notify_one();
    }

    /// A random number from 0 to 1.
    pub(crate) fn jitter(&self) -> f64 {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fraction()
    }

    /// Waits until a request may go, at most until `deadline`: no longer than is known to be of no
    /// use. One that is sent `again` has had its place in the queue before, and goes first. Adds the probes that failed meanwhile to `unanswered`; those that failed before count
    /// too, but two more are waited for.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        deadline: Instant,
        again: bool,
        unanswered: &mut u32,
    ) -> Result<Permit, NotAdmitted> {
        let started = now();
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = started;
        let _waiting = Counted::new(&self.waiting);
        let mut next = pin!(self.next(deadline, again));
        // The usual case, without a timer, and without telling anybody of a wait.
        if let Poll::Ready(admitted) = futures::poll!(next.as_mut()) {
            return admitted.ok_or_else(|| self.not_admitted());
        }
        let mut probes = self.failed_probes.subscribe();
        let mut seen = *probes.borrow_and_update();
        // Who comes late need not see again what others have seen.
        let known = self.core().failed_probes().min(UNANSWERED - 2);
        *unanswered = known.max(*unanswered);
        let mut end = pin!(tokio::time::sleep_until(deadline.into()));
        let admitted = loop {
            tokio::select! {
                biased;
                admitted = &mut next => break admitted,
                _ = probes.changed() => {
                    let failed = *probes.borrow_and_update();
                    *unanswered += failed.wrapping_sub(seen);
                    seen = failed;
                    let closed = self.core().closed_until(now());
                    if *unanswered >= UNANSWERED || closed.is_some_and(|until| until >= deadline) {
                        break None;
                    }
                }
                () = &mut end => break None,
            }
        };
        if let Some(observer) = &self.observer {
            observer.waited(self.service, now().saturating_duration_since(started));
        }
        admitted.ok_or_else(|| self.not_admitted())
    }

    fn not_admitted(&self) -> NotAdmitted {
        NotAdmitted {
            reason: self.core().reason(now()),
        }
    }

    /// Waits for its turn, and then until it may go. `None` when that is after the deadline.
    async fn next(self: &Arc<Self>, deadline: Instant, again: bool) -> Option<Permit> {
        let _queue = match again {
            true => None,
            false => Some(self.queue.lock().await),
        };
        let _turn = self.turn.lock().await;
        loop {
            let now = now();
            let admission = self.core().admit(now);
            match admission {
                Admission::Go { probe } => {
                    return Some(Permit {
                        budget: Arc::clone(self),
                        ticket: Ticket { sent: now, probe },
                        settled: false,
                    });
                }
                Admission::Until(until) if until >= deadline => return None,
                Admission::Until(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until.into()) => {}
                        () = self.changed.notified() => {}
                    }
                }
                Admission::Full => self.changed.notified().await,
            }
        }
    }

    /// How long to wait for an answer before a second request is sent, if one may be.
    pub(crate) fn hedge_delay(&self) -> Option<Duration> {
        self.core().hedging.delay()
    }

    /// Takes leave for a second request beside one that is out.
    pub(crate) fn hedge(&self) -> bool {
        let hedge = self.core().hedge(now());
        if hedge {
            self.tell_hedge(Hedge::Sent);
        }
        hedge
    }

    pub(crate) fn tell_hedge(&self, hedge: Hedge) {
        if let Some(observer) = &self.observer {
            observer.hedge(self.service, hedge);
        }
    }

    /// A request was answered after so long.
    pub(crate) fn observe_latency(&self, latency: Duration) {
        self.core().hedging.observe(latency);
    }

    /// Whether the service gives no answers.
    pub(crate) fn is_open(&self) -> bool {
        self.core().state(now()) == State::Open
    }

    /// Whether forgetting it would change nothing.
    fn is_idle(&self) -> bool {
        let core = self.core();
        core.in_flight == 0
            && self.waiting.load(Ordering::Relaxed) == 0
            && core.state(now()) == State::Flowing
    }

    fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> BudgetView {
        let now = now();
        let core = self.core();
        BudgetView {
            service: self.service,
            name: self.name.clone(),
            state: core.state(now),
            requests_per_second: core.rate(now),
            in_flight: core.in_flight,
            waiting: self.waiting.load(Ordering::Relaxed),
            held_for: core
                .closed_until(now)
                .map(|until| until.saturating_duration_since(now)),
        }
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) {
        let throttled = match &outcome {
            Outcome::Throttled { status, .. } => Some(*status),
            _ => None,
        };
        let jitter = self.jitter();
        let change = self.core().settle(ticket, outcome, now(), jitter);
        self.changed.notify_one();
        match change {
            Change::None => {}
            Change::ProbeFailed => self.failed_probes.send_modify(|n| *n = n.wrapping_add(1)),
            Change::Opened => {
                tracing::warn!(service = %self.name, "no answers: one request at a time finds out");
            }
            Change::Closed => tracing::info!(service = %self.name, "answers again"),
        }
        if let Some(observer) = &self.observer {
            if let Some(status) = throttled {
                observer.throttled(self.service, status);
            }
            match change {
                Change::Opened => observer.circuit(self.service, true),
                Change::Closed => observer.circuit(self.service, false),
                Change::None | Change::ProbeFailed => {}
            }
        }
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        // Whoever counts open circuits must not count a forgotten one for ever.
        if let Some(observer) = &self.observer
            && self.is_open()
        {
            observer.circuit(self.service, false);
        }
    }
}

/// Leave for one request. Dropped without a word, as by a caller that is cancelled, it says nothing
/// about the service.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    ticket: Ticket,
    settled: bool,
}

impl Permit {
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Says how the request ended.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        self.budget.settle(self.ticket, outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            self.budget.settle(self.ticket, Outcome::Unknown);
        }
    }
}

/// Counts as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
