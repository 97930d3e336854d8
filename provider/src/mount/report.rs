//! The one log line of each mount.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use tracing::{debug, error, info, warn};
use vaultbind_keyvault::cache::{Served, Source};
use vaultbind_keyvault::{Fetched, Identity, Tally};
use vaultbind_proto::{MountResponse, ObjectVersion};

use super::MountError;
use crate::render::RenderWarning;
use crate::request::{Object, Request};

/// Lines about single objects of one failed mount. A class has up to 1,000.
const MOST_WARNINGS: usize = 10;

/// Collects what a mount was about and writes one line when it ends, also when it ends because the
/// caller has gone.
#[derive(Debug)]
pub struct Report {
    started: Instant,
    finished: bool,
    namespace: String,
    pod: String,
    class: String,
    identity_kind: &'static str,
    identity: String,
    vault: String,
    objects: usize,
    missing: usize,
    files: usize,
    sources: Sources,
    tally: Arc<Tally>,
}

/// How many objects came from where.
#[derive(Debug, Default)]
struct Sources {
    vault: usize,
    memory: usize,
    stale: usize,
    /// Age of the oldest stale one.
    oldest: Duration,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            finished: false,
            namespace: String::new(),
            pod: String::new(),
            class: String::new(),
            identity_kind: "",
            identity: String::new(),
            vault: String::new(),
            objects: 0,
            missing: 0,
            files: 0,
            sources: Sources::default(),
            tally: Arc::default(),
        }
    }
}

impl Report {
    /// How long the mount has taken.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Names the pod of a request that could not be decoded, as far as it can be read.
    pub(super) fn undecoded(&mut self, attributes: &str) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Names {
            #[serde(rename = "csi.storage.k8s.io/pod.namespace")]
            namespace: String,
            #[serde(rename = "csi.storage.k8s.io/pod.name")]
            pod: String,
            #[serde(rename = "secretProviderClass")]
            class: String,
        }
        // Names of Kubernetes are short; whatever else stands there is not for a log line.
        let name = |text: String| text.chars().filter(|c| !c.is_control()).take(253).collect();
        let names: Names = serde_json::from_str(attributes).unwrap_or_default();
        self.namespace = name(names.namespace);
        self.pod = name(names.pod);
        self.class = name(names.class);
    }

    pub(super) fn request(&mut self, request: &Request, identity: &Identity) {
        request.pod.namespace.clone_into(&mut self.namespace);
        request.pod.name.clone_into(&mut self.pod);
        self.class = request.class.clone().unwrap_or_default();
        self.identity_kind = identity.kind();
        identity.name().clone_into(&mut self.identity);
        request.vault.name().clone_into(&mut self.vault);
        self.objects = request.objects.len();
    }

    /// Counts the calls that are made for this mount.
    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    pub(super) fn served(&mut self, objects: &[Object], served: &[Option<Served>]) {
        self.sources = Sources::default();
        self.missing = 0;
        for (object, served) in objects.iter().zip(served) {
            let Some(served) = served else {
                self.missing(object);
                continue;
            };
            match served.source {
                Source::Memory => self.sources.memory += 1,
                Source::Stale => {
                    self.sources.stale += 1;
                    self.sources.oldest = self.sources.oldest.max(served.age);
                }
                _ => self.sources.vault += 1,
            }
        }
    }

    fn missing(&mut self, object: &Object) {
        self.missing += 1;
        debug!(
            namespace = self.namespace,
            pod = self.pod,
            secret_provider_class = self.class,
            vault = self.vault,
            object_type = %object.object_type,
            object = %object.name,
            version = object.version.as_ref().map(tracing::field::display),
            "optional, and missing or disabled in the vault: mounted without it"
        );
    }

    pub(super) fn files(&mut self, files: usize) {
        self.files = files;
    }

    pub(super) fn object(
        &self,
        object: &Object,
        fetched: &Fetched,
        warning: Option<RenderWarning>,
        now: Timestamp,
    ) {
        let now = now.as_second();
        let expired = fetched
            .validity
            .expires
            .is_some_and(|expires| expires <= now);
        let early = fetched.validity.not_before.is_some_and(|start| start > now);
        let warnings = [
            expired.then(|| "has expired and is mounted all the same".to_owned()),
            early.then(|| "is not valid yet and is mounted all the same".to_owned()),
            warning.map(|warning| warning.to_string()),
        ];
        for warning in warnings.into_iter().flatten() {
            warn!(
                namespace = self.namespace,
                pod = self.pod,
                secret_provider_class = self.class,
                vault = self.vault,
                object_type = %object.object_type,
                object = %object.name,
                version = %fetched.version,
                "{warning}"
            );
        }
    }

    fn calls(&self) -> (u32, u32) {
        (self.tally.token_calls(), self.tally.vault_calls())
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The mount succeeded.
    pub fn succeeded(mut self, response: &MountResponse) {
        self.finished = true;
        let (token_calls, vault_calls) = self.calls();
        if self.sources.stale > 0 {
            warn!(
                namespace = self.namespace,
                pod = self.pod,
                vault = self.vault,
                objects = self.sources.stale,
                age_seconds = self.sources.oldest.as_secs(),
                "the vault or Entra does not answer; served what was read before"
            );
        }
        let versions = versions_text(&response.object_version);
        info!(
            namespace = self.namespace,
            pod = self.pod,
            secret_provider_class = self.class,
            identity_kind = self.identity_kind,
            identity = self.identity,
            vault = self.vault,
            objects = self.objects,
            missing = self.missing,
            files = self.files,
            versions,
            from_vault = self.sources.vault,
            from_memory = self.sources.memory,
            from_memory_stale = self.sources.stale,
            token_calls,
            vault_calls,
            duration_ms = self.milliseconds(),
            result = "mounted",
            "mount"
        );
    }

    /// The mount failed.
    pub fn failed(mut self, error: &MountError, code: &str) {
        self.finished = true;
        for fetch in error.fetch_errors().take(MOST_WARNINGS) {
            warn!(
                namespace = self.namespace,
                pod = self.pod,
                host = fetch.host,
                object = %fetch.object,
                status = fetch.status,
                code = fetch.code.as_deref(),
                request_id = fetch.request_id.as_deref(),
                "{fetch}"
            );
        }
        let untold = error.fetch_errors().skip(MOST_WARNINGS).count();
        if untold > 0 {
            warn!(
                namespace = self.namespace,
                pod = self.pod,
                untold,
                "more objects failed"
            );
        }
        if let MountError::Token(token) = error {
            warn!(
                namespace = self.namespace,
                pod = self.pod,
                host = token.host,
                identity = token.identity,
                status = token.status,
                request_id = token.request_id.as_deref(),
                detail = token.detail,
                "no token"
            );
        }
        self.ended(code, &error.to_string());
    }

    /// The mount ended without its own answer.
    pub fn ended(&mut self, code: &str, message: &str) {
        self.finished = true;
        let (token_calls, vault_calls) = self.calls();
        error!(
            namespace = self.namespace,
            pod = self.pod,
            secret_provider_class = self.class,
            identity_kind = self.identity_kind,
            identity = self.identity,
            vault = self.vault,
            objects = self.objects,
            token_calls,
            vault_calls,
            duration_ms = self.milliseconds(),
            result = "failed",
            code,
            error = message,
            "mount"
        );
    }
}

/// The versions as they stand in the log.
fn versions_text(versions: &[ObjectVersion]) -> String {
    let lengths = versions.iter().map(|v| v.id.len() + v.version.len() + 2);
    let mut text = String::with_capacity(lengths.sum());
    for ObjectVersion { id, version } in versions {
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend([id, "=", version]);
    }
    text
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            self.ended(
                "Cancelled",
                "the caller went away before the mount was done",
            );
        }
    }
}
