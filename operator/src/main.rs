//! `vaultbind-operator`: keeps a SecretProviderClass with exact versions for every VaultBinding.

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use vaultbind_operator::args::Args;
use vaultbind_operator::controller::{Config, Operator};
use vaultbind_telemetry::logs::{self, LogOptions};
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed: tokens pass through buffers of the HTTP and TLS libraries.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let args = Args::parse();
    if args.version {
        vaultbind_telemetry::print_version(env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    logs::init(LogOptions {
        json: args.log_format_json,
        verbosity: args.verbosity,
    })
    .map_err(anyhow::Error::from_boxed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(vaultbind_operator::WORKERS)
        // Name look-ups run on these. One that nobody answers holds its thread for up to a minute, and
        // must not hold up those of other hosts.
        .max_blocking_threads(64)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut operator = Operator::start(Config::from_environment(args).await?).await?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            ended = operator.ended() => return Ok(ended?),
        }
        operator.stop().await;
        Ok(())
    });
    // Without waiting for look-ups that nobody answers.
    runtime.shutdown_background();
    ended
}
