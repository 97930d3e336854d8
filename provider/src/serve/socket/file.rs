//! The name of a listening socket in the file system, which another process may take over.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UnixStream;

/// A handle on a bound socket's name. It knows the socket by device and inode, so that what
/// another process has put at the path since is left alone.
#[derive(Debug, Clone)]
pub struct SocketFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// An inode number stays ours only while the socket is open; after that it may be reused.
    released: AtomicBool,
}

/// How a socket lost its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Another socket (or file) is at the path: a successor has taken over.
    Replaced,
    /// Nothing is at the path: no driver can connect any more.
    Removed,
}

impl SocketFile {
    pub(super) fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let (device, inode) = (metadata.dev(), metadata.ino());
        Self(Arc::new(Inner {
            path,
            device,
            inode,
            released: AtomicBool::new(false),
        }))
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How the name was lost, if it was. A path that cannot be looked at counts as still ours.
    pub fn loss(&self) -> Option<Loss> {
        match fs::symlink_metadata(&self.0.path) {
            Ok(_) if self.0.released.load(Ordering::Acquire) => Some(Loss::Replaced),
            Ok(found) if self.is(&found) => None,
            Ok(_) => Some(Loss::Replaced),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Loss::Removed),
            Err(_) => None,
        }
    }

    /// Whether the name was given up, by [`Self::unlink`].
    pub(super) fn is_released(&self) -> bool {
        self.0.released.load(Ordering::Acquire)
    }

    /// Removes the name if it still is this socket's; says whether it was. Later calls do nothing.
    ///
    /// A successor that takes the name between the look and the removal loses it. It sees that as
    /// [`Loss::Removed`].
    pub fn unlink(&self) -> io::Result<bool> {
        if self.0.released.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        match fs::symlink_metadata(&self.0.path) {
            Ok(found) if self.is(&found) => fs::remove_file(&self.0.path).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is(&self, found: &Metadata) -> bool {
        (found.dev(), found.ino()) == (self.0.device, self.0.inode)
    }
}

/// Whether somebody listens under the name. A full queue, or a caller whom the directory keeps out,
/// is no sign that nobody does.
pub(crate) async fn is_live(path: &Path) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ConnectionRefused | NotFound),
    }
}
