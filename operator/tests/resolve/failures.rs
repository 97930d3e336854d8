//! Refusals and outages: what is told, and what they cost.

use std::time::{Duration, Instant};

use vaultbind_azure::vault::{Network, RoleAssignment};
use vaultbind_azure::{Action, Fault, FaultId, Match, Service};
use vaultbind_keyvault::error::{FetchProblem, Forbidden};
use vaultbind_keyvault::metadata::{ListError, MetadataOptions};

use crate::stage::*;

fn strike(stage: &Stage, action: Action, times: Option<u32>) -> FaultId {
    let matches = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    let fault = Fault {
        times,
        ..Fault::new(matches, action)
    };
    stage.azure.add_fault(fault).unwrap()
}

fn status(code: u16) -> Action {
    Action::Status {
        code,
        retry_after: None,
        retry_after_millis: None,
    }
}

fn is(error: &ListError, forbidden: Forbidden) -> bool {
    error.problem == FetchProblem::Forbidden(forbidden)
}

#[tokio::test]
async fn without_a_role_every_object_says_which() {
    let stage = Stage::start(&with_roles("", &secrets(3))).await;
    let answer = stage.ask(&question(&names(3)), NOW).await;
    for name in names(3) {
        let error = failed(&answer, &name);
        assert!(is(&error, Forbidden::Role), "{error}");
        assert!(
            error.to_string().contains("Key Vault Secrets User"),
            "{error}"
        );
        assert_eq!(error.status, Some(403));
    }
    let answer = stage.ask(&selection("s", &[], 5), NOW).await;
    let error = answer.selected["all"].clone().unwrap_err();
    assert!(is(&error, Forbidden::Role), "{error}");
    assert_eq!(stage.cost(), (1, 3, 1));
}

#[tokio::test]
async fn roles_on_objects_let_their_versions_be_listed_and_the_vault_is_not_asked_in_vain() {
    let stage = Stage::start(&with_roles("", &secrets(5))).await;
    for n in 0..4 {
        let role = RoleAssignment {
            principal: CLIENT.to_owned(),
            role: "Key Vault Secrets User".to_owned(),
            object: Some(format!("secrets/s{n:02}")),
        };
        stage.azure.vaults().assign_role(VAULT, &role).unwrap();
    }
    let question = question(&names(5));
    // The refused list is tried once, when it would have been cheaper.
    for lists in [0, 1, 0, 0] {
        let answer = stage.ask(&question, NOW).await;
        assert!((0..4).all(|n| found(&answer, &format!("s{n:02}")).len() == 1));
        assert!(is(&failed(&answer, "s04"), Forbidden::Role));
        let (pages, versions, _) = stage.cost();
        assert_eq!((pages, versions), (lists, 5));
    }
    // A selection needs it.
    let answer = stage.ask(&selection("s", &[], 9), NOW).await;
    assert!(is(
        &answer.selected["all"].clone().unwrap_err(),
        Forbidden::Role
    ));
    assert_eq!(stage.cost().0, 1);
}

#[tokio::test]
async fn an_access_policy_without_list_is_found_out_by_few_requests() {
    let policies = format!(
        "  authorization: AccessPolicies\n  accessPolicies: [{{principal: {CLIENT}, secrets: [get]}}]\n"
    );
    let stage = Stage::start(&with_roles(&policies, &secrets(60))).await;
    let answer = stage.ask(&question(&names(60)), NOW).await;
    for name in names(60) {
        let error = failed(&answer, &name);
        assert!(is(&error, Forbidden::AccessPolicy), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
        assert!(
            error.to_string().contains("--secret-permissions get list"),
            "{error}"
        );
    }
    let (_, versions, _) = stage.cost();
    // As many as are under way at a time.
    assert!(versions <= 16, "{versions}");
}

#[tokio::test]
async fn the_networks_refusals_are_told_apart_and_end_the_look() {
    let stage = Stage::start(&seed(&secrets(60))).await;
    for (network, expected) in [
        (Network::Firewall, Forbidden::Firewall),
        (Network::PrivateOnly, Forbidden::PrivateOnly),
    ] {
        stage
            .azure
            .vaults()
            .set_network(VAULT, network, &[])
            .unwrap();
        let answer = stage.ask(&question(&names(60)), NOW).await;
        let error = failed(&answer, "s59");
        assert!(is(&error, expected) && error.is_outage(), "{error}");
        let (_, versions, _) = stage.cost();
        assert!(versions <= 16, "{versions}");
    }
}

#[tokio::test]
async fn a_token_that_a_vault_does_not_take_is_replaced_once() {
    let stage = Stage::start(&seed(&secrets(1))).await;
    let question = question(&names(1));
    strike(&stage, status(401), Some(1));
    let answer = stage.ask(&question, NOW).await;
    assert_eq!(found(&answer, "s00").len(), 1);
    assert_eq!(stage.cost(), (0, 2, 2));

    // It takes none: no more tokens are asked for, for a while.
    strike(&stage, status(401), None);
    let answer = stage.ask(&question, NOW).await;
    let error = failed(&answer, "s00");
    let other_tenant = false;
    assert_eq!(error.problem, FetchProblem::TokenRejected { other_tenant });
    let (_, versions, tokens) = stage.cost();
    assert!(versions <= 2 && tokens <= 1, "{versions} {tokens}");
}

fn throttle() -> Action {
    Action::Status {
        code: 429,
        retry_after: Some(1),
        retry_after_millis: None,
    }
}

#[tokio::test]
async fn a_throttle_is_waited_out() {
    let stage = Stage::start(&seed(&secrets(10))).await;
    strike(&stage, throttle(), Some(1));
    let answer = stage.ask(&question(&names(10)), NOW).await;
    assert!(answer.versions.values().all(Result::is_ok));
    assert_eq!(stage.azure.faults()[0].struck, 1);
}

#[tokio::test]
async fn a_vault_that_throttles_all_the_time_ends_the_look_in_time() {
    let setting = Setting {
        metadata: MetadataOptions {
            request_timeout: Duration::from_secs(2),
            ..MetadataOptions::default()
        },
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed(&secrets(20)), setting).await;
    strike(&stage, throttle(), None);
    let started = Instant::now();
    let answer = stage.ask(&question(&names(20)), NOW).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    for name in names(20) {
        let error = failed(&answer, &name);
        assert_eq!(error.problem, FetchProblem::Throttled, "{error}");
    }
}

#[tokio::test]
async fn a_vault_that_hangs_ends_every_question_in_time_and_costs_one_page_when_it_is_back() {
    let setting = Setting {
        metadata: MetadataOptions {
            request_timeout: Duration::from_secs(1),
            ..MetadataOptions::default()
        },
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed(&secrets(20)), setting).await;
    let all = question(&names(20));
    stage.ask(&all, NOW).await;
    stage.cost();
    let hang = strike(&stage, Action::Hang, None);
    let started = Instant::now();
    let questions = (0..20).map(|n| {
        let resolver = std::sync::Arc::clone(&stage.resolver);
        let question = question(&[format!("s{n:02}")]);
        tokio::spawn(async move { resolver.resolve(&question, Duration::from_millis(1)).await })
    });
    for answer in questions.collect::<Vec<_>>() {
        let vaultbind_operator::observed::Answer::Vault(answer) = answer.await.unwrap() else {
            panic!("no answer of the vault");
        };
        let error = answer.versions.into_values().next().unwrap().unwrap_err();
        assert!(
            matches!(error.problem, FetchProblem::Unreachable(_)),
            "{error}"
        );
        assert!(error.is_outage());
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    stage.azure.remove_fault(hang);
    stage.azure.clear_calls();
    // The circuit may be open still.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answer = stage.ask(&all, NOW).await;
    assert!(answer.versions.values().all(Result::is_ok), "{answer:?}");
    let (pages, versions, _) = stage.cost();
    assert_eq!((pages, versions), (1, 0));
}

#[tokio::test]
async fn what_answers_in_a_vaults_place_is_not_taken_for_an_absence() {
    let stage = Stage::start(&seed(&secrets(1))).await;
    strike(&stage, Action::Garbage, Some(1));
    let answer = stage.ask(&question(&names(1)), NOW).await;
    let error = failed(&answer, "s00");
    assert!(
        matches!(error.problem, FetchProblem::BadAnswer { .. }),
        "{error}"
    );
}
