//! Objects and their versions, live and deleted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::names::{Collection, is_object_name};
use super::query::ApiVersion;

/// Tags of an object version.
pub(super) type Tags = BTreeMap<String, String>;

/// The members of a JSON object under construction.
pub(super) type Members = Map<String, Value>;

/// What is stored in a version of one of the three kinds.
pub(super) trait Body: Sized {
    /// What the object has beside its versions, such as a certificate's policy.
    type Head: Default;
    const KIND: Collection;

    /// The bundle a GET answers with, without the value of a secret.
    fn bundle(object: &Object<Self>, version: &Version<Self>, view: &View<'_>) -> Members;
    /// What list items have beyond the id, attributes and tags.
    fn decorate_item(&self, item: &mut Members);
}

/// State and times of a version, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) enabled: bool,
    pub(super) not_before: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) created: i64,
    pub(super) updated: i64,
}

impl Attributes {
    /// Enabled, without limits of time.
    pub(super) fn new(now: i64) -> Self {
        Self {
            enabled: true,
            not_before: None,
            expires: None,
            created: now,
            updated: now,
        }
    }
}

/// One immutable version; only its attributes and tags change.
pub(super) struct Version<B> {
    pub(super) id: String,
    pub(super) attributes: Attributes,
    pub(super) tags: Option<Tags>,
    /// Whether it belongs to a certificate.
    pub(super) managed: bool,
    pub(super) body: B,
}

/// A named object with its versions in order of creation; the last one is the current.
pub(super) struct Object<B: Body> {
    /// In the case it was created with.
    pub(super) name: String,
    pub(super) versions: Vec<Version<B>>,
    pub(super) head: B::Head,
}

impl<B: Body> Object<B> {
    pub(super) fn current(&self) -> Option<&Version<B>> {
        self.versions.last()
    }

    /// Whether it belongs to a certificate.
    pub(super) fn is_managed(&self) -> bool {
        self.current().is_some_and(|version| version.managed)
    }
}

/// A deleted object until it is recovered or purged.
pub(super) struct Deleted<B: Body> {
    pub(super) object: Object<B>,
    pub(super) deleted_at: i64,
    pub(super) purge_at: i64,
    /// When the deletion is complete and the object appears among the deleted.
    pub(super) settled_at: i64,
}

/// All objects of one kind. Keys of the maps are names in upper case: names are compared
/// without case and lists are in that order.
pub(super) struct Objects<B: Body> {
    pub(super) live: BTreeMap<String, Object<B>>,
    pub(super) deleted: BTreeMap<String, Deleted<B>>,
}

impl<B: Body> Default for Objects<B> {
    fn default() -> Self {
        Self {
            live: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }
}

impl<B: Body> Objects<B> {
    pub(super) fn get(&self, name: &str) -> Result<&Object<B>, ApiError> {
        self.live
            .get(&fold(name))
            .ok_or_else(|| ApiError::not_found(B::KIND, name))
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Result<&mut Object<B>, ApiError> {
        self.live
            .get_mut(&fold(name))
            .ok_or_else(|| ApiError::not_found(B::KIND, name))
    }

    /// An object with one of its versions, the current one by default.
    pub(super) fn version(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<(&Object<B>, &Version<B>), ApiError> {
        let object = self.get(name)?;
        let found = match version {
            Some(id) => object.versions.iter().find(|version| version.id == id),
            None => object.current(),
        };
        found
            .map(|version| (object, version))
            .ok_or_else(|| missing::<B>(name, version))
    }

    pub(super) fn version_mut(
        &mut self,
        name: &str,
        version: Option<&str>,
    ) -> Result<&mut Version<B>, ApiError> {
        let object = self.get_mut(name)?;
        let found = match version {
            Some(id) => object.versions.iter_mut().find(|version| version.id == id),
            None => object.versions.last_mut(),
        };
        found.ok_or_else(|| missing::<B>(name, version))
    }

    /// Refuses names held by a deleted object.
    pub(super) fn check_vacant(&self, name: &str, now: i64) -> Result<(), ApiError> {
        match self.deleted.get(&fold(name)) {
            Some(deleted) if deleted.settled_at > now => {
                Err(ApiError::being_deleted(B::KIND, name))
            }
            Some(_) => Err(ApiError::deleted_but_recoverable(B::KIND, name)),
            None => Ok(()),
        }
    }

    /// The object to add a version to, made if there is none.
    pub(super) fn entry(&mut self, name: &str) -> &mut Object<B> {
        self.live.entry(fold(name)).or_insert_with(|| Object {
            name: name.to_owned(),
            versions: Vec::new(),
            head: B::Head::default(),
        })
    }

    /// Drops an object without a trace.
    pub(super) fn forget(&mut self, name: &str) {
        self.live.remove(&fold(name));
    }

    /// Moves an object among the deleted.
    pub(super) fn delete(&mut self, name: &str, times: &Deletion) -> Result<(), ApiError> {
        let key = fold(name);
        let object = self
            .live
            .remove(&key)
            .ok_or_else(|| ApiError::not_found(B::KIND, name))?;
        let deleted = Deleted {
            object,
            deleted_at: times.now,
            purge_at: times.now + times.days * 86_400,
            settled_at: times.now + times.delay,
        };
        self.deleted.insert(key, deleted);
        Ok(())
    }

    /// A deleted object, once its deletion has settled.
    pub(super) fn get_deleted(&self, name: &str, now: i64) -> Result<&Deleted<B>, ApiError> {
        self.deleted
            .get(&fold(name))
            .filter(|deleted| deleted.settled_at <= now)
            .ok_or_else(|| ApiError::deleted_not_found(B::KIND, name))
    }

    /// Takes an object from the deleted, for recovery or for good.
    pub(super) fn take_deleted(&mut self, name: &str, now: i64) -> Result<Object<B>, ApiError> {
        let key = fold(name);
        match self.deleted.get(&key) {
            Some(deleted) if deleted.settled_at > now => {
                Err(ApiError::being_deleted(B::KIND, name))
            }
            _ => self
                .deleted
                .remove(&key)
                .map(|deleted| deleted.object)
                .ok_or_else(|| ApiError::deleted_not_found(B::KIND, name)),
        }
    }

    /// Refuses what must be done to the certificate that a deleted secret or key belongs to.
    pub(super) fn check_deleted_unmanaged(
        &self,
        name: &str,
        operation: &str,
    ) -> Result<(), ApiError> {
        match self.deleted.get(&fold(name)) {
            Some(deleted) if deleted.object.is_managed() => {
                Err(ApiError::managed(B::KIND, operation))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn restore(&mut self, object: Object<B>) {
        self.live.insert(fold(&object.name), object);
    }

    /// Forgets what is past its purge date.
    pub(super) fn expire(&mut self, now: i64) {
        self.deleted.retain(|_, deleted| deleted.purge_at > now);
    }
}

/// When an object is deleted, for how many days it is kept, how many seconds deleting takes.
pub(super) struct Deletion {
    pub(super) now: i64,
    pub(super) days: i64,
    pub(super) delay: i64,
}

fn missing<B: Body>(name: &str, version: Option<&str>) -> ApiError {
    match version {
        Some(version) => ApiError::not_found(B::KIND, &format!("{name}/{version}")),
        None => ApiError::not_found(B::KIND, name),
    }
}

/// The form of a name that is compared and sorted.
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// Refuses tags beyond the service's limits.
pub(super) fn check_tags(tags: Option<&Tags>) -> Result<(), ApiError> {
    let Some(tags) = tags else { return Ok(()) };
    if tags.len() > 15 {
        return Err(ApiError::bad_parameter(
            "The number of tags exceeds the limit of 15",
        ));
    }
    if tags
        .iter()
        .any(|(name, value)| name.chars().count() > 512 || value.chars().count() > 512)
    {
        return Err(ApiError::bad_parameter(
            "A tag name or value exceeds 512 characters",
        ));
    }
    Ok(())
}

/// Refuses a name that did not come by way of a path.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    if is_object_name(name) {
        Ok(())
    } else {
        Err(ApiError::bad_parameter(format!(
            "The request URI contains an invalid name: {name}"
        )))
    }
}

/// How a vault shows its objects to a request.
pub(super) struct View<'a> {
    /// `https://host` of the vault.
    pub(super) base: &'a str,
    pub(super) api: ApiVersion,
    /// Days a deleted object is kept.
    pub(super) days: i64,
    /// Whether a version was asked for.
    pub(super) explicit: bool,
}

impl View<'_> {
    /// The id of an object or of a version of it.
    pub(super) fn id(&self, kind: Collection, name: &str, version: Option<&str>) -> String {
        let base = self.base;
        let segment = kind.segment();
        match version {
            Some(version) => format!("{base}/{segment}/{name}/{version}"),
            None => format!("{base}/{segment}/{name}"),
        }
    }

    /// The attributes with the vault's recovery level.
    pub(super) fn attributes(&self, attributes: &Attributes) -> Members {
        let mut members = Members::new();
        members.insert("enabled".into(), json!(attributes.enabled));
        insert(&mut members, "nbf", attributes.not_before);
        insert(&mut members, "exp", attributes.expires);
        members.insert("created".into(), json!(attributes.created));
        members.insert("updated".into(), json!(attributes.updated));
        let level = if self.days < 90 {
            "CustomizedRecoverable+Purgeable"
        } else {
            "Recoverable+Purgeable"
        };
        members.insert("recoveryLevel".into(), json!(level));
        if self.api >= ApiVersion::V7_1 {
            members.insert("recoverableDays".into(), json!(self.days));
        }
        members
    }

    /// Adds what all bundles and items share: attributes, tags, `managed`.
    pub(super) fn common<B>(&self, members: &mut Members, version: &Version<B>) {
        let attributes = self.attributes(&version.attributes);
        members.insert("attributes".into(), attributes.into());
        insert(
            members,
            "tags",
            version.tags.as_ref().map(|tags| json!(tags)),
        );
        insert(members, "managed", version.managed.then_some(true));
    }
}

/// Inserts a member if it has a value: absent ones are left out, not null.
pub(super) fn insert(members: &mut Members, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value.into());
    }
}
