//! Identity bindings of AKS clusters, which Azure makes and deletes in its own time.

use std::sync::Arc;

use serde_json::json;
use vaultbind_keyvault::Cloud;
use vaultbind_keyvault::management::Call;
use vaultbind_keyvault::text::printable;

use super::super::actions::{
    BINDING_DELETE, BINDING_READ, BINDING_WRITE, CREDENTIAL_WRITE, OPERATION_READ,
};
use super::super::id::ResourceId;
use super::super::model::binding::{pending, progress};
use super::{Asked, Client};
use crate::observed::{AzureCause, AzureError, BindingState, IdentityBinding, Progress, Seen};

/// The first one that is no preview.
const VERSION: &str = "2026-04-01";

impl Client {
    /// All identity bindings of a cluster.
    pub async fn identity_bindings(
        &self,
        cloud: Cloud,
        cluster: &ResourceId,
    ) -> Seen<Vec<IdentityBinding>> {
        let list = format!("{cluster}/identityBindings");
        let asked = Asked {
            cloud,
            action: BINDING_READ,
            id: &list,
        };
        self.all(&asked, Call::list(&list, VERSION, None)).await
    }

    /// An identity binding, if it and its cluster are there.
    pub async fn identity_binding(
        &self,
        cloud: Cloud,
        id: &ResourceId,
    ) -> Seen<Option<IdentityBinding>> {
        let asked = Asked {
            cloud,
            action: BINDING_READ,
            id: id.as_str(),
        };
        let found = self.read(&asked, &Call::get(id.as_str(), VERSION)).await;
        Asked::if_there(found)
    }

    /// Has a cluster be bound to a managed identity, and says how far that is. The identity of a binding never
    /// changes, and a cluster is bound to an identity once.
    pub async fn put_identity_binding(
        &self,
        cloud: Cloud,
        id: &ResourceId,
        identity: &ResourceId,
    ) -> Seen<Progress> {
        let asked = Asked {
            cloud,
            action: BINDING_WRITE,
            id: id.as_str(),
        };
        let body = json!({"properties": {"managedIdentity": {"resourceId": identity.as_str()}}});
        let put = Call::put(id.as_str(), VERSION, body);
        let answer = match self.call(&asked, &put).await {
            Ok(answer) => answer,
            Err(error) => return Err(at_identity(error, identity)),
        };
        let progress = pending(&answer);
        if answer.operation.is_some() || answer.body.is_null() {
            return Ok(progress);
        }
        let IdentityBinding { state, .. } = asked.read(answer)?;
        Ok(match state {
            BindingState::Ready => Progress::Done,
            _ => progress,
        })
    }

    /// Has an identity binding be deleted, and says how far that is; nothing if it is not there. The federated
    /// credential that AKS has given the identity stays.
    pub async fn delete_identity_binding(
        &self,
        cloud: Cloud,
        id: &ResourceId,
    ) -> Seen<Option<Progress>> {
        let deleted = self.delete(cloud, BINDING_DELETE, id, VERSION).await?;
        Ok(deleted.map(|answer| match answer.status {
            202 => pending(&answer),
            _ => Progress::Done,
        }))
    }

    /// How something goes that has begun, by the address that [`Progress::Pending`] told.
    pub async fn operation(&self, cloud: Cloud, address: &str) -> Seen<Progress> {
        let asked = Asked {
            cloud,
            action: OPERATION_READ,
            id: &printable(address, 300),
        };
        let answer = self.call(&asked, &Call::follow(address)).await?;
        progress(address, answer).map_err(|_| asked.misshapen("an operation"))
    }
}

/// Azure asks for a second permission at the identity, and says by its code that this one is missing.
fn at_identity(error: Arc<AzureError>, identity: &ResourceId) -> Arc<AzureError> {
    match &error.cause {
        AzureCause::Forbidden { code } if code == "LinkedAuthorizationFailed" => AzureError {
            action: CREDENTIAL_WRITE,
            id: identity.to_string(),
            cause: error.cause.clone(),
        }
        .into(),
        _ => error,
    }
}
