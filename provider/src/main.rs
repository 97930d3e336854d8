//! `vaultbind-provider`: Azure Key Vault provider for the Secrets Store CSI driver.

use std::alloc::System;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use vaultbind_provider::args::Args;
use vaultbind_provider::server::{Config, Provider};
use vaultbind_telemetry::logs::{self, LogOptions};
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed. Secrets pass through buffers of the SDK and of the HTTP, TLS and gRPC
/// libraries that nobody wipes; what they leave would otherwise stay in the heap until it is used
/// again. docs/security.md has the cost.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
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
        .worker_threads(vaultbind_provider::WORKERS)
        // Name look-ups and the opening of PFX files run on these. A look-up that nobody answers
        // holds its thread for up to a minute, and must not hold up those of other hosts.
        .max_blocking_threads(64)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        // Before the socket is there, so that a stop cannot come unseen.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let provider = Provider::start(Config::from_environment(args)?).await?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        provider.stop().await;
        Ok(())
    });
    // Without waiting for look-ups that nobody answers.
    runtime.shutdown_background();
    ended
}
