//! From seeds to vaults.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use crate::cloud::{Cloud, Target};

use super::access::{AccessPolicy, Authorization, NetworkRule};
use super::certificates;
use super::control::{self, StoreError};
use super::error::ApiError;
use super::keys::{self, KeyForm};
use super::names::{is_vault_name, is_version};
use super::secrets::{self, Secret};
use super::seed::{
    AccessPolicySeed, AuthorizationSeed, CertificateSeed, Hidden, KeySeed, SecretSeed,
    SecretVersionSeed, VaultSeed,
};
use super::store::{Attributes, Objects, check_name};
use super::unit::Vault;

/// Distance of versions whose time of creation is not given.
const DAY: i64 = 86_400;

/// What in a seed cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("vault {vault}{}: {field}: {problem}; {remedy}", object_part(.object))]
pub struct SeedError {
    /// The vault's name.
    pub vault: String,
    /// The object, such as `secrets/db-password`; empty if the vault itself is wrong.
    pub object: String,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

fn object_part(object: &str) -> String {
    if object.is_empty() {
        String::new()
    } else {
        format!(", {object}")
    }
}

/// Where in a seed something was found wrong.
struct Place<'a> {
    vault: &'a str,
    object: String,
}

impl Place<'_> {
    fn error(&self, field: &'static str, problem: impl Display, remedy: &'static str) -> SeedError {
        SeedError {
            vault: self.vault.to_owned(),
            object: self.object.clone(),
            field,
            problem: problem.to_string(),
            remedy,
        }
    }

    fn refused(&self, field: &'static str, error: &ApiError) -> SeedError {
        self.error(field, &error.message, "write what the service would accept")
    }
}

/// Makes all vaults, keyed by name in lower case.
pub(super) fn vaults(seeds: &[VaultSeed], now: i64) -> Result<BTreeMap<String, Vault>, SeedError> {
    let mut vaults = BTreeMap::new();
    for seed in seeds {
        let loaded = vault(seed, now)?;
        if vaults
            .insert(seed.name.to_ascii_lowercase(), loaded)
            .is_some()
        {
            let place = Place {
                vault: &seed.name,
                object: String::new(),
            };
            return Err(place.error("name", "used twice", "vault names are unique in all clouds"));
        }
    }
    Ok(vaults)
}

fn vault(seed: &VaultSeed, now: i64) -> Result<Vault, SeedError> {
    let place = Place {
        vault: &seed.name,
        object: String::new(),
    };
    if !is_vault_name(&seed.name) {
        return Err(place.error(
            "name",
            "no name of a vault",
            "use 3 to 24 letters, digits and single dashes, a letter first and no dash last",
        ));
    }
    let cloud = Cloud::from_name(&seed.cloud).ok_or_else(|| {
        let known = "use AzurePublic, AzureUSGovernment or AzureChina";
        place.error("cloud", format!("{} is unknown", seed.cloud), known)
    })?;
    if seed
        .hosts
        .iter()
        .any(|host| Target::of_host(host).is_some())
    {
        let remedy = "give names outside of Azure's domains; its own host a vault has anyway";
        return Err(place.error("hosts", "a host of Azure", remedy));
    }
    if seed.tenant_id.is_empty() {
        return Err(place.error("tenantID", "empty", "give the id of the vault's tenant"));
    }
    if !(7..=90).contains(&seed.soft_delete_days) {
        return Err(place.error("softDeleteDays", seed.soft_delete_days, "use 7 to 90"));
    }
    let network = NetworkRule::new(seed.network, &seed.allowed_addresses).ok_or_else(|| {
        place.error(
            "allowedAddresses",
            "the vault has no firewall",
            "set network to Firewall or remove the addresses",
        )
    })?;
    let resource = format!(
        "/subscriptions/{}/resourcegroups/{}/providers/microsoft.keyvault/vaults/{}",
        seed.subscription_id, seed.resource_group, seed.name
    );
    let mut vault = Vault {
        name: seed.name.clone(),
        cloud,
        hosts: seed.hosts.clone(),
        tenant_id: seed.tenant_id.clone(),
        location: seed.location.clone(),
        resource: resource.to_ascii_lowercase(),
        days: i64::from(seed.soft_delete_days),
        authorization: authorization(seed, &place)?,
        network,
        secrets: Objects::default(),
        keys: Objects::default(),
        certificates: Objects::default(),
        authority: None,
        deletion_delay: 0,
        issuance_delay: 0,
    };
    for seed in &seed.secrets {
        secret(&mut vault, seed, now)?;
    }
    for seed in &seed.keys {
        key(&mut vault, seed, now)?;
    }
    for seed in &seed.certificates {
        certificate(&mut vault, seed, now)?;
    }
    Ok(vault)
}

fn authorization(seed: &VaultSeed, place: &Place<'_>) -> Result<Authorization, SeedError> {
    match seed.authorization {
        AuthorizationSeed::Roles if !seed.access_policies.is_empty() => Err(place.error(
            "accessPolicies",
            "the vault uses roles",
            "set authorization to AccessPolicies or give roleAssignments",
        )),
        AuthorizationSeed::AccessPolicies if !seed.role_assignments.is_empty() => Err(place.error(
            "roleAssignments",
            "the vault uses access policies",
            "set authorization to Roles or give accessPolicies",
        )),
        AuthorizationSeed::Roles => seed
            .role_assignments
            .iter()
            .map(control::assignment)
            .collect::<Result<_, StoreError>>()
            .map(Authorization::Roles)
            .map_err(|error| place.error("roleAssignments", error, "correct the assignment")),
        AuthorizationSeed::AccessPolicies => Ok(Authorization::AccessPolicies(
            seed.access_policies.iter().map(policy).collect(),
        )),
    }
}

fn policy(seed: &AccessPolicySeed) -> AccessPolicy {
    let lower = |permissions: &[String]| {
        permissions
            .iter()
            .map(|permission| permission.to_ascii_lowercase())
            .collect()
    };
    AccessPolicy {
        principal: seed.principal.clone(),
        secrets: lower(&seed.secrets),
        keys: lower(&seed.keys),
        certificates: lower(&seed.certificates),
    }
}

fn secret(vault: &mut Vault, seed: &SecretSeed, now: i64) -> Result<(), SeedError> {
    let name = vault.name.clone();
    let place = Place {
        vault: &name,
        object: format!("secrets/{}", seed.name),
    };
    check_name(&seed.name).map_err(|error| place.refused("name", &error))?;
    if vault.secrets.get(&seed.name).is_ok() {
        return Err(place.error("name", "used twice", "put older versions under versions"));
    }
    let mut versions = seed.versions.clone();
    if seed.value.is_some() || seed.value_file.is_some() || versions.is_empty() {
        versions.push(SecretVersionSeed {
            value: seed.value.clone(),
            value_file: seed.value_file.clone(),
            content_type: seed.content_type.clone(),
            tags: seed.tags.clone(),
            enabled: seed.enabled,
            version: seed.version.clone(),
            created: seed.created,
            not_before: seed.not_before,
            expires: seed.expires,
        });
    }
    let ages = (0..versions.len()).rev();
    for (version, age) in versions.into_iter().zip(ages) {
        let age = i64::try_from(age).unwrap_or_default();
        let value = value(version.value, version.value_file.as_deref(), &place)?;
        let created = version.created.unwrap_or(now - age * DAY);
        let attributes = Attributes {
            enabled: version.enabled,
            not_before: version.not_before,
            expires: version.expires,
            created,
            updated: created,
        };
        let content_type = version.content_type.or_else(|| seed.content_type.clone());
        let secret = Secret {
            value,
            content_type,
            backing: None,
        };
        secrets::add(
            &mut vault.secrets,
            &seed.name,
            secret,
            attributes,
            version.tags,
        )
        .map_err(|error| place.refused("value", &error))?;
        if let Some(id) = version.version {
            rename(vault, &seed.name, &id, &place)?;
        }
    }
    Ok(())
}

/// Gives the version just added the id the seed asks for.
fn rename(vault: &mut Vault, name: &str, id: &str, place: &Place<'_>) -> Result<(), SeedError> {
    if !is_version(id) {
        return Err(place.error("version", "no version id", "use 32 lower-case hex digits"));
    }
    let id = id.to_ascii_lowercase();
    if vault.secrets.version(name, Some(&id)).is_ok() {
        return Err(place.error("version", "used twice", "give each version its own id"));
    }
    match vault.secrets.version_mut(name, None) {
        Ok(version) => version.id = id,
        Err(error) => return Err(place.refused("version", &error)),
    }
    Ok(())
}

fn value(
    value: Option<Hidden>,
    file: Option<&Path>,
    place: &Place<'_>,
) -> Result<String, SeedError> {
    match (value, file) {
        (Some(Hidden(value)), None) => Ok(value),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|error| {
            let problem = format!("{}: {error}", path.display());
            place.error("valueFile", problem, "name a readable text file")
        }),
        (None, None) => Err(place.error("value", "missing", "give value or valueFile")),
        (Some(_), Some(_)) => {
            Err(place.error("valueFile", "given beside value", "give one of the two"))
        }
    }
}

fn key(vault: &mut Vault, seed: &KeySeed, now: i64) -> Result<(), SeedError> {
    let name = vault.name.clone();
    let place = Place {
        vault: &name,
        object: format!("keys/{}", seed.name),
    };
    check_name(&seed.name).map_err(|error| place.refused("name", &error))?;
    if vault.keys.get(&seed.name).is_ok() {
        return Err(place.error("name", "used twice", "give each key its own name"));
    }
    let form = KeyForm::parse(&seed.kind, seed.size, seed.curve.as_deref(), true)
        .map_err(|error| place.refused("type", &error))?;
    let attributes = Attributes {
        enabled: seed.enabled,
        expires: seed.expires,
        ..Attributes::new(now)
    };
    keys::generate(vault, &seed.name, form, attributes, seed.tags.clone())
        .map_err(|error| place.refused("type", &error))
}

fn certificate(vault: &mut Vault, seed: &CertificateSeed, now: i64) -> Result<(), SeedError> {
    let name = vault.name.clone();
    let place = Place {
        vault: &name,
        object: format!("certificates/{}", seed.name),
    };
    check_name(&seed.name).map_err(|error| place.refused("name", &error))?;
    if vault.certificates.get(&seed.name).is_ok() {
        return Err(place.error("name", "used twice", "set count for several versions"));
    }
    certificates::seed(vault, seed, now).map_err(|error| place.refused("certificate", &error))
}
