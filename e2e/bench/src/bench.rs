//! The lines of the bench: what is done with each provider, one after the other.

mod cold;
mod lost;
mod memory;
mod outage;
mod storm;
mod throttle;
mod ticks;
mod warm;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vaultbind_proto::MountRequest;

use crate::azure::Azure;
use crate::cast::{Seed, Tokens, Wanted, secret, volume};
use crate::drive::{Job, KUBELET};
use crate::provider::{Running, Spec};
use crate::record::{Machine, Recorder, Run};

/// A line of the bench.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Its name in the table.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Start,
    ColdMounts,
    Storm,
    LimitedStorm,
    Ticks,
    Warm,
    Throttle,
    Lost,
    Outage,
    Http1,
    Memory,
    Binary,
}

const fn line(name: &'static str, kind: Kind) -> Line {
    Line { name, kind }
}

/// All lines, in their order.
pub const LINES: [Line; 12] = [
    line("start", Kind::Start),
    line("mount", Kind::ColdMounts),
    line("start-up storm", Kind::Storm),
    line("start-up storm, limited", Kind::LimitedStorm),
    line("republish tick", Kind::Ticks),
    line("warm mounts", Kind::Warm),
    line("429 storm", Kind::Throttle),
    line("lost requests", Kind::Lost),
    line("outage", Kind::Outage),
    line("HTTP/1.1 only", Kind::Http1),
    line("memory", Kind::Memory),
    line("binary", Kind::Binary),
];

/// How much of everything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Enough to see that all works.
    Short,
    /// Enough for figures.
    Full,
}

impl Form {
    /// Its name in the results.
    pub fn name(self) -> &'static str {
        self.pick("short", "full")
    }

    pub(crate) fn pick<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }

    /// For how long a mount that gets no answer is waited for.
    fn deadline(self) -> Duration {
        self.pick(Duration::from_secs(4), KUBELET)
    }

    fn lost_mounts(self) -> usize {
        self.pick(100, 2000)
    }
}

/// The vault of all lines but that of lost requests.
const VAULT: &str = "kv-bench";
/// Identities that may read it.
const IDENTITIES: usize = 400;
/// Its secrets.
const SECRETS: usize = 50;
/// The first identity of the line of lost requests.
const LOST: usize = 1000;
/// How many identities share a vault there.
const LOST_PER_VAULT: usize = 100;
/// A freshness window short enough to wait for its end, for providers that have one.
const WINDOW_FLAG: &str = "--cache-ttl";

/// What the lines use.
struct Context<'a> {
    spec: &'a Spec,
    azure: &'a Azure,
    tokens: &'a Tokens,
    form: Form,
    azure_program: &'a PathBuf,
    recorder: Recorder,
}

/// What a run does.
#[derive(Debug)]
pub struct Plan {
    /// The emulated Azure's program.
    pub azure: PathBuf,
    /// The providers, the first is what the others are compared with.
    pub providers: Vec<Spec>,
    /// How much is done.
    pub form: Form,
    /// Lines whose names hold one of these; all if there are none.
    pub only: Vec<String>,
}

/// Runs all lines with all providers, and tells on standard error where it is.
///
/// A line that a provider does not survive is recorded as such, and the others go on.
///
/// # Errors
/// When the emulated Azure does not start.
pub async fn run(plan: &Plan) -> anyhow::Result<Run> {
    let started = Instant::now();
    let began = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let mut records = Vec::new();
    for spec in &plan.providers {
        let azure = Azure::start(&plan.azure, &seed(plan.form), &[]).await?;
        let tokens = Tokens::new(azure.admin);
        let mut context = Context {
            spec,
            azure: &azure,
            tokens: &tokens,
            form: plan.form,
            azure_program: &plan.azure,
            recorder: Recorder::new(&spec.name),
        };
        for line in LINES {
            let wanted = |part: &String| line.name.contains(part.as_str());
            if !plan.only.is_empty() && !plan.only.iter().any(wanted) {
                continue;
            }
            let line_started = Instant::now();
            if let Err(error) = context.run(line).await {
                let text = format!("{error:#}");
                tell(&format!("{}: {}: {text}", spec.name, line.name));
                context.recorder.case(line.name, &[]).text("failed", &text);
            }
            let took = line_started.elapsed().as_secs_f64();
            tell(&format!("{}: {} ({took:.1} s)", spec.name, line.name));
        }
        records.append(&mut context.recorder.into_records());
    }
    let providers = plan.providers.iter().map(Spec::identity);
    Ok(Run {
        form: plan.form.name().to_owned(),
        began: began.to_string(),
        seconds: started.elapsed().as_secs(),
        machine: Machine::this(),
        providers: providers.collect::<Result<_, _>>()?,
        records,
    })
}

impl Context<'_> {
    async fn run(&mut self, line: Line) -> anyhow::Result<()> {
        let name = line.name;
        self.azure.reset(Duration::ZERO).await?;
        match line.kind {
            Kind::Start => cold::start(self, name).await,
            Kind::ColdMounts => cold::mounts(self, name).await,
            Kind::Storm => storm::free(self, name).await,
            Kind::LimitedStorm => storm::limited(self, name).await,
            Kind::Ticks => ticks::run(self, name).await,
            Kind::Warm => warm::run(self, name).await,
            Kind::Throttle => throttle::run(self, name).await,
            Kind::Lost => lost::run(self, name).await,
            Kind::Outage => outage::run(self, name).await,
            Kind::Http1 => storm::http1(self, name).await,
            Kind::Memory => memory::run(self, name).await,
            Kind::Binary => {
                let bytes = self.spec.identity()?.bytes;
                self.recorder.case(name, &[]).mebibytes("size", bytes);
                Ok(())
            }
        }
    }

    async fn provider(&self) -> anyhow::Result<Running> {
        Running::start(self.spec, self.azure, &[]).await
    }

    /// A provider whose freshness window, if it has any, is as short as is returned.
    async fn provider_with_window(&self, window: Duration) -> anyhow::Result<(Running, Duration)> {
        let (arguments, window) = match self.spec.takes(WINDOW_FLAG) {
            true => (vec![format!("{WINDOW_FLAG}={}s", window.as_secs())], window),
            false => (Vec::new(), Duration::ZERO),
        };
        let running = Running::start(self.spec, self.azure, &arguments).await?;
        Ok((running, window))
    }

    /// A volume of a pod with the first secrets of the usual vault.
    async fn job(&self, pod: &str, identity: usize, secrets: usize) -> anyhow::Result<Job> {
        self.job_in(VAULT, pod, identity, &names(0, secrets)).await
    }

    async fn job_in(
        &self,
        vault: &str,
        pod: &str,
        identity: usize,
        objects: &[Wanted],
    ) -> anyhow::Result<Job> {
        let request: MountRequest = volume(self.tokens, pod, identity, vault, objects).await?;
        Ok(Job {
            request,
            files: objects.len(),
        })
    }

    /// Volumes of so many pods, each with ten secrets, whose identities take turns.
    async fn pods(&self, pods: usize, identities: usize) -> anyhow::Result<Vec<Job>> {
        let mut jobs = Vec::with_capacity(pods);
        for pod in 0..pods {
            let job = self
                .job(&format!("pod-{pod}"), pod % identities, 10)
                .await?;
            jobs.push(job);
        }
        Ok(jobs)
    }
}

fn names(from: usize, count: usize) -> Vec<Wanted> {
    (from..from + count)
        .map(|n| secret(secret_name(n)))
        .collect()
}

fn secret_name(number: usize) -> String {
    format!("secret-{number:02}")
}

fn lost_vault(number: usize) -> String {
    format!("kv-lost-{number:02}")
}

fn seed(form: Form) -> String {
    let values = |vault: &str, count: usize| {
        let vault = vault.to_owned();
        (0..count).map(move |number| {
            let name = secret_name(number);
            let value = format!("{vault}/{name}: a value of the usual size of a password");
            (name, value)
        })
    };
    let mut seed = Seed::default();
    seed.identities(0..IDENTITIES);
    seed.vault(VAULT, 0..IDENTITIES, values(VAULT, SECRETS), []);
    let lost = form.lost_mounts();
    seed.identities(LOST..LOST + lost);
    for number in 0..lost.div_ceil(LOST_PER_VAULT) {
        let name = lost_vault(number);
        let first = LOST + number * LOST_PER_VAULT;
        seed.vault(&name, first..first + LOST_PER_VAULT, values(&name, 10), []);
    }
    seed.text()
}

fn rtt(time: Duration) -> (&'static str, String) {
    ("rtt", format!("{} ms", time.as_millis()))
}

fn secrets(count: usize) -> String {
    match count {
        1 => "1 secret".to_owned(),
        _ => format!("{count} secrets"),
    }
}

/// Tells a person where a run is.
pub(crate) fn tell(text: &str) {
    // Without anybody to tell, the run goes on.
    let _ = writeln!(std::io::stderr(), "{text}");
}
