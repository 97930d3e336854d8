//! `vaultbind-bench`: figures of provider programs, and a long run under faults.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use vaultbind_bench::cli::{Args, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // There is nobody left to tell when this fails, too.
            let _ = writeln!(std::io::stderr(), "\nvaultbind-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
