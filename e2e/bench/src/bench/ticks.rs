//! Kubelet publishes all volumes of a node again and again.

use std::time::Duration;

use super::Context;
use crate::drive::{KUBELET, Outcomes, many};
use crate::provider::Running;

/// Volumes that kubelet publishes at a time.
const AT_A_TIME: usize = 20;
/// Volumes of the node.
const VOLUMES: usize = 200;
/// ServiceAccounts of their pods.
const IDENTITIES: usize = 20;

pub(super) async fn run(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let window = context.form.pick(2, 5);
    let (provider, window) = context
        .provider_with_window(Duration::from_secs(window))
        .await?;
    tick(context, &provider, name, "first").await?;
    for number in 1..=3 {
        tick(
            context,
            &provider,
            name,
            &format!("{number} inside the window"),
        )
        .await?;
    }
    tokio::time::sleep(window + Duration::from_millis(200)).await;
    tick(context, &provider, name, "behind the window").await?;
    provider.stop().await
}

async fn tick(
    context: &mut Context<'_>,
    provider: &Running,
    name: &str,
    which: &str,
) -> anyhow::Result<()> {
    let jobs = context.pods(VOLUMES, IDENTITIES).await?;
    context.azure.count().await?;
    let before = provider.cpu()?;
    let outcomes: Outcomes = many(&provider.driver, jobs, AT_A_TIME, KUBELET).await;
    let cpu = provider.cpu()?.saturating_sub(before);
    let calls = context.azure.count().await?;
    let case = [("tick", format!("{VOLUMES} volumes, tick {which}"))];
    context
        .recorder
        .case(name, &case)
        .count("vault calls", calls.vault)
        .count("Entra calls", calls.entra)
        .count("failures", outcomes.failures())
        .millis("CPU", Some(cpu))
        .millis("last volume", Some(outcomes.took));
    Ok(())
}
