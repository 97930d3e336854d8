//! The operator as a whole: built from its configuration, driven by `main` and by tests.

mod start;
mod triggers;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::cluster::{Name, View};
use crate::health::Readiness;
use crate::lease::{Elector, LeaseError};
use crate::metrics::{Ended, Metrics};
use crate::queue::{Backoff, Outcome, Queue};
use crate::reconcile::Reconciler;

pub use start::{Config, Pace, StartError};

/// How long what failed waits.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
};

/// How long one binding's turn may take.
const TURN: Duration = Duration::from_secs(60);

/// How long a stop waits for turns that have not ended.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// Whether this replica works: it leads, and no stop has been asked for.
#[derive(Debug, Clone, Default)]
pub struct Lead(Arc<AtomicBool>);

impl Lead {
    /// Whether it does.
    pub fn holds(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, leads: bool) {
        self.0.store(leads, Ordering::Relaxed);
    }
}

/// An operator that runs.
#[derive(Debug)]
pub struct Operator {
    addresses: vaultbind_telemetry::ports::Addresses,
    metrics: Arc<Metrics>,
    queue: Arc<Queue<Name>>,
    lead: Lead,
    stop: CancellationToken,
    run: JoinHandle<Result<(), LeaseError>>,
}

impl Operator {
    /// Where health is told.
    pub fn health_address(&self) -> std::net::SocketAddr {
        self.addresses.health
    }

    /// Where metrics are.
    pub fn metrics_address(&self) -> std::net::SocketAddr {
        self.addresses.metrics
    }

    /// The metrics themselves.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether this replica works.
    pub fn leads(&self) -> bool {
        self.lead.holds()
    }

    /// Gives a binding a turn now, as if somebody had asked for it.
    pub fn check(&self, namespace: &str, name: &str) {
        let name = Name {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.queue
            .add(name, crate::queue::Class::Asked, Duration::ZERO);
    }

    /// Waits until the operator has ended by itself, which it does only when it has lost its lease.
    ///
    /// # Errors
    /// With how it was lost.
    pub async fn ended(&mut self) -> Result<(), LeaseError> {
        match (&mut self.run).await {
            Ok(ended) => ended,
            Err(error) => {
                warn!(%error, "the operator ended");
                Ok(())
            }
        }
    }

    /// Stops: no new turns, those that run end, the lease is given up.
    pub async fn stop(mut self) {
        info!("stopping");
        self.stop.cancel();
        match timeout(STOP_GRACE * 2, &mut self.run).await {
            Ok(Ok(Ok(()))) => info!("stopped"),
            Ok(Ok(Err(error))) => warn!(%error, "stopped"),
            Ok(Err(error)) => warn!(%error, "stopped"),
            Err(_) => {
                self.run.abort();
                warn!("turns were still running when the time to stop was over");
            }
        }
    }
}

/// All that runs once the operator is started.
struct Run {
    view: Arc<View>,
    queue: Arc<Queue<Name>>,
    lead: Lead,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    reconciler: Reconciler,
    elector: Option<Elector>,
    workers: u16,
    stop: CancellationToken,
}

impl Run {
    /// Waits for the cluster and the lease, works, and gives the lease up.
    async fn run(mut self) -> Result<(), LeaseError> {
        let stop = self.stop.clone();
        if stop.run_until_cancelled(self.view.synced()).await.is_none() {
            return Ok(());
        }
        self.readiness.set(true);
        if let Some(elector) = &mut self.elector
            && stop.run_until_cancelled(elector.acquire()).await.is_none()
        {
            // It may have been got in this moment.
            if let Some(elector) = self.elector {
                elector.release().await;
            }
            return Ok(());
        }
        self.lead.set(true);
        triggers::start(&self.view, &self.queue);
        let mut workers = self.work();
        let lost = match &mut self.elector {
            Some(elector) => stop.run_until_cancelled(elector.hold()).await,
            None => {
                stop.cancelled().await;
                None
            }
        };
        self.lead.set(false);
        self.readiness.set(false);
        if let Some(lost) = lost {
            // Whoever leads now must not meet writes of ours: this replica ends at once.
            workers.shutdown().await;
            return Err(lost);
        }
        self.wind_down(workers).await;
        if let Some(elector) = self.elector {
            elector.release().await;
        }
        Ok(())
    }

    /// Lets turns end that run, while the lease is renewed.
    async fn wind_down(&mut self, mut workers: JoinSet<()>) {
        let ended = async { while workers.join_next().await.is_some() {} };
        let held = async {
            match &mut self.elector {
                Some(elector) => drop(elector.hold().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => return,
            () = held => {}
            () = tokio::time::sleep(STOP_GRACE) => {}
        }
        workers.shutdown().await;
    }

    fn work(&self) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        for _ in 0..self.workers {
            let worker = Worker {
                queue: Arc::clone(&self.queue),
                metrics: Arc::clone(&self.metrics),
                reconciler: self.reconciler.clone(),
                stop: self.stop.clone(),
            };
            workers.spawn(worker.run());
        }
        workers
    }
}

/// Gives bindings their turns, one after the other.
struct Worker {
    queue: Arc<Queue<Name>>,
    metrics: Arc<Metrics>,
    reconciler: Reconciler,
    stop: CancellationToken,
}

impl Worker {
    async fn run(self) {
        while let Some(taken) = self.stop.run_until_cancelled(self.queue.take()).await {
            let started = Instant::now();
            let (name, class) = (taken.key, taken.class);
            debug!(binding = %name, class = class.as_str(), waited = ?taken.waited, "turn");
            // A panic must cost one turn, not the worker.
            let turn = AssertUnwindSafe(self.reconciler.turn(&name, class)).catch_unwind();
            let (ended, outcome) = match timeout(TURN, turn).await {
                Ok(Ok(Ok(turn))) => (turn.ended, turn.outcome),
                Ok(Ok(Err(error))) => {
                    let ended = error.ended();
                    if ended == Ended::Failed {
                        warn!(binding = %name, %error, "the turn failed");
                    } else {
                        debug!(binding = %name, %error, "the turn is repeated");
                    }
                    (ended, Outcome::Failed(class))
                }
                Ok(Err(_)) => (Ended::Failed, Outcome::Failed(class)),
                Err(_) => {
                    warn!(binding = %name, "the turn took too long");
                    (Ended::TimedOut, Outcome::Failed(class))
                }
            };
            self.queue.done(&name, outcome);
            self.metrics.reconciled(ended, started.elapsed());
        }
    }
}
