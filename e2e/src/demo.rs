//! The demonstration: the emulated Azure and the provider as programs of their own, and the driver
//! played in between, with a word on each step.
//!
//! `scenes` tells the story and checks it, `bound` its part about the operator, `keep` says how to go on
//! by hand. Around them:
//! `programs` are the child processes, `services` what is started and how it is reached,
//! `manifests` the examples, and `screen`, `table`, `content` and `event` put it on a terminal.

mod bound;
mod content;
mod event;
mod keep;
mod manifests;
mod programs;
mod scenes;
mod screen;
mod services;
mod table;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::programs::Programs;
use self::screen::Screen;

/// One mount from end to end, without cloud or cluster.
///
/// Starts the emulated Azure and the provider beside this program, plays the Secrets Store CSI
/// driver for the SecretProviderClass and the pod in the examples folder, and shows what happens; then
/// for the VaultBinding there.
/// Everything is stopped and removed at the end. The exit status is not 0 if anything was not as it
/// should be.
#[derive(Debug, Parser)]
#[command(name = "vaultbind-demo", version, verbatim_doc_comment)]
pub struct Args {
    /// Leaves all running until Ctrl-C and says how to call it
    #[arg(long)]
    pub keep: bool,
    /// Shows the values of the files instead of their beginnings
    #[arg(long)]
    pub show: bool,
    /// Folder with azure.yaml, secretproviderclass.yaml, binding.yaml and pod.yaml
    #[arg(long, value_name = "FOLDER", default_value = "examples")]
    pub examples: PathBuf,
}

/// How a demonstration that found nothing wrong ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was played to the end.
    Done,
    /// A signal came before the end.
    Interrupted,
}

/// Plays the demonstration.
///
/// # Errors
/// When a program does not start or stop as it should, or does something else than expected.
pub async fn run(args: &Args) -> anyhow::Result<Ending> {
    let mut stop = Stop::listen()?;
    let screen = Screen::of_stdout();
    let folder = tempfile::Builder::new()
        .prefix("vaultbind-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot make a temporary folder")?;
    let mut programs = Programs::default();

    let mut ending = Ending::Done;
    let played = tokio::select! {
        played = scenes::play(args, &screen, folder.path(), &mut programs) => played,
        () = stop.requested() => {
            ending = Ending::Interrupted;
            Ok(None)
        }
    };
    let kept = match &played {
        Ok(Some(stage)) if args.keep => {
            keep::keep(&screen, folder.path(), stage, &mut programs, &mut stop).await
        }
        _ => Ok(()),
    };

    // Whatever happened, all is stopped and removed; the first thing that went wrong is told.
    let stopped = programs.stop().await;
    let removed = folder.close().context("cannot remove the temporary folder");
    played?;
    kept?;
    stopped?;
    removed?;
    match ending {
        Ending::Done => screen.note("All programs stopped with exit status 0, nothing is left.")?,
        Ending::Interrupted => screen.note("Interrupted; all programs stopped.")?,
    }
    Ok(ending)
}

/// The signals that end the demonstration.
#[derive(Debug)]
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn requested(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
