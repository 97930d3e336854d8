//! Runs after the `it` tests and searches all their logs, written at the highest verbosity, for the
//! values they used, for tokens and for private keys.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::fs;
use std::path::{Path, PathBuf};

use vaultbind_e2e::leaks::LogFolder;

fn logs() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("logs");
    assert!(
        path.is_dir(),
        "there are no logs: run the tests of `it` first"
    );
    path
}

#[test]
fn no_log_holds_a_value_a_token_or_a_private_key() {
    let findings = LogFolder::new(&logs()).unwrap().search().unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn the_logs_are_those_of_full_verbosity() {
    let log = fs::read_to_string(logs().join("in-process.log")).unwrap();
    for part in [
        "DEBUG h2::",
        "DEBUG ",
        "vaultbind_provider::mount",
        "request_id=",
        "result=\"failed\"",
    ] {
        assert!(log.contains(part), "{part}");
    }
}

#[test]
fn a_value_planted_in_a_log_is_found() {
    let values = fs::read_to_string(logs().join("values.hex")).unwrap();
    let value: Vec<u8> = values
        .lines()
        .next()
        .unwrap()
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();
    let plants = [
        String::from_utf8(value).unwrap(),
        "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL29pZGMifQ.c2ln".to_owned(),
        "-----BEGIN EC PRIVATE KEY-----".to_owned(),
    ];
    for plant in plants {
        let folder = tempfile::tempdir().unwrap();
        copy(&logs(), folder.path());
        let planted = folder.path().join("in-process.log");
        let log = fs::read_to_string(&planted).unwrap();
        fs::write(&planted, format!("{log}\none more line {plant}\n")).unwrap();
        let findings = LogFolder::new(folder.path()).unwrap().search().unwrap();
        assert_eq!(findings.len(), 1, "{plant}: {findings:#?}");
        assert!(findings[0].line > log.lines().count(), "{findings:#?}");
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
