//! A provider for long: volumes published again and again, values that rotate, faults that come and
//! go, and a judge who knows every byte.
//!
//! [`ledger`] knows what may be served, [`stage`] is vaults and volumes, [`faults`] and [`rotation`]
//! disturb, [`watch`] measures the process, [`verdict`] decides.

pub mod faults;
pub mod ledger;
pub mod rotation;
pub mod stage;
pub mod verdict;
pub mod volumes;
pub mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::join_all;
use vaultbind_e2e::random::Random;

use crate::azure::Azure;
use crate::bench::tell;
use crate::cast::Tokens;
use crate::provider::{Running, Spec};
use faults::Weather;
use ledger::{Ledger, Wrong};
use verdict::Verdict;
use volumes::Tally;

/// The window and the bound of stale service for providers that have both flags.
const FRESH: Duration = Duration::from_secs(2);
const STALE: Duration = Duration::from_secs(60);

/// What a soak does.
#[derive(Debug)]
pub struct Plan {
    /// The emulated Azure's program.
    pub azure: PathBuf,
    /// The provider.
    pub provider: Spec,
    /// For how long.
    pub length: Duration,
    /// How many volumes.
    pub volumes: usize,
    /// How often each is published.
    pub tick: Duration,
    /// What follows from chance follows from this.
    pub seed: u64,
}

/// What all parts of a soak share.
pub(crate) struct Shared {
    pub(crate) started: Instant,
    pub(crate) azure: Azure,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) weather: Mutex<Weather>,
    pub(crate) tally: Mutex<Tally>,
    pub(crate) ending: AtomicBool,
    /// How old a value may be while all is well.
    pub(crate) fresh: Duration,
    /// How old it may be while something is wrong.
    pub(crate) stale: Duration,
}

impl Shared {
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Sleeps, but not past the end.
    pub(crate) async fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.ending() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(left.min(Duration::from_millis(200))).await;
        }
    }

    pub(crate) fn wrong(&self, wrong: &Wrong) {
        lock(&self.tally).wrong(wrong);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs it, and says at the end what held.
///
/// # Errors
/// When the programs do not start, or the provider ends.
pub async fn run(plan: &Plan) -> anyhow::Result<Verdict> {
    let mut random = Random::new(plan.seed);
    let volumes = stage::volumes(plan.volumes, &mut random);
    let azure = Azure::start(&plan.azure, &stage::seed(), &[]).await?;
    let ledger = stage::fill(&azure).await.context("first values")?;
    let tokens = Tokens::new(azure.admin);

    let windows = ["--cache-ttl", "--serve-stale-for"];
    let has_windows = windows.iter().all(|flag| plan.provider.takes(flag));
    let arguments = match has_windows {
        true => windows
            .iter()
            .zip([FRESH, STALE])
            .map(|(flag, time)| format!("{flag}={}s", time.as_secs()))
            .collect(),
        false => Vec::new(),
    };
    let mut provider = Running::start(&plan.provider, &azure, &arguments).await?;
    let none = Duration::ZERO;
    let shared = Arc::new(Shared {
        started: Instant::now(),
        azure,
        ledger: Mutex::new(ledger),
        weather: Mutex::new(Weather::default()),
        tally: Mutex::default(),
        ending: AtomicBool::new(false),
        fresh: if has_windows { FRESH } else { none },
        stale: if has_windows { STALE } else { none },
    });

    let mut tasks = Vec::new();
    for volume in volumes {
        let request = volume.request(&tokens).await?;
        let driver = provider.driver.clone();
        let seed = random.next();
        let shared = Arc::clone(&shared);
        let volume = volumes::Volume::new(volume, request, driver, shared);
        tasks.push(tokio::spawn(volume.publish(plan.tick, seed)));
    }
    let rotation = tokio::spawn(rotation::run(Arc::clone(&shared), random.next()));
    let weather = tokio::spawn(faults::run(Arc::clone(&shared), random.next()));

    let watched = watch::run(&mut provider, &shared, plan.length).await?;
    // Nothing disturbs any more: by the end of the grace everybody must have the newest values.
    shared.ending.store(true, Ordering::Relaxed);
    weather.await??;
    rotation.await??;
    tell("the faults are gone; every volume is published once more");
    let published = join_all(tasks).await;
    tokio::time::sleep(faults::GRACE).await;
    let last = published.into_iter().flatten().map(volumes::Volume::last);
    let current: Vec<bool> = join_all(last).await;
    provider.alive()?;
    provider.stop().await?;
    let outdated = current.iter().filter(|current| !**current).count();
    let tally = std::mem::take(&mut *lock(&shared.tally));
    Ok(Verdict::new(&tally, &watched, outdated, plan.length))
}
