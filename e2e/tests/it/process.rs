//! The program itself: signals, sockets that change hands, environment variables, mistakes at start.

pub(crate) mod child;
mod memory;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tonic::{Code, Status};
use vaultbind_azure::{Action, Azure, Call, Fault, Match, Options, Service};
use vaultbind_e2e::driver::{self, mount_request};
use vaultbind_e2e::stage::{class, pod};
use vaultbind_proto::{MountRequest, MountResponse};

use crate::support::{eventually, logs, many_secrets, secret, seed};
use child::Child;

const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";

async fn azure() -> (Azure, String, MountRequest) {
    logs();
    let value = secret("value");
    let others = many_secrets(50, &value);
    let seed = seed(&format!("{others}  - {{name: db, value: {value}}}\n"));
    let seed = serde_yaml::from_str(&seed).unwrap();
    let azure = Azure::start(Options {
        seed,
        ..Options::default()
    })
    .await
    .unwrap();
    let request = mount_request(&class(DB), &pod(&azure).unwrap());
    (azure, value, request)
}

/// Fifty mounts of an object each, all of which wait for the vault.
async fn fifty_mounts(
    azure: &Azure,
    child: &Child,
) -> Vec<JoinHandle<Result<MountResponse, Status>>> {
    let driver = driver::Provider::connect(child.socket()).unwrap();
    let mounts = (0..50)
        .map(|n| {
            let object = format!("array:\n- |\n  objectName: s{n}\n  objectType: secret\n");
            let request = mount_request(&class(&object), &pod(azure).unwrap());
            let driver = driver.clone();
            tokio::spawn(async move { driver.mount(request).await })
        })
        .collect();
    let at_vault = |call: &Call| call.service == Service::Vault;
    eventually("all mounts are at the vault", || {
        azure.calls().iter().filter(|call| at_vault(call)).count() == 50
    })
    .await;
    mounts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_fifty_slow_mounts_answers_them_all_and_leaves_no_socket() {
    let (azure, value, _) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start(&azure, folder.path(), &[]).await;
    let slow = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    azure
        .add_fault(Fault::new(slow, Action::Delay { millis: 1_500 }))
        .unwrap();

    let mounts = fifty_mounts(&azure, &child).await;
    child.terminate();
    for mount in mounts {
        let response = mount.await.unwrap().unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes());
    }
    assert_eq!(child.ended().await, Some(0));
    assert!(!child.socket().exists(), "the socket is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_the_vault_hangs_gives_every_mount_a_final_status() {
    let (azure, _, _) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start(&azure, folder.path(), &["--mount-timeout=2s"]).await;
    let vault = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    azure.add_fault(Fault::new(vault, Action::Hang)).unwrap();
    let mounts = fifty_mounts(&azure, &child).await;
    child.terminate();
    for mount in mounts {
        let status = mount.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{status}");
    }
    assert_eq!(child.ended().await, Some(0));
    assert!(!child.socket().exists(), "the socket is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_that_swap_the_socket_lose_no_call() {
    let (azure, value, request) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let mut current = Child::start(&azure, folder.path(), &[]).await;
    let socket = current.socket().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (socket, request, value) = (socket.clone(), request.clone(), value.clone());
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    // A connection for each call: every one meets the socket in some state.
                    let driver = driver::Provider::connect(&socket).unwrap();
                    let response = driver.mount(request.clone()).await.unwrap();
                    assert_eq!(&response.files[0].contents[..], value.as_bytes());
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..4 {
        let before = calls.load(Ordering::Relaxed);
        let next = Child::start(&azure, folder.path(), &[]).await;
        current.terminate();
        assert_eq!(current.ended().await, Some(0));
        assert!(
            socket.exists(),
            "the old provider removed the new one's socket"
        );
        current = next;
        eventually("calls go on", || {
            calls.load(Ordering::Relaxed) > before + 20
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    current.terminate();
    assert_eq!(current.ended().await, Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_environment_names_the_proxy_its_exceptions_and_the_trusted_authorities() {
    let (azure, value, request) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let certificates = folder.path().join("certs");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::write(certificates.join("0a1b2c3d.0"), azure.ca_pem()).unwrap();
    let directory = certificates.display().to_string();

    let unset: &[(&str, Option<&str>)] =
        &[("SSL_CERT_FILE", None), ("SSL_CERT_DIR", Some(&directory))];
    let child = Child::start_with(&azure, folder.path(), &[], unset).await;
    let driver = driver::Provider::connect(child.socket()).unwrap();
    let response = driver.mount(request.clone()).await.unwrap();
    assert_eq!(&response.files[0].contents[..], value.as_bytes());
    drop(child);

    // The vault, which exists nowhere else, is looked for directly, and Entra through the proxy.
    let environment: &[(&str, Option<&str>)] = &[("NO_PROXY", Some(".vault.azure.net"))];
    let arguments = ["--mount-timeout=8s"];
    let child = Child::start_with(&azure, folder.path(), &arguments, environment).await;
    let driver = driver::Provider::connect(child.socket()).unwrap();
    let nowhere = class(DB).with("keyvaultName", "kv-vaultbind-no-where");
    let request = mount_request(&nowhere, &pod(&azure).unwrap());
    let status = driver.mount(request).await.unwrap_err();
    let expected = "the name kv-vaultbind-no-where.vault.azure.net cannot be resolved";
    assert!(status.message().contains(expected), "{status}");
    assert_eq!(status.code(), Code::Unknown);
}

#[tokio::test]
async fn the_socket_is_private_and_what_is_no_socket_is_left_alone() {
    let (azure, ..) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(&azure, folder.path(), &[]).await;
    let mode = std::fs::metadata(child.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(child);

    let file = folder.path().join("vaultbind.sock");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "precious").unwrap();
    let (status, log) = Child::fails(&azure, folder.path(), &[]).await;
    assert_eq!(status, Some(1));
    assert!(log.contains("vaultbind.sock"), "{log}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[tokio::test]
async fn mistakes_at_start_name_the_flag_and_the_remedy() {
    let (azure, ..) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--healthz-port={}", taken.local_addr().unwrap().port());
    let cases = [
        ("--cloud-name=AzureMoonCloud", 2, "AzurePublicCloud"),
        ("--endpoint=tcp://127.0.0.1:80", 1, "unix://"),
        (
            "--endpoint=unix:///no/such/folder/vaultbind.sock",
            1,
            "/no/such/folder",
        ),
        ("--healthz-path=/readyz", 1, "--healthz-path"),
        ("--healthz-path=/:live", 1, "--healthz-path"),
        (&port, 1, "choose a free port with --healthz-port"),
    ];
    for (argument, expected, text) in cases {
        let (status, log) = Child::fails(&azure, folder.path(), &[argument]).await;
        assert_eq!(status, Some(expected), "{argument}: {log}");
        assert!(log.contains(text), "{argument}: {log}");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_start_leaves_the_socket_to_the_one_that_serves() {
    let (azure, value, request) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(&azure, folder.path(), &[]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for flag in ["healthz-port", "prometheus-port"] {
        let argument = format!("--{flag}={port}");
        let (status, log) = Child::fails(&azure, folder.path(), &[&argument]).await;
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains(flag), "{log}");
        let driver = driver::Provider::connect(child.socket()).unwrap();
        let response = driver.mount(request.clone()).await.unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes());
    }
}

#[tokio::test]
async fn an_identity_endpoint_of_another_service_in_the_environment_is_told() {
    let (azure, ..) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let class = class(DB)
        .with("clientID", "")
        .with("useVMManagedIdentity", "true");
    let request = mount_request(&class, &pod(&azure).unwrap());
    let endpoint = Some("http://localhost:50342/oauth2/token");
    for variables in [
        &[("MSI_ENDPOINT", endpoint)][..],
        &[("IDENTITY_ENDPOINT", endpoint), ("IMDS_ENDPOINT", endpoint)],
        &[
            ("IDENTITY_ENDPOINT", endpoint),
            ("IDENTITY_HEADER", Some("h")),
        ],
    ] {
        let child = Child::start_with(&azure, folder.path(), &[], variables).await;
        let driver = driver::Provider::connect(child.socket()).unwrap();
        let status = driver.mount(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        assert!(status.message().contains("unset"), "{status}");
    }
}

#[tokio::test]
async fn a_mount_of_many_missing_objects_is_told_in_a_few_lines() {
    let (azure, ..) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(&azure, folder.path(), &[]).await;
    let objects: String = (0..25)
        .map(|n| format!("- |\n  objectName: missing-{n}\n  objectType: secret\n"))
        .collect();
    let request = mount_request(&class(&format!("array:\n{objects}")), &pod(&azure).unwrap());
    let driver = driver::Provider::connect(child.socket()).unwrap();
    driver.mount(request).await.unwrap_err();
    let log = child.log();
    let warnings = log
        .lines()
        .filter(|line| line.contains(" WARN ") && line.contains("not found"));
    assert_eq!(warnings.count(), 10, "{log}");
    assert!(log.contains("untold=15"), "{log}");
}

#[tokio::test]
async fn a_mount_whose_caller_leaves_is_dropped_and_told() {
    let (azure, _, request) = azure().await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start(&azure, folder.path(), &[]).await;
    let vault = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    let hang = azure.add_fault(Fault::new(vault, Action::Hang)).unwrap();
    let driver = driver::Provider::connect(child.socket()).unwrap();
    let call = driver.mount(request.clone());
    assert!(
        tokio::time::timeout(Duration::from_millis(300), call)
            .await
            .is_err()
    );
    eventually("the log tells", || {
        child.log().contains("the caller went away")
    })
    .await;
    azure.remove_fault(hang);
    driver.mount(request).await.unwrap();
    child.terminate();
    assert_eq!(child.ended().await, Some(0));
}
