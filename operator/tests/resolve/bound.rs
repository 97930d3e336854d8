//! Identities that are bound to an AKS cluster: the vault is asked with a token of its token proxy.

use std::sync::Arc;

use vaultbind_azure::Service;
use vaultbind_keyvault::error::TokenProblem;
use vaultbind_keyvault::metadata::MetadataOptions;
use vaultbind_keyvault::transport::TokenProxy;
use vaultbind_keyvault::{Identity, Metadata, Transport};
use vaultbind_operator::observed::{Answer, Caller, Question};
use vaultbind_operator::resolve::{Resolver, ResolverOptions};

use crate::stage::*;

/// A cluster to which the identity is bound; `payments` may use it.
fn bound_seed() -> String {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/payments";
    format!(
        "issuers: [{{issuer: '{ISSUER}'}}]
arm:
  identities:
  - resourceID: {group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/payments
    tenantID: {TENANT}
    clientID: {CLIENT}
  clusters:
  - resourceID: {group}/providers/Microsoft.ContainerService/managedClusters/blue
    tenantID: {TENANT}
    issuer: {ISSUER}
    identityUsers: [{{clientID: {CLIENT}, subject: 'system:serviceaccount:payments:payments'}}]
    identityBindings: [{{name: payments, clientID: {CLIENT}}}]
vaults:
- name: {VAULT}
  tenantID: {TENANT}
  roleAssignments: [{{principal: {CLIENT}, role: Key Vault Reader}}]
{}",
        secrets(1)
    )
}

/// As which ServiceAccount the bound identity asks.
fn bound(service_account: &str) -> Question {
    let mut question = question(&["s00"]);
    question.asker.caller = Caller::Workload {
        client: CLIENT.to_owned(),
        namespace: "payments".to_owned(),
        service_account: service_account.to_owned(),
        audience: Identity::BINDING_AUDIENCE.to_owned(),
    };
    question
}

async fn stage() -> Stage {
    Stage::start(&bound_seed()).await
}

/// The resolver of a stage that was told where the token proxy is.
fn told(stage: &Stage, folder: &std::path::Path) -> Resolver {
    let ca_file = folder.join("ca.crt");
    std::fs::write(&ca_file, stage.azure.ca_pem()).unwrap();
    let mut options = transport_options(&stage.azure);
    options.token_proxy = Some(TokenProxy {
        url: format!("https://{}", stage.azure.https_addr())
            .parse()
            .unwrap(),
        server_name: Some("blue.ests.aks".parse().unwrap()),
        ca_file,
    });
    Resolver::new(
        Metadata::new(Transport::new(options).unwrap(), MetadataOptions::default()),
        Arc::clone(&stage.tokens) as _,
        None,
        ResolverOptions::default(),
    )
}

#[tokio::test]
async fn the_token_proxy_gives_the_token_and_the_vault_answers() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    let resolver = told(&stage, folder.path());
    let Answer::Vault(answer) = resolver.resolve(&bound("payments"), NOW).await else {
        panic!("no answer of the vault");
    };
    assert_eq!(found(&answer, "s00").len(), 1);
    let audience = answer.subject.unwrap().audience;
    assert_eq!(audience, Identity::BINDING_AUDIENCE);
    let calls = stage.azure.calls();
    let entra = calls.iter().filter(|call| call.service == Service::Entra);
    let hosts: Vec<_> = entra.map(|call| call.host.as_str()).collect();
    assert_eq!(hosts, ["127.0.0.1"]);
}

#[tokio::test]
async fn a_service_account_that_may_not_use_the_identity_is_refused() {
    let (stage, folder) = (stage().await, tempfile::tempdir().unwrap());
    let resolver = told(&stage, folder.path());
    let answer = resolver.resolve(&bound("other"), NOW).await;
    let Answer::NoToken(error, subject) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(error.problem, TokenProblem::TokenProxyRefused(403));
    assert_eq!(subject.subject, "system:serviceaccount:payments:other");
}

#[tokio::test]
async fn without_a_token_proxy_nothing_leaves_the_operator() {
    let stage = stage().await;
    let answer = stage.resolver.resolve(&bound("payments"), NOW).await;
    let Answer::NoToken(error, _) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(error.problem, TokenProblem::NoTokenProxy);
    assert_eq!(stage.cost(), (0, 0, 0));
}
