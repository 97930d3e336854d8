//! Measures the provider's process while the volumes keep it busy.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;

use super::Shared;
use crate::process::{cpu, descriptors, memory, threads};
use crate::provider::Running;
use crate::scrape::scrape;

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(5);

/// What was measured at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Resident bytes.
    pub resident: f64,
    /// Open descriptors.
    pub descriptors: f64,
    /// Threads.
    pub threads: f64,
}

/// What was measured in all.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// One after the other.
    pub samples: Vec<Sample>,
    /// Metric series at half-time.
    pub series_at_half: BTreeSet<String>,
    /// Metric series at the end.
    pub series_at_end: BTreeSet<String>,
    /// Processor time used.
    pub cpu: Duration,
    /// Faults there were.
    pub faults: usize,
}

/// Measures for so long.
///
/// # Errors
/// When the provider ends, or serves no metrics.
pub(crate) async fn run(
    provider: &mut Running,
    shared: &Shared,
    length: Duration,
) -> anyhow::Result<Watched> {
    let mut watched = Watched::default();
    let every = EVERY.min(length / 24);
    let mut half = None;
    while shared.now() < length {
        tokio::time::sleep(every).await;
        provider.alive()?;
        watched.samples.push(sample(provider.pid)?);
        if half.is_none() && shared.now() >= length / 2 {
            half = Some(
                scrape(provider.metrics_port)
                    .await
                    .context("scrape at half-time")?,
            );
        }
    }
    watched.series_at_half = half.unwrap_or_default().series;
    let end = scrape(provider.metrics_port)
        .await
        .context("scrape at the end")?;
    watched.series_at_end = end.series;
    watched.cpu = cpu(provider.pid)?;
    watched.faults = super::lock(&shared.weather).faults();
    Ok(watched)
}

// Far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn sample(pid: u32) -> anyhow::Result<Sample> {
    Ok(Sample {
        resident: memory(pid)?.resident as f64,
        descriptors: descriptors(pid)? as f64,
        threads: threads(pid)? as f64,
    })
}
