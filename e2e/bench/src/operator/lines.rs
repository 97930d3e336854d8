//! What is measured, in its order.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use vaultbind_azure::{Call, Service};
use vaultbind_e2e::operator::Operator;

use super::Plan;
use super::cluster::Cluster;
use super::population::Population;
use super::projection::{self, Measured};
use crate::bench::tell;
use crate::process;
use crate::record::Recorder;
use crate::stats::Samples;

/// What the lines have at hand.
pub struct Stand<'a> {
    /// What is done.
    pub plan: &'a Plan,
    /// With what.
    pub population: &'a Population,
    /// Where.
    pub cluster: &'a Cluster,
    /// Takes the figures.
    pub recorder: &'a mut Recorder,
    /// The line that is being measured.
    pub line: &'a mut &'static str,
}

/// Calls to Azure in some time.
#[derive(Debug, Clone, Copy, Default)]
struct AzureCalls {
    /// Lists of names, a call for each page.
    names: usize,
    /// Lists of versions.
    versions: usize,
    /// Answers other than 200.
    refused: usize,
    /// Anything else that was asked of a vault: values, which must not be.
    others: usize,
    entra: usize,
}

impl AzureCalls {
    fn vault(self) -> usize {
        self.names + self.versions + self.others
    }
}

/// Measures everything.
///
/// # Errors
/// When a line cannot be measured.
pub async fn all(stand: &mut Stand<'_>) -> anyhow::Result<()> {
    let operator = stand
        .cluster
        .operator(&stand.plan.operator, "operator-1")
        .await?;
    stand.leads("operator-1").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = process::memory(operator.pid)?.resident;

    let mut measured = Measured::default();
    let all = stand.plan.bindings;
    measured.rows.push((0, idle));
    for (from, to) in [(0, all / 2), (all / 2, all)] {
        let resident = stand.load(&operator, from, to).await?;
        measured.rows.push((to, resident));
    }
    stand.steady(&operator, &mut measured).await?;
    stand.new_bindings().await?;
    let operator = stand.restart(operator, &measured).await?;
    let operator = stand.hand_over(operator, &measured).await?;
    stand.memory(&operator, idle)?;
    *stand.line = "projection";
    projection::record(stand.recorder, &measured);
    ensure!(
        operator.terminate().await?.success(),
        "the operator does not end with exit status 0"
    );
    Ok(())
}

impl Stand<'_> {
    fn begin(&mut self, line: &'static str) {
        *self.line = line;
        tell(&format!("operator: {line}"));
    }

    /// Waits for a leader.
    async fn leads(&self, name: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let leader = self.cluster.leader().await?;
            if leader.is_some_and(|leader| leader.starts_with(name)) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{name} does not lead");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// For how long bindings are waited for.
    fn patience(&self) -> Duration {
        self.plan
            .form
            .pick(Duration::from_secs(60), Duration::from_secs(900))
    }

    /// Writes bindings, and waits until all that are there are ready.
    async fn load(&mut self, operator: &Operator, from: usize, to: usize) -> anyhow::Result<u64> {
        self.begin("load");
        self.azure_calls().await?;
        let (since, started) = (jiff::Timestamp::now(), Instant::now());
        let before = process::cpu(operator.pid)?;
        self.cluster.create(self.population, from..to).await?;
        let written = started.elapsed();
        self.cluster.all_ready(to, self.patience()).await?;
        let ready = started.elapsed();
        let cpu = process::cpu(operator.pid)?.saturating_sub(before);
        let calls = self.azure_calls().await?;
        let api = self.cluster.api_calls(since)?;
        let memory = process::memory(operator.pid)?;
        self.recorder
            .case("load", &[("bindings", format!("{from} to {to}"))])
            .seconds("written after", written)
            .seconds("all ready after", ready)
            .seconds("CPU", cpu)
            .count("API calls", api.total())
            .count("vault calls", calls.vault())
            .count("Entra calls", calls.entra)
            .mebibytes("resident", memory.resident)
            .mebibytes("peak", memory.peak);
        Ok(memory.resident)
    }

    /// One check interval in which nothing changes.
    async fn steady(&mut self, operator: &Operator, measured: &mut Measured) -> anyhow::Result<()> {
        self.begin("steady");
        // What still follows from the last change is over then.
        tokio::time::sleep(
            self.plan
                .form
                .pick(Duration::from_secs(2), Duration::from_secs(30)),
        )
        .await;
        self.azure_calls().await?;
        let (since, before) = (jiff::Timestamp::now(), process::cpu(operator.pid)?);
        let window = self.plan.interval;
        tokio::time::sleep(window).await;
        let cpu = process::cpu(operator.pid)?.saturating_sub(before);
        let calls = self.azure_calls().await?;
        let api = self.cluster.api_calls(since)?;
        let memory = process::memory(operator.pid)?;
        let minutes = window.as_secs_f64() / 60.0;
        let per_minute = |count: usize| as_f64(count) / minutes;
        measured.bindings = self.plan.bindings;
        let leases = api
            .by_kind
            .iter()
            .filter(|(kind, _)| kind.ends_with(" leases"));
        let leases: usize = leases.map(|(_, count)| count).sum();
        measured.api_calls = per_minute(api.total() - leases);
        measured.lease_calls = per_minute(leases);
        measured.vault_calls = per_minute(calls.vault());
        measured.entra_calls = per_minute(calls.entra);
        measured.cpu = cpu.as_secs_f64() / minutes;
        let of = [(
            "bindings",
            format!(
                "{} bindings, every {} s",
                self.plan.bindings,
                window.as_secs()
            ),
        )];
        let mut case = self.recorder.case("steady", &of);
        case.number("API calls", per_minute(api.total()), "per minute")
            .number("vault calls", measured.vault_calls, "per minute")
            .number(
                "lists of versions",
                per_minute(calls.versions),
                "per minute",
            )
            .number("Entra calls", measured.entra_calls, "per minute")
            .number("CPU", measured.cpu * 1000.0, "ms per minute")
            .count("calls refused", calls.refused)
            .mebibytes("resident", memory.resident);
        for (kind, count) in api.by_kind {
            case.number(&format!("API: {kind}"), per_minute(count), "per minute");
        }
        Ok(())
    }

    /// Bindings that come one by one.
    async fn new_bindings(&mut self) -> anyhow::Result<()> {
        self.begin("new binding");
        let count = self.plan.form.pick(5, 100);
        let mut times = Vec::with_capacity(count);
        for number in 0..count {
            let number = self.plan.bindings + number;
            let time = self
                .cluster
                .time_to_ready(self.population, number, Duration::from_secs(60));
            times.push(time.await?);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let times = Samples::new(times);
        self.recorder
            .case(
                "new binding",
                &[("bindings", format!("{} there", self.plan.bindings))],
            )
            .millis("median until ready", times.median())
            .millis("p99", times.percentile(99))
            .millis("longest", times.longest())
            .count("samples", times.count());
        Ok(())
    }

    /// The operator is stopped and started, as in an upgrade of a single replica.
    async fn restart(
        &mut self,
        operator: Operator,
        measured: &Measured,
    ) -> anyhow::Result<Operator> {
        self.begin("restart");
        ensure!(
            operator.terminate().await?.success(),
            "the exit status is not 0"
        );
        self.azure_calls().await?;
        let (since, started) = (jiff::Timestamp::now(), Instant::now());
        let operator = self
            .cluster
            .operator(&self.plan.operator, "operator-2")
            .await?;
        self.leads("operator-2").await?;
        let leads = started.elapsed();
        self.aftermath("restart", since, started, leads, 200, measured)
            .await?;
        Ok(operator)
    }

    /// The leader dies, and another one that waited goes on.
    async fn hand_over(
        &mut self,
        operator: Operator,
        measured: &Measured,
    ) -> anyhow::Result<Operator> {
        self.begin("hand-over");
        let standby = self
            .cluster
            .operator(&self.plan.operator, "operator-3")
            .await?;
        tokio::time::sleep(
            self.plan
                .form
                .pick(Duration::from_secs(3), Duration::from_secs(15)),
        )
        .await;
        let waiting = process::memory(standby.pid)?.resident;
        self.recorder
            .case("memory", &[("of", "a replica that waits".to_owned())])
            .mebibytes("resident", waiting);
        self.azure_calls().await?;
        let (since, started) = (jiff::Timestamp::now(), Instant::now());
        operator.kill().await?;
        self.leads("operator-3").await?;
        let leads = started.elapsed();
        self.aftermath("hand-over", since, started, leads, 201, measured)
            .await?;
        Ok(standby)
    }

    /// What a new leader does in its first minute, compared with the steady state.
    async fn aftermath(
        &mut self,
        line: &'static str,
        since: jiff::Timestamp,
        started: Instant,
        leads: Duration,
        extra: usize,
        measured: &Measured,
    ) -> anyhow::Result<()> {
        let number = self.plan.bindings + extra;
        let new = self
            .cluster
            .time_to_ready(self.population, number, Duration::from_secs(60))
            .await;
        let new = new.context("a new binding after the change of leaders")?;
        let window = self
            .plan
            .form
            .pick(Duration::from_secs(20), Duration::from_secs(60));
        tokio::time::sleep((leads + window).saturating_sub(started.elapsed())).await;
        let minutes = window.as_secs_f64() / 60.0;
        let calls = self.azure_calls().await?;
        let api = self.cluster.api_calls(since)?;
        let vault = as_f64(calls.vault()) / minutes;
        let mut case = self.recorder.case(
            line,
            &[("bindings", format!("{} bindings", self.plan.bindings))],
        );
        case.millis("leads after", Some(leads))
            .millis("new binding ready after", Some(new))
            .number("API calls", as_f64(api.total()) / minutes, "per minute")
            .number("vault calls", vault, "per minute")
            .number("Entra calls", as_f64(calls.entra) / minutes, "per minute");
        if measured.vault_calls > 0.0 {
            case.number(
                "vault calls, times steady",
                vault / measured.vault_calls,
                "",
            );
        }
        Ok(())
    }

    fn memory(&mut self, operator: &Operator, idle: u64) -> anyhow::Result<()> {
        self.begin("memory");
        let now = process::memory(operator.pid)?;
        self.recorder
            .case("memory", &[("of", "no bindings".to_owned())])
            .mebibytes("resident", idle);
        self.recorder
            .case("memory", &[("of", "at the end".to_owned())])
            .mebibytes("resident", now.resident)
            .mebibytes("peak", now.peak)
            .count("threads", usize::try_from(process::threads(operator.pid)?)?)
            .count(
                "descriptors",
                usize::try_from(process::descriptors(operator.pid)?)?,
            );
        Ok(())
    }

    /// Calls to Azure since this was asked for the last time.
    ///
    /// # Errors
    /// When a value was read.
    async fn azure_calls(&self) -> anyhow::Result<AzureCalls> {
        let admin = self.cluster.azure.admin;
        let calls = admin.calls().await?;
        admin.forget_calls().await?;
        let mut sum = AzureCalls::default();
        for call in &calls {
            sum.refused += usize::from(call.status != Some(200));
            match call.service {
                Service::Entra => sum.entra += 1,
                Service::Vault => *part(&mut sum, call) += 1,
                Service::Imds | Service::Proxy | Service::Arm => {}
            }
        }
        ensure!(sum.others == 0, "the operator read {} values", sum.others);
        Ok(sum)
    }
}

fn part<'a>(sum: &'a mut AzureCalls, call: &Call) -> &'a mut usize {
    let path: Vec<&str> = call.path.trim_matches('/').split('/').collect();
    match path.as_slice() {
        [_] => &mut sum.names,
        [_, _, "versions"] => &mut sum.versions,
        _ => &mut sum.others,
    }
}

/// Counts here are far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn as_f64(count: usize) -> f64 {
    count as f64
}
