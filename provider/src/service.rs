//! The gRPC service: requests in, final status codes out.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tonic::{Code, Request, Response, Status};
use tracing::Instrument as _;
use vaultbind_proto::csi_driver_provider_server::CsiDriverProvider;
use vaultbind_proto::{MountRequest, MountResponse, VersionRequest, VersionResponse};

use crate::metrics::Metrics;
use crate::mount::{Mounter, Report};
use crate::status::{self, from_mount_error};

/// The version of the protocol that is spoken.
const PROTOCOL: &str = "v1alpha1";

/// Serves the provider protocol.
#[derive(Debug, Clone)]
pub struct ProviderService {
    mounter: Arc<Mounter>,
    metrics: Arc<Metrics>,
}

impl ProviderService {
    /// Serves mounts by `mounter` and counts them in `metrics`.
    pub fn new(mounter: Arc<Mounter>, metrics: Arc<Metrics>) -> Self {
        Self { mounter, metrics }
    }
}

#[tonic::async_trait]
impl CsiDriverProvider for ProviderService {
    async fn version(
        &self,
        _: Request<VersionRequest>,
    ) -> Result<Response<VersionResponse>, Status> {
        Ok(Response::new(VersionResponse {
            version: PROTOCOL.to_owned(),
            runtime_name: env!("CARGO_PKG_NAME").to_owned(),
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn mount(
        &self,
        request: Request<MountRequest>,
    ) -> Result<Response<MountResponse>, Status> {
        let limit = grpc_timeout(&request);
        let request = request.into_inner();
        let mut report = Report::default();
        // The gauge and the report are guards: they also end with a call that is dropped.
        let _running = self.metrics.mount_started();
        // Its fields are recorded when the request has been read. The spans below it are those of
        // the steps: decode, fetch, render.
        let span = tracing::debug_span!(
            "mount",
            namespace = tracing::field::Empty,
            pod = tracing::field::Empty,
            class = tracing::field::Empty,
        );
        let mount = self.mounter.mount(&request, limit, &mut report);
        let mounted = caught(mount.instrument(span)).await;
        let code = match &mounted {
            Ok(Ok(_)) => Code::Ok,
            Ok(Err(error)) => from_mount_error(error).code(),
            Err(Panicked) => Code::Internal,
        };
        self.metrics.mount_ended(code, report.elapsed());
        match mounted {
            Ok(Ok(response)) => {
                report.succeeded(&response);
                Ok(Response::new(response))
            }
            Ok(Err(error)) => {
                report.failed(&error, status::name(code));
                Err(from_mount_error(&error))
            }
            Err(panicked) => {
                report.ended(status::name(code), &panicked.to_string());
                Err(Status::new(code, panicked.to_string()))
            }
        }
    }
}

/// A bug, which costs the call that met it and no other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider hit a bug in this mount; its log has the place: please report it")]
struct Panicked;

async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    // What the future leaves behind is dropped, so nobody sees it half done.
    AssertUnwindSafe(future)
        .catch_unwind()
        .await
        .map_err(|_| Panicked)
}

/// How long the caller waits, from the `grpc-timeout` header.
///
/// tonic's server ends a call at that time with CANCELLED, which kubelet takes for an uncertain
/// outcome; reading it here lets a final answer go out before.
fn grpc_timeout<T>(request: &Request<T>) -> Option<Duration> {
    let text = request.metadata().get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}
