//! Vaults, and who has which role there.

use serde_json::json;
use vaultbind_keyvault::Cloud;
use vaultbind_keyvault::management::Call;
use vaultbind_keyvault::text::printable;

use super::super::actions::{
    ASSIGNMENT_DELETE, ASSIGNMENT_READ, ASSIGNMENT_WRITE, ROLE_READ, VAULT_READ,
};
use super::super::id::ResourceId;
use super::super::model::Role;
use super::super::roles;
use super::{Asked, Client};
use crate::observed::{Assignment, AzureCause, Seen, VaultResource};

/// Of vaults.
const VAULTS: &str = "2026-02-01";
/// Of role assignments and role definitions.
const AUTHORIZATION: &str = "2022-04-01";

impl Client {
    /// The vault of an id.
    pub async fn vault(&self, cloud: Cloud, id: &ResourceId) -> Seen<VaultResource> {
        let asked = Asked {
            cloud,
            action: VAULT_READ,
            id: id.as_str(),
        };
        self.read(&asked, &Call::get(id.as_str(), VAULTS)).await
    }

    /// What a principal, by its object id, has been assigned on a scope, above it and below it. What it has
    /// as member of a group is not among it.
    pub async fn assignments(
        &self,
        cloud: Cloud,
        scope: &ResourceId,
        principal: &str,
    ) -> Seen<Vec<Assignment>> {
        let list = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
        let asked = Asked {
            cloud,
            action: ASSIGNMENT_READ,
            id: &list,
        };
        let filter = format!("principalId eq {}", quoted(principal));
        self.all(&asked, Call::list(&list, AUTHORIZATION, Some(&filter)))
            .await
    }

    /// All role assignments on a scope, above it and below it, whoever has them.
    pub async fn all_assignments(&self, cloud: Cloud, scope: &ResourceId) -> Seen<Vec<Assignment>> {
        let list = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
        let asked = Asked {
            cloud,
            action: ASSIGNMENT_READ,
            id: &list,
        };
        self.all(&asked, Call::list(&list, AUTHORIZATION, None))
            .await
    }

    /// A role assignment, if it and its scope are there.
    pub async fn assignment(&self, cloud: Cloud, id: &ResourceId) -> Seen<Option<Assignment>> {
        let asked = Asked {
            cloud,
            action: ASSIGNMENT_READ,
            id: id.as_str(),
        };
        let call = Call::get(id.as_str(), AUTHORIZATION);
        Asked::if_there(self.read(&asked, &call).await)
    }

    /// Assigns a role, by its id, to a service principal, by its object id, on the scope that the assignment's
    /// id begins with. Azure lets nothing but the description change later.
    pub async fn put_assignment(
        &self,
        cloud: Cloud,
        id: &ResourceId,
        role_id: &str,
        principal: &str,
        description: &str,
    ) -> Seen<Assignment> {
        let asked = Asked {
            cloud,
            action: ASSIGNMENT_WRITE,
            id: id.as_str(),
        };
        let subscription = id.subscription();
        let role = format!(
            "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role_id}"
        );
        let body = json!({"properties": {
            "roleDefinitionId": role,
            "principalId": principal,
            // Azure does not look for it in the directory then, where a new identity is not everywhere yet.
            // Conditions that limit what the operator may assign go by it, too.
            "principalType": "ServicePrincipal",
            "description": description,
        }});
        self.read(&asked, &Call::put(id.as_str(), AUTHORIZATION, body))
            .await
    }

    /// Deletes a role assignment, and says whether it was there.
    pub async fn delete_assignment(&self, cloud: Cloud, id: &ResourceId) -> Seen<bool> {
        let deleted = self
            .delete(cloud, ASSIGNMENT_DELETE, id, AUTHORIZATION)
            .await?;
        Ok(deleted.is_some())
    }

    /// Id of the role of a name, a GUID in lower case. Azure is asked only for roles that are not
    /// [built in](roles::built_in).
    pub async fn role(&self, cloud: Cloud, scope: &ResourceId, name: &str) -> Seen<String> {
        if let Some(id) = roles::built_in(name) {
            return Ok(id.to_owned());
        }
        let list = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions");
        let filter = format!("roleName eq {}", quoted(name));
        let asked = Asked {
            cloud,
            action: ROLE_READ,
            id: &format!("{list} with {}", printable(&filter, 200)),
        };
        let call = Call::list(&list, AUTHORIZATION, Some(&filter));
        let found: Vec<Role> = self.all(&asked, call).await?;
        let role = found.into_iter().next();
        role.map(|role| role.id).ok_or_else(|| {
            asked.failed(AzureCause::NotFound {
                code: "RoleDefinitionDoesNotExist".to_owned(),
            })
        })
    }
}

/// A text in a filter.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
