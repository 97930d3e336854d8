//! Secrets: get, set, update, and the forms of certificate-backed ones.

use serde::Deserialize;
use serde_json::json;

use super::collection::{self, AttributeChange};
use super::error::ApiError;
use super::import;
use super::names::{Collection, new_version};
use super::query::ApiVersion;
use super::reply::Reply;
use super::request::SetSecret;
use super::route::Verb;
use super::store::{
    Attributes, Body, Members, Object, Objects, Tags, Version, View, check_tags, insert,
};
use super::unit::{self, Context, Vault};

/// Content type of a certificate with its key in PKCS#12.
pub(super) const PKCS12: &str = "application/x-pkcs12";
/// Content type of a certificate with its key in PEM.
pub(super) const PEM: &str = "application/x-pem-file";

const MAX_VALUE: usize = 25 * 1024;
const MAX_CONTENT_TYPE: usize = 255;

/// A version of a secret.
pub(super) struct Secret {
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    /// Set for the secret of a certificate.
    pub(super) backing: Option<Backing>,
}

/// What the secret of a certificate has in addition.
pub(super) struct Backing {
    /// The version before; the service tells it from API version 2025-07-01 on.
    pub(super) previous_version: Option<String>,
    /// The value as PEM, whatever its form.
    pub(super) pem: String,
}

impl Body for Secret {
    type Head = ();
    const KIND: Collection = Collection::Secrets;

    fn bundle(object: &Object<Self>, version: &Version<Self>, view: &View<'_>) -> Members {
        let mut members = Members::new();
        let id = view.id(Self::KIND, &object.name, Some(&version.id));
        members.insert("id".into(), id.into());
        insert(
            &mut members,
            "contentType",
            version.body.content_type.clone(),
        );
        view.common(&mut members, version);
        if let Some(backing) = &version.body.backing {
            let kid = view.id(Collection::Keys, &object.name, Some(&version.id));
            members.insert("kid".into(), kid.into());
            if view.api >= ApiVersion::V2025_07_01 {
                insert(
                    &mut members,
                    "previousVersion",
                    backing.previous_version.clone(),
                );
            }
        }
        members
    }

    fn decorate_item(&self, item: &mut Members) {
        insert(item, "contentType", self.content_type.clone());
    }
}

/// Answers what is particular to secrets.
pub(super) fn answer(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    match context.call.verb {
        Verb::Get => get(&vault.secrets, context),
        Verb::Set => put(&mut vault.secrets, context),
        Verb::Update => update(&mut vault.secrets, context),
        _ => {
            let times = vault.deletion(context.now);
            unit::remove(&mut vault.secrets, context, &times)
        }
    }
}

/// The bundle with the value. Neither `nbf` nor `exp` stands in the way of reading.
fn get(secrets: &Objects<Secret>, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call, query, view, ..
    } = context;
    let (object, version) = secrets.version(&call.name, call.version.as_deref())?;
    if !version.attributes.enabled {
        return Err(ApiError::forbidden(
            "SecretDisabled",
            "Operation get is not allowed on a disabled secret.",
        ));
    }
    let mut members = Secret::bundle(object, version, view);
    let wanted = query
        .out_content_type
        .as_deref()
        .filter(|_| view.api >= ApiVersion::V2025_07_01);
    let value = match wanted {
        None => version.body.value.clone(),
        Some(wanted) => {
            let value = convert(&version.body, wanted)?;
            members.insert("contentType".into(), json!(wanted));
            value
        }
    };
    members.insert("value".into(), value.into());
    Ok(Reply::ok(members))
}

/// The value in another form; the service knows only the one from PKCS#12 to PEM.
fn convert(secret: &Secret, wanted: &str) -> Result<String, ApiError> {
    match (secret.content_type.as_deref(), &secret.backing) {
        (Some(form), _) if form == wanted && wanted == PEM => Ok(secret.value.clone()),
        (Some(PKCS12), Some(backing)) if wanted == PEM => Ok(backing.pem.clone()),
        (Some(PKCS12), None) if wanted == PEM => import::pfx_to_pem(&secret.value),
        _ => Err(ApiError::bad_parameter(format!(
            "The secret cannot be converted to the content type {wanted}"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutBody {
    value: String,
    content_type: Option<String>,
    tags: Option<Tags>,
    attributes: Option<AttributeChange>,
}

fn put(secrets: &mut Objects<Secret>, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call,
        body,
        now,
        view,
        ..
    } = context;
    let PutBody {
        value,
        content_type,
        tags,
        attributes: change,
    } = collection::body(body)?;
    let mut attributes = Attributes::new(*now);
    if let Some(change) = change {
        change.apply(&mut attributes)?;
    }
    let secret = Secret {
        value,
        content_type,
        backing: None,
    };
    add(secrets, &call.name, secret, attributes, tags)?;
    let (object, version) = secrets.version(&call.name, None)?;
    let mut members = Secret::bundle(object, version, view);
    members.insert("value".into(), json!(version.body.value));
    Ok(Reply::ok(members))
}

/// Adds a version after all checks of a set by a user; returns its id.
pub(super) fn add(
    secrets: &mut Objects<Secret>,
    name: &str,
    secret: Secret,
    attributes: Attributes,
    tags: Option<Tags>,
) -> Result<String, ApiError> {
    secrets.check_vacant(name, attributes.created)?;
    if secrets.get(name).is_ok_and(Object::is_managed) {
        return Err(ApiError::managed(Collection::Secrets, "set"));
    }
    if secret.value.len() > MAX_VALUE {
        return Err(ApiError::bad_parameter(format!(
            "The value of the secret exceeds the limit of {MAX_VALUE} bytes"
        )));
    }
    check_content_type(secret.content_type.as_deref())?;
    check_tags(tags.as_ref())?;
    let id = new_version();
    let version = Version {
        id: id.clone(),
        attributes,
        tags,
        managed: false,
        body: secret,
    };
    secrets.entry(name).versions.push(version);
    Ok(id)
}

/// Adds a version as [`Vaults::set_secret`](super::Vaults::set_secret) asks for it.
pub(super) fn set(
    vault: &mut Vault,
    name: &str,
    secret: SetSecret,
    now: i64,
) -> Result<String, ApiError> {
    super::store::check_name(name)?;
    let SetSecret {
        value,
        content_type,
        enabled,
        not_before,
        expires,
        tags,
    } = secret;
    let attributes = Attributes {
        enabled,
        not_before,
        expires,
        created: now,
        updated: now,
    };
    let tags = (!tags.is_empty()).then_some(tags);
    let secret = Secret {
        value,
        content_type,
        backing: None,
    };
    add(&mut vault.secrets, name, secret, attributes, tags)
}

fn check_content_type(content_type: Option<&str>) -> Result<(), ApiError> {
    match content_type {
        Some(text) if text.chars().count() > MAX_CONTENT_TYPE => Err(ApiError::bad_parameter(
            format!("The content type exceeds {MAX_CONTENT_TYPE} characters"),
        )),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateBody {
    content_type: Option<String>,
    tags: Option<Tags>,
    attributes: Option<AttributeChange>,
}

fn update(secrets: &mut Objects<Secret>, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call,
        body,
        now,
        view,
        ..
    } = context;
    let UpdateBody {
        content_type,
        tags,
        attributes,
    } = collection::body(body)?;
    check_content_type(content_type.as_deref())?;
    let version = secrets.version_mut(&call.name, call.version.as_deref())?;
    if version.managed && content_type.is_some() {
        return Err(ApiError::managed(Collection::Secrets, "update"));
    }
    collection::update(version, attributes.as_ref(), tags, *now)?;
    if content_type.is_some() {
        version.body.content_type = content_type;
    }
    let (object, version) = secrets.version(&call.name, call.version.as_deref())?;
    Ok(Reply::ok(Secret::bundle(object, version, view)))
}
