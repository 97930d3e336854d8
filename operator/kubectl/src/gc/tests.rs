//! What is left, and how it is told.

use jiff::Timestamp;
use serde_json::json;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::AzureKind;
use vaultbind_operator::azure::{ResourceId, names};
use vaultbind_operator::observed::{Assignment, Credential};
use vaultbind_operator::surroundings::Orphan;

use super::decide::{Found, Record, Resource, left, other_issuers};
use super::issuers::{deletion, of_status};
use super::look::{Places, held};
use super::report::{Answers, GcReport, State};
use crate::exit::Exit;
use crate::output::{Look, Output as _};
use crate::terminal::Paint;

const ISSUER: &str = "https://oidc.cluster.example/";
const OTHER: &str = "https://oidc.other.example/";
const GROUP: &str = "/subscriptions/00000000-0000-4000-8000-00000000000a/resourceGroups/shop";
const ROLE: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const PRINCIPAL: &str = "72f988bf-0000-4000-8000-0000000000e4";

fn app() -> String {
    format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app")
}

fn vault() -> String {
    format!("{GROUP}/providers/Microsoft.KeyVault/vaults/kv-shop")
}

fn credential(issuer: &str, account: &str) -> Credential {
    let subject = format!("system:serviceaccount:{account}");
    Credential {
        name: names::credential_name(issuer, &subject),
        issuer: issuer.to_owned(),
        subject: Some(subject),
        audiences: vec!["api://AzureADTokenExchange".to_owned()],
    }
}

fn credential_id(one: &Credential) -> String {
    format!("{}/federatedIdentityCredentials/{}", app(), one.name)
}

fn assignment(issuer: &str, namespace: &str, described: bool) -> Assignment {
    let name = names::assignment_name(issuer, namespace, &vault(), ROLE, PRINCIPAL);
    Assignment {
        id: format!(
            "{}/providers/Microsoft.Authorization/roleAssignments/{name}",
            vault()
        ),
        role: ROLE.to_owned(),
        principal: PRINCIPAL.to_owned(),
        scope: vault(),
        conditional: false,
        description: described.then(|| names::description(issuer, namespace)),
    }
}

fn record(id: &str, there: Result<Option<Resource>, String>) -> Record {
    let kind = if id.contains("roleAssignments") {
        AzureKind::RoleAssignment
    } else {
        AzureKind::FederatedCredential
    };
    Record {
        key: "entry".to_owned(),
        orphan: Orphan {
            id: id.to_owned(),
            kind,
            binding: "shop/payments".to_owned(),
            since: "2026-11-25T10:00:00Z".to_owned(),
            why: "HTTP 403".to_owned(),
        },
        id: id.parse().unwrap(),
        there,
    }
}

fn found(credentials: Vec<Credential>, assignments: Vec<Assignment>) -> Found {
    Found {
        issuer: ISSUER.to_owned(),
        credentials: vec![(app().parse().unwrap(), credentials)],
        assignments,
        ..Found::default()
    }
}

/// Names and states.
fn states(found: &Found) -> Vec<(String, State)> {
    let all = left(found).into_iter();
    all.map(|one| (one.id.name().to_owned(), one.shown.state))
        .collect()
}

#[test]
fn what_bears_the_operators_name_and_no_binding_keeps_is_left() {
    let ours = credential(ISSUER, "shop:web");
    let role = assignment(ISSUER, "shop", true);
    let mut found = found(vec![ours.clone()], vec![role.clone()]);
    let all = left(&found);
    let namespaces: Vec<_> = all.iter().map(|one| one.shown.namespace.clone()).collect();
    assert_eq!(
        namespaces,
        [Some("shop".to_owned()), Some("shop".to_owned())]
    );
    assert!(
        all.iter()
            .all(|one| one.shown.state == State::Left && one.record.is_none())
    );

    found.held.insert(credential_id(&ours).to_ascii_lowercase());
    let name = role.id.rsplit('/').next().unwrap().to_owned();
    assert_eq!(states(&found), [(name, State::Left)]);
    found.held.insert(role.id.to_ascii_lowercase());
    assert_eq!(states(&found), []);
}

#[test]
fn what_others_made_is_not_left() {
    let mut named = credential(ISSUER, "shop:web");
    named.name = "web".to_owned();
    let mut claims = credential(ISSUER, "shop:web");
    claims.subject = None;
    let of_other_cluster = credential(OTHER, "shop:web");
    let mut moved = assignment(ISSUER, "shop", true);
    moved.principal = ROLE.to_owned();
    let found = found(
        vec![named, claims, of_other_cluster],
        vec![
            moved,
            assignment(OTHER, "shop", true),
            assignment(ISSUER, "shop", false),
        ],
    );
    assert_eq!(states(&found), []);
}

#[test]
fn an_entry_of_the_list_is_what_its_resource_shows() {
    let ours = credential(ISSUER, "shop:web");
    let id = credential_id(&ours);
    let credential_of = |one: Credential| Ok(Some(Resource::Credential(one)));
    // Its name alone tells the namespace from the binding of the entry.
    let role = assignment(ISSUER, "shop", false);
    let other = credential(OTHER, "shop:web");
    for (id, there, expected) in [
        (id.as_str(), credential_of(ours.clone()), State::Left),
        (&id, Ok(None), State::Gone),
        (&id, Err("HTTP 403".to_owned()), State::Unknown),
        (
            &credential_id(&other),
            credential_of(other.clone()),
            State::Foreign,
        ),
        (
            &role.id,
            Ok(Some(Resource::Assignment(role.clone()))),
            State::Left,
        ),
    ] {
        let mut found = found(vec![ours.clone()], Vec::new());
        found.held.insert(credential_id(&ours).to_ascii_lowercase());
        found.records = vec![record(id, there)];
        if id == credential_id(&ours) {
            assert_eq!(
                left(&found)[0].shown.state,
                State::Kept,
                "a binding keeps it again"
            );
            found.held.clear();
        }
        let all = left(&found);
        assert_eq!(all.len(), 1, "{id}");
        let one = &all[0];
        assert_eq!(
            (one.shown.state, one.shown.recorded),
            (expected, true),
            "{id}"
        );
        assert_eq!(one.record.as_deref(), Some("entry"));
        assert_eq!(one.shown.binding.as_deref(), Some("shop/payments"));
    }
}

#[test]
fn credentials_of_other_issuers_are_shown_with_the_command_that_deletes_them() {
    let mut by_hand = credential("https://token.example/", "shop:web");
    by_hand.name = "it's $(mine)".to_owned();
    let all = vec![
        credential(ISSUER, "shop:web"),
        credential(OTHER, "shop:web"),
        by_hand,
    ];
    let others = other_issuers(&found(all, Vec::new()));
    let shown: Vec<_> = others
        .iter()
        .map(|one| (one.issuer.as_str(), one.vaultbind))
        .collect();
    assert_eq!(shown, [(OTHER, true), ("https://token.example/", false)]);
    assert!(
        others
            .iter()
            .all(|one| one.answers == Answers::NotAsked && one.command.is_none())
    );
    assert_eq!(
        deletion(&others[1]).unwrap(),
        "az identity federated-credential delete --name 'it'\\''s $(mine)' --identity-name 'app' --resource-group \
         'shop' --subscription '00000000-0000-4000-8000-00000000000a' --yes"
    );
    for (status, expected) in [
        (200, Answers::Yes),
        (404, Answers::Gone),
        (410, Answers::Gone),
        (301, Answers::Unclear),
        (403, Answers::Unclear),
        (503, Answers::Unclear),
    ] {
        assert_eq!(of_status(status), expected, "{status}");
    }
}

#[test]
fn a_binding_says_where_to_look_and_what_is_kept() {
    let ours = credential_id(&credential(ISSUER, "shop:web"));
    let role = assignment(ISSUER, "shop", true).id;
    let binding: VaultBinding = serde_json::from_value(json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"namespace": "shop", "name": "payments"},
        "spec": {
            "vault": {"name": "kv-shop", "tenantID": PRINCIPAL},
            "identity": {"clientID": PRINCIPAL, "serviceAccountName": "web"},
            "objects": [],
        },
        "status": {"azure": [
            {"id": ours, "kind": "FederatedCredential", "state": "Ready"},
            {"id": role, "kind": "RoleAssignment", "state": "Removing"},
        ]},
    }))
    .unwrap();
    let mut places = Places::default();
    places.of_binding(&binding);
    let keys = |ids: &std::collections::BTreeMap<String, ResourceId>| {
        ids.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&places.identities), [app().to_ascii_lowercase()]);
    assert_eq!(keys(&places.vaults), [vault().to_ascii_lowercase()]);
    let held: Vec<String> = held(&[binding]).into_iter().collect();
    let mut expected = [ours.to_ascii_lowercase(), role.to_ascii_lowercase()];
    expected.sort();
    assert_eq!(held, expected);
}

fn report(state: State) -> GcReport {
    let ours = credential(ISSUER, "shop:web");
    let id = credential_id(&ours);
    let mut found = found(vec![credential(OTHER, "shop:web")], Vec::new());
    found.records = vec![record(&id, Ok(Some(Resource::Credential(ours))))];
    let mut left: Vec<_> = left(&found).into_iter().map(|one| one.shown).collect();
    left[0].state = state;
    GcReport {
        issuer: ISSUER.to_owned(),
        left,
        other_issuers: other_issuers(&found),
        ..GcReport::default()
    }
}

#[test]
fn the_exit_code_says_whether_something_is_left() {
    for (state, expected) in [
        (State::Left, Exit::Wrong),
        (State::Failed, Exit::Wrong),
        (State::Foreign, Exit::Wrong),
        (State::Unknown, Exit::NotAsked),
        (State::Removed, Exit::Fine),
        (State::Kept, Exit::Fine),
        (State::Gone, Exit::Fine),
    ] {
        let mut report = report(state);
        assert_eq!(report.exit(), expected, "{state:?}");
        report.unseen.push("the list".to_owned());
        let unseen = if expected == Exit::Wrong {
            Exit::Wrong
        } else {
            Exit::NotAsked
        };
        assert_eq!(report.exit(), unseen, "{state:?}");
    }
}

#[test]
fn a_table_and_json_tell_the_same() {
    let mut report = report(State::Left);
    report.other_issuers[0].answers = Answers::Gone;
    report.other_issuers[0].command = deletion(&report.other_issuers[0]);
    let look = Look {
        paint: Paint::PLAIN,
        wide: false,
        now: Timestamp::UNIX_EPOCH,
    };
    let text = report.text(&look);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("Left in Azure of {ISSUER}"));
    let row: Vec<&str> = lines[2].split_whitespace().collect();
    let id = &report.left[0].id;
    assert_eq!(
        row,
        [
            "Left",
            "FederatedCredential",
            "shop/payments",
            "2026-11-25T10:00:00Z",
            id
        ]
    );
    assert!(text.contains("--delete removes"), "{text}");
    assert!(text.contains("Gone") && text.contains(OTHER), "{text}");
    assert!(
        text.contains("\n  az identity federated-credential delete --name 'vaultbind-shop-web-"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["left"][0]["state"], "Left");
    assert_eq!(json["left"][0]["binding"], "shop/payments");
    assert_eq!(json["otherIssuers"][0]["answers"], "Gone");
    assert_eq!(json["otherIssuers"][0]["vaultbind"], true);
}
