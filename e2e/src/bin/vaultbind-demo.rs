//! `vaultbind-demo`: one mount from end to end, without cloud or cluster.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use vaultbind_e2e::demo::{Args, Ending, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(error) => {
            // There is nobody left to tell when this fails, too.
            let _ = writeln!(std::io::stderr(), "\nvaultbind-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
