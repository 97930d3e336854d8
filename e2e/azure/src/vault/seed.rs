//! The file format of what vaults hold at the start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

/// A vault with its objects and who may use it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultSeed {
    /// The vault's name, the first label of its host name.
    pub name: String,
    /// Further host names under which the vault is served, outside of Azure's domains.
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    /// `AzurePublic`, `AzureUSGovernment` or `AzureChina`.
    #[serde(default = "public_cloud")]
    pub cloud: String,
    /// The tenant whose tokens the vault accepts.
    #[serde(rename = "tenantID")]
    pub tenant_id: String,
    #[serde(default = "subscription", rename = "subscriptionID")]
    pub(super) subscription_id: String,
    #[serde(default = "resource_group")]
    pub(super) resource_group: String,
    #[serde(default = "location")]
    pub(super) location: String,
    /// Days deleted objects are kept, 7 to 90.
    #[serde(default = "retention")]
    pub(super) soft_delete_days: u8,
    #[serde(default)]
    pub(super) authorization: AuthorizationSeed,
    #[serde(default)]
    pub(super) network: Network,
    /// Addresses the firewall lets pass.
    #[serde(default)]
    pub(super) allowed_addresses: Vec<IpAddr>,
    #[serde(default)]
    pub(super) role_assignments: Vec<RoleAssignment>,
    #[serde(default)]
    pub(super) access_policies: Vec<AccessPolicySeed>,
    #[serde(default)]
    pub(super) secrets: Vec<SecretSeed>,
    #[serde(default)]
    pub(super) keys: Vec<KeySeed>,
    #[serde(default)]
    pub(super) certificates: Vec<CertificateSeed>,
}

fn public_cloud() -> String {
    "AzurePublic".to_owned()
}

fn subscription() -> String {
    "00000000-0000-0000-0000-000000000000".to_owned()
}

fn resource_group() -> String {
    "vaultbind".to_owned()
}

fn location() -> String {
    "westeurope".to_owned()
}

fn retention() -> u8 {
    90
}

fn yes() -> bool {
    true
}

/// The permission model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) enum AuthorizationSeed {
    #[default]
    Roles,
    AccessPolicies,
}

/// From where the vault can be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// From everywhere.
    #[default]
    Open,
    /// From the addresses that are let pass.
    Firewall,
    /// From nowhere: this emulator has no private endpoints.
    PrivateOnly,
}

/// A built-in role for a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleAssignment {
    /// The object id or client id.
    pub principal: String,
    /// Display name or definition id.
    pub role: String,
    /// The object it is limited to, such as `secrets/db-password`; the whole vault if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// Permissions of a principal under the older model.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccessPolicySeed {
    pub(super) principal: String,
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    #[serde(default)]
    pub(super) keys: Vec<String>,
    #[serde(default)]
    pub(super) certificates: Vec<String>,
}

/// A text that must not be shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub(super) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A secret: its current version, and older ones in `versions`, oldest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretSeed {
    pub(super) name: String,
    #[serde(default)]
    pub(super) versions: Vec<SecretVersionSeed>,
    pub(super) value: Option<Hidden>,
    pub(super) value_file: Option<PathBuf>,
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) version: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub(super) created: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) not_before: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) expires: Option<i64>,
}

/// An older version of a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretVersionSeed {
    pub(super) value: Option<Hidden>,
    pub(super) value_file: Option<PathBuf>,
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) version: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub(super) created: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) not_before: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) expires: Option<i64>,
}

/// A key with one generated version: `RSA`, `RSA-HSM`, `EC`, `EC-HSM`, `oct` or `oct-HSM`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeySeed {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) size: Option<u32>,
    pub(super) curve: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default, deserialize_with = "time")]
    pub(super) expires: Option<i64>,
}

/// The key of a certificate: `RSA` with a size or `EC` with a curve.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFormSeed {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) size: Option<u32>,
    pub(super) curve: Option<String>,
}

/// A certificate with generated versions.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CertificateSeed {
    pub(super) name: String,
    pub(super) subject: String,
    #[serde(default)]
    pub(super) dns_names: Vec<String>,
    /// `Self`, `Chain`, `Unknown` (stays pending) or `Failing`.
    #[serde(default = "self_signed")]
    pub(super) issuer: String,
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) key: KeyFormSeed,
    #[serde(default = "yes")]
    pub(super) exportable: bool,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default = "twelve")]
    pub(super) validity_months: u32,
    pub(super) tags: Option<BTreeMap<String, String>>,
    /// How many versions to make, the older ones a day apart.
    #[serde(default = "one")]
    pub(super) count: u8,
}

fn self_signed() -> String {
    "Self".to_owned()
}

fn twelve() -> u32 {
    12
}

fn one() -> u8 {
    1
}

/// RFC 3339 to Unix seconds.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Some(time.as_second())),
        Err(_) => Err(serde::de::Error::custom(format!(
            "{text} is no time; write it as in RFC 3339, 2027-01-31T00:00:00Z"
        ))),
    }
}
