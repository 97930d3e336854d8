//! `kubectl vaultbind`: looks at VaultBindings from a desk and from a pipeline.
//!
//! Each command is a module with its arguments and a `run` that returns an [`Output`](output::Output): data for
//! programs, a text for people, and what the [exit code](exit::Exit) is. Commands do not write
//! anything themselves; [`terminal`] does. [`cluster`] is the way to the API server, as the user that
//! kubectl would be.

pub mod args;
pub mod cluster;
pub mod completion;
#[cfg(test)]
mod docs;
pub mod doctor;
pub mod exit;
pub mod gc;
pub mod lint;
pub mod manifests;
pub mod output;
pub mod plan;
pub mod render;
mod shell;
pub mod status;
mod table;
pub mod terminal;
mod times;
mod unseen;

use crate::args::{Args, Command};
use crate::cluster::Cluster;
use crate::exit::{Exit, Failure};
use crate::output::Format;
use crate::plan::Azure;
use crate::terminal::Terminal;

/// Runs a command and says how it ended.
pub async fn run(args: Args, terminal: &mut Terminal) -> Exit {
    match command(args, terminal).await {
        Ok(exit) => exit,
        Err(failure) => {
            terminal.failed(&failure);
            Exit::NotAsked
        }
    }
}

/// As [`run`], for a program that has no runtime yet.
pub fn run_blocking(args: Args, terminal: &mut Terminal) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(run(args, terminal));
            // Without waiting for name look-ups that nobody answers.
            runtime.shutdown_background();
            exit
        }
        Err(source) => {
            terminal.failed(&Failure::Runtime { source });
            Exit::NotAsked
        }
    }
}

async fn command(args: Args, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match args.command {
        Command::Doctor(arguments) => {
            let cluster = Cluster::connect(&arguments.cluster).await?;
            let report = doctor::run(&arguments, &cluster).await?;
            terminal.show(&report, arguments.output)
        }
        Command::Status(arguments) => {
            let cluster = Cluster::connect(&arguments.cluster).await?;
            let report = status::run(&arguments, &cluster).await?;
            terminal.show(&report, arguments.output)
        }
        Command::Plan(arguments) => {
            let cluster = Cluster::connect(&arguments.cluster).await?;
            let now = terminal.look().now;
            let report = plan::run(&arguments, &cluster, Azure::default(), now).await?;
            terminal.show(&report, arguments.output)
        }
        Command::Render(arguments) => {
            let report = render::run(&arguments, terminal.look().now)?;
            if matches!(arguments.output, Format::Table | Format::Wide) {
                let remarks = report.remarks(terminal.paint_of_notes());
                terminal.note(remarks.trim_end());
            }
            terminal.show(&report, arguments.output)
        }
        Command::Gc(arguments) => {
            let cluster = Cluster::connect(&arguments.cluster).await?;
            let report = gc::run(&arguments, &cluster, Azure::default()).await?;
            terminal.show(&report, arguments.output)
        }
        Command::Complete(arguments) => {
            let answer = completion::complete(&arguments).await;
            terminal.text(&answer)
        }
        Command::Completion(arguments) => terminal.text(&completion::script(&arguments)),
    }
}
