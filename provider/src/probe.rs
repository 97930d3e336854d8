//! A gRPC health check of the provider's own socket, as the kubelet would see it.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

/// Why the provider does not count as alive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("the socket does not accept connections")]
    Connect(#[source] std::io::Error),
    #[error("the socket does not answer")]
    Http(#[source] hyper::Error),
    #[error("the health check cannot be made")]
    Request(#[source] http::Error),
    #[error("the gRPC server does not serve")]
    NotServing,
}

/// An empty `HealthCheckRequest`: not compressed, no bytes.
const CHECK: &[u8] = &[0, 0, 0, 0, 0];
/// A `HealthCheckResponse` with status SERVING.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

pub(crate) async fn check(socket: &Path) -> Result<(), ProbeError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(ProbeError::Connect)?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(ProbeError::Http)?;
    // It ends with this check, also with one that is given up.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::post("http://localhost/grpc.health.v1.Health/Check")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from_static(CHECK)))
        .map_err(ProbeError::Request)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(ProbeError::Http)?;
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(ProbeError::Http)?;
    let ok = |trailers: &HeaderMap| trailers.get("grpc-status").is_some_and(|s| s == "0");
    if body.trailers().is_some_and(ok) && body.to_bytes() == SERVING {
        Ok(())
    } else {
        Err(ProbeError::NotServing)
    }
}
