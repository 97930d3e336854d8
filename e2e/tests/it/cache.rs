//! A node asks the vault once: what is shared, for how long, and what ends it. Counts of calls, as
//! the emulated Azure saw them.

mod cancellation;
mod gate;
mod outages;
mod refusals;
mod sharing;
mod tokens;

use tonic::Status;
use vaultbind_azure::{Call, Fault, FaultId, Match, Service, TokenRequest};
use vaultbind_e2e::driver::{self, Pod, SecretProviderClass, mount_request};
use vaultbind_e2e::stage::{AUDIENCE, NAMESPACE, Stage};
use vaultbind_proto::MountResponse;

/// The class of one secret.
const DB: &str = "array:\n- |\n  objectName: db\n  objectType: secret\n";

/// Calls to Entra, calls to the vault.
fn calls(stage: &Stage) -> (usize, usize) {
    let calls = stage.azure.calls();
    let count = |service| {
        calls
            .iter()
            .filter(|call: &&Call| call.service == service)
            .count()
    };
    (count(Service::Entra), count(Service::Vault))
}

/// A pod of this namespace and ServiceAccount, with a token that says so.
fn pod_of(stage: &Stage, namespace: &str, service_account: &str) -> Pod {
    let request = TokenRequest {
        namespace: namespace.to_owned(),
        service_account_name: service_account.to_owned(),
        audience: AUDIENCE.to_owned(),
        ..TokenRequest::default()
    };
    let token = stage.azure.service_account_token(&request).unwrap();
    Pod::new(namespace, "pod-0", service_account).with_token(AUDIENCE, token.token)
}

/// The same class for which nothing in memory is fresh.
fn never_fresh(class: &SecretProviderClass) -> SecretProviderClass {
    class
        .clone()
        .with("cacheTTL", "0s")
        .with("reauthorizeAfter", "0s")
}

async fn mount(
    driver: &driver::Provider,
    class: &SecretProviderClass,
    pod: &Pod,
) -> Result<MountResponse, Status> {
    driver.mount(mount_request(class, pod)).await
}

fn fault(stage: &Stage, service: Service, action: vaultbind_azure::Action) -> FaultId {
    let matches = Match {
        service: Some(service),
        ..Match::default()
    };
    stage.azure.add_fault(Fault::new(matches, action)).unwrap()
}

/// Federated credentials for ServiceAccounts of the usual namespace, to go into a seed.
fn service_accounts(count: usize) -> String {
    (0..count)
        .map(|n| {
            let subject = format!("system:serviceaccount:{NAMESPACE}:sa-{n}");
            let issuer = vaultbind_e2e::stage::ISSUER;
            format!("    - {{name: sa-{n}, issuer: '{issuer}', subject: '{subject}'}}\n")
        })
        .collect()
}
