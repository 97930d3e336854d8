//! Managed identities and their federated credentials.

use serde_json::json;
use vaultbind_keyvault::Cloud;
use vaultbind_keyvault::management::Call;

use super::super::actions::{CREDENTIAL_DELETE, CREDENTIAL_READ, CREDENTIAL_WRITE, IDENTITY_READ};
use super::super::id::ResourceId;
use super::{Asked, Client};
use crate::observed::{Credential, ManagedIdentity, Seen};

/// Of identities and federated credentials.
const VERSION: &str = "2026-05-31";

impl Client {
    /// The managed identity of an id.
    pub async fn identity(&self, cloud: Cloud, id: &ResourceId) -> Seen<ManagedIdentity> {
        let asked = Asked {
            cloud,
            action: IDENTITY_READ,
            id: id.as_str(),
        };
        self.read(&asked, &Call::get(id.as_str(), VERSION)).await
    }

    /// All federated credentials of an identity.
    pub async fn credentials(&self, cloud: Cloud, identity: &ResourceId) -> Seen<Vec<Credential>> {
        let list = format!("{identity}/federatedIdentityCredentials");
        let asked = Asked {
            cloud,
            action: CREDENTIAL_READ,
            id: &list,
        };
        self.all(&asked, Call::list(&list, VERSION, None)).await
    }

    /// A federated credential, if it and its identity are there.
    pub async fn credential(&self, cloud: Cloud, id: &ResourceId) -> Seen<Option<Credential>> {
        let asked = Asked {
            cloud,
            action: CREDENTIAL_READ,
            id: id.as_str(),
        };
        let found = self.read(&asked, &Call::get(id.as_str(), VERSION)).await;
        Asked::if_there(found)
    }

    /// Makes a federated credential, or makes it as said. Azure writes one at a time for each identity:
    /// others get [`Busy`](crate::observed::AzureCause::Busy).
    pub async fn put_credential(
        &self,
        cloud: Cloud,
        id: &ResourceId,
        issuer: &str,
        subject: &str,
        audience: &str,
    ) -> Seen<Credential> {
        let asked = Asked {
            cloud,
            action: CREDENTIAL_WRITE,
            id: id.as_str(),
        };
        let body = json!({"properties": {
            "issuer": issuer,
            "subject": subject,
            "audiences": [audience],
        }});
        self.read(&asked, &Call::put(id.as_str(), VERSION, body))
            .await
    }

    /// Deletes a federated credential, and says whether it was there.
    pub async fn delete_credential(&self, cloud: Cloud, id: &ResourceId) -> Seen<bool> {
        let deleted = self.delete(cloud, CREDENTIAL_DELETE, id, VERSION).await?;
        Ok(deleted.is_some())
    }
}
