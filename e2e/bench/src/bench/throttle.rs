//! A vault that takes half of the calls that are offered and tells the others when to come back.

use std::time::{Duration, Instant};

use futures::future::join_all;
use vaultbind_azure::{Action, Fault, Match, Service};

use super::Context;
use crate::drive::{KUBELET, Outcomes, mount};

/// Mounts that begin each second, each of an identity of its own.
const PER_SECOND: usize = 5;
/// Secrets of each.
const SECRETS: usize = 10;

pub(super) async fn run(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let seconds: usize = context.form.pick(4, 30);
    let deadline = context.form.pick(Duration::from_secs(30), KUBELET);
    let provider = context.provider().await?;
    let mut jobs = Vec::new();
    for number in 0..seconds * PER_SECOND {
        jobs.push(
            context
                .job(&format!("pod-{number}"), number, SECRETS)
                .await?,
        );
    }
    let vault = Match {
        service: Some(Service::Vault),
        authenticated: Some(true),
        ..Match::default()
    };
    let offered = u32::try_from(PER_SECOND * SECRETS)?;
    let refuse = Action::Rate {
        per_second: offered / 2,
        retry_after: Some(1),
        retry_after_millis: None,
    };
    context.azure.strike(&[Fault::new(vault, refuse)]).await?;
    let started = Instant::now();
    // An open loop: what fails or waits does not slow down what comes.
    let mounts = jobs.into_iter().enumerate().map(|(number, job)| {
        let driver = provider.driver.clone();
        let at = Duration::from_secs(1) * u32::try_from(number).unwrap_or(0)
            / u32::try_from(PER_SECOND).unwrap_or(1);
        tokio::spawn(async move {
            tokio::time::sleep_until((started + at).into()).await;
            mount(&driver, job, deadline).await
        })
    });
    let mounts = join_all(mounts);
    let over = async {
        tokio::time::sleep(Duration::from_secs(u64::try_from(seconds)?)).await;
        context.azure.calm().await
    };
    let (mounts, over) = tokio::join!(mounts, over);
    over?;
    let outcomes = Outcomes {
        outcomes: mounts.into_iter().flatten().collect(),
        took: started.elapsed(),
    };
    let calls = context.azure.count().await?;
    provider.stop().await?;
    let status = |code| calls.vault_by_status.get(&code).copied().unwrap_or(0);
    // Counts here are far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let refused = status(429) as f64 / status(200).max(1) as f64;
    let samples = outcomes.samples();
    let case = [(
        "load",
        format!("{PER_SECOND} new identities a second, {seconds} s"),
    )];
    context
        .recorder
        .case(name, &case)
        .text("answers", &outcomes.codes())
        .number("refused calls per object fetched", refused, "")
        .millis("median", samples.median())
        .millis("p99", samples.percentile(99));
    Ok(())
}
