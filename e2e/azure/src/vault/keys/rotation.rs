//! Rotation policies of keys and rotation on demand.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::collection;
use super::super::error::ApiError;
use super::super::names::{Collection, new_version};
use super::super::reply::Reply;
use super::super::store::{Attributes, Body as _, Members, Object, Version, insert};
use super::super::unit::{Context, Vault};
use super::{Key, PrivateKey};

/// What was put under `rotationpolicy`.
pub(in crate::vault) struct RotationPolicy {
    actions: Value,
    /// ISO 8601 duration.
    expiry: Option<String>,
    created: i64,
    updated: i64,
}

/// A fresh key notifies 30 days before it expires and has no other rule.
fn default_actions() -> Value {
    json!([{ "trigger": { "timeBeforeExpiry": "P30D" }, "action": { "type": "Notify" } }])
}

/// `GET /keys/{name}/rotationpolicy`
pub(super) fn get(vault: &Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let object = vault.keys.get(&context.call.name)?;
    let created = object
        .current()
        .map_or(0, |version| version.attributes.created);
    let default = RotationPolicy {
        actions: default_actions(),
        expiry: None,
        created,
        updated: created,
    };
    let policy = object.head.as_ref().unwrap_or(&default);
    let mut attributes = Members::new();
    insert(&mut attributes, "expiryTime", policy.expiry.clone());
    insert(&mut attributes, "created", Some(policy.created));
    insert(&mut attributes, "updated", Some(policy.updated));
    let id = context.view.id(Collection::Keys, &object.name, None);
    Ok(Reply::ok(json!({
        "id": format!("{id}/rotationpolicy"),
        "lifetimeActions": policy.actions,
        "attributes": attributes,
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyBody {
    lifetime_actions: Option<Value>,
    attributes: Option<PolicyAttributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAttributes {
    expiry_time: Option<String>,
}

/// `PUT /keys/{name}/rotationpolicy`
pub(super) fn set(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let PolicyBody {
        lifetime_actions,
        attributes,
    } = collection::body(context.body)?;
    let expiry = attributes.and_then(|attributes| attributes.expiry_time);
    if let Some(text) = &expiry {
        duration(text, context.now)?;
    }
    let object = vault.keys.get_mut(&context.call.name)?;
    let created = object
        .head
        .as_ref()
        .map_or(context.now, |policy| policy.created);
    object.head = Some(RotationPolicy {
        actions: lifetime_actions.unwrap_or_else(default_actions),
        expiry,
        created,
        updated: context.now,
    });
    get(vault, context)
}

/// `POST /keys/{name}/rotate`: a new version of the same form.
pub(super) fn rotate(vault: &mut Vault, context: &Context<'_>) -> Result<Reply, ApiError> {
    let Context {
        call, now, view, ..
    } = context;
    let object = vault.keys.get(&call.name)?;
    if object.is_managed() {
        return Err(ApiError::managed(Collection::Keys, "rotate"));
    }
    let (_, current) = vault.keys.version(&call.name, None)?;
    let Key {
        public,
        hsm,
        operations,
        exportable,
    } = &current.body;
    let body = Key {
        public: PrivateKey::generate(public.form(*hsm))?.public(),
        hsm: *hsm,
        operations: operations.clone(),
        exportable: *exportable,
    };
    let expires = expiry(object, *now)?;
    let attributes = Attributes {
        expires,
        ..Attributes::new(*now)
    };
    let version = Version {
        id: new_version(),
        attributes,
        tags: current.tags.clone(),
        managed: false,
        body,
    };
    vault.keys.entry(&call.name).versions.push(version);
    let (object, version) = vault.keys.version(&call.name, None)?;
    Ok(Reply::ok(Key::bundle(object, version, view)))
}

/// When a version made now expires by the policy.
fn expiry(object: &Object<Key>, now: i64) -> Result<Option<i64>, ApiError> {
    let text = object
        .head
        .as_ref()
        .and_then(|policy| policy.expiry.as_deref());
    text.map(|text| duration(text, now)).transpose()
}

/// The time an ISO 8601 duration after `now`.
fn duration(text: &str, now: i64) -> Result<i64, ApiError> {
    let wrong = || ApiError::bad_parameter("expiryTime is not an ISO 8601 duration such as P90D");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let start = jiff::Timestamp::from_second(now).map_err(|_| wrong())?;
    let end = start
        .to_zoned(jiff::tz::TimeZone::UTC)
        .checked_add(span)
        .map_err(|_| wrong())?;
    Ok(end.timestamp().as_second())
}
