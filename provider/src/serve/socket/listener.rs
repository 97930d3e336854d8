//! Accepting, and looking after the name.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures::Stream;
use prometheus_client::metrics::counter::Counter;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bind::{BindError, listen};
use super::file::{Loss, SocketFile, is_live};
use super::peers::Peers;
use crate::serve::authority::AuthorityStream;

const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Tokio learns of a queued connection only when it next polls the system: one that came just
/// before the stop is not seen at once.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// How often it is looked whether the name still leads here.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// A listening socket that owns its name in the file system until another takes it over.
///
/// When dropped it removes the name if it still has it.
#[derive(Debug)]
pub struct SocketListener {
    file: SocketFile,
    listener: UnixListener,
    peers: Peers,
    /// Accepts that failed since the last that did not.
    failures: u32,
    rebinds: Counter,
    look_every: Duration,
    next_look: Instant,
    /// What was last said about the name.
    said: Option<Said>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    TakenOver,
    CannotBind,
}

impl SocketListener {
    /// Listens at `path`, with mode 0600 from the first moment, and takes over from the socket
    /// that is there. Must be called inside a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let (listener, file) = listen(path)?;
        Ok(Self {
            file,
            listener,
            peers: Peers::new().map_err(BindError::Create)?,
            failures: 0,
            rebinds: Counter::default(),
            look_every: LOOK_EVERY,
            next_look: Instant::now() + LOOK_EVERY,
            said: None,
        })
    }

    /// Lets these uids call too, besides root and the own one.
    #[must_use]
    pub fn allow_uids(mut self, uids: impl IntoIterator<Item = u32>) -> Self {
        self.peers.allow(uids);
        self
    }

    /// Counts with this how often the name was lost and taken again.
    #[must_use]
    pub fn count_rebinds(mut self, counter: Counter) -> Self {
        self.rebinds = counter;
        self
    }

    /// Looks after the name at another interval than the usual one.
    #[cfg(test)]
    pub(super) fn look_every(mut self, interval: Duration) -> Self {
        self.look_every = interval;
        self.next_look = Instant::now() + interval;
        self
    }

    /// A handle on the name, e.g. to unlink it before the last calls are drained.
    pub fn file(&self) -> SocketFile {
        self.file.clone()
    }

    /// The connections of allowed peers, until `stop`. It yields no error: a failed accept is
    /// reported and tried again after a pause.
    ///
    /// At the stop the name is removed first, so that nobody else comes, and whoever had connected
    /// by then is still accepted: closing the listener instead would reset them.
    pub fn incoming(
        self,
        stop: CancellationToken,
    ) -> impl Stream<Item = io::Result<AuthorityStream<UnixStream>>> + Send + 'static {
        futures::stream::unfold(self, move |mut listener| {
            let stop = stop.clone();
            async move {
                let accepted = stop.run_until_cancelled(listener.accept()).await;
                let stream = match accepted {
                    Some(stream) => stream,
                    None => {
                        if let Err(error) = listener.file.unlink() {
                            let path = listener.file.path().display();
                            tracing::warn!(%error, %path, "cannot remove the socket");
                        }
                        let last = tokio::time::timeout(LAST_LOOK, listener.accept());
                        last.await.ok()?
                    }
                };
                Some((Ok(AuthorityStream::new(stream)), listener))
            }
        })
    }

    async fn accept(&mut self) -> UnixStream {
        loop {
            let accepted = tokio::select! {
                // Whoever is queued goes first, so that a socket that is given up has nobody left.
                biased;
                accepted = self.listener.accept() => accepted,
                () = tokio::time::sleep_until(self.next_look) => {
                    self.look_after_name().await;
                    self.next_look = Instant::now() + self.look_every;
                    continue;
                }
            };
            match accepted {
                Ok((stream, _)) => {
                    self.failures = 0;
                    if self.peers.admit(stream.peer_cred()) {
                        return stream;
                    }
                }
                // Mostly EMFILE or ENFILE: the connection stays queued, so trying again at once
                // would spin until a file is closed.
                Err(error) => {
                    if self.failures == 0 {
                        tracing::warn!(%error, "cannot accept connections, trying again");
                    }
                    self.failures = self.failures.saturating_add(1);
                    tokio::time::sleep(pause(self.failures)).await;
                }
            }
        }
    }
}

impl SocketListener {
    /// Takes the name again if it is gone, or leads to a socket on which nobody listens. A name
    /// that leads to another provider is left to it, as in an upgrade.
    ///
    /// A provider that takes the name over between the look and our rename loses it to us, and
    /// takes it back in the same way when we stop.
    async fn look_after_name(&mut self) {
        let path = self.file.path().to_owned();
        let loss = match self.file.loss() {
            _ if self.file.is_released() => return,
            None => {
                self.said = None;
                return;
            }
            Some(loss) => loss,
        };
        let shown = path.display();
        if loss == Loss::Replaced && is_live(&path).await {
            if self.said.replace(Said::TakenOver) != Some(Said::TakenOver) {
                tracing::info!(path = %shown, "another provider has taken over the socket");
            }
            return;
        }
        match listen(&path) {
            Ok((listener, file)) => {
                // Not ours to remove any more: the number of the old socket's inode is free now.
                let _ = self.file.unlink();
                (self.listener, self.file) = (listener, file);
                self.said = None;
                self.rebinds.inc();
                tracing::warn!(path = %shown, ?loss, "the socket had lost its name; bound again");
            }
            Err(error) => {
                if self.said.replace(Said::CannotBind) != Some(Said::CannotBind) {
                    tracing::error!(
                        %error, path = %shown, ?loss,
                        "the socket has lost its name and cannot be bound again, trying on"
                    );
                }
            }
        }
    }
}

impl Drop for SocketListener {
    fn drop(&mut self) {
        // Before the socket is closed: until then its inode number cannot be another's.
        if let Err(error) = self.file.unlink() {
            tracing::warn!(%error, path = %self.file.path().display(), "cannot remove the socket");
        }
    }
}

/// Ten milliseconds, doubled with each failure up to a second.
pub(super) fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(7);
    Duration::from_millis(10 << doublings).min(LONGEST_PAUSE)
}
