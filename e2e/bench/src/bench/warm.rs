//! What a mount costs whose objects were read a moment ago.

use anyhow::ensure;

use super::Context;
use crate::drive::{KUBELET, many};

pub(super) async fn run(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let count = context.form.pick(1000, 5000);
    let provider = context.provider().await?;
    let warm_up = many(&provider.driver, context.pods(20, 20).await?, 20, KUBELET).await;
    ensure!(warm_up.failures() == 0, "warming up: {}", warm_up.codes());
    let jobs = context.pods(count, 20).await?;
    let before = provider.cpu()?;
    let outcomes = many(&provider.driver, jobs, 8, KUBELET).await;
    let cpu = provider.cpu()?.saturating_sub(before);
    provider.stop().await?;
    // At most 5,000, so nothing is lost.
    #[allow(clippy::cast_possible_truncation)]
    let thousands = count as u32 / 1000;
    let samples = outcomes.samples();
    context
        .recorder
        .case(name, &[("objects", "10 secrets, 8 at a time".to_owned())])
        .millis("CPU for 1,000", Some(cpu / thousands))
        .millis("median", samples.median())
        .millis("p99", samples.percentile(99))
        .count("failures", outcomes.failures());
    Ok(())
}
