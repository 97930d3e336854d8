//! What the unit tests of this crate share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::Target;
use crate::transport::{Proxy, Roots, TransportOptions};
use crate::{Cloud, Session, Transport, VaultHost};

/// A session that can reach nothing.
pub(crate) fn session() -> Arc<Session> {
    session_with("kv-test")
}

/// A session with this vault that can reach nothing.
pub(crate) fn session_with(vault: &str) -> Arc<Session> {
    let vault = VaultHost::new(Cloud::Public, &vault.parse().unwrap());
    session_at(&vault)
}

/// A session with a vault at this host that can reach nothing.
pub(crate) fn session_at(vault: &VaultHost) -> Arc<Session> {
    session_to(Target::Vault(vault.clone()))
}

/// A session with Resource Manager that can reach nothing.
pub(crate) fn management_session() -> Arc<Session> {
    session_to(Target::ResourceManager)
}

fn session_to(target: Target) -> Arc<Session> {
    let transport = Transport::new(TransportOptions {
        proxy: Proxy::Direct,
        roots: Roots::Fixed(Vec::new()),
        ..TransportOptions::default()
    })
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    Session::new(transport, Cloud::Public, target, deadline, Arc::default())
}
