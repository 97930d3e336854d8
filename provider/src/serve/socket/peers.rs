//! Who may call. The socket's mode keeps others out already; this holds also where a directory is
//! shared with a process that can change modes.

use std::io;

use tokio::net::UnixStream;
use tokio::net::unix::UCred;

const ROOT: u32 = 0;

#[derive(Debug)]
pub(super) struct Peers {
    own: u32,
    allowed: Vec<u32>,
    last_refused: Option<u32>,
}

impl Peers {
    /// Root and the uid this process runs as.
    pub(super) fn new() -> io::Result<Self> {
        // The other end of a pair is this process: its credentials are the effective ones.
        let (near, _far) = UnixStream::pair()?;
        let own = near.peer_cred()?.uid();
        Ok(Self {
            own,
            allowed: Vec::new(),
            last_refused: None,
        })
    }

    pub(super) fn allow(&mut self, uids: impl IntoIterator<Item = u32>) {
        self.allowed.extend(uids);
    }

    /// Whether a caller may go on; a refused one is reported once until its uid changes.
    pub(super) fn admit(&mut self, peer: io::Result<UCred>) -> bool {
        let peer = match peer {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "connection dropped: its peer's credentials are unknown");
                return false;
            }
        };
        if is_allowed(peer.uid(), self.own, &self.allowed) {
            return true;
        }
        if self.refused(peer.uid()) {
            let (uid, pid) = (peer.uid(), peer.pid());
            tracing::warn!(
                uid,
                pid,
                "connection refused: only root and allowed uids may call"
            );
        }
        false
    }

    /// Notes a refusal; true if it is to be reported.
    pub(super) fn refused(&mut self, uid: u32) -> bool {
        self.last_refused.replace(uid) != Some(uid)
    }
}

pub(super) fn is_allowed(uid: u32, own: u32, allowed: &[u32]) -> bool {
    uid == ROOT || uid == own || allowed.contains(&uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_the_own_and_listed_uids_are_allowed() {
        for (uid, expected) in [
            (0, true),
            (1000, true),
            (7, true),
            (8, false),
            (u32::MAX, false),
        ] {
            assert_eq!(is_allowed(uid, 1000, &[7, 9]), expected, "{uid}");
        }
    }

    #[test]
    fn a_refusal_is_reported_once_until_the_uid_changes() {
        let mut peers = Peers {
            own: 0,
            allowed: Vec::new(),
            last_refused: None,
        };
        let reported = [5, 5, 6, 6, 5].map(|uid| peers.refused(uid));
        assert_eq!(reported, [true, false, true, false, true]);
    }
}
