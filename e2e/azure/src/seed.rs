//! What is put into the emulated Azure, and the YAML file it is read from.

mod arm;
mod fields;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::vault::VaultSeed;

pub use arm::{
    ArmSeed, ArmSettings, BucketSettings, ClusterSeed, IdentityBindingSeed, IdentitySeed,
    IdentityUserSeed, RoleAssignmentSeed, RoleDefinitionSeed,
};

/// What there is at start, or is added later.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Seed {
    /// Entra tenants and their applications.
    pub tenants: Vec<TenantSeed>,
    /// Issuers of the outside tokens that federated credentials trust.
    pub issuers: Vec<IssuerSeed>,
    /// The identities of the machine that asks the managed identity endpoint.
    pub managed_identities: Option<ManagedIdentitiesSeed>,
    /// What Resource Manager knows beside the vaults.
    pub arm: ArmSeed,
    /// The vaults.
    pub vaults: Vec<VaultSeed>,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seed")
            .field("tenants", &self.tenants)
            .field("issuers", &self.issuers)
            .field("managed_identities", &self.managed_identities)
            .field("arm", &self.arm)
            .field("vaults", &self.vaults.len())
            .finish()
    }
}

/// An Entra tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSeed {
    /// The tenant's id, a GUID.
    #[serde(rename = "tenantID", deserialize_with = "fields::guid")]
    pub tenant_id: String,
    /// The cloud it is in; `AzurePublic` when not given.
    #[serde(default, deserialize_with = "fields::cloud")]
    pub cloud: String,
    /// Domain names that stand for the tenant in URLs.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Its applications.
    #[serde(default)]
    pub applications: Vec<ApplicationSeed>,
}

/// An application with its service principal.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSeed {
    /// The client id (application id), a GUID.
    #[serde(rename = "clientID", deserialize_with = "fields::guid")]
    pub client_id: String,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// The object id of the service principal, a GUID; derived from the client id when not given.
    #[serde(
        rename = "objectID",
        default,
        deserialize_with = "fields::optional_guid"
    )]
    pub object_id: Option<String>,
    /// Client secrets, any of which signs the application in.
    #[serde(default)]
    pub client_secrets: Vec<ClientSecretSeed>,
    /// Outside tokens that sign the application in.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredentialSeed>,
}

/// A client secret.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientSecretSeed {
    /// The secret.
    pub value: String,
    /// When it ends, in Unix seconds here and RFC 3339 in the file; never when not given.
    #[serde(default, deserialize_with = "fields::optional_time")]
    pub expires: Option<i64>,
}

impl std::fmt::Debug for ClientSecretSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecretSeed")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A federated identity credential.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FederatedCredentialSeed {
    /// Its name.
    pub name: String,
    /// The `iss` claim it takes, to the character.
    pub issuer: String,
    /// The `sub` claim it takes, to the character.
    pub subject: String,
    /// The `aud` claims it takes; the cloud's usual one when empty.
    #[serde(default)]
    pub audiences: Vec<String>,
}

/// An issuer of outside tokens, such as a cluster's API server.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerSeed {
    /// The `iss` claim.
    pub issuer: String,
    /// Its public keys; without them a key is generated at start, and tokens can be asked for.
    #[serde(default)]
    pub jwks: Option<Jwks>,
    /// A file with the public keys, relative to the seed file, or to the working directory where
    /// there is none.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
}

/// A JSON Web Key Set. Keys other than RSA are left out: Entra takes RS256 only.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// A public key of a set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Jwk {
    /// Key type.
    pub kty: String,
    /// Key id.
    pub kid: Option<String>,
    /// Modulus of an RSA key, base64url.
    pub n: String,
    /// Exponent of an RSA key, base64url.
    pub e: String,
}

/// The managed identities of the machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedIdentitiesSeed {
    /// The tenant they are in, a GUID.
    #[serde(rename = "tenantID", deserialize_with = "fields::guid")]
    pub tenant_id: String,
    /// The machine's own identity.
    #[serde(default)]
    pub system_assigned: Option<ManagedIdentitySeed>,
    /// Identities assigned to it.
    #[serde(default)]
    pub user_assigned: Vec<ManagedIdentitySeed>,
}

/// A managed identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedIdentitySeed {
    /// The client id, a GUID.
    #[serde(rename = "clientID", deserialize_with = "fields::guid")]
    pub client_id: String,
    /// The object (principal) id, a GUID; derived from the client id when not given.
    #[serde(
        rename = "objectID",
        default,
        deserialize_with = "fields::optional_guid"
    )]
    pub object_id: Option<String>,
    /// The ARM resource id of a user-assigned identity.
    #[serde(rename = "resourceID", default)]
    pub resource_id: Option<String>,
    /// Outside tokens that sign a user-assigned identity in at Entra.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredentialSeed>,
}

/// Why a seed file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeedFileError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The YAML is not a seed; the source names field, line and column.
    #[error("{file}, document {document}")]
    Parse {
        /// The file.
        file: String,
        /// Which of the file's YAML documents, from 1.
        document: usize,
        /// What went wrong.
        #[source]
        source: serde_yaml::Error,
    },
    /// A key set is not one.
    #[error("{} is not a JSON Web Key Set", path.display())]
    Jwks {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Two documents say different things.
    #[error("{field} is given twice, with different values")]
    Conflict {
        /// The field.
        field: &'static str,
    },
}

impl Seed {
    /// Reads several files and merges all their documents.
    pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, SeedFileError> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text = fs::read_to_string(path).map_err(|source| SeedFileError::Read {
                path: path.to_owned(),
                source,
            })?;
            let mut seed = Self::from_yaml(&path.display().to_string(), &text)?;
            let folder = path.parent().unwrap_or(Path::new(""));
            seed.read_key_files(folder)?;
            all.merge(seed)?;
        }
        Ok(all)
    }

    /// Reads a text of one or more YAML documents; `file` is its name in errors.
    pub fn from_yaml(file: &str, text: &str) -> Result<Self, SeedFileError> {
        let mut all = Self::default();
        for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
            let seed =
                Option::<Self>::deserialize(document).map_err(|source| SeedFileError::Parse {
                    file: file.to_owned(),
                    document: index + 1,
                    source,
                })?;
            all.merge(seed.unwrap_or_default())?;
        }
        Ok(all)
    }

    /// Adds another seed. Tenants of the same id become one.
    pub fn merge(&mut self, other: Self) -> Result<(), SeedFileError> {
        for tenant in other.tenants {
            match self
                .tenants
                .iter_mut()
                .find(|known| known.tenant_id == tenant.tenant_id)
            {
                Some(known) => {
                    if known.cloud != tenant.cloud {
                        return Err(SeedFileError::Conflict {
                            field: "tenants[].cloud",
                        });
                    }
                    known.domains.extend(tenant.domains);
                    known.applications.extend(tenant.applications);
                }
                None => self.tenants.push(tenant),
            }
        }
        self.issuers.extend(other.issuers);
        self.vaults.extend(other.vaults);
        self.arm.merge(other.arm)?;
        match (&mut self.managed_identities, other.managed_identities) {
            (Some(known), Some(more)) => {
                if known.tenant_id != more.tenant_id {
                    return Err(SeedFileError::Conflict {
                        field: "managedIdentities.tenantID",
                    });
                }
                if known.system_assigned.is_some() && more.system_assigned.is_some() {
                    let field = "managedIdentities.systemAssigned";
                    return Err(SeedFileError::Conflict { field });
                }
                known.system_assigned = known.system_assigned.take().or(more.system_assigned);
                known.user_assigned.extend(more.user_assigned);
            }
            (known @ None, more) => *known = more,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn read_key_files(&mut self, folder: &Path) -> Result<(), SeedFileError> {
        for issuer in &mut self.issuers {
            issuer.jwks = issuer.key_set(folder)?;
            issuer.jwks_file = None;
        }
        Ok(())
    }
}

impl IssuerSeed {
    /// The public keys, read from the file if they are in one.
    pub(crate) fn key_set(&self, folder: &Path) -> Result<Option<Jwks>, SeedFileError> {
        let file = match (&self.jwks, &self.jwks_file) {
            (jwks, None) => return Ok(jwks.clone()),
            (None, Some(file)) => file,
            (Some(_), Some(_)) => {
                let field = "issuers[].jwks and jwksFile";
                return Err(SeedFileError::Conflict { field });
            }
        };
        let path = folder.join(file);
        let text = fs::read(&path).map_err(|source| SeedFileError::Read {
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| SeedFileError::Jwks { path, source })
    }
}

/// So that `Deserializer` is in scope for the field parsers.
type Parsed<'de, T, D> = Result<T, <D as Deserializer<'de>>::Error>;

#[cfg(test)]
mod tests;
