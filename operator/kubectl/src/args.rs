//! The command line. The flags that say which cluster and who one is are those of kubectl.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};

use crate::completion::{CompleteArgs, CompletionArgs};
use crate::doctor::DoctorArgs;
use crate::gc::GcArgs;
use crate::plan::PlanArgs;
use crate::render::RenderArgs;
use crate::status::StatusArgs;
use crate::terminal::ColorChoice;

/// Looks at VaultBindings: what they would do, how they are, and what they have left in Azure.
///
/// It ends with 0 when what was asked about is well, with 1 when something is wrong with it, and with
/// 2 when it could not be looked at.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-vaultbind",
    bin_name = "kubectl vaultbind",
    version,
    propagate_version = false
)]
pub struct Args {
    /// When to use colours: auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,

    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell how bindings are: conditions, versions, expiry, Secrets and pods
    Status(StatusArgs),

    /// Tell what the operator would do with bindings, of the cluster or as files have them
    Plan(PlanArgs),

    /// Print what bindings in files would create, and what is wrong with them, without a cluster
    Render(RenderArgs),

    /// Say the first thing that is wrong with a binding or a pod, why it matters and what mends it
    Doctor(DoctorArgs),

    /// List what the operator made in Azure that no binding keeps any more, and remove it with --delete
    ///
    /// It is about what was made for bindings of all namespaces, or of the one that --namespace names. Azure is asked
    /// as the application of AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or as whoever is logged in to
    /// the Azure CLI.
    Gc(GcArgs),

    /// Print the script that completes commands and flags in a shell
    Completion(CompletionArgs),

    /// What kubectl asks to complete a command line
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
}

/// Which cluster, and as whom: as kubectl has it.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Path of the kubeconfig; otherwise that of KUBECONFIG, otherwise ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// Cluster of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,

    /// User of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,

    /// Group to impersonate; repeatable
    #[arg(long = "as-group", value_name = "GROUP", action = ArgAction::Append, requires = "impersonate")]
    pub impersonate_groups: Vec<String>,

    /// Namespace; otherwise that of the context
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
