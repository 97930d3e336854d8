//! Logs: one line for each event, text or JSON, on standard error.

use std::io;

use tracing::Level;
use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// JSON instead of text.
    pub json: bool,
    /// 0 and 1: informational; 2 to 4: debugging; from 5: everything of our own crates.
    pub verbosity: u8,
}

/// Starts logging, and makes panics show their place without their message, which might quote a
/// value.
///
/// # Errors
/// When logging has been started before.
pub fn init(options: LogOptions) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = filter(options.verbosity);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    if options.json {
        builder.json().flatten_event(true).try_init()?;
    } else {
        builder.try_init()?;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}

/// What is logged at a verbosity.
pub fn filter(verbosity: u8) -> EnvFilter {
    let (ours, others) = match verbosity {
        0 | 1 => (Level::INFO, Level::WARN),
        2..=4 => (Level::DEBUG, Level::INFO),
        // Frames and headers of HTTP are traced by the libraries below; tokens are among them.
        5.. => (Level::TRACE, Level::DEBUG),
    };
    EnvFilter::new(format!(
        "{others},vaultbind_provider={ours},vaultbind_keyvault={ours},vaultbind_pki={ours}"
    ))
}
