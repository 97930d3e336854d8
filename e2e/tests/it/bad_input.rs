//! Every mistake and every refusal, told in words that would stand in the pod's event.
//!
//! The messages are the table of docs/troubleshooting.md; `UPDATE_DOCS=1` writes it anew.

mod azure;
mod bindings;
mod network;
mod request;

use std::fmt::Write as _;
use std::path::PathBuf;

use tonic::Code;
use vaultbind_e2e::driver::{self, Pod, SecretProviderClass, mount_request};
use vaultbind_proto::MountRequest;

const BEGIN: &str = "<!-- messages:begin -->";
const END: &str = "<!-- messages:end -->";

/// What went wrong, and what was said.
pub(crate) struct Case {
    what: &'static str,
    code: Code,
    message: String,
}

/// Mounts twice and takes down what was said, which has to be the same.
pub(crate) async fn refused(
    what: &'static str,
    driver: &driver::Provider,
    request: &MountRequest,
    code: Code,
    remedy: &str,
) -> Case {
    let first = driver.mount(request.clone()).await.err();
    let second = driver.mount(request.clone()).await.err();
    let (Some(first), Some(second)) = (first, second) else {
        panic!("{what}: mounted")
    };
    assert_eq!(
        first.message(),
        second.message(),
        "{what}: each distinct text is another event"
    );
    let message = first.message().to_owned();
    assert_eq!(first.code(), code, "{what}: {message}");
    assert!(
        message.contains(remedy),
        "{what}: {remedy:?} is not in {message:?}"
    );
    assert!(
        message.chars().count() <= 300,
        "{what}: {} characters",
        message.chars().count()
    );
    assert!(
        !message.chars().any(char::is_control),
        "{what}: {message:?}"
    );
    Case {
        what,
        code,
        message,
    }
}

pub(crate) async fn refused_class(
    what: &'static str,
    driver: &driver::Provider,
    class: &SecretProviderClass,
    pod: &Pod,
    code: Code,
    remedy: &str,
) -> Case {
    refused(what, driver, &mount_request(class, pod), code, remedy).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_input_has_a_stable_message_that_says_what_to_do() {
    let (request, azure, bindings, network) = tokio::join!(
        request::cases(),
        azure::cases(),
        bindings::cases(),
        network::cases()
    );
    let parts = [request, azure, bindings, network];
    let cases: Vec<Case> = parts.into_iter().flatten().collect();
    let table = table(&cases);
    println!("{table}");

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the table's beginning");
    let (shown, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}\n{table}{END}{after}")).unwrap();
    } else {
        let (shown, made): (Vec<_>, Vec<_>) = (
            shown.trim().lines().collect(),
            table.trim().lines().collect(),
        );
        let differs = shown.iter().zip(&made).find(|(shown, made)| shown != made);
        assert_eq!(differs, None, "docs/troubleshooting.md is old: make docs");
        assert_eq!(
            shown.len(),
            made.len(),
            "docs/troubleshooting.md is old: make docs"
        );
    }
}

fn table(cases: &[Case]) -> String {
    let mut table = "| When | Code | Message |\n| --- | --- | --- |\n".to_owned();
    for Case {
        what,
        code,
        message,
    } in cases
    {
        let message = plain_proxy(message)
            .replace('|', "\\|")
            .replace('<', "&lt;");
        writeln!(table, "| {what} | {code:?} | {message} |").unwrap();
    }
    table
}

/// The port of the emulator's proxy is another in each run.
fn plain_proxy(message: &str) -> String {
    let Some((before, rest)) = message.split_once("127.0.0.1:") else {
        return message.to_owned();
    };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}proxy.example:3128{after}")
}
