//! Logs: one line for each event, text or JSON, on standard error.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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
    let filtered = tracing_subscriber::registry().with(filter(options.verbosity));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
    if options.json {
        let lines = lines.json().flatten_event(true);
        filtered.with(lines).try_init()?;
    } else {
        filtered.with(lines).try_init()?;
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
pub fn filter(verbosity: u8) -> Targets {
    let (ours, others) = match verbosity {
        0 | 1 => (Level::INFO, Level::WARN),
        2..=4 => (Level::DEBUG, Level::INFO),
        // Frames and headers of HTTP are traced by the libraries below; tokens are among them.
        5.. => (Level::TRACE, Level::DEBUG),
    };
    // A target stands for all that begin with it.
    Targets::new()
        .with_default(others)
        .with_target("vaultbind", ours)
}
