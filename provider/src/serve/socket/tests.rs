use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures::{FutureExt as _, StreamExt as _};
use prometheus_client::metrics::counter::Counter;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::bind::remove_stale;
use super::listener::pause;
use super::{BindError, Endpoint, EndpointError, Loss, SocketListener, is_live};

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn an_endpoint_is_a_unix_scheme_and_an_absolute_path() {
    for text in ["unix:///provider/azure.sock", "UNIX:///provider/azure.sock"] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.path(), Path::new("/provider/azure.sock"));
    }
    type Error = fn(String) -> EndpointError;
    let refused: [(&str, Error); 9] = [
        ("tcp://127.0.0.1:80", EndpointError::Tcp),
        ("TCP://x", EndpointError::Tcp),
        ("/provider/azure.sock", EndpointError::Scheme),
        ("http:///a", EndpointError::Scheme),
        ("", EndpointError::Scheme),
        ("unix://", EndpointError::Path),
        ("unix://azure.sock", EndpointError::Path),
        ("unix:///provider/", EndpointError::Path),
        ("unix:///provider/..", EndpointError::Path),
    ];
    for (text, error) in refused {
        assert_eq!(text.parse::<Endpoint>(), Err(error(text.into())));
    }
}

#[tokio::test]
async fn a_caller_is_accepted_with_its_credentials() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let mut incoming = Box::pin(
        SocketListener::bind(&path)
            .unwrap()
            .incoming(CancellationToken::new()),
    );
    let mut client = UnixStream::connect(&path).await.unwrap();
    let mut served = incoming.next().await.unwrap().unwrap();
    let peer = served.connect_info().peer_cred.unwrap();
    assert_eq!(peer.pid(), Some(std::process::id() as i32));
    client.write_all(b"ping").await.unwrap();
    let mut received = [0; 4];
    served.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"ping");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connect_is_refused_while_sockets_take_over_from_one_another() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let accepted = Arc::new(AtomicUsize::new(0));
    let accept = |listener: SocketListener| {
        let accepted = Arc::clone(&accepted);
        tokio::spawn(
            listener
                .incoming(CancellationToken::new())
                .for_each(move |_| {
                    accepted.fetch_add(1, Ordering::Relaxed);
                    std::future::ready(())
                }),
        )
    };
    let mut servers = vec![accept(SocketListener::bind(&path).unwrap())];
    let done = Arc::new(AtomicBool::new(false));
    let client = std::thread::spawn({
        let (path, done) = (path.clone(), Arc::clone(&done));
        move || {
            let mut connects = 0;
            while !done.load(Ordering::Relaxed) {
                std::os::unix::net::UnixStream::connect(&path).expect("never refused");
                connects += 1;
            }
            connects
        }
    });
    for _ in 0..100 {
        servers.push(accept(SocketListener::bind(&path).unwrap()));
        tokio::task::yield_now().await;
    }
    // At least one connect after the last takeover.
    let before = accepted.load(Ordering::Relaxed);
    let more = async {
        while accepted.load(Ordering::Relaxed) < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), more)
        .await
        .unwrap();
    done.store(true, Ordering::Relaxed);
    assert!(client.join().unwrap() > 1);
    // The old ones go away and leave the last one's name alone.
    for server in servers.drain(..100) {
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
    }
    UnixStream::connect(&path).await.unwrap();
    assert!(is_socket(&path));
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "no temporary name is left"
    );
}

#[tokio::test]
async fn who_connects_just_before_the_stop_is_accepted() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let stop = CancellationToken::new();
    let mut incoming = Box::pin(SocketListener::bind(&path).unwrap().incoming(stop.clone()));
    assert!(incoming.next().now_or_never().is_none(), "nobody is there");
    // Without giving the runtime a chance to see it.
    let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stop.cancel();
    assert!(incoming.next().await.is_some());
    assert!(!is_socket(&path));
    assert!(incoming.next().await.is_none());
}

#[tokio::test]
async fn only_the_own_name_is_unlinked() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let old = SocketListener::bind(&path).unwrap();
    let old_file = old.file();
    assert_eq!(old_file.loss(), None);
    let new = SocketListener::bind(&path).unwrap();
    assert_eq!(old_file.loss(), Some(Loss::Replaced));
    assert!(!old_file.unlink().unwrap());
    drop(old);
    assert!(is_socket(&path));
    let new_file = new.file();
    assert_eq!(new_file.loss(), None);
    drop(new);
    assert!(!path.exists());
    assert_eq!(new_file.loss(), Some(Loss::Removed));
    // A later socket may get the old one's inode number, and is not the old handle's to remove.
    let _later = SocketListener::bind(&path).unwrap();
    assert!(!new_file.unlink().unwrap() && is_socket(&path));
}

/// A listener that looks after its name all the time, and the counter of its rebinds.
fn watched(path: &Path, stop: &CancellationToken) -> (tokio::task::JoinHandle<()>, Counter) {
    let counter = Counter::default();
    let incoming = SocketListener::bind(path)
        .unwrap()
        .count_rebinds(counter.clone())
        .look_every(Duration::from_millis(5))
        .incoming(stop.clone());
    // Connections stay open until the end.
    let server = tokio::spawn(async move { drop(incoming.collect::<Vec<_>>().await) });
    (server, counter)
}

async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_name_that_is_gone_or_leads_to_nobody_is_taken_again() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let stop = CancellationToken::new();
    let (server, rebinds) = watched(&path, &stop);
    fs::remove_file(&path).unwrap();
    assert!(!is_live(&path).await);
    eventually(async || is_live(&path).await).await;
    assert_eq!(rebinds.get(), 1);

    // A socket whose process died.
    let other = directory.path().join("other.sock");
    drop(StdListener::bind(&other).unwrap());
    fs::rename(&other, &path).unwrap();
    eventually(async || is_live(&path).await).await;
    assert_eq!(rebinds.get(), 2);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    stop.cancel();
    server.await.unwrap();
    assert!(!path.exists(), "the name taken again is its own to remove");
    assert_eq!(rebinds.get(), 2);
}

#[tokio::test]
async fn a_name_that_another_provider_has_is_left_to_it_until_it_is_gone() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let stop = CancellationToken::new();
    let (server, rebinds) = watched(&path, &stop);
    let successor = SocketListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    // Many looks.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    assert_eq!(rebinds.get(), 0);
    drop(successor);
    eventually(async || is_live(&path).await).await;
    assert_eq!(rebinds.get(), 1);
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_taken_for_the_name() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let stop = CancellationToken::new();
    let (server, rebinds) = watched(&path, &stop);
    fs::remove_file(&path).unwrap();
    // Whichever comes first, the file or a look.
    let _ = fs::remove_file(&path);
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    fs::rename(&file, &path).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert!(!is_live(&path).await);
    let before = rebinds.get();
    fs::remove_file(&path).unwrap();
    eventually(async || is_live(&path).await).await;
    assert_eq!(rebinds.get(), before + 1);
    stop.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_anything_else_refused() {
    let directory = directory();
    let stale = directory.path().join("stale.sock");
    drop(StdListener::bind(&stale).unwrap());
    let _listener = SocketListener::bind(&stale).unwrap();
    UnixStream::connect(&stale).await.unwrap();

    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    fs::write(&file, "kept").unwrap();
    std::os::unix::fs::symlink(&stale, &link).unwrap();
    let (sub, missing) = (
        directory.path().join("sub"),
        directory.path().join("missing/a.sock"),
    );
    fs::create_dir(&sub).unwrap();
    for path in [&file, &link, &sub] {
        let error = SocketListener::bind(path).unwrap_err();
        assert!(
            matches!(&error, BindError::Occupied { path: named } if named == path),
            "{error}"
        );
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), b"kept");
    for path in [&missing, &file.join("a.sock")] {
        let error = SocketListener::bind(path).unwrap_err();
        assert!(matches!(error, BindError::NoDirectory { .. }), "{error:?}");
    }
    let error = SocketListener::bind(&directory.path().join("a".repeat(100))).unwrap_err();
    assert!(
        matches!(error, BindError::TooLong { length: 108.., .. }),
        "{error}"
    );
    assert!(matches!(
        SocketListener::bind(Path::new("/")),
        Err(BindError::NoName { .. })
    ));
}

#[tokio::test]
async fn the_socket_is_private_from_its_first_visible_moment() {
    let directory = directory();
    let path = directory.path().join("azure.sock");
    let done = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (root, done) = (directory.path().to_owned(), Arc::clone(&done));
        move || {
            let mut modes = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&root).unwrap().flatten() {
                    // Gone again is fine.
                    modes.extend(
                        entry
                            .metadata()
                            .map(|found| found.permissions().mode() & 0o777),
                    );
                }
            }
            modes
        }
    });
    for _ in 0..300 {
        drop(SocketListener::bind(&path).unwrap());
    }
    let _listener = SocketListener::bind(&path).unwrap();
    // The watcher sees at least the last one.
    std::thread::sleep(Duration::from_millis(20));
    done.store(true, Ordering::Relaxed);
    assert_eq!(watcher.join().unwrap(), [0o600].into());
}

#[test]
fn only_old_temporary_sockets_of_the_same_name_are_removed() {
    let directory = directory();
    let socket = |name: &str| drop(StdListener::bind(directory.path().join(name)).unwrap());
    let stale = ".azure.sock.1-2f.tmp";
    let kept = [
        ".azure.sock.tmp",
        ".other.sock.1-2f.tmp",
        "azure.sock",
        ".azure.sock.1.bak",
    ];
    socket(stale);
    kept.iter().for_each(|name| socket(name));
    fs::write(directory.path().join(".azure.sock.2-3a.tmp"), "no socket").unwrap();
    let remove = |now| remove_stale(directory.path(), "azure.sock".as_ref(), now);
    remove(SystemTime::now());
    assert!(
        is_socket(&directory.path().join(stale)),
        "a start may be under way"
    );
    remove(SystemTime::now() + Duration::from_secs(61));
    assert!(!directory.path().join(stale).exists());
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        kept.len() + 1
    );
}

#[test]
fn pauses_between_failed_accepts_grow_to_a_second() {
    let pauses = [1, 2, 3, 7, 8, u32::MAX].map(|failures| pause(failures).as_millis());
    assert_eq!(pauses, [10, 20, 40, 640, 1000, 1000]);
}
