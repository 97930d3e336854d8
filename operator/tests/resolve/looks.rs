//! What looks at a vault cost, and what they see.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use vaultbind_azure::vault::{Caller, Collection, SetSecret, VaultRequest};
use vaultbind_keyvault::VersionId;
use vaultbind_operator::resolve::Source;

use crate::stage::*;

/// Somebody who may delete secrets.
const OFFICER: &str = "dddddddd-bbbb-cccc-dddd-eeeeeeeeeeee";

fn unix_now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn rotate(stage: &Stage, name: &str) -> String {
    let vaults = stage.azure.vaults();
    let set = vaults.set_secret(VAULT, name, SetSecret::new("v"), unix_now());
    set.unwrap()
}

#[tokio::test]
async fn the_second_look_at_sixty_objects_costs_the_three_pages_of_their_list() {
    let stage = Stage::start(&seed(&secrets(60))).await;
    let question = question(&names(60));
    let answer = stage.ask(&question, NOW).await;
    assert_eq!(answer.versions.len(), 60);
    assert!(
        answer
            .versions
            .values()
            .all(|v| v.as_ref().unwrap().len() == 1)
    );
    assert_eq!(stage.cost(), (0, 60, 1));

    // Within its age it costs nothing.
    let again = stage.ask(&question, HOUR).await;
    assert_eq!(again.at, answer.at);
    assert_eq!(stage.cost(), (0, 0, 0));

    let again = stage.ask(&question, NOW).await;
    assert!(again.at > answer.at);
    assert_eq!(again.versions.len(), 60);
    assert_eq!(stage.cost(), (3, 0, 0));

    let newest = rotate(&stage, "s30");
    let answer = stage.ask(&question, NOW).await;
    assert_eq!(found(&answer, "s30")[0].id.as_str(), newest);
    assert_eq!(stage.cost(), (3, 1, 0));

    assert_eq!(stage.tokens.asked.load(Ordering::Relaxed), 1);
    let sources = stage.log.sources.lock().unwrap().clone();
    let expected = [Source::Vault, Source::Memory, Source::Vault, Source::Vault];
    assert_eq!(sources, expected);
    let sweep = stage.log.sweeps.lock().unwrap()[2];
    assert_eq!(
        (sweep.list_pages, sweep.unchanged, sweep.version_lists),
        (3, 59, 1)
    );
}

#[tokio::test]
async fn one_page_tells_that_nothing_has_changed() {
    let stage = Stage::start(&seed(&secrets(20))).await;
    let question = question(&names(20));
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (0, 20, 1));
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (1, 0, 0));
}

#[tokio::test]
async fn a_long_list_is_given_up_when_asking_for_each_object_is_cheaper() {
    let stage = Stage::start(&seed(&secrets(90))).await;
    let question = question(&["s01", "s80", "s81"]);
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (0, 3, 1));
    // Two pages may be cheaper. They show one of the three, and that there are more pages.
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (2, 2, 0));
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (0, 3, 0));
}

#[tokio::test]
async fn one_list_serves_the_bindings_that_will_ask_soon() {
    let stage = Stage::start(&seed(&secrets(10))).await;
    let age = Duration::from_secs(2);
    let questions: Vec<_> = names(10).iter().map(|name| question(&[name])).collect();
    for question in &questions {
        stage.ask(question, age).await;
    }
    assert_eq!(stage.cost(), (0, 10, 1));
    tokio::time::sleep(age).await;
    for question in &questions {
        stage.ask(question, age).await;
    }
    assert_eq!(stage.cost(), (1, 0, 0));
}

#[tokio::test]
async fn versions_come_over_pages_and_the_newest_and_the_held_ones_are_kept() {
    let stage = Stage::start(&seed(&versions(60))).await;
    let oldest = version(0);
    let question = holding(question(&["db"]), "db", &oldest);
    let answer = stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (0, 3, 1));
    let kept: Vec<_> = found(&answer, "db").into_iter().map(|v| v.id).collect();
    let newest = (35..60).rev().map(version);
    let expected: Vec<_> = newest.chain([oldest]).collect();
    assert_eq!(kept, expected);

    // Another binding holds another one: its versions are listed once more, and then no more.
    for (held, cost) in [(version(7), 3), (version(7), 0), (version(40), 0)] {
        let question = holding(question.clone(), "db", &held);
        let answer = stage.ask(&question, HOUR).await;
        assert!(found(&answer, "db").iter().any(|v| v.id == held), "{held}");
        assert_eq!(stage.cost(), (0, cost, 0), "{held}");
    }
    // One that does not exist is looked for once.
    let missing: VersionId = "f".repeat(32).parse().unwrap();
    let question = holding(question, "db", &missing);
    for cost in [3, 0] {
        stage.ask(&question, HOUR).await;
        assert_eq!(stage.cost(), (0, cost, 0));
    }
}

#[tokio::test]
async fn a_held_version_that_is_not_the_newest_is_seen_to_be_disabled() {
    let more = secrets(9).replace("  secrets:\n", "");
    let stage = Stage::start(&seed(&format!("{}{more}", versions(2)))).await;
    let mut all = names(9);
    all.push("db".to_owned());
    let plain = question(&all);
    let held = holding(plain.clone(), "db", &version(0));
    stage.ask(&plain, NOW).await;
    stage.ask(&plain, NOW).await;
    assert_eq!(stage.cost(), (1, 10, 1));

    stage.ask(&held, NOW).await;
    assert_eq!(stage.cost(), (1, 1, 0));
    let vaults = stage.azure.vaults();
    let id = version(0).to_string();
    vaults
        .set_enabled(
            VAULT,
            Collection::Secrets,
            "db",
            Some(&id),
            false,
            unix_now(),
        )
        .unwrap();
    let answer = stage.ask(&held, NOW).await;
    let of_db = found(&answer, "db");
    assert_eq!(of_db.len(), 2);
    assert!(of_db[0].attributes.enabled && !of_db[1].attributes.enabled);
}

#[tokio::test]
async fn versions_of_one_second_are_all_seen() {
    let stage = Stage::start(&seed(&secrets(10))).await;
    let question = question(&names(10));
    let first = rotate(&stage, "s03");
    stage.ask(&question, NOW).await;
    // As likely as not in the same second, in which the list shows no difference.
    let second = rotate(&stage, "s03");
    let answer = stage.ask(&question, NOW).await;
    let ids: Vec<_> = found(&answer, "s03")
        .into_iter()
        .map(|v| v.id.to_string())
        .collect();
    assert!(ids.contains(&first) && ids.contains(&second), "{ids:?}");
}

#[tokio::test]
async fn what_is_not_there_has_no_versions_and_what_was_deleted_has_none_any_more() {
    let roles = format!(
        "  roleAssignments:\n  - {{principal: {CLIENT}, role: Key Vault Reader}}\n  - {{principal: \
         {OFFICER}, role: Key Vault Secrets Officer}}\n"
    );
    let stage = Stage::start(&with_roles(&roles, &secrets(3))).await;
    let question = question(&["s00", "missing", "s02", "no such name"]);
    let answer = stage.ask(&question, NOW).await;
    assert!(found(&answer, "missing").is_empty() && found(&answer, "no such name").is_empty());
    assert_eq!(found(&answer, "s00").len(), 1);
    assert_eq!(stage.cost(), (0, 3, 1));
    // The list alone says that it is still missing.
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (1, 0, 0));

    let request = VaultRequest {
        method: http::Method::DELETE,
        path: "/secrets/s02".to_owned(),
        query: "api-version=7.4".to_owned(),
        body: Vec::new().into(),
        caller: Caller {
            client_id: OFFICER.to_owned(),
            object_id: OFFICER.to_owned(),
            tenant_id: TENANT.to_owned(),
        },
        client_address: std::net::Ipv4Addr::LOCALHOST.into(),
        client_request_id: None,
    };
    let host = "kv-payments-prod.vault.azure.net";
    let deleted = stage.azure.vaults().handle(host, &request, unix_now());
    assert_eq!(deleted.status(), 200);
    let answer = stage.ask(&question, NOW).await;
    assert!(found(&answer, "s02").is_empty());
    // What was there a moment ago is asked for itself.
    assert_eq!(stage.cost(), (1, 1, 0));
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (1, 0, 0));
}

#[tokio::test]
async fn concurrent_questions_share_one_look() {
    let stage = Stage::start(&seed(&secrets(10))).await;
    let questions = (0..50).map(|n| {
        let (resolver, all) = (Arc::clone(&stage.resolver), names(10));
        // Some want all, some a part.
        let question = question(&all[n % 5..]);
        tokio::spawn(async move { resolver.resolve(&question, HOUR).await })
    });
    let questions: Vec<_> = questions.collect();
    for answer in questions {
        let answer = answer.await.unwrap();
        let vaultbind_operator::observed::Answer::Vault(answer) = answer else {
            panic!("{answer:?}");
        };
        assert!(answer.versions.values().all(Result::is_ok));
    }
    assert_eq!(stage.cost(), (0, 10, 1));
}

#[tokio::test]
async fn the_smallest_budget_of_those_who_ask_a_vault_holds() {
    let stage = Stage::start(&seed(&secrets(40))).await;
    let mut slow = question(&["s39"]);
    slow.requests_per_second = 4;
    stage.ask(&slow, NOW).await;
    let started = Instant::now();
    let question = question(&names(16));
    stage.ask(&question, NOW).await;
    // Ten at once, one of which is gone, then three each second.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(2000), "{took:?}");
    assert_eq!(stage.cost(), (0, 17, 1));
}
