//! A hundred pods that start at once on a node whose provider has just started.

use std::time::Duration;

use super::{Context, rtt, secrets};
use crate::azure::Azure;
use crate::cast::Tokens;
use crate::cgroup::{CHART, Cgroup};
use crate::drive::{KUBELET, many, mount};
use crate::provider::Running;
use crate::stats::Samples;

/// A vault in the same region.
const NEAR: Duration = Duration::from_millis(5);
/// A vault far away.
const FAR: Duration = Duration::from_millis(30);

pub(super) async fn free(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    for identities in [1, 20] {
        storm(context, name, identities, None).await?;
    }
    Ok(())
}

/// The same within the limits of the Go provider's chart.
pub(super) async fn limited(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    for identities in [1, 20] {
        match Cgroup::make(CHART) {
            Ok(group) => storm(context, name, identities, Some(&group)).await?,
            Err(error) => {
                let mut case = context.recorder.case(name, &accounts(identities));
                case.text("skipped", &format!("{error:#}"));
            }
        }
    }
    Ok(())
}

async fn storm(
    context: &mut Context<'_>,
    name: &str,
    identities: usize,
    limits: Option<&Cgroup>,
) -> anyhow::Result<()> {
    let jobs = context.pods(100, identities).await?;
    context.azure.reset(NEAR).await?;
    let provider = Running::start_in(context.spec, context.azure, &[], limits).await?;
    let before = provider.cpu()?;
    let outcomes = many(&provider.driver, jobs, 100, KUBELET).await;
    let cpu = provider.cpu()?.saturating_sub(before);
    let calls = context.azure.count().await?;
    provider.stop().await?;
    let samples = outcomes.samples();
    context
        .recorder
        .case(name, &accounts(identities))
        .millis("last pod", Some(outcomes.took))
        .millis("median pod", samples.median())
        .text("answers", &outcomes.codes())
        .count("vault calls", calls.vault)
        .count("Entra calls", calls.entra)
        .count("connections", calls.connections.try_into()?)
        .millis("CPU", Some(cpu));
    Ok(())
}

fn accounts(identities: usize) -> [(&'static str, String); 2] {
    let plural = if identities == 1 { "" } else { "s" };
    let text = format!("100 pods, {identities} ServiceAccount{plural}");
    [("pods", text), rtt(NEAR)]
}

/// What a vault behind a proxy without HTTP/2 costs.
pub(super) async fn http1(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let seed = super::seed(context.form);
    let azure = Azure::start(context.azure_program, &seed, &["--http1-only"]).await?;
    let tokens = Tokens::new(azure.admin);
    let mut inner = Context {
        spec: context.spec,
        azure: &azure,
        tokens: &tokens,
        form: context.form,
        azure_program: context.azure_program,
        recorder: crate::record::Recorder::new(&context.spec.name),
    };
    for objects in [10, 50] {
        azure.reset(FAR).await?;
        let mut samples = Vec::new();
        for _ in 0..context.form.pick(2, 10) {
            let provider = inner.provider().await?;
            let job = inner.job("pod", 0, objects).await?;
            samples.push(mount(&provider.driver, job, KUBELET).await.took);
            provider.stop().await?;
        }
        let samples = Samples::new(samples);
        let case = [
            ("objects", secrets(objects)),
            rtt(FAR),
            ("way", "new process".to_owned()),
        ];
        inner
            .recorder
            .case(name, &case)
            .millis("median", samples.median())
            .millis("p99", samples.percentile(99));
    }
    storm(&mut inner, name, 20, None).await?;
    context.recorder.take(inner.recorder);
    Ok(())
}
