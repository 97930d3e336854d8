//! `kubectl-vaultbind`: what kubectl starts for `kubectl vaultbind`.

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser as _;
use vaultbind_kubectl::args::Args;
use vaultbind_kubectl::terminal::Terminal;
use zeroizing_alloc::ZeroAlloc;

/// Wipes whatever is freed: tokens pass through buffers of the HTTP and TLS libraries.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let args = Args::parse();
    let mut terminal = Terminal::of_process(args.color);
    vaultbind_kubectl::run_blocking(args, &mut terminal).into()
}
