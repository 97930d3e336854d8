//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::arm::ResourceManager;
use crate::ca::CertificateAuthority;
use crate::calls::CallLog;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::faults::Faults;
use crate::issuers::Issuers;
use crate::token::AccessTokens;
use crate::vault::Vaults;

pub(crate) struct State {
    pub(crate) directory: Directory,
    pub(crate) issuers: Issuers,
    pub(crate) tokens: AccessTokens,
    pub(crate) vaults: Vaults,
    pub(crate) arm: ResourceManager,
    pub(crate) clock: Clock,
    pub(crate) calls: CallLog,
    pub(crate) faults: Faults,
    pub(crate) ca: Arc<CertificateAuthority>,
    /// Lifetime of Entra's tokens in seconds.
    pub(crate) token_lifetime: i64,
    /// Lifetime of managed identities' tokens in seconds.
    pub(crate) managed_identity_token_lifetime: i64,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) http1_only: bool,
    pub(crate) started: Instant,
    pub(crate) connections: AtomicU64,
    /// Cancelled to end everything.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when the administration asks for the end.
    pub(crate) stop_requested: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Milliseconds since the start.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
