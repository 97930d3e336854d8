//! A private socket that takes over a name in the file system.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{UnixListener, UnixSocket};

use super::file::SocketFile;

const MODE: u32 = 0o600;
const BACKLOG: u32 = 1024;
/// `sun_path` holds 108 octets, one of which ends the string.
const PATH_LIMIT: usize = 107;
/// A start takes far less from bind to rename, so a temporary name this old has no owner.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Why the socket could not be set up; a variant for each step.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path ends in no file name.
    #[error("{}: the path names no file", path.display())]
    NoName {
        /// The path asked for.
        path: PathBuf,
    },
    /// The path, or the temporary one beside it, does not fit a socket address.
    #[error(
        "{}: the path is too long: {length} octets with its temporary name, of {PATH_LIMIT} a \
         unix socket may have; use a shorter directory", path.display()
    )]
    TooLong {
        /// The path asked for.
        path: PathBuf,
        /// Octets of the longer of the two.
        length: usize,
    },
    /// The directory is missing.
    #[error(
        "{} does not exist; mount the host's provider directory there (a hostPath volume of type \
         DirectoryOrCreate)", directory.display()
    )]
    NoDirectory {
        /// The socket's directory.
        directory: PathBuf,
    },
    /// Something that is not a socket has the name.
    #[error(
        "{} exists and is not a socket, so it is not replaced; remove it or choose another \
         endpoint", path.display()
    )]
    Occupied {
        /// The path asked for.
        path: PathBuf,
    },
    /// The path or its directory could not be looked at.
    #[error("cannot look at {}", path.display())]
    Inspect {
        /// What was looked at.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No socket with mode 0600 could be made.
    #[error("cannot make a private unix socket")]
    Create(#[source] io::Error),
    /// The temporary name could not be bound.
    #[error("cannot bind {}", path.display())]
    Bind {
        /// The temporary name.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The bound socket does not listen.
    #[error("cannot listen on {}", path.display())]
    Listen {
        /// The temporary name.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The listening socket could not take its name.
    #[error("cannot move the new socket to {}", path.display())]
    Rename {
        /// The path asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A socket under a name of its own, which then takes over the name `path`.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), BindError> {
    let name = path
        .file_name()
        .ok_or_else(|| BindError::NoName { path: path.into() })?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let now = SystemTime::now();
    let temporary = directory.join(temporary_name(name, std::process::id(), now));
    let length = path.as_os_str().len().max(temporary.as_os_str().len());
    if length > PATH_LIMIT {
        return Err(BindError::TooLong {
            path: path.into(),
            length,
        });
    }
    check_directory(directory)?;
    check_replaceable(path)?;
    remove_stale(directory, name, now);

    let socket = private_socket().map_err(BindError::Create)?;
    socket.bind(&temporary).map_err(|source| BindError::Bind {
        path: temporary.clone(),
        source,
    })?;
    publish(socket, &temporary, path).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Two pods on a node can have the same pid, each in its own namespace: hence the time.
fn temporary_name(name: &OsStr, pid: u32, now: SystemTime) -> OsString {
    let nanoseconds = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos();
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{pid}-{nanoseconds:x}.tmp"));
    temporary
}

fn check_directory(directory: &Path) -> Result<(), BindError> {
    let missing = || BindError::NoDirectory {
        directory: directory.into(),
    };
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(missing()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing()),
        Err(source) => Err(BindError::Inspect {
            path: directory.into(),
            source,
        }),
    }
}

fn check_replaceable(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(()),
        Ok(_) => Err(BindError::Occupied { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BindError::Inspect {
            path: path.into(),
            source,
        }),
    }
}

/// Linux gives the file that bind makes the mode of the socket's own inode, less the umask. So the
/// mode is set before there is a file, and without touching the process-wide umask.
fn private_socket() -> io::Result<UnixSocket> {
    let socket = UnixSocket::new_stream()?;
    File::from(socket.as_fd().try_clone_to_owned()?)
        .set_permissions(Permissions::from_mode(MODE))?;
    Ok(socket)
}

/// Listens first and takes the name then: at no time does the name lead to a refusal.
fn publish(
    socket: UnixSocket,
    temporary: &Path,
    path: &Path,
) -> Result<(UnixListener, SocketFile), BindError> {
    let listener = socket.listen(BACKLOG).map_err(|source| BindError::Listen {
        path: temporary.into(),
        source,
    })?;
    let metadata = fs::symlink_metadata(temporary).map_err(|source| BindError::Inspect {
        path: temporary.into(),
        source,
    })?;
    fs::rename(temporary, path).map_err(|source| BindError::Rename {
        path: path.into(),
        source,
    })?;
    Ok((listener, SocketFile::new(path.into(), &metadata)))
}

/// Removes the temporary sockets of starts that did not get to the rename. Best effort: they are
/// in nobody's way.
pub(super) fn remove_stale(directory: &Path, name: &OsStr, now: SystemTime) {
    let prefix = [b".", name.as_bytes(), b"."].concat();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let named = file_name.as_bytes().strip_prefix(prefix.as_slice());
        if !named.is_some_and(|rest| rest.ends_with(b".tmp")) {
            continue;
        }
        // Of the entry itself, not of what a link leads to.
        let stale = entry.metadata().is_ok_and(|found| {
            let age = found
                .modified()
                .ok()
                .and_then(|made| now.duration_since(made).ok());
            found.file_type().is_socket() && age.is_some_and(|age| age > STALE_AFTER)
        });
        if stale {
            let _ = fs::remove_file(entry.path());
        }
    }
}
