//! grpc-go as the CSI driver's client of the provider.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};
use vaultbind_e2e::driver::mount_request;
use vaultbind_e2e::stage::{Stage, class};

use super::tools::{Judge, sha256};
use crate::support::{secret, stage_with_secrets};

const CALLS: u32 = 200;

#[derive(Debug, PartialEq, Deserialize)]
struct Summary {
    calls: u32,
    ok: u32,
    code: String,
    message: String,
    connections: u32,
    health: String,
    files: Vec<File>,
    versions: Vec<Version>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct File {
    path: String,
    mode: i32,
    sha256: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Version {
    id: String,
    version: String,
}

/// Writes the request that the driver would send.
fn request_file(stage: &Stage) -> PathBuf {
    let class = class(
        r#"
        array:
        - |
          objectName: db-password
          objectType: secret
          filePermission: "0400"
        - |
          objectName: api-token
          objectType: secret
          objectAlias: api/token
        "#,
    );
    let request = mount_request(&class, &stage.pod().unwrap());
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let request = json!({
        "attributes": parse(&request.attributes),
        "secrets": parse(&request.secrets),
        "permission": request.permission,
        "targetPath": request.target_path,
    });
    let path = stage.folder().join("request.json");
    std::fs::write(&path, request.to_string()).unwrap();
    path
}

async fn two_hundred_calls(authority: &str) {
    let values = [secret("db-password"), secret("api-token")];
    let stage = stage_with_secrets(&[("db-password", &values[0]), ("api-token", &values[1])]).await;
    let summary: Summary = Judge::go("grpc")
        .args(&["-authority", authority, "-calls", &CALLS.to_string()])
        .arg("-socket")
        .arg(stage.provider.socket())
        .arg("-request")
        .arg(request_file(&stage))
        .json()
        .await;
    let file = |path: &str, mode, value: &str| File {
        path: path.to_owned(),
        mode,
        sha256: sha256(value.as_bytes()),
    };
    assert!(
        summary
            .versions
            .iter()
            .all(|version| version.version.len() == 32),
        "{summary:?}"
    );
    let ids: Vec<_> = summary.versions.iter().map(|v| v.id.as_str()).collect();
    assert_eq!(ids, ["secret/db-password", "secret/api-token"]);
    let expected = Summary {
        calls: CALLS,
        ok: CALLS,
        code: "OK".to_owned(),
        message: String::new(),
        connections: 1,
        health: "SERVING".to_owned(),
        files: vec![
            file("db-password", 0o400, &values[0]),
            file("api/token", 0o644, &values[1]),
        ],
        versions: Vec::new(),
    };
    let summary = Summary {
        versions: Vec::new(),
        ..summary
    };
    assert_eq!(summary, expected);
}

#[tokio::test]
async fn grpc_go_that_sends_localhost_mounts_two_hundred_times_on_one_connection() {
    two_hundred_calls("localhost").await;
}

#[tokio::test]
async fn grpc_go_that_sends_the_socket_path_mounts_two_hundred_times_on_one_connection() {
    two_hundred_calls("path").await;
}

#[tokio::test]
async fn grpc_go_that_sends_the_encoded_path_mounts_two_hundred_times_on_one_connection() {
    two_hundred_calls("encoded").await;
}
