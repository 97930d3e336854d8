//! A vault or Entra that refuses to be asked so often.

use std::time::Duration;

use tonic::Code;
use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_e2e::driver::mount_request;
use vaultbind_e2e::stage::{ISSUER, NAMESPACE, SERVICE_ACCOUNT, Stage, TENANT, class};

use crate::support::{calls_to, metric, of, secret, seed, stage_with_secrets};

const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";
const THROTTLED: &str = "vaultbind_throttled_requests_total{service=\"vault\"}";
const IDENTITIES: usize = 10;
const OBJECTS: usize = 10;

fn throttle(retry_after: u64) -> Action {
    Action::Rate {
        per_second: 0,
        retry_after: Some(retry_after),
        retry_after_millis: None,
    }
}

fn client(n: usize) -> String {
    format!("cccccccc-0000-0000-0000-{n:012}")
}

/// The usual seed with ten objects and ten more identities that may read them.
fn seed_with_identities() -> String {
    let subject = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
    let applications: String = (0..IDENTITIES)
        .map(|n| {
            format!(
                "  - {{clientID: {}, name: app-{n}, federatedCredentials: [{{name: aks, \
                 issuer: '{ISSUER}', subject: '{subject}'}}]}}\n",
                client(n)
            )
        })
        .collect();
    let roles: String = (0..IDENTITIES)
        .map(|n| {
            format!(
                "  - {{principal: {}, role: Key Vault Secrets User}}\n",
                client(n)
            )
        })
        .collect();
    let secrets: String = (0..OBJECTS)
        .map(|n| format!("  - {{name: s{n}, value: {}}}\n", secret("value")))
        .collect();
    seed(&format!("  secrets:\n{secrets}"))
        .replace(
            "  applications:\n",
            &format!("  applications:\n{applications}"),
        )
        .replace(
            "  roleAssignments:\n",
            &format!("  roleAssignments:\n{roles}"),
        )
}

/// 50 mounts of ten objects by ten identities, while the vault takes `per_second` calls.
async fn storm(per_second: u32, retry_after: Option<u64>) {
    let stage = Stage::start(&seed_with_identities()).await.unwrap();
    let rate = Action::Rate {
        per_second,
        retry_after,
        retry_after_millis: None,
    };
    let fault = Fault::new(of(Service::Vault), rate);
    stage.azure.add_fault(fault).unwrap();
    let objects: String = (0..OBJECTS)
        .map(|n| format!("- |\n  objectName: s{n}\n  objectType: secret\n"))
        .collect();
    let objects = format!("array:\n{objects}");
    let (driver, pod) = (stage.driver().unwrap(), stage.pod().unwrap());
    let mounts = (0..5 * IDENTITIES).map(|n| {
        let class = class(&objects).with("clientID", &client(n % IDENTITIES));
        driver.mount(mount_request(&class, &pod))
    });
    for mounted in futures::future::join_all(mounts).await {
        assert_eq!(mounted.unwrap().files.len(), OBJECTS);
    }
    let refused = stage.azure.faults()[0].struck;
    println!("{per_second}/s, Retry-After {retry_after:?}: {refused} refused");
    assert!(refused > 0, "the vault did not throttle");
    assert_eq!(metric(&stage, THROTTLED), refused);
    // 1.3 for each object of each identity.
    let most = u64::try_from(IDENTITIES * OBJECTS * 13 / 10).unwrap();
    assert!(refused <= most, "{refused} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_takes_a_part_of_what_is_offered_serves_all_mounts_with_few_refusals() {
    tokio::join!(storm(60, Some(1)), storm(60, None));
}

#[tokio::test]
async fn one_refusal_holds_back_everyone_who_uses_the_vault() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let fault = Fault::new(of(Service::Vault), throttle(2));
    let fault = stage.azure.add_fault(fault).unwrap();
    let request = mount_request(&class(DB), &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    let mount = || {
        let (driver, request) = (driver.clone(), request.clone());
        tokio::spawn(async move { driver.mount(request).await })
    };
    let mut mounts = vec![mount()];
    while metric(&stage, THROTTLED) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mounts.extend((0..20).map(|_| mount()));
    // Long enough for all of them to come to the vault, were they let.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(calls_to(&stage, Service::Vault).len(), 1);
    stage.azure.remove_fault(fault);
    for mounted in mounts {
        let files = mounted.await.unwrap().unwrap().files;
        assert_eq!(&files[0].contents[..], value.as_bytes());
    }
    assert_eq!(metric(&stage, THROTTLED), 1);
}

#[tokio::test]
async fn a_wait_asked_in_seconds_or_milliseconds_costs_time_and_no_mount() {
    let value = secret("value");
    for (code, seconds, millis) in [
        (429, Some(1), None),
        (429, None, Some(300)),
        (503, Some(1), None),
        (503, None, Some(300)),
    ] {
        let stage = stage_with_secrets(&[("db", &value)]).await;
        let status = Action::Status {
            code,
            retry_after: seconds,
            retry_after_millis: millis,
        };
        let fault = Fault::new(of(Service::Vault), status).times(1);
        stage.azure.add_fault(fault).unwrap();
        let request = mount_request(&class(DB), &stage.pod().unwrap());
        let response = stage.driver().unwrap().mount(request).await.unwrap();
        assert_eq!(&response.files[0].contents[..], value.as_bytes());
        assert_eq!(metric(&stage, THROTTLED), 1, "{code}");
        assert_eq!(calls_to(&stage, Service::Vault).len(), 2);
    }
}

#[tokio::test]
async fn a_wait_beyond_the_time_of_a_mount_fails_mounts_at_once_and_sends_nothing() {
    let value = secret("value");
    let stage = stage_with_secrets(&[("db", &value)]).await;
    let fault = Fault::new(of(Service::Vault), throttle(3_600));
    stage.azure.add_fault(fault).unwrap();
    let request = mount_request(&class(DB), &stage.pod().unwrap());
    let driver = stage.driver().unwrap();
    let mut messages = Vec::new();
    for _ in 0..20 {
        let status = driver.mount(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown);
        messages.push(status.message().to_owned());
    }
    assert!(
        messages[0].contains("throttles requests (HTTP 429)"),
        "{}",
        messages[0]
    );
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(calls_to(&stage, Service::Vault).len(), 1);
}

#[tokio::test]
async fn a_throttled_tenant_does_not_hold_back_another() {
    const OTHER: &str = "99999999-2222-3333-4444-555555555555";
    let value = secret("value");
    let subject = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
    let other = format!(
        "- tenantID: {OTHER}\n  applications:\n  - {{clientID: {0}, name: other, \
         federatedCredentials: [{{name: aks, issuer: '{ISSUER}', subject: '{subject}'}}]}}\n",
        client(0)
    );
    let seed = seed(&format!("  secrets: [{{name: db, value: {value}}}]\n"))
        .replace("issuers:\n", &format!("{other}issuers:\n"))
        + &format!(
            "- name: kv-other\n  tenantID: {OTHER}\n  roleAssignments:\n  - {{principal: {}, \
             role: Key Vault Secrets User}}\n  secrets: [{{name: db, value: {value}}}]\n",
            client(0)
        );
    let stage = Stage::start(&seed).await.unwrap();
    let tenant = Match {
        path: Some(format!("/{TENANT}")),
        ..of(Service::Entra)
    };
    stage
        .azure
        .add_fault(Fault::new(tenant, throttle(600)))
        .unwrap();
    let (driver, pod) = (stage.driver().unwrap(), stage.pod().unwrap());
    let status = driver.mount(mount_request(&class(DB), &pod)).await;
    let message = status.unwrap_err().message().to_owned();
    assert!(message.contains("throttles token requests"), "{message}");
    let other = class(DB)
        .with("keyvaultName", "kv-other")
        .with("tenantID", OTHER)
        .with("clientID", &client(0));
    let response = driver.mount(mount_request(&other, &pod)).await.unwrap();
    assert_eq!(&response.files[0].contents[..], value.as_bytes());
}
