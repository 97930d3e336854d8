//! What is asked of Resource Manager, and at which address.

use std::fmt;

use serde_json::Value;
use url::{Url, form_urlencoded};

use super::error::ManagementError;
use crate::Cloud;
use crate::text::{is_unprintable, printable};

/// A path longer than any resource id.
const LONGEST_PATH: usize = 2048;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads a resource or a list.
    Get,
    /// Makes a resource, or makes it as the body says.
    Put,
    /// Deletes a resource.
    Delete,
}

impl Verb {
    /// The HTTP method.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A resource or list of the cloud's Resource Manager.
    Path {
        /// Its resource id, not percent-encoded.
        path: String,
        /// The version of the provider's API.
        api_version: String,
        /// The list's `$filter`, not percent-encoded.
        filter: Option<String>,
    },
    /// What Resource Manager itself had named in an answer.
    Link(String),
}

/// One request. It holds no secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub target: Address,
    /// What it shall be.
    pub body: Option<Value>,
}

impl Call {
    fn new(verb: Verb, path: &str, api_version: &str) -> Self {
        Self {
            verb,
            target: Address::Path {
                path: path.to_owned(),
                api_version: api_version.to_owned(),
                filter: None,
            },
            body: None,
        }
    }

    /// Reads the resource of this id.
    pub fn get(path: &str, api_version: &str) -> Self {
        Self::new(Verb::Get, path, api_version)
    }

    /// Makes the resource of this id as the body says.
    pub fn put(path: &str, api_version: &str, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::new(Verb::Put, path, api_version)
        }
    }

    /// Deletes the resource of this id.
    pub fn delete(path: &str, api_version: &str) -> Self {
        Self::new(Verb::Delete, path, api_version)
    }

    /// Reads the first page of the list at this path. An answer's `nextLink` leads [on](Self::follow).
    pub fn list(path: &str, api_version: &str, filter: Option<&str>) -> Self {
        Self {
            target: Address::Path {
                path: path.to_owned(),
                api_version: api_version.to_owned(),
                filter: filter.map(str::to_owned),
            },
            ..Self::new(Verb::Get, path, api_version)
        }
    }

    /// Reads what an answer named: the next page of a list (`nextLink`), or the state of an operation.
    /// Only the cloud's Resource Manager may be named.
    pub fn follow(url: &str) -> Self {
        Self {
            verb: Verb::Get,
            target: Address::Link(url.to_owned()),
            body: None,
        }
    }

    /// Where it goes.
    pub(super) fn url(&self, cloud: Cloud) -> Result<Url, ManagementError> {
        let host = cloud.management_host();
        match &self.target {
            Address::Path {
                path,
                api_version,
                filter,
            } => {
                let bad = || ManagementError::bad_path(path);
                if !is_path(path) {
                    return Err(bad());
                }
                let mut url = Url::parse(&format!("https://{host}")).map_err(|_| bad())?;
                url.set_path(path);
                let mut query = format!("api-version={}", encoded(api_version));
                if let Some(filter) = filter {
                    query.push_str("&$filter=");
                    query.push_str(&encoded(filter));
                }
                url.set_query(Some(&query));
                Ok(url)
            }
            Address::Link(link) => {
                let link = Url::parse(link).map_err(|_| ManagementError::bad_link(host, ""))?;
                let named = printable(link.host_str().unwrap_or_default(), 80);
                let is_pinned = link.scheme() == "https"
                    && link.port_or_known_default() == Some(443)
                    && link.username().is_empty()
                    && link.password().is_none()
                    && named == host;
                match is_pinned {
                    true => Ok(link),
                    false => Err(ManagementError::bad_link(host, &named)),
                }
            }
        }
    }
}

/// Whether every segment stands for itself in a URL: a name from outside must not lead to another
/// resource.
fn is_path(path: &str) -> bool {
    let stands = |segment: &str| {
        let encoded = |c: char| matches!(c, '%' | '?' | '#' | '\\') || is_unprintable(c);
        !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(encoded)
    };
    path.len() <= LONGEST_PATH
        && path
            .strip_prefix('/')
            .is_some_and(|path| path.split('/').all(stands))
}

/// The value of a query's pair.
fn encoded(value: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    encoded.replace('+', "%20")
}
