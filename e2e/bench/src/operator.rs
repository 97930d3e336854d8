//! The operator with many bindings: a real API server, the emulated Azure, and the operator's program
//! between them.
//!
//! [`population`] is what there is to be done, [`cluster`] where and by whom, [`lines`] what is measured
//! of it, [`projection`] what it would be for more.

pub mod cluster;
pub mod lines;
pub mod population;
pub mod projection;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::bench::{Form, tell};
use crate::provider::Spec;
use crate::record::{Machine, Recorder, Run};
use cluster::Cluster;
use population::Population;

/// The lines, in their order.
pub const LINES: [&str; 7] = [
    "load",
    "steady",
    "new binding",
    "restart",
    "hand-over",
    "memory",
    "projection",
];

/// What a run does.
#[derive(Debug)]
pub struct Plan {
    /// The emulated Azure's program.
    pub azure: PathBuf,
    /// The operator.
    pub operator: Spec,
    /// How much is done.
    pub form: Form,
    /// Bindings that are there.
    pub bindings: usize,
    /// Time between two checks of a vault.
    pub interval: Duration,
}

/// Measures all lines, one after the other: each begins where the one before it ended. What cannot be
/// measured is recorded as such and ends the run.
///
/// # Errors
/// When the API server or the emulated Azure does not start.
pub async fn run(plan: &Plan) -> anyhow::Result<Run> {
    let started = Instant::now();
    let began = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let population = Population::new(plan.form, plan.bindings, plan.interval);
    let cluster = Cluster::start(&plan.azure, &population).await?;
    tell("operator: the cluster is up");
    let mut recorder = Recorder::new(&plan.operator.name);
    let mut line = LINES[0];
    let measured = lines::all(&mut lines::Stand {
        plan,
        population: &population,
        cluster: &cluster,
        recorder: &mut recorder,
        line: &mut line,
    })
    .await;
    if let Err(error) = measured {
        let text = format!("{error:#}");
        tell(&format!("operator: {line}: {text}"));
        recorder.case(line, &[]).text("failed", &text);
    }
    Ok(Run {
        form: plan.form.name().to_owned(),
        began: began.to_string(),
        seconds: started.elapsed().as_secs(),
        machine: Machine::this(),
        providers: vec![plan.operator.identity()?],
        records: recorder.into_records(),
    })
}
