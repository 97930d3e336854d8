//! What the unit tests of this crate share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::transport::{Proxy, Roots, TransportOptions};
use crate::{Cloud, Session, Transport};

/// A session that can reach nothing.
pub(crate) fn session() -> Arc<Session> {
    let transport = Transport::new(TransportOptions {
        proxy: Proxy::Direct,
        roots: Roots::Fixed(Vec::new()),
        imds: None,
        observer: None,
    })
    .unwrap();
    let vault = "kv-test".parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    Session::new(transport, Cloud::Public, &vault, deadline)
}
