//! Changes from outside the data plane: what tests and the admin endpoint do to a vault.

use std::net::IpAddr;

use super::access::{AccessPolicy, Assignment, Authorization, NetworkRule};
use super::error::ApiError;
use super::names::Collection;
use super::request::SetSecret;
use super::seed::{Network, RoleAssignment};
use super::unit::Vault;
use super::{Vaults, certificates, secrets};
use crate::roles::BuiltIn;

/// Why a change from outside was not made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// No vault of that name was seeded.
    #[error("there is no vault {0}; seed it")]
    NoVault(String),
    /// The data plane would refuse it.
    #[error("{code}: {message}")]
    Refused {
        /// The code, such as `SecretNotFound`.
        code: &'static str,
        /// The message in the service's words.
        message: String,
    },
    /// Not the name or id of a built-in role with data actions on vaults.
    #[error("{0} is no built-in role of Key Vault; use its display name or its definition id")]
    NoRole(String),
    /// A role for a vault on access policies, or the reverse.
    #[error("vault {vault} does not use {model}; change its authorization in the seed")]
    OtherModel {
        /// The vault.
        vault: String,
        /// What was to be changed.
        model: &'static str,
    },
    /// Addresses to let pass where nothing is held back.
    #[error("allowedAddresses: a vault without a firewall has none; set network to Firewall")]
    NoFirewall,
    /// Not of the form `secrets/name`.
    #[error("{0} is no object; write secrets/name, keys/name or certificates/name")]
    NoObject(String),
}

impl StoreError {
    /// Whether vault, object or version do not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NoVault(_) => true,
            Self::Refused { code, .. } => code.ends_with("NotFound"),
            Self::NoRole(_) | Self::OtherModel { .. } | Self::NoFirewall | Self::NoObject(_) => {
                false
            }
        }
    }
}

impl From<ApiError> for StoreError {
    fn from(error: ApiError) -> Self {
        Self::Refused {
            code: error.inner.unwrap_or(error.code),
            message: error.message,
        }
    }
}

impl Vaults {
    /// Adds a version to a secret, made if there is none; returns the version's id.
    ///
    /// # Errors
    /// What `PUT /secrets/{name}` would refuse.
    pub fn set_secret(
        &self,
        vault: &str,
        name: &str,
        secret: SetSecret,
        now: i64,
    ) -> Result<String, StoreError> {
        self.change(vault, now, |vault| {
            Ok(secrets::set(vault, name, secret, now)?)
        })
    }

    /// Enables or disables a version, the current one by default.
    ///
    /// As in the service this takes the key and secret of a certificate along.
    ///
    /// # Errors
    /// The object or version does not exist.
    pub fn set_enabled(
        &self,
        vault: &str,
        collection: Collection,
        name: &str,
        version: Option<&str>,
        enabled: bool,
        now: i64,
    ) -> Result<(), StoreError> {
        self.change(vault, now, |vault| {
            let attributes = match collection {
                Collection::Secrets => &mut vault.secrets.version_mut(name, version)?.attributes,
                Collection::Keys => &mut vault.keys.version_mut(name, version)?.attributes,
                Collection::Certificates => {
                    let id = vault.certificates.version(name, version)?.1.id.clone();
                    certificates::set_enabled(vault, name, &id, enabled, now);
                    return Ok(());
                }
            };
            attributes.enabled = enabled;
            attributes.updated = now;
            Ok(())
        })
    }

    /// Disables the current version of a secret.
    ///
    /// # Errors
    /// The secret does not exist.
    pub fn disable_secret(&self, vault: &str, name: &str, now: i64) -> Result<(), StoreError> {
        self.set_enabled(vault, Collection::Secrets, name, None, false, now)
    }

    /// Replaces the value of a secret's current version as it is, a certificate's too.
    ///
    /// The service exports every certificate in one form; this serves what other forms a client may
    /// meet, without a new version.
    ///
    /// # Errors
    /// The secret does not exist.
    pub fn replace_value(
        &self,
        vault: &str,
        name: &str,
        value: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        self.change(vault, now, |vault| {
            let version = vault.secrets.version_mut(name, None)?;
            version.body.value = value.to_owned();
            Ok(())
        })
    }

    /// Issues another version of a certificate under its own policy, at once; returns the
    /// version's id.
    ///
    /// # Errors
    /// The certificate does not exist, or its issuer is none that signs here.
    pub fn renew_certificate(
        &self,
        vault: &str,
        name: &str,
        now: i64,
    ) -> Result<String, StoreError> {
        self.change(vault, now, |vault| {
            Ok(certificates::renew(vault, name, now)?)
        })
    }

    /// Imports a version of a certificate, made if there is none; returns the version's id.
    ///
    /// The value is PEM with key and chain, or PKCS#12 in base64.
    ///
    /// # Errors
    /// What `POST /certificates/{name}/import` would refuse.
    pub fn import_certificate(
        &self,
        vault: &str,
        name: &str,
        value: &str,
        password: Option<&str>,
        now: i64,
    ) -> Result<String, StoreError> {
        self.change(vault, now, |vault| {
            Ok(certificates::import_value(
                vault, name, value, password, now,
            )?)
        })
    }

    /// Sets from where a vault may be reached; `allowed` are the addresses its firewall lets pass.
    ///
    /// # Errors
    /// Addresses without a firewall, or no such vault.
    pub fn set_network(
        &self,
        vault: &str,
        network: Network,
        allowed: &[IpAddr],
    ) -> Result<(), StoreError> {
        let rule = NetworkRule::new(network, allowed).ok_or(StoreError::NoFirewall)?;
        self.edit(vault, |vault| {
            vault.network = rule;
            Ok(())
        })
    }

    /// Gives a principal a built-in role on the vault or on one object.
    ///
    /// # Errors
    /// The role or object cannot be understood, or the vault is on access policies.
    pub fn assign_role(&self, vault: &str, given: &RoleAssignment) -> Result<(), StoreError> {
        let assignment = assignment(given)?;
        self.change_assignments(vault, |assignments| {
            if !assignments.contains(&assignment) {
                assignments.push(assignment);
            }
        })
    }

    /// Takes a role assignment away; one that does not exist is no error.
    ///
    /// # Errors
    /// As [`assign_role`](Self::assign_role).
    pub fn revoke_role(&self, vault: &str, given: &RoleAssignment) -> Result<(), StoreError> {
        let assignment = assignment(given)?;
        self.change_assignments(vault, |assignments| {
            assignments.retain(|existing| *existing != assignment);
        })
    }

    /// Takes all rights of a principal away, under either permission model.
    ///
    /// # Errors
    /// The vault does not exist.
    pub fn revoke(&self, vault: &str, principal: &str) -> Result<(), StoreError> {
        self.edit(vault, |vault| {
            let is_other = |other: &str| !other.eq_ignore_ascii_case(principal);
            match &mut vault.authorization {
                Authorization::Roles(assignments) => {
                    assignments.retain(|assignment| is_other(&assignment.principal));
                }
                Authorization::AccessPolicies(policies) => {
                    policies.retain(|policy: &AccessPolicy| is_other(&policy.principal));
                }
            }
            Ok(())
        })
    }

    /// Sets how many seconds a deletion takes to settle; 0 at the start.
    ///
    /// # Errors
    /// The vault does not exist.
    pub fn set_deletion_delay(&self, vault: &str, seconds: u32) -> Result<(), StoreError> {
        self.edit(vault, |vault| {
            vault.deletion_delay = i64::from(seconds);
            Ok(())
        })
    }

    /// Sets how many seconds the creation of a certificate stays in progress; 0 at the start.
    ///
    /// # Errors
    /// The vault does not exist.
    pub fn set_issuance_delay(&self, vault: &str, seconds: u32) -> Result<(), StoreError> {
        self.edit(vault, |vault| {
            vault.issuance_delay = i64::from(seconds);
            Ok(())
        })
    }

    fn change_assignments(
        &self,
        vault: &str,
        change: impl FnOnce(&mut Vec<Assignment>),
    ) -> Result<(), StoreError> {
        self.edit(vault, |vault| match &mut vault.authorization {
            Authorization::Roles(assignments) => {
                change(assignments);
                Ok(())
            }
            Authorization::AccessPolicies(_) => Err(StoreError::OtherModel {
                vault: vault.name.clone(),
                model: "roles",
            }),
        })
    }

    fn change<T>(
        &self,
        vault: &str,
        now: i64,
        change: impl FnOnce(&mut Vault) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.edit(vault, |vault| {
            vault.settle(now);
            change(vault)
        })
    }

    fn edit<T>(
        &self,
        vault: &str,
        change: impl FnOnce(&mut Vault) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let entry = self
            .by_name(vault)
            .ok_or_else(|| StoreError::NoVault(vault.to_owned()))?;
        change(&mut entry.lock())
    }
}

/// A role assignment as written in seeds and by tests.
pub(super) fn assignment(given: &RoleAssignment) -> Result<Assignment, StoreError> {
    let RoleAssignment {
        principal,
        role,
        object,
    } = given;
    let role = BuiltIn::of_vaults(role).ok_or_else(|| StoreError::NoRole(role.clone()))?;
    let object = match object.as_deref() {
        None => None,
        Some(text) => {
            let parsed = text.split_once('/').and_then(|(kind, name)| {
                let (kind, deleted) = Collection::from_segment(kind)?;
                let good = !deleted && super::names::is_object_name(name);
                good.then(|| (kind, name.to_owned()))
            });
            Some(parsed.ok_or_else(|| StoreError::NoObject(text.to_owned()))?)
        }
    };
    Ok(Assignment {
        principal: principal.clone(),
        role,
        object,
    })
}
