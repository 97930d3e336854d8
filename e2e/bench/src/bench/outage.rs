//! Entra or the vault is out of reach: pods whose volumes were mounted before, and others.

use std::time::{Duration, Instant};

use anyhow::ensure;
use vaultbind_azure::{Action, Fault, Match, Service};

use super::{Context, VAULT, names};
use crate::drive::{Job, KUBELET, Outcomes, many, mount};

/// For how long a recovery is waited for.
const RECOVERY: Duration = Duration::from_secs(60);
/// The window after which values are asked for again, for providers that have one.
const WINDOW: Duration = Duration::from_secs(2);

pub(super) async fn run(context: &mut Context<'_>, name: &str) -> anyhow::Result<()> {
    let entra = || service(Service::Entra, None);
    let vault = || service(Service::Vault, None);
    let away = |host: &str| {
        let connect = service(Service::Proxy, Some(host));
        Fault::new(connect, Action::Refuse { code: 502 })
    };
    let status = |code| Action::Status {
        code,
        retry_after: None,
        retry_after_millis: None,
    };
    let outages = [
        (
            "Entra down",
            vec![
                Fault::new(entra(), Action::Drop),
                away("login.microsoftonline.com"),
            ],
        ),
        (
            "vault down",
            vec![Fault::new(vault(), Action::Drop), away("*.vault.azure.net")],
        ),
        ("vault answers 500", vec![Fault::new(vault(), status(500))]),
        ("vault hangs", vec![Fault::new(vault(), Action::Hang)]),
    ];
    for (what, faults) in outages {
        outage(context, name, what, &faults).await?;
    }
    Ok(())
}

fn service(service: Service, host: Option<&str>) -> Match {
    Match {
        service: Some(service),
        host: host.map(str::to_owned),
        ..Match::default()
    }
}

async fn outage(
    context: &mut Context<'_>,
    name: &str,
    what: &str,
    faults: &[Fault],
) -> anyhow::Result<()> {
    context.azure.reset(Duration::ZERO).await?;
    let deadline = context.form.deadline();
    let known = context.pods(20, 20).await?;
    let mut other_objects = Vec::new();
    let mut unknown = Vec::new();
    for number in 0..5 {
        let objects = names(20, 10);
        let pod = format!("other-{number}");
        other_objects.push(context.job_in(VAULT, &pod, number, &objects).await?);
        unknown.push(
            context
                .job(&format!("new-{number}"), 100 + number, 10)
                .await?,
        );
    }
    let (provider, window) = context.provider_with_window(WINDOW).await?;
    let before = many(&provider.driver, known.clone(), 20, KUBELET).await;
    ensure!(before.failures() == 0, "warming up: {}", before.codes());
    if !window.is_zero() {
        // So that what is known has to be asked for again.
        tokio::time::sleep(window + Duration::from_millis(200)).await;
    }
    context.azure.strike(faults).await?;
    let drive = |jobs: Vec<Job>| {
        let driver = provider.driver.clone();
        async move { many(&driver, jobs, 20, deadline).await }
    };
    let again = unknown.first().cloned();
    let (known, other_objects, unknown) =
        tokio::join!(drive(known), drive(other_objects), drive(unknown));
    context.azure.admin.clear_faults().await?;
    let recovered = match again {
        Some(job) => recovery(&provider.driver, &job).await,
        None => None,
    };
    provider.stop().await?;
    for (pods, outcomes) in [
        ("mounted before", &known),
        ("known identity, other objects", &other_objects),
        ("new identity", &unknown),
    ] {
        let case = [("fault", what.to_owned()), ("pods", pods.to_owned())];
        report(context, name, &case, outcomes);
    }
    let case = [("fault", what.to_owned()), ("pods", "after it".to_owned())];
    context
        .recorder
        .case(name, &case)
        .millis("recovered after", recovered);
    Ok(())
}

fn report(context: &mut Context<'_>, name: &str, case: &[(&str, String)], outcomes: &Outcomes) {
    let slowest = outcomes.samples().longest();
    context
        .recorder
        .case(name, case)
        .text("answers", &outcomes.codes())
        .millis("slowest", slowest);
}

/// How long a pod that failed waits for its volume once all is well.
async fn recovery(driver: &vaultbind_e2e::driver::Provider, job: &Job) -> Option<Duration> {
    let started = Instant::now();
    while started.elapsed() < RECOVERY {
        if mount(driver, job.clone(), KUBELET).await.mounted() {
            return Some(started.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
