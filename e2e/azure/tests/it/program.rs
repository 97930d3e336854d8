//! The program, as a user starts it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vaultbind-azure");

/// Ends the program when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn wait_for<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "took too long");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_says_where_it_is_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready.json");
    let ca = folder.path().join("ca.pem");
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/example.yaml");
    let mut command = Command::new(PROGRAM);
    // Each on an address of its own.
    for (listener, address) in [
        ("--listen", "127.0.0.2:0"),
        ("--proxy", "127.0.0.1:0"),
        ("--imds", "127.0.0.1:0"),
        ("--admin", "127.0.0.3:0"),
    ] {
        command.args([listener, address]);
    }
    command
        .args(["--seed", seed, "--ca-file"])
        .arg(&ca)
        .arg("--ready-file")
        .arg(&ready);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let ready = wait_for(|| std::fs::read(&ready).ok());
    let ready: Value = serde_json::from_slice(&ready).unwrap();
    for (listener, ip) in [("https", "127.0.0.2:"), ("admin", "127.0.0.3:")] {
        let address = ready[listener].as_str().unwrap();
        assert!(address.starts_with(ip), "{address}");
        std::net::TcpStream::connect(address).unwrap();
    }
    let proxy = format!("http://{}", ready["proxy"].as_str().unwrap());
    assert_eq!(ready["environment"]["HTTPS_PROXY"], proxy);
    assert_eq!(ready["environment"]["SSL_CERT_FILE"], ca.to_str().unwrap());
    assert!(
        std::fs::read_to_string(&ca)
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );

    let pid = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = wait_for(|| running.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let mut printed = String::new();
    let mut stdout = running.0.stdout.take().unwrap();
    std::io::Read::read_to_string(&mut stdout, &mut printed).unwrap();
    for part in [
        proxy.as_str(),
        "myvault",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    ] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

#[test]
fn a_bad_seed_is_told_with_file_field_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed.yaml");
    std::fs::write(&seed, "tenants:\n- tenantID: nope\n").unwrap();
    let output = Command::new(PROGRAM)
        .arg("--seed")
        .arg(&seed)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    for part in ["seed.yaml", "tenants[0].tenantID", "not a GUID", "line 2"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}
