//! Objects selected by prefix and tags.

use vaultbind_keyvault::error::FetchProblem;
use vaultbind_operator::resolve::ResolverOptions;

use crate::stage::*;

/// Prefix, tags, and what they select.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

fn tagged() -> String {
    format!(
        "  secrets:
  - {{name: Pay-a, value: v, created: '{LONG_AGO}', tags: {{team: pay, tier: one}}}}
  - {{name: pay-b, value: v, created: '{LONG_AGO}', tags: {{team: pay}}, enabled: false}}
  - {{name: pay-c, value: v, created: '{LONG_AGO}', tags: {{team: web}}}}
  - {{name: other, value: v, created: '{LONG_AGO}', tags: {{team: pay}}}}
  certificates:
  - {{name: pay-tls, subject: CN=pay, key: {{type: EC, curve: P-256}}}}
"
    )
}

#[tokio::test]
async fn prefix_and_tags_select_and_what_certificates_bring_is_left_out() {
    let stage = Stage::start(&seed(&tagged())).await;
    let by_prefix: [Case<'_>; 6] = [
        ("pay-", &[], &["pay-a", "pay-b", "pay-c"]),
        ("PAY-", &[("team", "pay")], &["pay-a", "pay-b"]),
        ("pay-", &[("team", "pay"), ("tier", "one")], &["pay-a"]),
        ("", &[("team", "pay")], &["other", "pay-a", "pay-b"]),
        ("", &[("team", "Pay")], &[]),
        ("nothing-", &[], &[]),
    ];
    for (prefix, tags, expected) in by_prefix {
        let answer = stage.ask(&selection(prefix, tags, 50), HOUR).await;
        let selected = answer.selected["all"].as_ref().unwrap();
        assert_eq!(selected, expected, "{prefix} {tags:?}");
        let versions: Vec<_> = answer
            .versions
            .keys()
            .map(|key| key.name.as_str())
            .collect();
        assert_eq!(versions, expected, "{prefix} {tags:?}");
    }
}

#[tokio::test]
async fn a_selection_costs_the_list_and_the_versions_of_what_is_new_in_it() {
    let stage = Stage::start(&seed(&secrets(60))).await;
    let question = selection("s1", &[], 50);
    let answer = stage.ask(&question, NOW).await;
    assert_eq!(answer.selected["all"].as_ref().unwrap().len(), 10);
    assert_eq!(stage.cost(), (3, 10, 1));
    stage.ask(&question, HOUR).await;
    assert_eq!(stage.cost(), (0, 0, 0));
    stage.ask(&question, NOW).await;
    assert_eq!(stage.cost(), (3, 0, 0));
}

#[tokio::test]
async fn of_more_than_may_be_one_more_is_told_and_no_versions_are_asked_for() {
    let stage = Stage::start(&seed(&secrets(60))).await;
    for (max, told, versions) in [(59, 60, 0), (5, 6, 0), (60, 60, 60)] {
        let answer = stage.ask(&selection("s", &[], max), NOW).await;
        assert_eq!(answer.selected["all"].as_ref().unwrap().len(), told);
        assert_eq!(answer.versions.len(), versions, "{max}");
        stage.cost();
    }
}

#[tokio::test]
async fn a_part_of_a_list_selects_nothing() {
    let resolver = ResolverOptions {
        most_list_pages: 2,
        ..ResolverOptions::default()
    };
    let setting = Setting {
        resolver,
        ..Setting::default()
    };
    let stage = Stage::start_with(&seed(&secrets(60)), setting).await;
    let answer = stage.ask(&selection("s0", &[], 50), NOW).await;
    let error = answer.selected["all"].clone().unwrap_err();
    assert!(matches!(error.problem, FetchProblem::BadAnswer { .. }));
    assert!(
        error
            .to_string()
            .contains("more than can be looked through"),
        "{error}"
    );
    assert_eq!(stage.cost(), (2, 0, 1));
}
