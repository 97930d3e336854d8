//! The operator's own identity, for classes that say `detection: Operator`.

use std::path::PathBuf;

use async_trait::async_trait;
use vaultbind_keyvault::metadata::{IdentitySource, NoProof};
use vaultbind_keyvault::{ClientId, Identity, Sensitive, TenantId};

/// As whom the operator asks for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnIdentity {
    /// By a token of its own ServiceAccount that kubelet keeps in a file.
    Workload {
        /// Tenant of the identity.
        tenant: TenantId,
        /// Its client id.
        client: ClientId,
        /// The projected token.
        token_file: PathBuf,
    },
    /// A managed identity of the node.
    Managed {
        /// Its client id; absent for the node's own.
        client: Option<ClientId>,
    },
}

#[async_trait]
impl IdentitySource for OwnIdentity {
    fn name(&self) -> &str {
        match self {
            Self::Workload { client, .. } => client.as_str(),
            Self::Managed {
                client: Some(client),
            } => client.as_str(),
            Self::Managed { client: None } => "system-assigned",
        }
    }

    async fn identity(&self) -> Result<Identity, NoProof> {
        match self {
            Self::Workload {
                tenant,
                client,
                token_file,
            } => {
                // Kubelet replaces it well before its end, so it is read anew each time.
                let token = tokio::fs::read(token_file).await.map_err(|error| {
                    NoProof::lasting(format!(
                        "the operator's own token cannot be read from {} ({}): check the \
                         projected volume of its pod",
                        token_file.display(),
                        error.kind()
                    ))
                })?;
                Ok(Identity::WorkloadIdentity {
                    tenant: tenant.clone(),
                    client: client.clone(),
                    token: Sensitive::new(token.trim_ascii().to_vec()),
                })
            }
            Self::Managed { client } => Ok(Identity::ManagedIdentity {
                client: client.clone(),
            }),
        }
    }
}
