//! As whom vaults are asked, and what is told when nobody is there to ask as.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use vaultbind_azure::Options;
use vaultbind_keyvault::error::{FetchProblem, TokenProblem};
use vaultbind_keyvault::metadata::NoProof;
use vaultbind_keyvault::transport::Unreachable;
use vaultbind_operator::observed::{Answer, Caller, Question, Subject, VaultRef};
use vaultbind_operator::resolve::{OwnIdentity, ResolverOptions, Source};

use crate::stage::*;

fn as_operator() -> Question {
    let mut question = question(&["s00"]);
    question.asker.caller = Caller::Operator;
    question
}

#[tokio::test]
async fn one_token_serves_all_vaults_and_types_of_a_caller() {
    let second = format!(
        "{}- name: kv-other\n  tenantID: {TENANT}\n  roleAssignments: [{{principal: {CLIENT}, role: \
         Key Vault Reader}}]\n{}",
        secrets(2),
        secrets(2)
    );
    let stage = Stage::start(&seed(&second)).await;
    let mut other = question(&names(2));
    other.asker.vault = VaultRef::Host("kv-other.vault.azure.net".to_owned());
    let mut certificate = key("none");
    certificate.type_ = vaultbind_crds::binding::ObjectType::Certificate;
    other.objects.push(certificate);
    let first = question(&names(2));
    let (first, other) = tokio::join!(stage.ask(&first, NOW), stage.ask(&other, NOW));
    assert_eq!((first.versions.len(), other.versions.len()), (2, 3));
    let subject = Subject {
        issuer: ISSUER.to_owned(),
        subject: "system:serviceaccount:payments:payments".to_owned(),
        audience: AUDIENCE.to_owned(),
    };
    assert_eq!(first.subject, Some(subject.clone()));
    assert_eq!(other.subject, Some(subject));
    assert_eq!(stage.cost(), (0, 5, 1));
    assert_eq!(stage.tokens.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn another_service_account_is_another_caller() {
    let stage = Stage::start(&seed(&secrets(1))).await;
    stage.ask(&question(&["s00"]), NOW).await;
    let mut other = question(&["s00"]);
    if let Caller::Workload {
        service_account, ..
    } = &mut other.asker.caller
    {
        "somebody-else".clone_into(service_account);
    }
    let answer = stage.resolver.resolve(&other, HOUR).await;
    let Answer::NoToken(error, subject) = answer else {
        panic!("{answer:?}");
    };
    assert!(matches!(
        error.problem,
        TokenProblem::NoFederatedCredential { code: 700_213, .. }
    ));
    assert_eq!(
        subject.subject,
        "system:serviceaccount:payments:somebody-else"
    );
    assert_eq!(stage.cost(), (0, 1, 2));
    // The refusal is taken for granted for a moment.
    stage.resolver.resolve(&other, NOW).await;
    assert_eq!(stage.cost(), (0, 0, 0));
    let sources = stage.log.sources.lock().unwrap().clone();
    assert_eq!(sources, [Source::Vault, Source::NoToken, Source::NoToken]);
}

#[tokio::test]
async fn without_a_service_account_nothing_is_asked() {
    let stage = Stage::start(&seed(&secrets(1))).await;
    let refusal = "ServiceAccount payments/payments does not exist";
    *stage.tokens.refusal.lock().unwrap() = Some(refusal.to_owned());
    let answer = stage.resolver.resolve(&question(&["s00"]), NOW).await;
    let Answer::NoServiceAccountToken(missing) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(missing.text, refusal);
    assert_eq!(stage.cost(), (0, 0, 0));
}

#[tokio::test]
async fn a_token_is_replaced_ahead_of_its_end_and_nobody_waits_for_it() {
    let setting = Setting {
        azure: Options {
            token_lifetime: Duration::from_secs(10),
            ..Options::default()
        },
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed(&secrets(1)), setting).await;
    let question = question(&["s00"]);
    stage.ask(&question, NOW).await;
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (0, 2, 1));
    tokio::time::sleep(Duration::from_millis(8500)).await;
    stage.ask(&question, NOW).await;
    for _ in 0..100 {
        if stage.tokens.asked.load(Ordering::Relaxed) == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.cost(), (0, 1, 1));
}

#[tokio::test]
async fn the_operator_asks_as_itself_by_its_projected_token_or_as_the_nodes_identity() {
    let managed = "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee";
    let roles = format!(
        "  roleAssignments:\n  - {{principal: {CLIENT}, role: Key Vault Reader}}\n  - {{principal: \
         {managed}, role: Key Vault Reader}}\n"
    );
    let machine = format!(
        "managedIdentities:\n  tenantID: {TENANT}\n  userAssigned:\n  - {{clientID: {managed}, objectID: \
         cccccccc-bbbb-cccc-dddd-eeeeeeeeeeee, resourceID: /subscriptions/s/resourceGroups/g/providers/\
         Microsoft.ManagedIdentity/userAssignedIdentities/operator}}\n"
    );
    let seed = with_roles(&roles, &secrets(1)) + &machine;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let own = OwnIdentity::Workload {
        tenant: TENANT.parse().unwrap(),
        client: CLIENT.parse().unwrap(),
        token_file: token_file.clone(),
    };
    let setting = Setting {
        own: Some(own),
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed, setting).await;
    let answer = stage.resolver.resolve(&as_operator(), NOW).await;
    let Answer::NoServiceAccountToken(NoProof { text, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert!(text.contains("cannot be read"), "{text}");

    let stage = {
        let own = OwnIdentity::Workload {
            tenant: TENANT.parse().unwrap(),
            client: CLIENT.parse().unwrap(),
            token_file: token_file.clone(),
        };
        let setting = Setting {
            own: Some(own),
            ..Setting::default()
        };
        Stage::start_with(&seed, setting).await
    };
    let token = token(&stage.azure, "payments", "payments", AUDIENCE);
    std::fs::write(&token_file, format!("{token}\n")).unwrap();
    let answer = stage.ask(&as_operator(), NOW).await;
    assert_eq!(found(&answer, "s00").len(), 1);
    assert_eq!(answer.subject, None);
    assert_eq!(stage.tokens.asked.load(Ordering::Relaxed), 0);

    let own = OwnIdentity::Managed {
        client: Some(managed.parse().unwrap()),
    };
    let setting = Setting {
        own: Some(own),
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed, setting).await;
    let answer = stage.ask(&as_operator(), NOW).await;
    assert_eq!(found(&answer, "s00").len(), 1);
}

#[tokio::test]
async fn an_operator_without_an_identity_says_how_to_give_it_one() {
    let stage = Stage::start(&seed(&secrets(1))).await;
    let answer = stage.resolver.resolve(&as_operator(), NOW).await;
    let Answer::NoServiceAccountToken(NoProof { text, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert!(text.contains("operator.azure.clientID"), "{text}");
    assert_eq!(stage.cost(), (0, 0, 0));
}

#[tokio::test]
async fn hosts_elsewhere_are_asked_only_where_they_are_allowed() {
    let host = "kv.corp.example";
    let seed = seed(&format!("  hosts: [{host}]\n{}", secrets(1)));
    let mut question = question(&["s00"]);
    question.asker.vault = VaultRef::Host(host.to_owned());

    let stage = Stage::start(&seed).await;
    let error = failed(&stage.ask(&question, NOW).await, "s00");
    assert!(matches!(
        &error.problem,
        FetchProblem::Unreachable(Unreachable::WrongHost { .. })
    ));
    assert_eq!(stage.cost(), (0, 0, 0));

    let setting = Setting {
        resolver: ResolverOptions {
            allowed_hosts: vec![host.parse().unwrap()],
            ..ResolverOptions::default()
        },
        ..Setting::default()
    };
    let stage = Arc::new(Stage::start_with(&seed, setting).await);
    assert_eq!(found(&stage.ask(&question, NOW).await, "s00").len(), 1);
    assert_eq!(stage.cost(), (0, 1, 1));
}
