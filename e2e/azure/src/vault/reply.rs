//! Responses and the headers every one of them has.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, LOCATION, PRAGMA};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::error::ApiError;
use super::request::VaultRequest;

const SERVICE_VERSION: &str = "1.9.2203.1";

/// A successful answer before it gets its headers.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    pub(super) location: Option<String>,
}

impl Reply {
    /// 200 with a body.
    pub(super) fn ok(body: impl Into<Value>) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body.into()),
            location: None,
        }
    }

    /// 204 without one.
    pub(super) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            location: None,
        }
    }

    /// 202 with the place to ask again.
    pub(super) fn accepted(body: Value, location: String) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            body: Some(body),
            location: Some(location),
        }
    }
}

/// Puts an outcome into an HTTP response with the service's headers.
///
/// `Date` and `Content-Length` are left to the HTTP server.
pub(super) fn response(
    outcome: Result<Reply, ApiError>,
    request: &VaultRequest,
    location: &str,
) -> Response<Bytes> {
    let reply = outcome.unwrap_or_else(|error| Reply {
        status: error.status,
        body: Some(error.body()),
        location: None,
    });
    let body = reply.body.map(|body| Bytes::from(body.to_string()));
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("-1"));
    if body.is_some() {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
    }
    set(&mut headers, LOCATION, reply.location.as_deref());
    let text = HeaderName::from_static;
    set(&mut headers, text("x-ms-keyvault-region"), Some(location));
    set(
        &mut headers,
        text("x-ms-client-request-id"),
        request.client_request_id.as_deref(),
    );
    let request_id = uuid::Uuid::new_v4().to_string();
    set(&mut headers, text("x-ms-request-id"), Some(&request_id));
    set(
        &mut headers,
        text("x-ms-keyvault-service-version"),
        Some(SERVICE_VERSION),
    );
    let network = network_info(request.client_address);
    set(
        &mut headers,
        text("x-ms-keyvault-network-info"),
        Some(&network),
    );
    set(
        &mut headers,
        text("x-content-type-options"),
        Some("nosniff"),
    );
    set(
        &mut headers,
        text("strict-transport-security"),
        Some("max-age=31536000;includeSubDomains"),
    );
    let mut response = Response::new(body.unwrap_or_default());
    *response.status_mut() = reply.status;
    *response.headers_mut() = headers;
    response
}

fn network_info(address: IpAddr) -> String {
    let (connection, family) = match address {
        IpAddr::V4(_) => ("Ipv4", "InterNetwork"),
        IpAddr::V6(_) => ("Ipv6", "InterNetworkV6"),
    };
    format!("conn_type={connection};addr={address};act_addr_fam={family};")
}

/// Sets a header unless its value is absent or, being the client's, no header value.
fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
        headers.insert(name, value);
    }
}
