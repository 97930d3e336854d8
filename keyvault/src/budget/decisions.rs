//! The decisions of one budget, without waiting and without a clock of its own.

use std::time::{Duration, Instant};

use super::circuit::{Change, Circuit, Gate};
use super::hedging::Hedging;
use super::hold::Hold;
use super::pace::Pace;
use super::{Limits, State};
use crate::session::Failure;

/// All that is known about how a service may be asked.
#[derive(Debug)]
pub(super) struct Core {
    concurrency: usize,
    pub(super) in_flight: usize,
    hold: Hold,
    pace: Pace,
    circuit: Circuit,
    pub(super) hedging: Hedging,
    /// The status of the last throttle.
    throttle: Option<u16>,
    /// Why the circuit is open.
    outage: Option<Failure>,
}

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Now. A probe finds out for all others whether the service is back.
    Go { probe: bool },
    /// Not before then.
    Until(Instant),
    /// When another one has ended.
    Full,
}

/// How a request that was let go ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// With an answer, whichever.
    Answered,
    /// With a refusal to be asked so often.
    Throttled {
        /// 429 or 503.
        status: u16,
        /// What the answer asks for.
        retry_after: Option<Duration>,
    },
    /// Without an answer.
    Unanswered(Failure),
    /// In a way that says nothing about the service.
    Unknown,
}

/// A request that was let go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) sent: Instant,
    pub(super) probe: bool,
}

impl Core {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            concurrency: limits.concurrency.max(1),
            in_flight: 0,
            hold: Hold::default(),
            pace: Pace::new(limits.requests_per_second, now),
            circuit: Circuit::default(),
            hedging: Hedging::new(limits.hedge_after),
            throttle: None,
            outage: None,
        }
    }

    /// From now on no more requests per second than these.
    pub(super) fn limit(&mut self, per_second: u32) {
        self.pace.limit(per_second);
    }

    /// Lets a request go, if it may.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        let probe = match self.circuit.gate(now) {
            Gate::Pass => false,
            Gate::Probe => true,
            Gate::Until(until) => return Admission::Until(until),
            Gate::Busy => return Admission::Full,
        };
        if let Some(until) = self.hold.until(now) {
            return Admission::Until(until);
        }
        // What the outage left over does not count against the probe.
        if !probe && self.in_flight >= self.circuit.ramp().unwrap_or(self.concurrency) {
            return Admission::Full;
        }
        if let Err(until) = self.pace.take(now) {
            return Admission::Until(until);
        }
        if probe {
            self.circuit.probe_started();
        }
        self.in_flight += 1;
        self.hedging.earn();
        Admission::Go { probe }
    }

    /// Takes note of how a request ended.
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        now: Instant,
        jitter: f64,
    ) -> Change {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answered => {
                self.pace.answered(now);
                self.hold.answered(ticket.sent);
                self.answered()
            }
            Outcome::Throttled {
                status,
                retry_after,
            } => {
                self.throttle = Some(status);
                let opens = self.hold.throttled(ticket.sent, now, retry_after, jitter);
                let resume = self.hold.until(now).unwrap_or(now);
                if opens {
                    self.pace.throttled(now, resume, jitter);
                }
                self.answered()
            }
            Outcome::Unanswered(failure) => {
                self.outage = Some(failure);
                self.circuit.failed(ticket.probe, now, jitter)
            }
            Outcome::Unknown => {
                if ticket.probe {
                    self.circuit.probe_cancelled();
                }
                Change::None
            }
        }
    }

    fn answered(&mut self) -> Change {
        let change = self.circuit.answered(self.concurrency);
        if change == Change::Closed {
            self.outage = None;
        }
        change
    }

    /// Takes leave for a second request beside one that is out.
    pub(super) fn hedge(&mut self, now: Instant) -> bool {
        let calm = self.state(now) == State::Flowing;
        let hedge = calm && self.hedging.spend();
        if hedge {
            self.pace.overdraw();
        }
        hedge
    }

    /// Why a request that still waits cannot go.
    pub(super) fn reason(&self, now: Instant) -> Option<Failure> {
        match self.state(now) {
            State::Open => self.outage.clone(),
            State::Held | State::Throttled => self.throttle.map(Failure::Status),
            State::Recovering | State::Flowing => None,
        }
    }

    /// Probes that have failed since there were no answers any more.
    pub(super) fn failed_probes(&self) -> u32 {
        self.circuit.failed_probes()
    }

    /// Until when nobody may go.
    pub(super) fn closed_until(&self, now: Instant) -> Option<Instant> {
        let open = match self.circuit.gate(now) {
            Gate::Until(until) => Some(until),
            Gate::Pass | Gate::Probe | Gate::Busy => None,
        };
        open.max(self.hold.until(now))
    }

    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.pace.rate(now)
    }

    pub(super) fn state(&self, now: Instant) -> State {
        if self.circuit.is_open() {
            State::Open
        } else if self.hold.until(now).is_some() {
            State::Held
        } else if self.pace.is_cut(now) {
            State::Throttled
        } else if self.circuit.ramp().is_some() {
            State::Recovering
        } else {
            State::Flowing
        }
    }
}
