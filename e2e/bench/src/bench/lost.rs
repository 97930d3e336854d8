//! One call in a hundred is never answered.

use std::time::Duration;

use vaultbind_azure::{Action, Fault, Match};

use super::{Context, LOST, LOST_PER_VAULT, lost_vault, names};
use crate::drive::many;

pub(super) async fn run(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let count = context.form.lost_mounts();
    // What is not answered by then would not be answered within kubelet's two minutes either,
    // unless something gives up in between.
    let deadline = context
        .form
        .pick(Duration::from_secs(4), Duration::from_secs(30));
    let mut jobs = Vec::with_capacity(count);
    let vaults = count.div_ceil(LOST_PER_VAULT);
    for turn in 0..vaults * LOST_PER_VAULT {
        // One vault after the other, so that none has to bear all that are on their way at a time.
        let number = turn % vaults * LOST_PER_VAULT + turn / vaults;
        if number >= count {
            continue;
        }
        let vault = lost_vault(number / LOST_PER_VAULT);
        let pod = format!("pod-{number}");
        jobs.push(
            context
                .job_in(&vault, &pod, LOST + number, &names(0, 10))
                .await?,
        );
    }
    let provider = context.provider().await?;
    let hang = Fault::new(Match::default(), Action::Hang).share(0.01);
    context.azure.strike(&[hang]).await?;
    let outcomes = many(&provider.driver, jobs, 50, deadline).await;
    let calls = context.azure.count().await?;
    provider.stop().await?;
    let samples = outcomes.samples();
    let case = [
        ("load", format!("{count} new identities, 50 at a time")),
        ("until", format!("given up after {} s", deadline.as_secs())),
    ];
    context
        .recorder
        .case(name, &case)
        .count("failures", outcomes.failures())
        .text("answers", &outcomes.codes())
        .millis("p50", samples.percentile(50))
        .millis("p90", samples.percentile(90))
        .millis("p99", samples.percentile(99))
        .count("vault calls", calls.vault);
    Ok(())
}
