//! `kubectl vaultbind completion`: scripts for shells.

use clap::{Args as ClapArgs, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Args;

/// For which shell.
#[derive(Debug, ClapArgs)]
pub struct CompletionArgs {
    /// The shell
    pub shell: Shell,
}

/// The script.
pub fn script(args: &CompletionArgs) -> String {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Args::command().bin_name("kubectl-vaultbind"),
        "kubectl-vaultbind",
        &mut script,
    );
    String::from_utf8_lossy(&script).into_owned()
}
