//! The query: API version, page size, page token.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::error::ApiError;
use super::names::base64url;

/// Largest and default page size.
const PAGE: usize = 25;

/// The versions the service knows, oldest first.
const VERSIONS: [&str; 9] = [
    "7.0",
    "7.1",
    "7.2",
    "7.3",
    "7.4",
    "7.5",
    "7.6",
    "2025-07-01",
    "2026-04-01",
];

/// A known API version; later ones compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(usize);

impl ApiVersion {
    pub(super) const V7_1: Self = Self(1);
    pub(super) const V7_3: Self = Self(3);
    pub(super) const V2025_07_01: Self = Self(7);
    /// The newest.
    pub(super) const LATEST: Self = Self(VERSIONS.len() - 1);

    pub(super) fn name(self) -> &'static str {
        VERSIONS.get(self.0).copied().unwrap_or_default()
    }
}

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) api: ApiVersion,
    /// Set only if the request gave it.
    pub(super) max_results: Option<usize>,
    /// The entry a page starts with, as `NAME` or `NAME/VERSION` in upper case.
    pub(super) start: Option<String>,
    pub(super) out_content_type: Option<String>,
}

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let mut api = None;
        let mut max_results = None;
        let mut start = None;
        let mut out_content_type = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.to_ascii_lowercase().as_str() {
                "api-version" => api = Some(api_version(&value)?),
                "maxresults" => max_results = Some(page_size(&value)?),
                "$skiptoken" => start = Some(marker(&value)?),
                "outcontenttype" => out_content_type = Some(value.into_owned()),
                _ => {}
            }
        }
        let api = api.ok_or_else(|| {
            ApiError::bad_parameter("api-version must be specified as a query parameter")
        })?;
        Ok(Self {
            api,
            max_results,
            start,
            out_content_type,
        })
    }

    pub(super) fn page_size(&self) -> usize {
        self.max_results.unwrap_or(PAGE)
    }

    /// What follows `?` in the link to the page that starts with `entry`.
    pub(super) fn next(&self, collection: &str, entry: &str) -> String {
        let token = skip_token(collection, entry);
        let api = self.api.name();
        match self.max_results {
            Some(size) => format!("api-version={api}&$skiptoken={token}&maxresults={size}"),
            None => format!("api-version={api}&$skiptoken={token}"),
        }
    }
}

fn api_version(value: &str) -> Result<ApiVersion, ApiError> {
    let known = VERSIONS.iter().position(|known| *known == value);
    known.map(ApiVersion).ok_or_else(|| {
        ApiError::bad_parameter(format!(
            "The specified version ({value}) is not recognized. Consider using the latest \
             supported version ({}).",
            ApiVersion::LATEST.name()
        ))
    })
}

fn page_size(value: &str) -> Result<usize, ApiError> {
    match value.parse() {
        Ok(size) if (1..=PAGE).contains(&size) => Ok(size),
        _ => Err(ApiError::bad_parameter(format!(
            "invalid value for maxresults: it must be between 1 and {PAGE}"
        ))),
    }
}

/// The token has the form of the service's: the marker is a storage continuation token that
/// names the next entry in upper case.
fn skip_token(collection: &str, entry: &str) -> String {
    let entry = format!("{collection}/{}", entry.to_ascii_uppercase());
    let inner = format!(
        "{:06}!{entry}!000028!9999-12-31T23:59:59.9999999Z!",
        entry.len()
    );
    let encoded = STANDARD.encode(inner).replace('=', "-");
    let marker = format!("2!{}!{encoded}", encoded.len());
    base64url(
        json!({ "NextMarker": marker, "TargetLocation": 0 })
            .to_string()
            .as_bytes(),
    )
}

fn marker(token: &str) -> Result<String, ApiError> {
    decode_marker(token)
        .ok_or_else(|| ApiError::bad_parameter("The value of $skiptoken is not valid"))
}

fn decode_marker(token: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let encoded = json
        .get("NextMarker")?
        .as_str()?
        .splitn(3, '!')
        .nth(2)?
        .replace('-', "=");
    let inner = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (_, entry) = inner.split('!').nth(1)?.split_once('/')?;
    Some(entry.to_owned())
}
