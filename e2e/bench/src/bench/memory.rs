//! Resident memory: idle, after many mounts, after many that failed.

use std::time::Duration;

use super::{Context, VAULT};
use crate::cast::secret;
use crate::drive::{KUBELET, many};
use crate::process::memory;
use crate::scrape::scrape;

/// Failing mounts between two scrapes.
const PER_SCRAPE: usize = 100;
/// The first identity that no tenant knows.
const STRANGERS: usize = 100_000;

pub(super) async fn run(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let count = context.form.pick(500, 5000);
    let provider = context.provider().await?;
    tokio::time::sleep(Duration::from_millis(context.form.pick(300, 3000))).await;
    let idle = memory(provider.pid)?;
    let jobs = context.pods(count, 20).await?;
    let outcomes = many(&provider.driver, jobs, 20, KUBELET).await;
    let mounted = memory(provider.pid)?;
    provider.stop().await?;
    let case = |after: &str| [("after", after.to_owned())];
    context
        .recorder
        .case(name, &case("start"))
        .mebibytes("resident", idle.resident);
    context
        .recorder
        .case(name, &case(&format!("{count} mounts")))
        .mebibytes("resident", mounted.resident)
        .mebibytes("peak", mounted.peak)
        .count("failures", outcomes.failures());
    failing(context, name, count).await
}

/// Mounts refused by Entra, whose words differ each time, and by the vault, in turn.
async fn failing(context: &mut Context<'_>, name: &str, count: usize) -> anyhow::Result<()> {
    let provider = context.provider().await?;
    let mut scraped = crate::scrape::Scrape::default();
    let mut mounted = 0;
    for round in 0..count / PER_SCRAPE {
        let mut jobs = Vec::with_capacity(PER_SCRAPE);
        for number in 0..PER_SCRAPE {
            let pod = format!("pod-{round}-{number}");
            jobs.push(match number % 2 {
                0 => context.job(&pod, STRANGERS + number, 1).await?,
                _ => {
                    let missing = [secret(format!("missing-{number}"))];
                    context.job_in(VAULT, &pod, number, &missing).await?
                }
            });
        }
        let outcomes = many(&provider.driver, jobs, 20, KUBELET).await;
        mounted += outcomes.outcomes.len() - outcomes.failures();
        scraped = scrape(provider.metrics_port).await?;
    }
    let after = memory(provider.pid)?;
    provider.stop().await?;
    let case = [("after", format!("{count} failing mounts"))];
    context
        .recorder
        .case(name, &case)
        .mebibytes("resident", after.resident)
        .mebibytes("peak", after.peak)
        .count("mounted all the same", mounted)
        .count("metric series", scraped.series.len())
        .mebibytes("scrape", scraped.bytes.try_into()?);
    Ok(())
}
