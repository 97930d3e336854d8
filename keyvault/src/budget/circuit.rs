//! A service that gives no answers at all is asked by one request at a time, until it does.

use std::time::{Duration, Instant};

/// Requests without an answer, none with one between them, that open the circuit.
const FAILURES: u32 = 5;
/// Pause before the first probe; doubled by each that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// A pause is longer or shorter by as much.
const JITTER: f64 = 0.2;
/// Requests at a time once a probe was answered; one more with each further answer, so that it
/// doubles with each round trip.
const FIRST_RAMP: usize = 2;

#[derive(Debug)]
pub(super) struct Circuit {
    state: State,
    /// Requests at a time while the service recovers.
    ramp: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        failed_probes: u32,
        probing: bool,
    },
}

/// What a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Pass,
    /// It may go, as the one that finds out.
    Probe,
    /// Nobody may before then.
    Until(Instant),
    /// Another one is finding out.
    Busy,
}

/// What an outcome changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    ProbeFailed,
    Closed,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: State::Closed { failures: 0 },
            ramp: None,
        }
    }
}

impl Circuit {
    pub(super) fn gate(&self, now: Instant) -> Gate {
        match self.state {
            State::Closed { .. } => Gate::Pass,
            State::Open { probing: true, .. } => Gate::Busy,
            State::Open { until, .. } if now < until => Gate::Until(until),
            State::Open { .. } => Gate::Probe,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Probes that failed since it opened.
    pub(super) fn failed_probes(&self) -> u32 {
        match self.state {
            State::Open { failed_probes, .. } => failed_probes,
            State::Closed { .. } => 0,
        }
    }

    pub(super) fn ramp(&self) -> Option<usize> {
        self.ramp
    }

    pub(super) fn probe_started(&mut self) {
        if let State::Open { probing, .. } = &mut self.state {
            *probing = true;
        }
    }

    /// A probe ended without having found anything out.
    pub(super) fn probe_cancelled(&mut self) {
        if let State::Open { probing, .. } = &mut self.state {
            *probing = false;
        }
    }

    /// There was an answer, whichever. `most` is where the ramp ends.
    pub(super) fn answered(&mut self, most: usize) -> Change {
        if self.is_open() {
            self.state = State::Closed { failures: 0 };
            self.ramp = Some(FIRST_RAMP).filter(|ramp| *ramp < most);
            return Change::Closed;
        }
        self.state = State::Closed { failures: 0 };
        self.ramp = self.ramp.map(|ramp| ramp + 1).filter(|ramp| *ramp < most);
        Change::None
    }

    /// There was none.
    pub(super) fn failed(&mut self, probe: bool, now: Instant, jitter: f64) -> Change {
        match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < FAILURES && self.ramp.is_none() {
                    return Change::None;
                }
                self.state = State::Open {
                    until: now + pause(0, jitter),
                    failed_probes: 0,
                    probing: false,
                };
                self.ramp = None;
                Change::Opened
            }
            State::Open {
                until,
                failed_probes,
                probing,
            } if probe => {
                *failed_probes += 1;
                *probing = false;
                *until = now + pause(*failed_probes, jitter);
                Change::ProbeFailed
            }
            // One that was on its way when the circuit opened.
            State::Open { .. } => Change::None,
        }
    }
}

fn pause(failed_probes: u32, jitter: f64) -> Duration {
    let pause = FIRST_PAUSE * (1 << failed_probes.min(3));
    pause
        .min(LONGEST_PAUSE)
        .mul_f64(1.0 - JITTER + 2.0 * JITTER * jitter.clamp(0.0, 1.0))
}
