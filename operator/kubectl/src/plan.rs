//! `kubectl vaultbind plan`: what the operator would do with a binding, found in the operator's own way and with
//! the rights of the user. Nothing is written: the API server is asked by dry runs, the vault for metadata.

mod changes;
mod gather;
mod report;
mod secrets;
#[cfg(test)]
mod tests;
mod vault;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_keyvault::AllowedHost;
use vaultbind_operator::observed::{Answer, Cluster as Around};
use vaultbind_operator::plan::{Input, Plan, Stall, plan, question};
use vaultbind_operator::resolve::Resolver;
use vaultbind_operator::surroundings::look_at_secrets;

use self::gather::{Gathered, Wanted};
use crate::args::ClusterArgs;
use crate::cluster::Cluster;
use crate::exit::Failure;
use crate::manifests::Manifests;
use crate::output::Format;

pub use report::{BindingPlan, PlanReport};
pub use vault::{Azure, transport};

/// Of which bindings.
#[derive(Debug, ClapArgs)]
pub struct PlanArgs {
    /// Bindings that are in the cluster
    #[arg(value_name = "NAME", required_unless_present = "filenames")]
    pub names: Vec<String>,

    /// File or folder with VaultBindings as they shall be, YAML or JSON, or - for standard input; repeatable
    #[arg(
        short,
        long = "filename",
        value_name = "FILE",
        conflicts_with = "names"
    )]
    pub filenames: Vec<PathBuf>,

    /// Also read the folders in a folder
    #[arg(short = 'R', long, requires = "filenames")]
    pub recursive: bool,

    /// Ask no vault: versions are those that the operator has told in the status
    #[arg(long)]
    pub no_vault: bool,

    /// Host that a binding may name in vault.uri, as the operator's flag of the same name; repeatable
    #[arg(long = "allow-vault-host", value_name = "HOST", value_delimiter = ',', value_parser = host)]
    pub allow_vault_hosts: Vec<AllowedHost>,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

fn host(text: &str) -> Result<AllowedHost, String> {
    text.parse()
        .map_err(|error: vaultbind_keyvault::NameError| error.to_string())
}

/// Asks cluster and vault.
///
/// # Errors
/// When files cannot be read, or the cluster does not answer.
pub async fn run(
    args: &PlanArgs,
    cluster: &Cluster,
    azure: Azure,
    now: Timestamp,
) -> Result<PlanReport, Failure> {
    let wanted = wanted(args, cluster)?;
    let resolver = Arc::new(vault::resolver(args, cluster, azure)?);
    let mut report = PlanReport::default();
    for wanted in wanted {
        let planning = Planning {
            args,
            cluster,
            resolver: &resolver,
            now,
        };
        report.bindings.push(planning.one(wanted).await?);
    }
    Ok(report)
}

/// The bindings that are meant.
fn wanted(args: &PlanArgs, cluster: &Cluster) -> Result<Vec<Wanted>, Failure> {
    if args.filenames.is_empty() {
        let names = args.names.iter().cloned();
        return Ok(names.map(Wanted::Named).collect());
    }
    let manifests = Manifests::read(&args.filenames, args.recursive)?;
    if let Some(unreadable) = manifests.unreadable.first() {
        let (place, message) = (&unreadable.place, &unreadable.message);
        return Err(Failure::Usage(format!("{place}: {message}")));
    }
    let mut wanted = Vec::new();
    for manifest in manifests.objects {
        if manifest.object.get("kind").and_then(|kind| kind.as_str()) == Some("VaultBinding") {
            wanted.push(Wanted::written(manifest, cluster.namespace())?);
        }
    }
    if wanted.is_empty() {
        return Err(Failure::Usage(
            "the files hold no VaultBinding: check -f, and add -R for the folders in a folder"
                .to_owned(),
        ));
    }
    Ok(wanted)
}

/// The plan for one binding in the making.
struct Planning<'a> {
    args: &'a PlanArgs,
    cluster: &'a Cluster,
    resolver: &'a Arc<Resolver>,
    now: Timestamp,
}

impl Planning<'_> {
    async fn one(&self, wanted: Wanted) -> Result<BindingPlan, Failure> {
        let mut notes = Vec::new();
        let gathered = match gather::gather(self.cluster, wanted, &mut notes).await? {
            Ok(gathered) => gathered,
            Err(refused) => return Ok(refused),
        };
        let Gathered {
            binding,
            around: mut cluster,
            exists,
        } = gathered;
        // What would be done is what it is about, also of a binding that only plans.
        let mut acting = binding.clone();
        if acting.spec.reconcile_policy == ReconcilePolicy::Plan {
            acting.spec.reconcile_policy = ReconcilePolicy::Apply;
        }
        let asked = question(&acting, &cluster);
        if vaultbind_operator::plan::wanted(&acting, &cluster).is_some() {
            notes.push(
                "what it wants in Azure is not looked at with your rights: with spec.reconcilePolicy: Plan the \
                 operator writes it into status.plan"
                    .to_owned(),
            );
        }
        let answer = match &asked {
            Err(stall) => Err(stall.clone()),
            Ok(question) => {
                let asking = vault::Asking {
                    cluster: self.cluster,
                    resolver: self.resolver,
                    binding: &acting,
                    no_vault: self.args.no_vault,
                    now: self.now,
                };
                Ok(asking.answer(question, &mut notes).await)
            }
        };
        let mut planned = self.plan(&acting, &cluster, &answer);
        if let Ok(question) = &asked
            && !planned.secrets.is_empty()
        {
            let client = self.cluster.client().clone();
            let resolver = Arc::clone(self.resolver);
            let seen = look_at_secrets(client, resolver, &acting, question, &planned.secrets).await;
            cluster.secrets = secrets::seen(seen, &mut notes);
            planned = self.plan(&acting, &cluster, &answer);
        }
        // The conditions are those once it is done.
        let mut done = cluster.clone();
        done.secrets = secrets::once_done(&cluster.secrets, &planned.secrets);
        planned = self.plan(&acting, &done, &answer);
        // The same list that the operator writes into the status of a binding that only plans.
        let mut listing = acting.clone();
        listing.spec.reconcile_policy = ReconcilePolicy::Plan;
        let listed = self.plan(&listing, &cluster, &answer).status.plan;
        Ok(BindingPlan::of(
            &binding, exists, &cluster, &planned, listed, notes,
        ))
    }

    fn plan(
        &self,
        binding: &VaultBinding,
        cluster: &Around,
        answer: &Result<Answer, Stall>,
    ) -> Plan {
        plan(&Input {
            binding,
            cluster,
            answer,
            now: self.now,
        })
    }
}
