//! Removing what the operator made. What cannot be proven to be the operator's stays.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{info, warn};
use vaultbind_crds::status::AzureKind;
use vaultbind_keyvault::Cloud;

use super::{Provision, assignments_key, parse, vault_of};
use crate::azure::actions::CREDENTIAL_DELETE;
use crate::azure::{Client, ResourceId, names};
use crate::observed::{AzureCause, AzureError, Seen};

/// What came of removing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is gone, or was already.
    Gone,
    /// Something of that id is there and is not what the operator made for bindings of the namespace.
    Foreign,
}

impl Provision {
    /// Removes what the operator made for bindings of a namespace. The status that says so could be anybody's, so
    /// the resource itself has to show that it is.
    pub(crate) async fn remove(
        &self,
        cloud: Cloud,
        namespace: &str,
        kind: AzureKind,
        id: &str,
    ) -> Seen<Removal> {
        let client = self.client(id)?;
        let parsed = parse(id)?;
        let issuer = self.inner.issuer.get().await.map_err(|why| AzureError {
            action: "Microsoft.Resources/resources/read",
            id: id.to_owned(),
            cause: AzureCause::Silent {
                text: format!("the issuer of the cluster's tokens is not known: {why}"),
            },
        })?;
        let removal = match kind {
            AzureKind::FederatedCredential => {
                self.credential(client, cloud, &parsed, &issuer, namespace)
                    .await
            }
            AzureKind::RoleAssignment => {
                self.assignment(client, cloud, &parsed, &issuer, namespace)
                    .await
            }
        };
        match &removal {
            Ok(Removal::Gone) => info!(id, "removed from Azure"),
            Ok(Removal::Foreign) => warn!(id, "left in Azure: the operator has not made it"),
            Err(error) => warn!(id, %error, "not removed from Azure"),
        }
        removal
    }

    async fn credential(
        &self,
        client: &Client,
        cloud: Cloud,
        id: &ResourceId,
        issuer: &str,
        namespace: &str,
    ) -> Seen<Removal> {
        let marker = "/federatedidentitycredentials/";
        let Some(identity) = id
            .key()
            .find(marker)
            .and_then(|at| id.as_str().get(..at))
            .and_then(|identity| identity.parse::<ResourceId>().ok())
        else {
            return Ok(Removal::Foreign);
        };
        let found = client.credential(cloud, id).await?;
        let Some(found) = found else {
            return Ok(Removal::Gone);
        };
        if !names::is_our_credential(&found, issuer, namespace) {
            return Ok(Removal::Foreign);
        }
        let subscription = identity.subscription().to_ascii_lowercase();
        let (turns, now) = (&self.inner.turns, Instant::now());
        if let Some(wait) = turns.wait(id.key(), identity.key(), &subscription, now) {
            return Err(Arc::new(AzureError {
                action: CREDENTIAL_DELETE,
                id: id.as_str().to_owned(),
                cause: AzureCause::Busy {
                    status: 409,
                    code: "other writes come first".to_owned(),
                    retry_after: Some(wait),
                },
            }));
        }
        let deleted = client.delete_credential(cloud, id).await;
        if let Err(error) = &deleted {
            self.hold_back(&identity, &error.cause);
        }
        self.inner.credentials.forget(identity.key()).await;
        deleted?;
        Ok(Removal::Gone)
    }

    async fn assignment(
        &self,
        client: &Client,
        cloud: Cloud,
        id: &ResourceId,
        issuer: &str,
        namespace: &str,
    ) -> Seen<Removal> {
        let Some(found) = client.assignment(cloud, id).await? else {
            return Ok(Removal::Gone);
        };
        if !names::is_our_assignment(&found, issuer, namespace) {
            return Ok(Removal::Foreign);
        }
        let deleted = client.delete_assignment(cloud, id).await;
        if let Ok(scope) = found.scope.parse::<ResourceId>() {
            let key = assignments_key(&vault_of(&scope), &found.principal);
            self.inner.assignments.forget(&key).await;
        }
        deleted?;
        Ok(Removal::Gone)
    }
}
