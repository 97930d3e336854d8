//! The three objects of a certificate, kept together: certificate, key, secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Decode as _;
use serde::Deserialize;
use vaultbind_pki::pem;

use super::super::collection::{self, AttributeChange};
use super::super::error::ApiError;
use super::super::import;
use super::super::keys::{Key, PrivateKey};
use super::super::names::{Collection, new_version};
use super::super::pkcs12;
use super::super::reply::Reply;
use super::super::secrets::{Backing, PKCS12, Secret};
use super::super::store::{Attributes, Body as _, Object, Tags, Version, check_name, check_tags};
use super::super::unit::{Context, Vault};
use super::{Certificate, Policy};

/// A signed certificate on its way into the store.
pub(super) struct Issued {
    pub(super) version: String,
    /// DER, the leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    /// PKCS#8 DER.
    pub(super) private: Vec<u8>,
    pub(super) attributes: Attributes,
    pub(super) tags: Option<Tags>,
}

/// Refuses names held by something that belongs to no certificate, or by deleted objects.
pub(super) fn check_free(vault: &Vault, name: &str, now: i64) -> Result<(), ApiError> {
    vault.certificates.check_vacant(name, now)?;
    vault.keys.check_vacant(name, now)?;
    vault.secrets.check_vacant(name, now)?;
    let taken = [
        (
            Collection::Keys,
            vault
                .keys
                .get(name)
                .is_ok_and(|object| !object.is_managed()),
        ),
        (
            Collection::Secrets,
            vault
                .secrets
                .get(name)
                .is_ok_and(|object| !object.is_managed()),
        ),
    ];
    match taken.into_iter().find(|(_, taken)| *taken) {
        Some((kind, _)) => Err(ApiError::conflict(format!(
            "A certificate {name} cannot be created: a {} of that name exists.",
            kind.noun()
        ))),
        None => Ok(()),
    }
}

/// Adds a version to certificate, key and secret.
pub(super) fn publish(vault: &mut Vault, name: &str, issued: Issued) -> Result<(), ApiError> {
    let Issued {
        version: id,
        chain,
        private,
        attributes,
        tags,
    } = issued;
    let leaf = chain.first().map_or(&[][..], Vec::as_slice);
    let parsed = x509_cert::Certificate::from_der(leaf)
        .map_err(|_| ApiError::bad_parameter("The certificate is not valid DER"))?;
    let tbs = parsed.tbs_certificate();
    let second = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    let validity = tbs.validity();
    let attributes = Attributes {
        not_before: Some(second(validity.not_before)),
        expires: Some(second(validity.not_after)),
        ..attributes
    };
    let subject = tbs.subject().to_string();
    let public = PrivateKey::from_pkcs8(&private)
        .ok_or_else(|| ApiError::bad_parameter("The private key is of no supported type"))?
        .public();

    let object = vault.certificates.entry(name);
    let policy = object.head.policy.clone();
    let previous_version = object.current().map(|version| version.id.clone());
    let exported = policy.key_props.exportable.then_some(private.as_slice());
    let pem = pem_of(exported, &chain);
    let content_type = policy.secret_props.content_type.clone();
    let value = if content_type == PKCS12 {
        let file = pkcs12::encode(exported, &chain, &id)
            .map_err(|error| ApiError::internal(format!("writing PKCS#12: {error}")))?;
        STANDARD.encode(file)
    } else {
        pem.clone()
    };

    let body = Certificate {
        chain,
        subject,
        private,
    };
    let certificate = Version {
        id: id.clone(),
        attributes,
        tags: tags.clone(),
        managed: false,
        body,
    };
    object.versions.push(certificate);
    let exportable = policy.key_props.exportable;
    let key = Key {
        exportable,
        ..Key::new(public, policy.is_hsm())
    };
    let key = Version {
        id: id.clone(),
        attributes,
        tags: tags.clone(),
        managed: true,
        body: key,
    };
    vault.keys.entry(name).versions.push(key);
    let backing = Some(Backing {
        previous_version,
        pem,
    });
    let secret = Secret {
        value,
        content_type: Some(content_type),
        backing,
    };
    let secret = Version {
        id,
        attributes,
        tags,
        managed: true,
        body: secret,
    };
    vault.secrets.entry(name).versions.push(secret);
    Ok(())
}

/// Key, then certificates.
fn pem_of(key: Option<&[u8]>, chain: &[Vec<u8>]) -> String {
    let key = key.map(|key| pem::encode("PRIVATE KEY", key));
    key.into_iter()
        .chain(chain.iter().map(|der| pem::encode("CERTIFICATE", der)))
        .collect()
}

#[derive(Deserialize)]
struct ImportBody {
    value: String,
    pwd: Option<String>,
    policy: Option<Policy>,
    attributes: Option<AttributeChange>,
    tags: Option<Tags>,
}

/// `POST /certificates/{name}/import`
pub(super) fn import(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let ImportBody {
        value,
        pwd,
        policy,
        attributes: change,
        tags,
    } = collection::body(context.body)?;
    let Context {
        call, now, view, ..
    } = context;
    let mut attributes = Attributes::new(*now);
    if let Some(change) = change {
        change.apply(&mut attributes)?;
    }
    let imported = import::certificate(&value, pwd.as_deref())?;
    store(vault, &call.name, imported, policy, attributes, tags)?;
    let (object, version) = vault.certificates.version(&call.name, None)?;
    Ok(Reply::ok(Certificate::bundle(object, version, view)))
}

/// An import from outside the data plane; returns the version's id.
pub(in crate::vault) fn import_value(
    vault: &mut Vault,
    name: &str,
    value: &str,
    password: Option<&str>,
    now: i64,
) -> Result<String, ApiError> {
    check_name(name)?;
    let imported = import::certificate(value, password)?;
    store(vault, name, imported, None, Attributes::new(now), None)
}

fn store(
    vault: &mut Vault,
    name: &str,
    imported: import::Imported,
    policy: Option<Policy>,
    attributes: Attributes,
    tags: Option<Tags>,
) -> Result<String, ApiError> {
    let now = attributes.created;
    check_tags(tags.as_ref())?;
    check_free(vault, name, now)?;
    let policy = match policy {
        Some(policy) if policy.secret_props.content_type == imported.content_type => policy,
        Some(_) => {
            return Err(ApiError::bad_parameter(
                "The content type in the policy is not that of the certificate",
            ));
        }
        None => Policy::of_import(&imported.subject, &imported.key, imported.content_type),
    };
    let version = new_version();
    let issued = Issued {
        version: version.clone(),
        chain: imported.chain,
        private: imported.key.to_pkcs8()?,
        attributes,
        tags,
    };
    let head = &mut vault.certificates.entry(name).head;
    head.set_policy(policy, now);
    publish(vault, name, issued)?;
    Ok(version)
}

/// Enables or disables the three objects of a version.
pub(in crate::vault) fn set_enabled(
    vault: &mut Vault,
    name: &str,
    version: &str,
    enabled: bool,
    now: i64,
) {
    let version = Some(version);
    let all = [
        vault
            .certificates
            .version_mut(name, version)
            .map(|version| &mut version.attributes),
        vault
            .keys
            .version_mut(name, version)
            .map(|version| &mut version.attributes),
        vault
            .secrets
            .version_mut(name, version)
            .map(|version| &mut version.attributes),
    ];
    for attributes in all.into_iter().flatten() {
        attributes.enabled = enabled;
        attributes.updated = now;
    }
}

/// `DELETE /certificates/{name}`: the key and the secret go with it.
pub(super) fn delete(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call, now, view, ..
    } = context;
    let times = vault.deletion(*now);
    if vault.certificates.get(&call.name)?.current().is_none() {
        return Err(ApiError::conflict(format!(
            "Certificate {} has a pending operation; delete that first.",
            call.name
        )));
    }
    vault.certificates.delete(&call.name, &times)?;
    vault.keys.delete(&call.name, &times)?;
    vault.secrets.delete(&call.name, &times)?;
    let deleted = vault
        .certificates
        .get_deleted(&call.name, now + times.delay)?;
    collection::deleted_bundle(deleted, view)
}

/// `POST /deletedcertificates/{name}/recover`
pub(super) fn recover(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call, now, view, ..
    } = context;
    let object: Object<Certificate> = vault.certificates.take_deleted(&call.name, *now)?;
    vault.certificates.restore(object);
    let key = vault.keys.take_deleted(&call.name, *now)?;
    vault.keys.restore(key);
    let secret = vault.secrets.take_deleted(&call.name, *now)?;
    vault.secrets.restore(secret);
    let (object, version) = vault.certificates.version(&call.name, None)?;
    Ok(Reply::ok(Certificate::bundle(object, version, view)))
}

/// `DELETE /deletedcertificates/{name}`
pub(super) fn purge(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context { call, now, .. } = context;
    vault.certificates.take_deleted(&call.name, *now)?;
    vault.keys.take_deleted(&call.name, *now)?;
    vault.secrets.take_deleted(&call.name, *now)?;
    Ok(Reply::no_content())
}
