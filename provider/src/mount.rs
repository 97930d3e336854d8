//! One Mount from end to end: decode, get access, fetch in parallel, render, answer.

mod error;
mod report;
mod versions;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prost::Message as _;
use tracing::Instrument as _;
use vaultbind_keyvault::cache::{Principal, ReadError, Reading, Served, ServiceAccount};
use vaultbind_keyvault::{Cache, Fetched, Identity, ObjectId};
use vaultbind_proto::{File, MountRequest, MountResponse, ObjectVersion};

use crate::render::{RenderOptions, Rendered, RenderedFile, Renderer};
use crate::request::{Classes, Defaults, IdentitySource, Object, Request};

pub use error::{FetchFailure, MountError};
pub use report::Report;

/// As many objects are read at once. More than this are hardly ever in one class; a class that
/// names a thousand large ones is refused before all of them are in memory.
const WAVE: usize = 100;

/// What a mount needs besides its request.
#[derive(Debug, Clone)]
pub struct MountOptions {
    /// What holds where a class says nothing.
    pub defaults: Defaults,
    /// How certificates are written.
    pub render: RenderOptions,
    /// How long a mount may take.
    pub timeout: Duration,
    /// The largest encoded response, in bytes; the driver refuses more.
    pub max_message_bytes: usize,
}

/// Serves mounts from the node's one cache.
#[derive(Debug)]
pub struct Mounter {
    cache: Arc<Cache>,
    options: MountOptions,
    classes: Classes,
    renderer: Renderer,
}

impl Mounter {
    /// Serves mounts from `cache`.
    pub fn new(cache: Arc<Cache>, options: MountOptions) -> Self {
        let renderer = Renderer::new(options.render, crate::WORKERS);
        Self {
            cache,
            options,
            classes: Classes::default(),
            renderer,
        }
    }

    /// Answers one request. `limit` is how long the caller waits, if it says so.
    ///
    /// `report` learns what the mount was about as soon as it is known, so that it can be told also
    /// of a mount that is cancelled halfway.
    ///
    /// # Errors
    /// The first failure in the order of the class's objects, so that the same trouble gives the
    /// same error at every try.
    pub async fn mount(
        &self,
        request: &MountRequest,
        limit: Option<Duration>,
        report: &mut Report,
    ) -> Result<MountResponse, MountError> {
        // Our own answer has to be there before the caller hangs up.
        let limit = limit.map(|limit| limit.mul_f64(0.9));
        let timeout = self
            .options
            .timeout
            .min(limit.unwrap_or(self.options.timeout));
        let deadline = Instant::now() + timeout;
        let now = Timestamp::now();
        let request = Request::decode(request, &self.options.defaults, &self.classes, now)
            .inspect_err(|_| report.undecoded(&request.attributes))?;
        let principal = principal(&request);
        report.request(&request, &principal.identity);
        if request.objects.is_empty() {
            return Ok(versions::empty());
        }

        let served = self
            .read(&request, &principal, deadline, report)
            .instrument(tracing::debug_span!("fetch"))
            .await?;
        report.served(&request.objects, &served);
        let versions = versions::of(&request.objects, &served);
        let objects = present(&request.objects, &served);
        if objects.is_empty() {
            return Ok(MountResponse {
                object_version: versions,
                ..MountResponse::default()
            });
        }
        let fetched: Vec<Arc<Fetched>> = served.into_iter().flatten().map(|s| s.fetched).collect();
        let rendered = self
            .renderer
            .render(&objects, &fetched, deadline)
            .await
            .map_err(|failure| MountError::render(&objects, failure))?;
        self.answer(&objects, &fetched, rendered, versions, now, report)
    }

    /// Reads the objects, many at once. Each of those is read to its end, so that which failure is
    /// told does not depend on which came first. An optional object that is missing or disabled is
    /// `None`.
    async fn read(
        &self,
        request: &Request,
        principal: &Principal,
        deadline: Instant,
        report: &Report,
    ) -> Result<Vec<Option<Served>>, MountError> {
        let ids: Vec<ObjectId> = request.objects.iter().map(Object::id).collect();
        let mut served = Vec::with_capacity(ids.len());
        let mut bytes = 0;
        for (objects, wave) in ids.chunks(WAVE).zip(request.objects.chunks(WAVE)) {
            let reading = Reading {
                principal,
                vault: &request.vault,
                objects,
                freshness: request.freshness,
                deadline,
                tally: report.tally(),
            };
            let mut errors = Vec::new();
            for (object, result) in wave.iter().zip(self.cache.read(reading).await) {
                match result {
                    Ok(read) => {
                        bytes += read.fetched.bytes();
                        served.push(Some(read));
                    }
                    Err(error) if object.optional && may_be_left_out(&error) => served.push(None),
                    Err(error) => errors.push(told_of(object, error)),
                }
            }
            if let Some(error) = MountError::unread(errors) {
                return Err(error);
            }
            // Not more is taken into memory than could be answered with.
            self.check_size(bytes)?;
        }
        Ok(served)
    }

    fn check_size(&self, bytes: usize) -> Result<(), MountError> {
        let limit = self.options.max_message_bytes;
        if bytes > limit {
            return Err(MountError::TooLarge { limit });
        }
        Ok(())
    }

    fn answer(
        &self,
        objects: &[Object],
        fetched: &[Arc<Fetched>],
        rendered: Vec<Rendered>,
        object_version: Vec<ObjectVersion>,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<MountResponse, MountError> {
        let mut response = MountResponse {
            object_version,
            ..MountResponse::default()
        };
        for ((object, fetched), rendered) in objects.iter().zip(fetched).zip(rendered) {
            report.object(object, fetched, rendered.warning, now);
            response
                .files
                .extend(rendered.files.into_iter().map(proto_file));
        }
        refuse_collisions(&response.files)?;
        report.files(response.files.len());
        self.check_size(response.encoded_len())?;
        Ok(response)
    }
}

fn may_be_left_out(error: &ReadError) -> bool {
    matches!(error, ReadError::Fetch(error) if error.is_missing() || error.is_disabled())
}

/// What is read of a certificate with parts is its secret, which its author may not know.
fn told_of(object: &Object, error: Arc<ReadError>) -> Arc<ReadError> {
    if !object.parts.need_secret() {
        return error;
    }
    let mut error = Arc::unwrap_or_clone(error);
    if let ReadError::Fetch(fetch) = &mut error {
        fetch.of_certificate = true;
    }
    Arc::new(error)
}

/// The objects that were there to be read.
fn present<'a>(objects: &'a [Object], served: &[Option<Served>]) -> Cow<'a, [Object]> {
    if served.iter().all(Option::is_some) {
        return Cow::Borrowed(objects);
    }
    let pairs = objects.iter().zip(served);
    pairs
        .filter(|(_, served)| served.is_some())
        .map(|(object, _)| object.clone())
        .collect()
}

fn principal(request: &Request) -> Principal {
    let identity = match &request.identity {
        IdentitySource::WorkloadIdentity {
            tenant,
            client_id,
            token,
            ..
        } => Identity::WorkloadIdentity {
            tenant: tenant.clone(),
            client: client_id.clone(),
            token: token.clone(),
        },
        IdentitySource::IdentityBinding {
            tenant,
            client_id,
            token,
            ..
        } => Identity::IdentityBinding {
            tenant: tenant.clone(),
            client: client_id.clone(),
            token: token.clone(),
        },
        IdentitySource::ServicePrincipal {
            tenant,
            client_id,
            secret,
        } => Identity::ServicePrincipal {
            tenant: tenant.clone(),
            client: client_id.clone(),
            secret: secret.clone(),
        },
        IdentitySource::ManagedIdentity { client_id } => Identity::ManagedIdentity {
            client: client_id.clone(),
        },
    };
    let name = request.pod.service_account.clone();
    Principal {
        cloud: request.cloud,
        identity,
        service_account: name.map(|name| ServiceAccount {
            namespace: request.pod.namespace.clone(),
            name,
        }),
    }
}

fn proto_file(file: RenderedFile) -> File {
    File {
        path: file.path,
        mode: file.mode.bits(),
        contents: file.contents,
    }
}

/// Separate files for key and certificates can meet another object's file; decoding cannot know.
fn refuse_collisions(files: &[File]) -> Result<(), MountError> {
    let mut paths: HashSet<&str> = HashSet::with_capacity(files.len());
    let collision = |path: &str| {
        Err(MountError::Collision {
            path: path.to_owned(),
        })
    };
    for file in files {
        if !paths.insert(&file.path) {
            return collision(&file.path);
        }
    }
    for File { path, .. } in files {
        let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        for folder in folders {
            if paths.contains(folder) {
                return collision(folder);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_of_one_path_and_a_file_that_is_a_folder_collide() {
        let collision = |paths: &[&str]| {
            let file = |path: &&str| File {
                path: (*path).to_owned(),
                ..File::default()
            };
            let files: Vec<_> = paths.iter().map(file).collect();
            match refuse_collisions(&files) {
                Err(MountError::Collision { path }) => Some(path),
                _ => None,
            }
        };
        assert_eq!(collision(&["a", "a.crt", "a.key", "b/a", "ab"]), None);
        assert_eq!(
            collision(&["a.crt", "a", "a.crt"]).as_deref(),
            Some("a.crt")
        );
        assert_eq!(collision(&["a.crt/b", "a.crt"]).as_deref(), Some("a.crt"));
    }
}
