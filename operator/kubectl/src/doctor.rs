//! `kubectl vaultbind doctor`: what is the first thing that is wrong, why it matters, and what mends it.
//!
//! A [`Snapshot`] is all that was seen in the cluster, with the rights of whoever asks. [`diagnose`] makes
//! of it a [`Diagnosis`] for each binding, by way of the steps in which a value reaches a pod. It does no I/O
//! and takes the time as an argument. What the operator has said already is repeated in its words; doctor adds
//! what the operator cannot see: itself, nodes and pods.

mod binding;
pub mod diagnosis;
mod driver;
mod gather;
mod mounts;
mod operator;
mod pods;
mod report;
mod running;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod vault;
mod walk;

use clap::Args as ClapArgs;

use crate::args::ClusterArgs;
use crate::cluster::Cluster;
use crate::exit::Failure;
use crate::output::Format;

pub use diagnosis::{Check, Diagnosis, Finding, State, Step};
pub use gather::gather;
pub use report::Report;
pub use snapshot::{Look, Snapshot};
pub use walk::{Asked, diagnose};

/// What is to be looked at.
#[derive(Debug, Clone, ClapArgs)]
pub struct DoctorArgs {
    /// A binding, or a pod as pod/NAME; all bindings of the namespace if it is not given
    #[arg(value_name = "NAME")]
    pub target: Option<String>,

    /// Also show what is wrong behind the first thing that is
    #[arg(long)]
    pub all: bool,

    /// Lease and Deployment of the operator, for users who may not list them in all namespaces
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        default_value = "kube-system/vaultbind-operator"
    )]
    pub operator: String,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

impl DoctorArgs {
    fn asked(&self) -> Result<Asked, Failure> {
        let Some(target) = &self.target else {
            return Ok(Asked::Namespace);
        };
        let (kind, name) = match target.split_once('/') {
            Some((kind, name)) => (kind.to_ascii_lowercase(), name),
            None => ("vaultbinding".to_owned(), target.as_str()),
        };
        match kind.as_str() {
            "pod" | "pods" | "po" if !name.is_empty() => Ok(Asked::Pod(name.to_owned())),
            "vaultbinding" | "vaultbindings" | "vb" if !name.is_empty() => {
                Ok(Asked::Binding(name.to_owned()))
            }
            _ => Err(Failure::Usage(format!(
                "\"{target}\" is neither a binding nor a pod: use NAME, vaultbinding/NAME or pod/NAME"
            ))),
        }
    }

    fn operator(&self) -> Result<(&str, &str), Failure> {
        let parts = self.operator.split_once('/');
        parts
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "--operator is \"{}\": use NAMESPACE/NAME, such as kube-system/vaultbind-operator",
                    self.operator
                ))
            })
    }
}

/// Looks, and says what is wrong.
///
/// # Errors
/// When the cluster cannot be asked at all.
pub async fn run(args: &DoctorArgs, cluster: &Cluster) -> Result<Report, Failure> {
    let asked = args.asked()?;
    let operator = args.operator()?;
    let (snapshot, now) = gather(cluster, operator).await?;
    let items = diagnose(&snapshot, &asked, now);
    Ok(Report::new(items, args.all))
}
