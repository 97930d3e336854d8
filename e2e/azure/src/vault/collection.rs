//! What is the same for secrets, keys and certificates: lists, deletion, changes of attributes.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::ApiError;
use super::names::Collection;
use super::query::Query;
use super::reply::Reply;
use super::store::{
    Attributes, Body, Deleted, Members, Objects, Tags, Version, View, check_tags, fold, insert,
};

/// The changeable attributes in request bodies.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AttributeChange {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

impl AttributeChange {
    /// Refuses a window that closes before it opens, then applies what is given.
    pub(super) fn apply(&self, attributes: &mut Attributes) -> Result<(), ApiError> {
        let not_before = self.nbf.or(attributes.not_before);
        let expires = self.exp.or(attributes.expires);
        if let (Some(not_before), Some(expires)) = (not_before, expires)
            && not_before >= expires
        {
            return Err(ApiError::bad_parameter(
                "The attribute nbf must be earlier than exp",
            ));
        }
        attributes.enabled = self.enabled.unwrap_or(attributes.enabled);
        attributes.not_before = not_before;
        attributes.expires = expires;
        Ok(())
    }
}

/// Reads a request body; the error never repeats what is in it.
pub(super) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::bad_parameter("Request body not specified"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ApiError::bad_parameter(match error.classify() {
            serde_json::error::Category::Data => {
                format!("A property of the request body is missing or of the wrong type, at line {line}, position {column}")
            }
            _ => format!("The request body is not valid JSON, at line {line}, position {column}"),
        })
    })
}

/// Changes attributes and tags of a version; given tags replace all tags.
pub(super) fn update<B>(
    version: &mut Version<B>,
    change: Option<&AttributeChange>,
    tags: Option<Tags>,
    now: i64,
) -> Result<(), ApiError> {
    check_tags(tags.as_ref())?;
    if let Some(change) = change {
        change.apply(&mut version.attributes)?;
    }
    if tags.is_some() {
        version.tags = tags;
    }
    version.attributes.updated = now;
    Ok(())
}

/// `GET /{collection}`: an item for each name, with the current version's attributes.
pub(super) fn list<B: Body>(objects: &Objects<B>, query: &Query, view: &View<'_>) -> Reply {
    let entries = objects.live.iter().filter_map(|(key, object)| {
        let version = object.current()?;
        let marker = format!("{key}/{}", version.id);
        Some((
            key.clone(),
            marker,
            item(version, view.id(B::KIND, &object.name, None), view),
        ))
    });
    page(B::KIND, B::KIND.segment(), entries, query, view)
}

/// `GET /{collection}/{name}/versions`, ordered by version id.
pub(super) fn list_versions<B: Body>(
    objects: &Objects<B>,
    name: &str,
    query: &Query,
    view: &View<'_>,
) -> Result<Reply, ApiError> {
    let object = objects.get(name)?;
    let mut versions: Vec<_> = object.versions.iter().collect();
    versions.sort_by(|one, other| one.id.cmp(&other.id));
    let entries = versions.into_iter().map(|version| {
        let marker = format!("{}/{}", fold(name), fold(&version.id));
        let id = view.id(B::KIND, &object.name, Some(&version.id));
        (marker.clone(), marker, item(version, id, view))
    });
    let path = format!("{}/{}/versions", B::KIND.segment(), object.name);
    Ok(page(B::KIND, &path, entries, query, view))
}

/// `GET /deleted{collection}`.
pub(super) fn list_deleted<B: Body>(
    objects: &Objects<B>,
    query: &Query,
    view: &View<'_>,
    now: i64,
) -> Reply {
    let settled = objects
        .deleted
        .iter()
        .filter(|(_, deleted)| deleted.settled_at <= now);
    let entries = settled.filter_map(|(key, deleted)| {
        let version = deleted.object.current()?;
        let id = view.id(B::KIND, &deleted.object.name, None);
        let mut item = item(version, id, view);
        add_deletion(&mut item, deleted, view);
        Some((key.clone(), format!("{key}/{}", version.id), item))
    });
    page(B::KIND, B::KIND.deleted_segment(), entries, query, view)
}

fn item<B: Body>(version: &Version<B>, id: String, view: &View<'_>) -> Members {
    let mut members = Members::new();
    let id_member = if B::KIND == Collection::Keys {
        "kid"
    } else {
        "id"
    };
    members.insert(id_member.into(), id.into());
    view.common(&mut members, version);
    version.body.decorate_item(&mut members);
    members
}

/// One page of sorted entries `(sort key, marker, item)`, beginning at the query's marker.
///
/// Names are compared without their version, so that a page still begins at the right place
/// when the object got a new version or was deleted since the page before.
fn page(
    kind: Collection,
    path: &str,
    entries: impl Iterator<Item = (String, String, Members)>,
    query: &Query,
    view: &View<'_>,
) -> Reply {
    let start = query.start.as_deref();
    let by_version = path.ends_with("/versions");
    let mut rest = entries.skip_while(|(key, _, _)| match start {
        Some(start) if by_version => key.as_str() < start,
        Some(start) => key.as_str() < start.split('/').next().unwrap_or_default(),
        None => false,
    });
    let items: Vec<Value> = rest
        .by_ref()
        .take(query.page_size())
        .map(|(_, _, item)| item.into())
        .collect();
    let next = rest.next().map(|(_, marker, _)| {
        let parameters = query.next(kind.noun(), &marker);
        format!("{}:443/{path}?{parameters}", view.base)
    });
    Reply::ok(json!({ "value": items, "nextLink": next }))
}

/// The bundle of a deleted object.
pub(super) fn deleted_bundle<B: Body>(
    deleted: &Deleted<B>,
    view: &View<'_>,
) -> Result<Reply, ApiError> {
    let version = deleted
        .object
        .current()
        .ok_or_else(|| ApiError::deleted_not_found(B::KIND, &deleted.object.name))?;
    let mut members = B::bundle(&deleted.object, version, view);
    add_deletion(&mut members, deleted, view);
    Ok(Reply::ok(members))
}

fn add_deletion<B: Body>(members: &mut Members, deleted: &Deleted<B>, view: &View<'_>) {
    let recovery = format!(
        "{}/{}/{}",
        view.base,
        B::KIND.deleted_segment(),
        deleted.object.name
    );
    members.insert("recoveryId".into(), recovery.into());
    insert(members, "deletedDate", Some(deleted.deleted_at));
    insert(members, "scheduledPurgeDate", Some(deleted.purge_at));
}
