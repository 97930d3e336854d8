//! `kubectl vaultbind gc`: what the operator made in Azure for this cluster that no binding keeps any more, and
//! the federated credentials of other clusters beside it. Azure is asked as whoever runs the command.
//!
//! [`look`] asks cluster and Azure, [`decide`] says what is left, [`remove`] removes it, [`issuers`] asks whether
//! other clusters are still there. Nothing is removed whose own content does not prove that the operator of this
//! cluster made it; nothing that trusts another issuer ever is.

mod decide;
mod issuers;
mod look;
mod remove;
mod report;
#[cfg(test)]
mod tests;
mod who;

use std::sync::Arc;

use clap::{Args as ClapArgs, ValueEnum};
use vaultbind_keyvault::{Cloud, Management, ManagementOptions};
use vaultbind_operator::azure::{Client, ResourceId};
use vaultbind_operator::surroundings::issuer;

use crate::args::ClusterArgs;
use crate::cluster::Cluster;
use crate::exit::Failure;
use crate::output::Format;
use crate::plan::{Azure, transport};

pub use report::{Answers, GcReport, IdentityReport, Leftover, OtherIssuer, State};
pub use who::Person;

/// Types of the resources that may be named.
const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
const VAULT: &str = "Microsoft.KeyVault/vaults";

/// What is to be looked for, and where.
#[derive(Debug, ClapArgs)]
pub struct GcArgs {
    /// Remove what is left, instead of listing it
    #[arg(long)]
    pub delete: bool,

    /// Ask the issuers of other credentials whether they are still there, by a GET to addresses that whoever made
    /// the credentials has chosen
    #[arg(long)]
    pub check_issuers: bool,

    /// Resource id of a managed identity to look at beside those that bindings and the operator's list name;
    /// repeatable
    #[arg(long = "identity", value_name = "ID", value_parser = identity)]
    pub identities: Vec<ResourceId>,

    /// Resource id of a vault to look at beside those that bindings and the operator's list name; repeatable
    #[arg(long = "vault", value_name = "ID", value_parser = vault)]
    pub vaults: Vec<ResourceId>,

    /// Cloud that is asked, as bindings name it
    #[arg(long, value_name = "CLOUD", default_value = "AzurePublic")]
    pub cloud: CloudName,

    /// Namespace of the operator, where its list of what is left is
    #[arg(long, value_name = "NAMESPACE", default_value = "kube-system")]
    pub operator_namespace: String,

    /// Format of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Which cluster; all namespaces, if none is named.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

fn identity(text: &str) -> Result<ResourceId, String> {
    of_type(text, IDENTITY, "az identity show")
}

fn vault(text: &str) -> Result<ResourceId, String> {
    of_type(text, VAULT, "az keyvault show")
}

fn of_type(text: &str, resource_type: &str, command: &str) -> Result<ResourceId, String> {
    let id: ResourceId = text
        .parse()
        .map_err(|error: vaultbind_operator::azure::NotAnId| error.to_string())?;
    if !id.is_a(resource_type) {
        return Err(format!(
            "it is no {resource_type}: use the id that {command} --query id -o tsv prints"
        ));
    }
    Ok(id)
}

/// A cloud, as bindings name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CloudName {
    /// The public cloud
    #[value(name = "AzurePublic")]
    Public,
    /// The cloud of the US government
    #[value(name = "AzureUSGovernment")]
    UsGovernment,
    /// The cloud in China
    #[value(name = "AzureChina")]
    China,
}

impl From<CloudName> for Cloud {
    fn from(name: CloudName) -> Self {
        match name {
            CloudName::Public => Self::Public,
            CloudName::UsGovernment => Self::UsGovernment,
            CloudName::China => Self::China,
        }
    }
}

/// Asks cluster and Azure, and removes what is left if that is wanted.
///
/// # Errors
/// When bindings may not be listed, or the cluster or Azure cannot be asked at all.
pub async fn run(args: &GcArgs, cluster: &Cluster, azure: Azure) -> Result<GcReport, Failure> {
    let person = Person::of(args.cloud.into(), |name| std::env::var(name).ok());
    let person = person.map_err(Failure::Azure)?;
    let management = Management::new(
        transport(azure)?,
        Arc::new(person),
        ManagementOptions::default(),
    );
    let client = Client::new(management);
    let issuer = issuer(cluster.client().clone()).await;
    let issuer = issuer.map_err(Failure::Issuer)?;
    let looking = look::Looking {
        args,
        cluster,
        client: &client,
        cloud: args.cloud.into(),
    };
    let (found, mut report) = looking.look(issuer).await?;
    let mut candidates = decide::left(&found);
    candidates.retain(|one| looking.is_asked(one.namespace.as_deref()));
    if args.delete {
        let removing = remove::Removing {
            looking: &looking,
            issuer: &found.issuer,
        };
        removing
            .remove_all(&mut candidates, &mut report.notes)
            .await?;
    }
    report.left = candidates.into_iter().map(|one| one.shown).collect();
    report.other_issuers = decide::other_issuers(&found);
    if args.check_issuers {
        issuers::check(&mut report.other_issuers).await;
    }
    Ok(report)
}
