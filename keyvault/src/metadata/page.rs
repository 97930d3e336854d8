//! What a page of a list says, and where the next one is. Whatever a vault sends, or something that
//! answers in its place, is judged here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Attributes, List, Listed, Version};
use crate::error::FetchProblem;
use crate::text::printable;
use crate::transport::Unreachable;
use crate::{ObjectName, Validity, VersionId};

/// All that is wanted has been there since this version, which every cloud knows.
const API_VERSION: &str = "7.4";

/// The largest page that can be asked for.
const PAGE: usize = 25;

/// Items of a page that are looked at. A vault sends as many as it was asked for at most.
const MOST_ITEMS: usize = 1000;

/// Longest link to a next page.
const MOST_LINK: usize = 8 * 1024;

/// A list that does not end where it should, as the end of a sentence.
pub(super) const TOO_LONG: &str = "has no end";

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// Its items; absent those that are none.
    pub(super) items: Vec<Option<Item>>,
    /// Where the next page is.
    pub(super) next: Option<String>,
}

/// An item: of objects or of versions.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    /// Of secrets and certificates.
    #[serde(default)]
    id: Option<String>,
    /// Of keys.
    #[serde(default)]
    kid: Option<String>,
    attributes: ItemAttributes,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    managed: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct ItemAttributes {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    created: Option<i64>,
    #[serde(default)]
    updated: Option<i64>,
}

/// Address of the first page.
pub(super) fn first(host: &str, list: &List) -> Option<Url> {
    let path = match list {
        List::Objects(object_type) => object_type.collection().to_owned(),
        List::Versions(object_type, name) => {
            format!("{}/{name}/versions", object_type.collection())
        }
    };
    let query = format!("api-version={API_VERSION}&maxresults={PAGE}");
    Url::parse(&format!("https://{host}/{path}?{query}")).ok()
}

/// Reads a page.
pub(super) fn read(body: &[u8]) -> Result<Page, FetchProblem> {
    let Ok(Value::Object(mut page)) = serde_json::from_slice(body) else {
        return Err(bad("cannot be read"));
    };
    let items = match page.remove("value") {
        Some(Value::Array(items)) => items,
        Some(Value::Null) => Vec::new(),
        // An answer without a list is not an empty one: whatever is missing counts as deleted.
        _ => return Err(bad("has no list")),
    };
    if items.len() > MOST_ITEMS {
        return Err(bad("has more items than were asked for"));
    }
    let next = match page.remove("nextLink") {
        Some(Value::String(next)) => Some(next).filter(|next| !next.is_empty()),
        Some(Value::Null) | None => None,
        Some(_) => return Err(bad("has a link to the next page that is none")),
    };
    let items = items.into_iter();
    Ok(Page {
        items: items.map(|item| Item::deserialize(item).ok()).collect(),
        next,
    })
}

/// The next page's address: on the same host, with port 443 spelled out or not, and of the same list,
/// so that a token goes nowhere else and no value is ever asked for.
pub(super) fn follow(current: &Url, next: &str) -> Result<Url, FetchProblem> {
    if next.len() > MOST_LINK {
        return Err(bad("has a link to the next page that is too long"));
    }
    let next = Url::parse(next).map_err(|_| bad("has a link to the next page that is none"))?;
    let same_host = next.scheme() == "https"
        && next.host() == current.host()
        && next.port_or_known_default() == current.port_or_known_default()
        && next.username().is_empty()
        && next.password().is_none();
    if !same_host {
        let host = next.host_str().unwrap_or(next.scheme());
        return Err(FetchProblem::Unreachable(Unreachable::WrongHost {
            host: printable(host, 80),
            expected: current.host_str().unwrap_or_default().to_owned(),
        }));
    }
    let path = |url: &Url| url.path().trim_end_matches('/').to_ascii_lowercase();
    if path(&next) != path(current) {
        return Err(bad("goes on with another list"));
    }
    if next == *current {
        return Err(bad("goes on with itself"));
    }
    Ok(next)
}

/// The segments of an item's identifier after the host.
fn segments(item: &Item) -> Option<Vec<&str>> {
    let id = item.id.as_deref().or(item.kid.as_deref())?;
    let (_, rest) = id.strip_prefix("https://")?.split_once('/')?;
    Some(rest.split('/').collect())
}

fn attributes(item: &Item) -> Attributes {
    let ItemAttributes {
        enabled,
        nbf,
        exp,
        created,
        updated,
    } = item.attributes;
    Attributes {
        // Absent nowhere yet; what is not switched off is on.
        enabled: enabled.unwrap_or(true),
        created,
        updated,
        validity: Validity {
            not_before: nbf,
            expires: exp,
        },
    }
}

/// An item of a list of objects.
pub(super) fn listed(list: &List, item: &Item) -> Option<Listed> {
    let name: ObjectName = match segments(item)?.as_slice() {
        // The second form is that of a version, which older services send for some lists.
        [collection, name] | [collection, name, _]
            if collection.eq_ignore_ascii_case(list.object_type().collection()) =>
        {
            name.parse().ok()?
        }
        _ => return None,
    };
    Some(Listed {
        name,
        attributes: attributes(item),
        managed: item.managed.unwrap_or(false),
        tags: item.tags.clone().unwrap_or_default(),
    })
}

/// An item of a list of versions.
pub(super) fn version(list: &List, item: &Item) -> Option<Version> {
    let List::Versions(object_type, expected) = list else {
        return None;
    };
    let id: VersionId = match segments(item)?.as_slice() {
        [collection, name, version]
            if collection.eq_ignore_ascii_case(object_type.collection())
                && name.eq_ignore_ascii_case(expected.as_str()) =>
        {
            version.parse().ok()?
        }
        _ => return None,
    };
    Some(Version {
        id,
        attributes: attributes(item),
    })
}

fn bad(what: &'static str) -> FetchProblem {
    FetchProblem::BadAnswer { what }
}
