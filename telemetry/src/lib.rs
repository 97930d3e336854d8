//! What provider and operator have in common at their edges: [`logs`], [`ports`] for health and
//! metrics, [`calls`], the metrics of what is said to Azure, [`values`] of flags, and [`pages`], the
//! reference pages that are made of flags and metrics.

pub mod calls;
pub mod logs;
pub mod pages;
pub mod ports;
pub mod values;

/// Prints version and build date as the Go provider does: one JSON object.
#[allow(clippy::print_stdout)]
pub fn print_version(version: &str) {
    let date = option_env!("SOURCE_DATE").unwrap_or("unknown");
    println!(r#"{{"version":"{version}","buildDate":"{date}"}}"#);
}
