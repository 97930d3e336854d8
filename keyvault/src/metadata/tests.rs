//! What pages say, and what is told of failures.

use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::page::{self, Page};
use super::*;
use crate::error::{FetchProblem, Forbidden};
use crate::transport::Unreachable;
use crate::{Cloud, VaultHost};

const HOST: &str = "kv-pay.vault.azure.net";
const V1: &str = "0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a";

fn secrets() -> List {
    List::Objects(ObjectType::Secret)
}

fn versions_of(name: &str) -> List {
    List::Versions(ObjectType::Secret, name.parse().unwrap())
}

fn read(page: &Value) -> Page {
    page::read(page.to_string().as_bytes()).unwrap()
}

#[test]
fn items_tell_name_attributes_tags_and_whose_they_are() {
    let page = read(&json!({"value": [
        {"id": format!("https://{HOST}/secrets/DB-pass"), "contentType": "text/plain",
         "attributes": {"enabled": false, "nbf": 1, "exp": 2, "created": 3, "updated": 4,
                        "recoveryLevel": "Purgeable"},
         "tags": {"team": "pay"}},
        {"id": format!("https://{HOST}/secrets/web"), "managed": true, "attributes": {"enabled": true}},
    ], "nextLink": null}));
    assert_eq!(page.next, None);
    let listed: Vec<Listed> = page
        .items
        .into_iter()
        .filter_map(|item| page::listed(&secrets(), &item?))
        .collect();
    assert_eq!(
        listed[0],
        Listed {
            name: "DB-pass".parse().unwrap(),
            attributes: Attributes {
                enabled: false,
                created: Some(3),
                updated: Some(4),
                validity: Validity {
                    not_before: Some(1),
                    expires: Some(2)
                },
            },
            tags: BTreeMap::from([("team".to_owned(), "pay".to_owned())]),
            managed: false,
        }
    );
    assert!(listed[1].managed && listed[1].attributes.enabled);
}

#[test]
fn keys_are_named_by_their_kid() {
    let list = List::Versions(ObjectType::Key, "sign".parse().unwrap());
    let page = read(&json!({"value": [
        {"kid": format!("https://{HOST}/keys/sign/{V1}"), "attributes": {"enabled": true, "created": 9}},
    ]}));
    let version = page.items.into_iter().next().unwrap();
    let version = page::version(&list, &version.unwrap()).unwrap();
    assert_eq!(version.id.as_str(), V1);
    assert_eq!(version.attributes.created, Some(9));
}

#[test]
fn items_that_are_none_are_left_out_one_by_one() {
    let good = json!({"id": format!("https://{HOST}/secrets/a/{V1}"), "attributes": {}});
    let bad = [
        json!(null),
        json!(7),
        json!({}),
        json!({"id": format!("https://{HOST}/secrets/a/{V1}")}),
        json!({"id": format!("https://{HOST}/secrets/a/latest"), "attributes": {}}),
        json!({"id": format!("https://{HOST}/secrets/b/{V1}"), "attributes": {}}),
        json!({"id": format!("https://{HOST}/keys/a/{V1}"), "attributes": {}}),
        json!({"id": format!("https://{HOST}/secrets/a/{V1}/x"), "attributes": {}}),
        json!({"id": format!("{HOST}/secrets/a/{V1}"), "attributes": {}}),
        json!({"id": "https://", "attributes": {}}),
        json!({"id": format!("https://{HOST}/secrets/a/{V1}"), "attributes": {"created": "now"}}),
    ];
    let list = versions_of("A");
    for (n, item) in bad.iter().enumerate() {
        let page = read(&json!({"value": [item, good], "nextLink": null}));
        let versions = page.items.into_iter();
        let versions: Vec<_> = versions.map(|item| page::version(&list, &item?)).collect();
        assert!(
            versions[0].is_none() && versions[1].is_some(),
            "{n}: {item}"
        );
    }
}

#[test]
fn what_is_no_page_is_not_an_empty_list() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"error":{"code":"Forbidden"}}"#,
        r#"{"value":{}}"#,
        r#"{"value":[],"nextLink":7}"#,
    ] {
        let refused = page::read(body.as_bytes());
        assert!(
            matches!(refused, Err(FetchProblem::BadAnswer { .. })),
            "{body}"
        );
    }
    for body in [r#"{"value":null}"#, r#"{"value":[],"nextLink":""}"#] {
        let page = page::read(body.as_bytes()).unwrap();
        assert!(page.items.is_empty() && page.next.is_none(), "{body}");
    }
    let many = json!({"value": vec![Value::Null; 1001]}).to_string();
    assert!(page::read(many.as_bytes()).is_err());
}

#[test]
fn the_next_page_is_of_the_same_list_on_the_same_host() {
    let current = page::first(HOST, &versions_of("db")).unwrap();
    let query = "api-version=7.4&$skiptoken=eyJOZXh0&maxresults=25";
    for good in [
        format!("https://{HOST}:443/secrets/db/versions?{query}"),
        format!("https://{HOST}/secrets/db/versions?{query}"),
        format!(
            "https://{}:443/secrets/DB/versions/?{query}",
            HOST.to_uppercase()
        ),
    ] {
        let next = page::follow(&current, &good).unwrap();
        assert_eq!(next.host_str(), Some(HOST));
        assert_eq!(next.query(), Some(query), "{good}");
    }
    for elsewhere in [
        format!("https://evil.example/secrets/db/versions?{query}"),
        format!("https://{HOST}:8443/secrets/db/versions?{query}"),
        format!("http://{HOST}/secrets/db/versions?{query}"),
        format!("https://user:pass@{HOST}/secrets/db/versions?{query}"),
        format!("https://{HOST}@evil.example/secrets/db/versions?{query}"),
        "file:///secrets/db/versions".to_owned(),
    ] {
        let error = page::follow(&current, &elsewhere).unwrap_err();
        assert!(
            matches!(
                error,
                FetchProblem::Unreachable(Unreachable::WrongHost { .. })
            ),
            "{elsewhere}"
        );
    }
    for bad in [
        // Values.
        format!("https://{HOST}/secrets/db?{query}"),
        format!("https://{HOST}/secrets/db/{V1}?{query}"),
        format!("https://{HOST}/secrets/db/versions/../{V1}?{query}"),
        format!("https://{HOST}/secrets?{query}"),
        current.to_string(),
        "/secrets/db/versions?$skiptoken=a".to_owned(),
        format!("https://{HOST}/secrets/db/versions?{}", "a".repeat(9000)),
    ] {
        let error = page::follow(&current, &bad).unwrap_err();
        assert!(matches!(error, FetchProblem::BadAnswer { .. }), "{bad}");
    }
}

fn error(list: &List, problem: FetchProblem) -> ListError {
    let vault = VaultHost::new(Cloud::Public, &"kv-pay".parse().unwrap());
    let client = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    ListError::new(&vault, client, list, problem)
}

#[test]
fn every_failure_names_vault_list_and_remedy_in_few_words() {
    let longest = "n".repeat(127);
    let refused = FetchProblem::Refused {
        status: 400,
        code: "BadParameter".to_owned(),
    };
    for (problem, expected) in [
        (FetchProblem::NotFound, "proxy"),
        (
            FetchProblem::Forbidden(Forbidden::Role),
            "secrets/readMetadata/action",
        ),
        (
            FetchProblem::Forbidden(Forbidden::AccessPolicy),
            "az keyvault set-policy --name kv-pay --spn aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
             --secret-permissions get list",
        ),
        (
            FetchProblem::Forbidden(Forbidden::Firewall),
            "outbound address",
        ),
        (
            FetchProblem::Forbidden(Forbidden::PrivateOnly),
            "private endpoint",
        ),
        (FetchProblem::Forbidden(Forbidden::Other), "HTTP 403"),
        (
            FetchProblem::TokenRejected { other_tenant: true },
            "vault.tenantID",
        ),
        (
            FetchProblem::TokenRejected {
                other_tenant: false,
            },
            "HTTP 401",
        ),
        (FetchProblem::Throttled, "429"),
        (FetchProblem::Failing(503), "503"),
        (refused, "BadParameter"),
        (
            FetchProblem::Unreachable(Unreachable::Silent {
                host: HOST.to_owned(),
            }),
            "settings of the operator",
        ),
        (
            FetchProblem::BadAnswer {
                what: "cannot be read",
            },
            "cannot be read",
        ),
        (
            FetchProblem::BadAnswer {
                what: page::TOO_LONG,
            },
            "more than can be looked through",
        ),
    ] {
        for list in [secrets(), versions_of(&longest)] {
            let error = error(&list, problem.clone());
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
            assert!(text.contains("kv-pay"), "{text}");
            assert!(text.len() <= 400, "{}: {text}", text.len());
        }
    }
}

#[test]
fn what_another_list_would_not_change_is_told_apart() {
    for (problem, of_vault) in [
        (FetchProblem::Forbidden(Forbidden::Role), false),
        (FetchProblem::Forbidden(Forbidden::AccessPolicy), true),
        (FetchProblem::Forbidden(Forbidden::Firewall), true),
        (FetchProblem::TokenRejected { other_tenant: true }, true),
        (FetchProblem::Throttled, true),
        (
            FetchProblem::BadAnswer {
                what: "has no list",
            },
            false,
        ),
    ] {
        let error = error(&secrets(), problem);
        assert_eq!(error.is_of_vault(), of_vault, "{error}");
    }
}

#[test]
fn an_absence_is_the_vaults_own_word() {
    let mut error = error(&versions_of("db"), FetchProblem::NotFound);
    assert!(!error.is_absence());
    error.code = Some("SecretNotFound".to_owned());
    assert!(error.is_absence());
}

proptest! {
    #[test]
    fn any_body_and_any_link_are_judged_without_harm(body in "\\PC*", link in "\\PC*") {
        let current = page::first(HOST, &secrets()).unwrap();
        let _ = page::read(body.as_bytes());
        if let Ok(next) = page::follow(&current, &link) {
            prop_assert_eq!(next.host_str(), Some(HOST));
            prop_assert_eq!(next.path().trim_end_matches('/'), "/secrets");
        }
    }

    #[test]
    fn only_the_query_may_differ(path in "[a-zA-Z0-9/.%;@:-]{0,20}", query in "[a-z=&$]{0,20}") {
        let current = page::first(HOST, &versions_of("db")).unwrap();
        let link = format!("https://{HOST}/{path}?{query}");
        if let Ok(next) = page::follow(&current, &link) {
            let next: Url = next;
            prop_assert_eq!(next.path().to_ascii_lowercase(), "/secrets/db/versions");
        }
    }
}
