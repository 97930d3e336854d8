//! What Resource Manager sends, as far as it is looked at. Texts end up in messages and in the status, so
//! they are bounded and in one line; ids that are GUIDs are in lower case.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;
use vaultbind_keyvault::text::printable;

use crate::observed::{Assignment, Credential, ManagedIdentity, VaultResource};

pub(super) mod binding;

/// Longer than Azure lets any of these texts be.
const LONGEST: usize = 1024;

/// An answer that has not the shape it should have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misshapen;

/// Something that is read from an answer's body.
pub(super) trait Shape: Sized {
    /// What it is, with an article.
    const WHAT: &'static str;

    fn read(body: Value) -> Result<Self, Misshapen>;
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, Misshapen> {
    serde_json::from_value(body).map_err(|_| Misshapen)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(printable(&text, LONGEST))
}

fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    as_guid(&text).ok_or_else(|| D::Error::custom("no GUID"))
}

/// The id at the end of a resource id.
fn last_guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let last = text.rsplit('/').next();
    last.and_then(as_guid)
        .ok_or_else(|| D::Error::custom("no GUID at the end"))
}

fn as_guid(text: &str) -> Option<String> {
    Uuid::try_parse(text).ok().map(|guid| guid.to_string())
}

#[derive(Deserialize)]
struct Resource<T> {
    properties: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityProperties {
    #[serde(deserialize_with = "guid")]
    client_id: String,
    #[serde(deserialize_with = "guid")]
    principal_id: String,
    #[serde(deserialize_with = "guid")]
    tenant_id: String,
}

impl Shape for ManagedIdentity {
    const WHAT: &'static str = "a managed identity";

    fn read(body: Value) -> Result<Self, Misshapen> {
        let Resource { properties } = parse(body)?;
        let IdentityProperties {
            client_id,
            principal_id,
            tenant_id,
        } = properties;
        Ok(Self {
            client_id,
            principal_id,
            tenant_id,
        })
    }
}

#[derive(Deserialize)]
struct CredentialResource {
    #[serde(deserialize_with = "text")]
    name: String,
    properties: CredentialProperties,
}

#[derive(Deserialize)]
struct CredentialProperties {
    #[serde(deserialize_with = "text")]
    issuer: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
}

impl Shape for Credential {
    const WHAT: &'static str = "a federated credential";

    fn read(body: Value) -> Result<Self, Misshapen> {
        let CredentialResource { name, properties } = parse(body)?;
        let CredentialProperties {
            issuer,
            subject,
            audiences,
        } = properties;
        let bounded = |text: String| printable(&text, LONGEST);
        Ok(Self {
            name,
            issuer,
            subject: subject.map(bounded),
            audiences: audiences.into_iter().map(bounded).collect(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VaultProperties {
    #[serde(deserialize_with = "text")]
    vault_uri: String,
    #[serde(deserialize_with = "guid")]
    tenant_id: String,
    /// Absent of vaults that were made before there were roles in them.
    #[serde(default)]
    enable_rbac_authorization: Option<bool>,
}

impl Shape for VaultResource {
    const WHAT: &'static str = "a vault";

    fn read(body: Value) -> Result<Self, Misshapen> {
        let Resource { properties } = parse(body)?;
        let VaultProperties {
            vault_uri,
            tenant_id,
            enable_rbac_authorization,
        } = properties;
        Ok(Self {
            uri: vault_uri,
            tenant_id,
            uses_roles: enable_rbac_authorization.unwrap_or(false),
        })
    }
}

#[derive(Deserialize)]
struct AssignmentResource {
    #[serde(deserialize_with = "text")]
    id: String,
    properties: AssignmentProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentProperties {
    #[serde(deserialize_with = "last_guid")]
    role_definition_id: String,
    #[serde(deserialize_with = "guid")]
    principal_id: String,
    #[serde(deserialize_with = "text")]
    scope: String,
    #[serde(default)]
    condition: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

impl Shape for Assignment {
    const WHAT: &'static str = "a role assignment";

    fn read(body: Value) -> Result<Self, Misshapen> {
        let AssignmentResource { id, properties } = parse(body)?;
        let AssignmentProperties {
            role_definition_id,
            principal_id,
            scope,
            condition,
            description,
        } = properties;
        Ok(Self {
            id,
            role: role_definition_id,
            principal: principal_id,
            scope,
            conditional: condition.is_some_and(|condition| !condition.trim().is_empty()),
            description: description.map(|text| printable(&text, LONGEST)),
        })
    }
}

/// The definition of a role.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Role {
    /// Its id, a GUID in lower case.
    #[serde(deserialize_with = "guid", rename = "name")]
    pub(super) id: String,
}

impl Shape for Role {
    const WHAT: &'static str = "a role";

    fn read(body: Value) -> Result<Self, Misshapen> {
        parse(body)
    }
}

/// A page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next one is.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage {
    value: Vec<Value>,
    #[serde(default)]
    next_link: Option<String>,
}

impl<T: Shape> Shape for Page<T> {
    const WHAT: &'static str = T::WHAT;

    fn read(body: Value) -> Result<Self, Misshapen> {
        let RawPage { value, next_link } = parse(body)?;
        let items: Result<Vec<T>, Misshapen> = value.into_iter().map(T::read).collect();
        Ok(Self {
            items: items?,
            next: next_link.filter(|link| !link.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests;
