//! A binding with its names parsed: what both the question and the answer's use need of it.

use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{Audience, Cloud as BindingCloud, Object, ObjectType};
use vaultbind_keyvault::{ClientId, Cloud, ObjectName, TenantId, VaultName, VersionId};

use super::reason::{Reason, Stall};
use crate::observed::{Key, VaultRef};

/// The binding, its names parsed.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) cloud: Cloud,
    pub(super) vault: VaultRef,
    /// Host of the vault, in lower case.
    pub(super) host: String,
    pub(super) tenant: TenantId,
    pub(super) client: ClientId,
    pub(super) audience: Audience,
    pub(super) wishes: Vec<Wish<'a>>,
}

/// One entry of `spec.objects`.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) object: &'a Object,
    pub(super) what: What,
}

/// What an entry asks for.
#[derive(Debug)]
pub(super) enum What {
    /// One object, in one version if that is given.
    Named(ObjectName, Option<VersionId>),
    /// All that a selection finds.
    Selected,
}

pub(super) fn key(type_: ObjectType, name: &ObjectName) -> Key {
    Key {
        type_,
        name: name.as_str().to_ascii_lowercase(),
    }
}

impl<'a> Reading<'a> {
    /// Reads the binding. The API server has checked what is checked here, unless it had another
    /// definition then.
    pub(super) fn of(binding: &'a VaultBinding) -> Result<Self, Stall> {
        let spec = &binding.spec;
        let cloud = match spec.vault.cloud {
            BindingCloud::AzurePublic => Cloud::Public,
            BindingCloud::AzureUSGovernment => Cloud::UsGovernment,
            BindingCloud::AzureChina => Cloud::China,
        };
        let (vault, host) = match (&spec.vault.name, &spec.vault.uri) {
            (Some(name), None) => named(cloud, name)?,
            (None, Some(uri)) => by_uri(cloud, uri)?,
            _ => {
                return Err(invalid(
                    "spec.vault",
                    "exactly one of name and uri must be set",
                ));
            }
        };
        Ok(Self {
            cloud,
            vault,
            host,
            tenant: (spec.vault.tenant_id.parse())
                .map_err(|error| invalid("spec.vault.tenantID", error))?,
            client: (spec.identity.client_id.parse())
                .map_err(|error| invalid("spec.identity.clientID", error))?,
            audience: spec.identity.audience(spec.vault.cloud),
            wishes: spec
                .objects
                .iter()
                .map(Wish::of)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> Wish<'a> {
    fn of(object: &'a Object) -> Result<Self, Stall> {
        let field = |field: &str| format!("spec.objects[{}].{field}", object.name);
        let what = match object.object_name() {
            None => What::Selected,
            Some(name) => {
                let name = (name.parse()).map_err(|error| invalid(&field("objectName"), error))?;
                let version = match &object.version {
                    vaultbind_crds::binding::VersionRef::Latest => None,
                    vaultbind_crds::binding::VersionRef::Exact(id) => Some(
                        id.parse()
                            .map_err(|error| invalid(&field("version"), error))?,
                    ),
                };
                What::Named(name, version)
            }
        };
        Ok(Self { object, what })
    }
}

fn named(cloud: Cloud, name: &str) -> Result<(VaultRef, String), Stall> {
    let name: VaultName = (name.parse()).map_err(|error| invalid("spec.vault.name", error))?;
    let host = format!("{name}.{}", cloud.vault_suffix());
    Ok((VaultRef::Name(name.to_string()), host))
}

/// A host under the cloud's suffix is the vault of that name: both ways of writing it ask and render
/// alike.
fn by_uri(cloud: Cloud, uri: &str) -> Result<(VaultRef, String), Stall> {
    let field = "spec.vault.uri";
    let authority = uri
        .strip_prefix("https://")
        .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
        .ok_or_else(|| invalid(field, "must be https:// and a host"))?;
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    if host.contains(':') {
        return Err(invalid(
            field,
            "no other port than 443 is asked: remove the port",
        ));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(invalid(field, "must be https:// and a host"));
    }
    let host = host.to_ascii_lowercase();
    let below = (host.strip_suffix(cloud.vault_suffix())).and_then(|rest| rest.strip_suffix('.'));
    match below {
        Some(name) => {
            let name: VaultName = name.parse().map_err(|error| invalid(field, error))?;
            Ok((VaultRef::Name(name.to_string()), host))
        }
        None => Ok((VaultRef::Host(host.clone()), host)),
    }
}

fn invalid(field: &str, problem: impl std::fmt::Display) -> Stall {
    Stall::new(Reason::InvalidSpec, format!("{field}: {problem}"))
}
