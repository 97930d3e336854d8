use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::roles::BUILT_IN;

const WRITE: &str = "Microsoft.Authorization/roleAssignments/write";
const ROLE: &str = "Microsoft.Authorization/roleAssignments:RoleDefinitionId";
const TYPE: &str = "Microsoft.Authorization/roleAssignments:PrincipalType";
const NAME: &str = "Microsoft.KeyVault/vaults/secrets:name";
const READ: &str = "Microsoft.KeyVault/vaults/secrets/getSecret/action";

fn request(all: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, value) in all {
        attributes.add("Request", name, value);
    }
    attributes
}

#[test]
fn a_delegation_is_limited_to_roles_and_kinds_of_principals() {
    let text = "
((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR
 (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {aa, bb}
  AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'}))
AND ((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR
 (@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {aa, bb}))";
    let condition = Condition::parse(text).unwrap();
    for (attributes, allowed) in [
        (request(&[(ROLE, "AA"), (TYPE, "serviceprincipal")]), true),
        (request(&[(ROLE, "bb"), (TYPE, "ServicePrincipal")]), true),
        (request(&[(ROLE, "cc"), (TYPE, "ServicePrincipal")]), false),
        (request(&[(ROLE, "aa"), (TYPE, "User")]), false),
        (request(&[(ROLE, "aa")]), false),
    ] {
        assert_eq!(
            condition.holds(WRITE, &attributes),
            allowed,
            "{attributes:?}"
        );
    }
    let delete = "Microsoft.Authorization/roleAssignments/delete";
    assert!(!condition.holds(delete, &request(&[(ROLE, "aa")])));
    let mut existing = Attributes::default();
    existing.add("Resource", ROLE, "aa");
    assert!(condition.holds(delete, &existing));
    assert!(condition.holds("Microsoft.Authorization/roleAssignments/read", &existing));
}

/// The condition of the guide, and the names that it says it is for.
#[test]
fn the_guide_lets_the_operator_assign_three_roles_to_service_principals_and_nothing_else() {
    const DELETE: &str = "Microsoft.Authorization/roleAssignments/delete";
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/azure/access-condition.txt");
    let text = std::fs::read_to_string(guide).unwrap();
    let condition = Condition::parse(&text).unwrap();
    let of = |source: &str, role: &str, kind: &str| {
        let mut attributes = Attributes::default();
        attributes.add(source, ROLE, role);
        attributes.add(source, TYPE, kind);
        attributes
    };
    for (action, source, other) in [
        (WRITE, "Request", "Resource"),
        (DELETE, "Resource", "Request"),
    ] {
        let allowed: Vec<&str> = (BUILT_IN.iter())
            .filter(|role| condition.holds(action, &of(source, role.id, "ServicePrincipal")))
            .map(|role| role.name)
            .collect();
        let mut expected = [
            "Key Vault Secrets User",
            "Key Vault Certificate User",
            "Key Vault Reader",
        ];
        expected.sort_unstable();
        assert_eq!(sorted(allowed), expected, "{action}");
        for role in &BUILT_IN {
            for kind in ["User", "Group", "Device", ""] {
                assert!(
                    !condition.holds(action, &of(source, role.id, kind)),
                    "{kind}"
                );
            }
            assert!(!condition.holds(action, &of(other, role.id, "ServicePrincipal")));
        }
        assert!(!condition.holds(action, &Attributes::default()));
    }
    let read = "Microsoft.Authorization/roleAssignments/read";
    assert!(condition.holds(read, &Attributes::default()));
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[test]
fn operators_compare() {
    for (comparison, name, holds) in [
        ("StringEquals 'shop'", "shop", true),
        ("StringEquals 'shop'", "Shop", false),
        ("StringEqualsIgnoreCase 'shop'", "Shop", true),
        ("StringNotEquals 'shop'", "Shop", true),
        ("StringStartsWith 'shop-'", "shop-db", true),
        ("StringStartsWith 'shop-'", "Shop-db", false),
        ("StringNotStartsWith 'shop-'", "web-db", true),
        ("StringLike 'shop-*-db'", "shop-a-db", true),
        ("StringNotLike 'shop-*'", "shop-a", false),
        ("ForAnyOfAnyValues:StringEquals {'a', 'b'}", "b", true),
        ("ForAnyOfAllValues:StringNotEquals {'a', 'b'}", "b", false),
        ("ForAnyOfAllValues:StringNotEquals {'a', 'b'}", "c", true),
    ] {
        let text = format!("@Request[{NAME}] {comparison}");
        let condition = Condition::parse(&text).unwrap();
        let found = condition.holds(READ, &request(&[(NAME, name)]));
        assert_eq!(found, holds, "{comparison} {name}");
        let missing = condition.holds(READ, &Attributes::default());
        assert!(!missing, "{comparison}");
    }
}

#[test]
fn and_binds_more_than_or_and_not_more_than_both() {
    let is = |value: &str| format!("@Request[{NAME}] StringEquals '{value}'");
    let (a, b) = (is("a"), is("b"));
    for (text, holds) in [
        (format!("{a} OR {b} AND {b}"), true),
        (format!("({a} OR {b}) AND {b}"), false),
        (format!("NOT {b} AND {a}"), true),
        (format!("!({a} || {b})"), false),
        (format!("{a} && {a}"), true),
    ] {
        let condition = Condition::parse(&text).unwrap();
        assert_eq!(
            condition.holds(READ, &request(&[(NAME, "a")])),
            holds,
            "{text}"
        );
    }
}

#[test]
fn what_is_not_understood_lets_nothing_pass() {
    let attributes = request(&[(NAME, "a")]);
    for text in [
        "",
        "@Request[a]",
        "@Request[a] StringEquals",
        "@Request[a] StringEquals {'a'",
        "@Request[a] StringEquals {'a' 'b'}",
        "@Request[a] NumericEquals 1",
        "@Request[a] ForSome:StringEquals 'a'",
        "ActionMatches{'*'} ActionMatches{'*'}",
        "ActionMatches{'*'} OR",
        "(ActionMatches{'*'}",
        "Exists @Request[a]",
        "'a",
    ] {
        assert_eq!(Condition::parse(text), None, "{text}");
        assert!(!condition_holds(Some(text), READ, &attributes), "{text}");
    }
    let deep = format!("{}ActionMatches{{'*'}}{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(Condition::parse(&deep), None);
    assert!(condition_holds(
        Some("ActionMatches{'*'}"),
        READ,
        &attributes
    ));
    assert!(condition_holds(None, READ, &attributes));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[A-Za-z@\\[\\](){},!' :ü]{0,80}") {
        let _ = condition_holds(Some(&text), READ, &Attributes::default());
    }
}
