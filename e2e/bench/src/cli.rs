//! The command line of `vaultbind-bench`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::azure::beside_this;
use crate::bench::{self, Form, tell};
use crate::provider::Spec;
use crate::record::{self, Run, Value};
use crate::{operator, page, soak, table};

/// Measures provider programs against the emulated Azure, as the CSI driver would use them.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure all lines with each provider and print one table
    Bench(Bench),
    /// Run a provider for long, with rotation and faults, and check every byte it answers
    Soak(Soak),
    /// Measure the operator with many bindings on a real API server
    Operator(Operator),
    /// Write the figures of a result into the page of documentation
    Report(Report),
}

#[derive(Debug, clap::Args)]
struct Programs {
    /// Provider program, with a name for the table before `=`; repeat it for further columns
    #[arg(long = "provider", value_name = "[NAME=]PATH")]
    providers: Vec<String>,
    /// Arguments for the provider of a name, separated by blanks
    #[arg(
        long = "args",
        value_name = "NAME=ARGUMENTS",
        allow_hyphen_values = true
    )]
    arguments: Vec<String>,
    /// The emulated Azure; the one beside this program if it is not given
    #[arg(long, value_name = "PATH")]
    azure: Option<PathBuf>,
    /// Folder in which results are kept
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Bench {
    #[command(flatten)]
    programs: Programs,
    /// Do little of everything: to see that it works, not for figures
    #[arg(long)]
    short: bool,
    /// Only the lines whose name holds this; repeatable
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Soak {
    #[command(flatten)]
    programs: Programs,
    /// For how long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// How many volumes
    #[arg(long, default_value_t = 250)]
    volumes: usize,
    /// How often each is published, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 3000)]
    tick: u64,
    /// Seed of everything that follows from chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
struct Operator {
    /// The operator's program; the one beside this program if it is not given
    #[arg(long, value_name = "PATH")]
    operator: Option<PathBuf>,
    /// Arguments for it, separated by blanks
    #[arg(
        long,
        value_name = "ARGUMENTS",
        default_value = "",
        allow_hyphen_values = true
    )]
    args: String,
    /// The emulated Azure; the one beside this program if it is not given
    #[arg(long, value_name = "PATH")]
    azure: Option<PathBuf>,
    /// Folder in which results are kept
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
    /// Do little of everything: to see that it works, not for figures
    #[arg(long)]
    short: bool,
    /// Bindings that are there; 2000, or 50 in the short form
    #[arg(long)]
    bindings: Option<usize>,
    /// Seconds between two checks of a vault, and for how long the steady state is measured; 300, or 30
    /// in the short form
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(30..=3600))]
    interval: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Report {
    /// Of what: `bench` or `operator`
    #[arg(long, default_value = "bench")]
    kind: Kind,
    /// The result; the newest if it is not given
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder in which results are kept
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
    /// The page
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md")]
    page: PathBuf,
}

/// A kind of result that the page has.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Bench,
    Operator,
}

/// Does what the command line says; false if something that must hold did not.
///
/// # Errors
/// When it cannot be done, or is interrupted; the programs that were started are ended then, too.
pub async fn run(args: Args) -> anyhow::Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = verb(args.verb) => done,
        _ = terminate.recv() => bail!("stopped by SIGTERM"),
        _ = interrupt.recv() => bail!("interrupted"),
    }
}

async fn verb(verb: Verb) -> anyhow::Result<bool> {
    match verb {
        Verb::Bench(bench) => run_bench(bench).await,
        Verb::Soak(soak) => run_soak(soak).await,
        Verb::Operator(operator) => run_operator(operator).await,
        Verb::Report(report) => {
            let (kind, section) = match report.kind {
                Kind::Bench => ("bench", page::PROVIDERS),
                Kind::Operator => ("operator", page::OPERATOR),
            };
            let file = match report.json {
                Some(file) => file,
                None => record::newest(&report.out, kind)?,
            };
            page::update(&report.page, section, &record::read(&file)?)?;
            tell(&format!(
                "{} has the figures of {}",
                report.page.display(),
                file.display()
            ));
            Ok(true)
        }
    }
}

async fn run_bench(args: Bench) -> anyhow::Result<bool> {
    let (azure, providers) = args.programs.found()?;
    let form = if args.short { Form::Short } else { Form::Full };
    let plan = bench::Plan {
        azure,
        providers,
        form,
        only: args.only,
    };
    let run = bench::run(&plan).await?;
    let path = record::keep(&args.programs.out, "bench", &run)?;
    say(&format!("{}\n{}", table::plain(&run), path.display()))?;
    Ok(!first_failed(&run))
}

async fn run_operator(args: Operator) -> anyhow::Result<bool> {
    let Operator {
        operator,
        args,
        azure,
        out,
        short,
        bindings,
        interval,
    } = args;
    let beside = |path: Option<PathBuf>, name| path.map_or_else(|| beside_this(name), Ok);
    let azure = beside(azure, "vaultbind-azure")?;
    let program = std::path::absolute(beside(operator, "vaultbind-operator")?)?;
    let arguments = args.split_ascii_whitespace().map(str::to_owned);
    let form = if short { Form::Short } else { Form::Full };
    let run = operator::run(&operator::Plan {
        azure,
        operator: Spec::new("operator", &program, arguments.collect())?,
        form,
        bindings: bindings.unwrap_or_else(|| form.pick(50, 2000)),
        interval: Duration::from_secs(interval.unwrap_or_else(|| form.pick(30, 300))),
    })
    .await?;
    let path = record::keep(&out, "operator", &run)?;
    say(&format!("{}\n{}", table::plain(&run), path.display()))?;
    Ok(!first_failed(&run))
}

/// Whether the first provider did not get through a line; others may.
fn first_failed(run: &Run) -> bool {
    let first = run.providers.first().map(|provider| &provider.name);
    run.records.iter().any(|record| {
        Some(&record.provider) == first
            && record.metric == "failed"
            && matches!(record.value, Value::Text(_))
    })
}

async fn run_soak(args: Soak) -> anyhow::Result<bool> {
    let (azure, providers) = args.programs.found()?;
    let [provider] = <[Spec; 1]>::try_from(providers)
        .map_err(|_| anyhow::anyhow!("a soak takes one provider"))?;
    let verdict = soak::run(&soak::Plan {
        azure,
        provider,
        length: Duration::from_secs(args.minutes * 60),
        volumes: args.volumes,
        tick: Duration::from_millis(args.tick),
        seed: args.seed,
    })
    .await?;
    let path = record::keep(&args.programs.out, "soak", &verdict)?;
    say(&format!("{verdict}{}", path.display()))?;
    Ok(verdict.passed())
}

impl Programs {
    fn found(&self) -> anyhow::Result<(PathBuf, Vec<Spec>)> {
        let azure = match &self.azure {
            Some(path) => path.clone(),
            None => beside_this("vaultbind-azure")?,
        };
        let mut arguments = BTreeMap::new();
        for text in &self.arguments {
            let (name, text) = text
                .split_once('=')
                .context("--args wants NAME=ARGUMENTS")?;
            let words = text.split_ascii_whitespace().map(str::to_owned);
            arguments.insert(name, words.collect::<Vec<_>>());
        }
        let mut programs: Vec<(String, PathBuf)> = Vec::new();
        for text in &self.providers {
            programs.push(named(text)?);
        }
        if programs.is_empty() {
            programs.push(("vaultbind".to_owned(), beside_this("vaultbind-provider")?));
        }
        let mut specs: Vec<Spec> = Vec::new();
        for (name, path) in programs {
            if specs.iter().any(|spec| spec.name == name) {
                bail!("two providers are called {name}");
            }
            let given = arguments.remove(name.as_str()).unwrap_or_default();
            specs.push(Spec::new(&name, &std::path::absolute(path)?, given)?);
        }
        if let Some(name) = arguments.keys().next() {
            bail!("--args: no provider is called {name}");
        }
        Ok((azure, specs))
    }
}

/// A name is what stands before `=`, unless that has a slash; without one it is the program's.
fn named(text: &str) -> anyhow::Result<(String, PathBuf)> {
    match text.split_once('=') {
        Some((name, path)) if !name.contains('/') && !name.is_empty() => {
            Ok((name.to_owned(), path.into()))
        }
        _ => {
            let path = Path::new(text);
            let name = path.file_name().and_then(OsStr::to_str);
            Ok((
                name.context("--provider wants [NAME=]PATH")?.to_owned(),
                path.into(),
            ))
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_provider_has_a_name() {
        for (text, name, path) in [
            ("go=/bin/a", "go", "/bin/a"),
            ("/bin/a=b", "a=b", "/bin/a=b"),
            (
                "target/release/vaultbind-provider",
                "vaultbind-provider",
                "target/release/vaultbind-provider",
            ),
        ] {
            assert_eq!(named(text).unwrap(), (name.to_owned(), path.into()));
        }
        assert!(named("/").is_err());
    }
}
