//! What a real process holds of a value, while it is mounted and when nobody may read it any more.

use vaultbind_azure::{Action, Azure, Fault, Match, Options, Service};
use vaultbind_e2e::driver::{self, mount_request};
use vaultbind_e2e::memory::{Copy, Region, search};
use vaultbind_e2e::stage::{class, pod};

use super::child::Child;
use crate::support::{eventually, logs, secret, seed};

const OBJECTS: &str = "array:\n- |\n  objectName: marked\n  objectType: secret\n- |\n  objectName: slow\n  objectType: secret\n";

async fn azure(marker: &str) -> Azure {
    logs();
    let other = secret("other");
    let seed = seed(&format!(
        "  secrets: [{{name: marked, value: {marker}}}, {{name: slow, value: {other}}}]\n"
    ));
    let options = Options {
        seed: serde_yaml::from_str(&seed).unwrap(),
        ..Options::default()
    };
    Azure::start(options).await.unwrap()
}

fn at_vault(path: &str) -> Match {
    Match {
        service: Some(Service::Vault),
        path: Some(path.to_owned()),
        ..Match::default()
    }
}

fn show(when: &str, copies: &[Copy]) {
    println!("{when}: {} copies", copies.len());
    for copy in copies {
        println!("  {:?} {:#x}: {}", copy.region, copy.address, copy.around);
    }
}

#[cfg_attr(no_trace, ignore = "processes may not be looked into here")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_whose_access_is_revoked_is_in_no_memory_once_its_connections_are_closed() {
    let marker = secret("marker");
    let azure = azure(&marker).await;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start(&azure, folder.path(), &["--cache-ttl=0s"]).await;
    let pid = child.id();
    let find = || search(pid, marker.as_bytes()).unwrap();
    let request = mount_request(&class(OBJECTS), &pod(&azure).unwrap());
    let driver = driver::Provider::connect(child.socket()).unwrap();

    // One value is there, the mount waits for the other.
    let hang = azure
        .add_fault(Fault::new(
            at_vault("/secrets/slow"),
            Action::Delay { millis: 1_500 },
        ))
        .unwrap();
    let mount = tokio::spawn({
        let (driver, request) = (driver.clone(), request.clone());
        async move { driver.mount(request).await }
    });
    eventually("the value is in memory", || {
        find().iter().any(|copy| copy.region == Region::Heap)
    })
    .await;
    show("while it is mounted", &find());
    let response = mount.await.unwrap().unwrap();
    assert_eq!(&response.files[0].contents[..], marker.as_bytes());
    azure.remove_fault(hang);
    show("after the mount", &find());

    let refusal = Action::Status {
        code: 403,
        retry_after: None,
        retry_after_millis: None,
    };
    azure
        .add_fault(Fault::new(at_vault("/secrets/marked"), refusal))
        .unwrap();
    driver.mount(request.clone()).await.unwrap_err();
    show("after a refusal", &find());

    azure.clear_faults();
    azure
        .add_fault(Fault::new(at_vault("/secrets"), Action::Drop))
        .unwrap();
    driver.mount(request).await.unwrap_err();
    show("after the vault's connection has ended", &find());
    drop(driver);
    eventually("no copy is left", || find().is_empty()).await;
    child.terminate();
    assert_eq!(child.ended().await, Some(0));
}
