//! The loop around [`evaluate`].

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::{Leadership, Seen, Step, Term, Timing, evaluate};

/// Why a process no longer leads.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// It could not renew in time.
    #[error("the lease {name} could not be renewed for {}s: {last}", after.as_secs())]
    NotRenewed {
        /// The lease.
        name: String,
        /// For how long.
        after: Duration,
        /// What the last try said.
        last: String,
    },
    /// Somebody else has it.
    #[error("the lease {name} is held by {holder}")]
    Taken {
        /// The lease.
        name: String,
        /// By whom.
        holder: String,
    },
}

/// One candidate for a lease.
#[derive(Debug)]
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    timing: Timing,
    leadership: Leadership,
    lease: Option<Lease>,
    seen: Option<Seen>,
}

impl Elector {
    /// A candidate, who holds nothing yet.
    pub fn new(api: Api<Lease>, name: String, me: String, timing: Timing) -> Self {
        Self {
            api,
            name,
            me,
            timing,
            leadership: Leadership::default(),
            lease: None,
            seen: None,
        }
    }

    /// Whether this candidate leads.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&mut self) {
        let mut failing = false;
        loop {
            match timeout(self.timing.renew_deadline, self.step()).await {
                Ok(Ok(Done::Held)) => {
                    info!(lease = self.name, identity = self.me, "leading");
                    return;
                }
                Ok(Ok(Done::Wait(until))) => {
                    failing = false;
                    // The holder may give it up before.
                    sleep_until(until.min(Instant::now() + self.timing.retry_period)).await;
                }
                Ok(Err(error)) => {
                    self.complain(&error.to_string(), &mut failing);
                    sleep(self.timing.retry_period).await;
                }
                Err(_) => self.complain("no answer in time", &mut failing),
            }
        }
    }

    /// Once, not at every try.
    fn complain(&self, error: &str, failing: &mut bool) {
        if *failing {
            debug!(lease = self.name, error, "the lease cannot be had");
        } else {
            warn!(
                lease = self.name,
                error, "the lease cannot be had, trying on"
            );
        }
        *failing = true;
    }

    /// Renews the lease for as long as that is possible, and returns why it is not any more.
    pub async fn hold(&mut self) -> LeaseError {
        let mut renewed = Instant::now();
        let mut last = "no try was made".to_owned();
        loop {
            let deadline = renewed + self.timing.renew_deadline;
            sleep_until((Instant::now() + self.timing.retry_period).min(deadline)).await;
            let now = Instant::now();
            match timeout_at(deadline, self.step()).await {
                Ok(Ok(Done::Held)) => renewed = now,
                Ok(Ok(Done::Wait(_))) => {
                    self.leadership.set(Term::None);
                    return LeaseError::Taken {
                        name: self.name.clone(),
                        holder: self.holder().to_owned(),
                    };
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = "no answer in time".to_owned(),
            }
            if Instant::now() >= renewed + self.timing.renew_deadline {
                self.leadership.set(Term::None);
                return LeaseError::NotRenewed {
                    name: self.name.clone(),
                    after: self.timing.renew_deadline,
                    last,
                };
            }
        }
    }

    /// Gives the lease up, so that another replica need not wait for its end.
    pub async fn release(mut self) {
        self.leadership.set(Term::None);
        if self.holder() != self.me {
            return;
        }
        let given_up = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..self.spec()
        };
        match timeout(self.timing.retry_period, self.write(given_up)).await {
            Ok(Ok(())) => info!(lease = self.name, "given up"),
            Ok(Err(error)) => warn!(lease = self.name, %error, "the lease could not be given up"),
            Err(_) => warn!(lease = self.name, "the lease could not be given up in time"),
        }
    }

    /// Looks, and does what is to be done.
    async fn step(&mut self) -> Result<Done, kube::Error> {
        // While it is ours the last write is the last look: if it is not ours any more, the version tells.
        if self.lease.is_none() || self.holder() != self.me {
            self.look().await?;
        }
        let now = Instant::now();
        let spec = match evaluate(self.seen.as_ref(), &self.me, now, self.timing.duration) {
            Step::Wait(until) => return Ok(Done::Wait(until)),
            Step::Renew => self.spec(),
            Step::Create | Step::Take => LeaseSpec {
                holder_identity: Some(self.me.clone()),
                acquire_time: Some(MicroTime(Timestamp::now())),
                lease_transitions: Some(self.spec().lease_transitions.map_or(0, |n| n + 1)),
                ..LeaseSpec::default()
            },
        };
        let spec = LeaseSpec {
            lease_duration_seconds: Some(
                i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX),
            ),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..spec
        };
        match self.write(spec).await {
            Ok(()) => {
                let until = now + self.timing.renew_deadline;
                self.leadership.set(Term::Until(until));
                Ok(Done::Held)
            }
            // Somebody else was there in between: look again.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.look().await?;
                match evaluate(self.seen.as_ref(), &self.me, now, self.timing.duration) {
                    Step::Wait(until) => Ok(Done::Wait(until)),
                    _ => Err(kube::Error::Api(status)),
                }
            }
            Err(error) => {
                // It may have been written or not.
                self.lease = None;
                Err(error)
            }
        }
    }

    async fn look(&mut self) -> Result<(), kube::Error> {
        self.lease = self.api.get_opt(&self.name).await?;
        self.saw();
        Ok(())
    }

    async fn write(&mut self, spec: LeaseSpec) -> Result<(), kube::Error> {
        let parameters = PostParams::default();
        let written = match &self.lease {
            Some(lease) => {
                let lease = Lease {
                    metadata: lease.metadata.clone(),
                    spec: Some(spec),
                };
                self.api.replace(&self.name, &parameters, &lease).await?
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                };
                let spec = Some(spec);
                let lease = Lease { metadata, spec };
                self.api.create(&parameters, &lease).await?
            }
        };
        self.lease = Some(written);
        self.saw();
        Ok(())
    }

    fn saw(&mut self) {
        let before = self.seen.take();
        self.seen = self.lease.as_ref().map(|lease| {
            let version = lease.metadata.resource_version.clone();
            Seen::again(
                before,
                lease.spec.clone().unwrap_or_default(),
                version.unwrap_or_default(),
                Instant::now(),
            )
        });
    }

    fn spec(&self) -> LeaseSpec {
        let spec = self.lease.as_ref().and_then(|lease| lease.spec.clone());
        spec.unwrap_or_default()
    }

    fn holder(&self) -> &str {
        let spec = self.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        spec.and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default()
    }
}

/// What came of a step.
enum Done {
    /// The lease is ours.
    Held,
    /// It is somebody's, at least until then.
    Wait(Instant),
}
