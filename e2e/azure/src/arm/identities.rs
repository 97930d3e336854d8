//! User-assigned identities.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::context::Context;
use super::error::ArmError;
use super::listing::list;
use super::reply::Reply;
use super::route::Kind;
use super::store::Store;
use crate::clock::Validity;
use crate::directory::{Principal, TenantInfo};
use crate::roles::is_within;

/// The region of identities whose seed names none.
const LOCATION: &str = "westeurope";

#[derive(Debug, Deserialize)]
struct Body {
    location: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(super) fn answer(store: &mut Store, context: &Context<'_>) -> Result<Reply, ArmError> {
    let directory = &context.state.directory;
    let Some(name) = &context.route.name else {
        let scope = context.route.parent_key();
        let all = directory.identities().into_iter();
        let mut found: Vec<_> = all
            .filter(|(_, identity)| {
                let id = identity.resource_id.as_deref().unwrap_or_default();
                is_within(&id.to_ascii_lowercase(), &scope)
            })
            .map(|(tenant, identity)| describe(&tenant, &identity))
            .collect();
        found.sort_by_key(|identity| identity["id"].to_string());
        return list(store, context, found.into_iter());
    };
    let id = context.route.id();
    let known = directory.identity(&id);
    match (context.method(), known) {
        (&Method::GET, Some((tenant, identity))) => {
            Ok(Reply::new(200, describe(&tenant, &identity)))
        }
        (&Method::DELETE, known) => {
            let until = context.after(store.settings.principal_propagation);
            directory.end_resource(&id, until);
            Ok(Reply::empty(if known.is_some() { 200 } else { 204 }))
        }
        (&Method::PUT | &Method::PATCH, Some(_)) => update(context, &id),
        (&Method::PUT, None) => create(store, context, name, &id),
        _ => Err(context.not_found()),
    }
}

fn create(store: &Store, context: &Context<'_>, name: &str, id: &str) -> Result<Reply, ArmError> {
    check_name(name)?;
    let body: Body = context.body()?;
    let location = body.location.filter(|location| !location.is_empty());
    let location = location.ok_or_else(|| {
        let message = "The location property is required for this definition.";
        ArmError::gateway(400, "LocationRequired", message)
    })?;
    let identity = Principal {
        client_id: Uuid::new_v4().to_string(),
        object_id: Uuid::new_v4().to_string(),
        resource_id: Some(id.to_owned()),
        location: normal(&location),
        tags: body.tags.unwrap_or_default(),
        validity: Validity::from(context.after(store.settings.principal_propagation)),
        ..Principal::default()
    };
    let directory = &context.state.directory;
    directory.add_resource(&context.caller.tenant_id, identity);
    let (tenant, identity) = directory.identity(id).ok_or_else(|| context.not_found())?;
    let described = describe(&tenant, &identity);
    Ok(Reply::new(201, described).with("location", spelling(id)))
}

fn update(context: &Context<'_>, id: &str) -> Result<Reply, ArmError> {
    let body: Body = context.body()?;
    let directory = &context.state.directory;
    let (tenant, old) = directory.identity(id).ok_or_else(|| context.not_found())?;
    if let Some(location) = &body.location
        && normal(location) != region(&old)
    {
        let (name, group) = (&context.route.name, context.route.group_name());
        let (name, there) = (name.as_deref().unwrap_or_default(), region(&old));
        let message = format!(
            "The resource '{name}' already exists in location '{there}' in resource group \
             '{group}'. A resource with the same name cannot be created in location '{location}'. \
             Please select a new resource name."
        );
        return Err(ArmError::gateway(409, "InvalidResourceLocation", message));
    }
    let replaces = context.method() == Method::PUT;
    let changed = directory.change_resource(id, |identity| {
        match body.tags {
            Some(tags) => identity.tags = tags,
            None if replaces => identity.tags.clear(),
            None => {}
        }
        identity.clone()
    });
    let identity = changed.ok_or_else(|| context.not_found())?;
    Ok(Reply::new(200, describe(&tenant, &identity)))
}

fn check_name(name: &str) -> Result<(), ArmError> {
    match is_name(name, 128) {
        true => Ok(()),
        false => Err(ArmError::bad_request(format!(
            "The identity name '{name}' is invalid. It must have 3 to 128 letters, digits, hyphens \
             and underscores, and begin with a letter or digit."
        ))),
    }
}

/// Whether a text is a name of three to so many letters, digits, hyphens and underscores that
/// begins with a letter or digit.
pub(super) fn is_name(text: &str, limit: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    (3..=limit).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text
            .bytes()
            .all(|byte| plain(byte) || byte == b'-' || byte == b'_')
}

/// Regions are compared without blanks and case.
fn normal(location: &str) -> String {
    location.replace(' ', "").to_ascii_lowercase()
}

fn region(identity: &Principal) -> &str {
    match identity.location.as_str() {
        "" => LOCATION,
        location => location,
    }
}

/// Ids of identities as their provider writes them, with the group's segment in lower case.
pub(super) fn spelling(id: &str) -> String {
    id.replacen("/resourceGroups/", "/resourcegroups/", 1)
}

fn describe(tenant: &TenantInfo, identity: &Principal) -> Value {
    let id = identity.resource_id.as_deref().unwrap_or_default();
    json!({
        "id": spelling(id),
        "name": id.rsplit('/').next().unwrap_or_default(),
        "type": Kind::Identity.type_name(),
        "location": region(identity),
        "tags": identity.tags,
        "properties": {
            "tenantId": tenant.tenant_id,
            "principalId": identity.object_id,
            "clientId": identity.client_id,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_length_and_an_alphabet() {
        for (name, good) in [
            ("web", true),
            ("0-_", true),
            ("we", false),
            ("-web", false),
            ("_web", false),
            ("w.b", false),
            ("wéb", false),
        ] {
            assert_eq!(is_name(name, 120), good, "{name}");
        }
        assert!(is_name(&"a".repeat(120), 120));
        assert!(!is_name(&"a".repeat(121), 120));
    }
}
