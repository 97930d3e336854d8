//! Starts, and the mounts of one volume after the other.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{Context, rtt, secrets};
use crate::drive::{Job, KUBELET, Outcome, mount};
use crate::provider::Running;
use crate::record::Recorder;
use crate::stats::Samples;

/// From the start of a process until it answers, and until it has mounted one secret.
pub(super) async fn start(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let job = context.job("pod", 0, 1).await?;
    let (mut ready, mut mounted) = (Vec::new(), Vec::new());
    for _ in 0..context.form.pick(5, 30) {
        let provider = context.provider().await?;
        ready.push(provider.ready_after);
        good(&mount(&provider.driver, job.clone(), KUBELET).await)?;
        mounted.push(provider.started.elapsed());
        provider.stop().await?;
    }
    for (metric, samples) in [("ready", ready), ("first mount", mounted)] {
        let samples = Samples::new(samples);
        let case = [("until", metric.to_owned())];
        report(&mut context.recorder, name, &case, &samples);
    }
    Ok(())
}

/// How much the provider knows before a mount.
#[derive(Debug, Clone, Copy)]
enum Way {
    NewProcess,
    NewIdentity,
    Warm,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::NewProcess => "new process",
            Self::NewIdentity => "new identity",
            Self::Warm => "warm",
        }
    }
}

/// Mounts of 1, 10 and 50 secrets at several distances.
pub(super) async fn mounts(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    for objects in [1, 10, 50] {
        for millis in context.form.pick(&[0, 30][..], &[0, 5, 30]) {
            let time = Duration::from_millis(*millis);
            for way in [Way::NewProcess, Way::NewIdentity, Way::Warm] {
                context.azure.reset(time).await?;
                let samples = match way {
                    Way::NewProcess => new_processes(context, objects).await?,
                    Way::NewIdentity | Way::Warm => one_process(context, objects, way).await?,
                };
                let case = [
                    ("objects", secrets(objects)),
                    rtt(time),
                    ("way", way.name().to_owned()),
                ];
                report(&mut context.recorder, name, &case, &samples);
            }
        }
    }
    Ok(())
}

/// Decides when there are samples enough: a number of them, or some when time is over.
struct Enough {
    until: Instant,
    least: usize,
    most: usize,
}

impl Enough {
    fn new(context: &Context<'_>, most: usize) -> Self {
        let budget = context.form.pick(300, 3000);
        Self {
            until: Instant::now() + Duration::from_millis(budget),
            least: context.form.pick(2, 5),
            most,
        }
    }

    fn reached(&self, samples: &[Duration]) -> bool {
        let count = samples.len();
        count >= self.most || (count >= self.least && Instant::now() >= self.until)
    }
}

async fn new_processes(context: &Context<'_>, objects: usize) -> anyhow::Result<Samples> {
    let job = context.job("pod", 0, objects).await?;
    let mut samples = Vec::new();
    let enough = Enough::new(context, 50);
    while !enough.reached(&samples) {
        let provider = context.provider().await?;
        let outcome = mount(&provider.driver, job.clone(), KUBELET).await;
        samples.push(good(&outcome)?);
        provider.stop().await?;
    }
    Ok(Samples::new(samples))
}

async fn one_process(context: &Context<'_>, objects: usize, way: Way) -> anyhow::Result<Samples> {
    let provider: Running = context.provider().await?;
    let first: Job = context.job("pod", 0, objects).await?;
    good(&mount(&provider.driver, first.clone(), KUBELET).await)?;
    let mut samples = Vec::new();
    let enough = Enough::new(context, 300);
    while !enough.reached(&samples) {
        let job = match way {
            Way::Warm => first.clone(),
            _ => context.job("pod", samples.len() + 1, objects).await?,
        };
        samples.push(good(&mount(&provider.driver, job, KUBELET).await)?);
    }
    provider.stop().await?;
    Ok(Samples::new(samples))
}

fn good(outcome: &Outcome) -> anyhow::Result<Duration> {
    ensure!(
        outcome.mounted(),
        "a mount failed: {} {}",
        outcome.code,
        outcome.message
    );
    Ok(outcome.took)
}

fn report(recorder: &mut Recorder, name: &str, case: &[(&str, String)], samples: &Samples) {
    recorder
        .case(name, case)
        .millis("median", samples.median())
        .millis("p99", samples.percentile(99))
        .count("samples", samples.count());
}
