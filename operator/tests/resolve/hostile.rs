//! Answers that no vault gives.

use serde_json::{Value, json};
use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_keyvault::error::FetchProblem;
use vaultbind_keyvault::metadata::MetadataOptions;
use vaultbind_keyvault::transport::Unreachable;

use crate::stage::*;

const HOST: &str = "https://kv-payments-prod.vault.azure.net:443";

/// The next answers to the list of secrets.
fn answer_with(stage: &Stage, path: &str, body: Value, times: Option<u32>) {
    let matches = Match {
        service: Some(Service::Vault),
        path: Some(format!("{path}*")),
        ..Match::default()
    };
    let fault = Fault {
        times,
        ..Fault::new(matches, Action::Json { body })
    };
    stage.azure.add_fault(fault).unwrap();
}

#[tokio::test]
async fn a_link_to_another_host_or_to_a_value_is_not_followed() {
    let stage = Stage::start(&seed(&secrets(3))).await;
    for link in [
        "https://kv-other.vault.azure.net:443/secrets?api-version=7.4",
        "https://evil.example/secrets?api-version=7.4",
        "http://kv-payments-prod.vault.azure.net/secrets?api-version=7.4",
    ] {
        answer_with(
            &stage,
            "/secrets",
            json!({"value": [], "nextLink": link}),
            Some(1),
        );
        let answer = stage.ask(&selection("s", &[], 5), NOW).await;
        let error = answer.selected["all"].clone().unwrap_err();
        let wrong = FetchProblem::Unreachable(Unreachable::WrongHost {
            host: String::new(),
            expected: String::new(),
        });
        let same = std::mem::discriminant(&error.problem) == std::mem::discriminant(&wrong);
        assert!(
            same && error.to_string().contains("may be asked"),
            "{link}: {error}"
        );
        assert_eq!(stage.cost().0, 1, "{link}");
    }
    let link = format!("{HOST}/secrets/s00?api-version=7.4");
    answer_with(
        &stage,
        "/secrets",
        json!({"value": [], "nextLink": link}),
        Some(1),
    );
    let answer = stage.ask(&selection("s", &[], 5), NOW).await;
    assert!(answer.selected["all"].is_err());
    assert_eq!(stage.cost().0, 1);
}

#[tokio::test]
async fn an_empty_page_with_a_link_is_not_the_end() {
    let stage = Stage::start(&seed(&secrets(3))).await;
    let link = format!("{HOST}/secrets?api-version=7.4&maxresults=2");
    answer_with(
        &stage,
        "/secrets",
        json!({"value": [], "nextLink": link}),
        Some(1),
    );
    let answer = stage.ask(&selection("s", &[], 5), NOW).await;
    assert_eq!(answer.selected["all"].as_ref().unwrap().len(), 3);
    assert_eq!(stage.cost(), (3, 3, 1));
}

#[tokio::test]
async fn a_list_that_leads_in_a_circle_or_has_no_end_is_given_up() {
    let setting = Setting {
        metadata: MetadataOptions {
            most_version_pages: 2,
            ..MetadataOptions::default()
        },
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed(&versions(60)), setting).await;
    let answer = stage.ask(&question(&["db"]), NOW).await;
    let error = failed(&answer, "db");
    assert!(
        error
            .to_string()
            .contains("more than can be looked through"),
        "{error}"
    );
    assert_eq!(stage.cost(), (0, 2, 1));

    let link = format!("{HOST}/secrets/db/versions?api-version=7.4&$skiptoken=a");
    let circle = json!({"value": [], "nextLink": link});
    answer_with(&stage, "/secrets/db/versions", circle, None);
    let answer = stage.ask(&question(&["db"]), NOW).await;
    let error = failed(&answer, "db");
    assert!(error.to_string().contains("itself"), "{error}");
    assert_eq!(stage.cost(), (0, 2, 0));
}

#[tokio::test]
async fn items_that_cannot_be_read_are_left_out_and_an_answer_that_is_no_list_is_none() {
    let stage = Stage::start(&seed(&secrets(1))).await;
    let id = "https://kv-payments-prod.vault.azure.net/secrets/db/";
    let good = "0123456789abcdef0123456789abcdef";
    let items = json!({"value": [
        null,
        {"id": format!("{id}latest"), "attributes": {}},
        {"id": format!("{id}{good}"), "attributes": {"enabled": true, "created": 1}},
        {"id": format!("{id}{good}"), "attributes": "none"},
    ], "nextLink": null});
    answer_with(&stage, "/secrets/db", items, Some(1));
    let answer = stage.ask(&question(&["db"]), NOW).await;
    assert_eq!(found(&answer, "db").len(), 1);
    for body in [json!({}), json!([]), json!({"value": "all"})] {
        answer_with(&stage, "/secrets/db", body.clone(), Some(1));
        let answer = stage.ask(&question(&["db"]), NOW).await;
        let error = failed(&answer, "db");
        assert!(
            matches!(error.problem, FetchProblem::BadAnswer { .. }),
            "{body}"
        );
    }
}
