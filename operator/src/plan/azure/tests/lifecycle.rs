//! From nothing to ready, through changes, and back to nothing.

use std::time::Duration;

use super::*;

const MINUTE: i64 = 60;

#[test]
fn a_binding_gets_its_credential_and_its_role_and_the_status_says_so_all_the_way() {
    let (mut scene, mut world) = (both(), World::new());
    // First it stands in the status.
    let wanted = super::super::super::wanted(&scene.binding, &scene.cluster);
    scene.cluster.azure = Some(world.look(wanted.as_ref(), scene.now));
    scene.answers = Answers::So(Answer::NotAsked);
    let plan = scene.plan();
    assert_eq!(
        ledger(&plan),
        [
            "FederatedCredential Creating false",
            "RoleAssignment Creating false"
        ]
    );
    assert_eq!(plan.condition("IdentityReady"), "Unknown Provisioning");
    assert_eq!(plan.condition("AccessReady"), "Unknown Provisioning");
    assert!(plan.azure.unfit_to_ask);
    assert_eq!(plan.azure.steps.len(), 2);

    // Made, and not known everywhere yet.
    scene.answers = no_credential();
    let plan = turn(&mut scene, &mut world);
    assert_eq!(
        ledger(&plan),
        [
            "FederatedCredential Propagating false",
            "RoleAssignment Propagating false"
        ]
    );
    assert_eq!(plan.condition("IdentityReady"), "Unknown Propagating");
    assert_eq!(plan.condition("Ready"), "False Propagating");
    let said = plan.message("IdentityReady").to_owned();
    assert!(
        said.contains("2027-01-15T08:00:00Z") && said.contains("2027-01-15T08:05:00Z"),
        "{said}"
    );
    assert!(
        plan.reasons().contains(&"AccessMade"),
        "{:?}",
        plan.reasons()
    );
    assert!(plan.next <= at(scene.now + 6), "it is tried again soon");
    assert_eq!(plan.status.identity.as_ref().unwrap().credentials, Some(1));

    // Entra knows it, the vault does not.
    scene.now += 45;
    scene.answers = no_role(&scene);
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("IdentityReady"), "True TokenIssued");
    assert_eq!(plan.condition("AccessReady"), "Unknown Propagating");
    assert!(plan.azure.steps.is_empty());
    assert!(!plan.reasons().contains(&"AccessMade"), "said once");

    // All is well, and stays so.
    scene.now += 45;
    scene.answers = Answers::Well;
    for _ in 0..2 {
        let plan = turn(&mut scene, &mut world);
        assert_eq!(plan.condition("Ready"), "True Pinned");
        assert_eq!(
            ledger(&plan),
            [
                "FederatedCredential Ready false",
                "RoleAssignment Ready false"
            ]
        );
        scene.now += MINUTE;
    }
}

#[test]
fn a_refusal_counts_as_one_when_the_time_to_propagate_is_over() {
    let (mut scene, mut world) = (both(), World::new());
    scene.answers = no_credential();
    turn(&mut scene, &mut world);
    scene.now += 5 * MINUTE - 1;
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("IdentityReady"), "Unknown Propagating");
    scene.now += 1;
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("IdentityReady"), "False SubjectMismatch");
    scene.answers = no_role(&scene);
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("AccessReady"), "Unknown Propagating");
    scene.now += 5 * MINUTE;
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("AccessReady"), "False RoleMissing");
}

#[test]
fn what_is_equal_is_used_whoever_made_it_and_never_removed() {
    let (mut scene, world) = (both(), World::new());
    let mut world = world.credential("by-hand", SUBJECT, AUDIENCE).assignment(
        "11111111-0000-4000-8000-000000000001",
        VAULT,
        "Key Vault Secrets User",
    );
    let plan = turn(&mut scene, &mut world);
    assert_eq!(
        ledger(&plan),
        [
            "FederatedCredential Ready true",
            "RoleAssignment Ready true"
        ]
    );
    assert_eq!(plan.condition("Ready"), "True Pinned");
    // The blocks go: what was found stays.
    scene = scene.spec(json!({"identity": {"federatedCredential": null}, "access": null}));
    let plan = turn(&mut scene, &mut world);
    assert!(plan.azure.removals.is_empty());
    assert!(plan.status.azure.is_empty());
    assert!(world.trusts(SUBJECT));
}

#[test]
fn a_role_that_is_inherited_from_above_is_enough_and_one_with_a_condition_is_not() {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/SHOP";
    let mut world = World::new().assignment(
        "22222222-0000-4000-8000-000000000002",
        group,
        "Key Vault Secrets User",
    );
    let mut scene = both();
    let plan = turn(&mut scene, &mut world);
    assert_eq!(ledger(&plan).last().unwrap(), "RoleAssignment Ready true");
    let all = world.assignments.as_mut().unwrap();
    all.first_mut().unwrap().conditional = true;
    let plan = turn(&mut both(), &mut world);
    assert_eq!(ledger(&plan).last().unwrap(), "RoleAssignment Ready false");
}

#[test]
fn a_neighbouring_resource_group_is_not_above() {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/sho";
    let mut world = World::new().assignment(
        "22222222-0000-4000-8000-000000000002",
        group,
        "Key Vault Secrets User",
    );
    let plan = turn(&mut both(), &mut world);
    assert_eq!(ledger(&plan).last().unwrap(), "RoleAssignment Ready false");
}

#[test]
fn the_new_is_made_before_the_old_goes_and_the_old_only_once_the_workload_is_let_in() {
    let (mut scene, mut world) = (both(), World::new());
    turn(&mut scene, &mut world);
    scene = scene.spec(json!({"identity": {"serviceAccountName": "web"}}));
    scene.answers = no_credential();
    let plan = turn(&mut scene, &mut world);
    assert_eq!(
        ledger(&plan),
        [
            "FederatedCredential Propagating false",
            "RoleAssignment Ready false",
            "FederatedCredential Removing false",
        ]
    );
    assert!(world.trusts(SUBJECT) && world.trusts("system:serviceaccount:shop:web"));
    scene.answers = Answers::Well;
    let plan = turn(&mut scene, &mut world);
    assert!(!world.trusts(SUBJECT) && world.trusts("system:serviceaccount:shop:web"));
    assert_eq!(
        ledger(&plan),
        [
            "FederatedCredential Ready false",
            "RoleAssignment Ready false"
        ]
    );
    assert!(plan.reasons().contains(&"AccessRemoved"));
}

#[test]
fn what_cannot_be_removed_yet_is_tried_again_soon() {
    let (mut scene, mut world) = (both(), World::new());
    turn(&mut scene, &mut world);
    scene = scene.spec(json!({"identity": {"federatedCredential": null}, "access": null}));
    for (retry_after, within) in [(Some(Duration::from_secs(8)), 8), (None, 30)] {
        world.refuses = Some(AzureCause::Busy {
            status: 409,
            code: String::new(),
            retry_after,
        });
        let plan = turn(&mut scene, &mut world);
        assert_eq!(
            ledger(&plan),
            [
                "FederatedCredential Removing false",
                "RoleAssignment Removing false"
            ]
        );
        assert_eq!(plan.next, at(scene.now + within));
    }
    world.refuses = None;
    let plan = turn(&mut scene, &mut world);
    assert!(plan.status.azure.is_empty());
}

#[test]
fn what_other_bindings_use_or_is_to_be_retained_stays() {
    let (mut scene, mut world) = (both(), World::new());
    let plan = turn(&mut scene, &mut world);
    let shared = plan.status.azure.first().unwrap().id.to_ascii_lowercase();
    scene.cluster.azure_shared = BTreeSet::from([shared]);
    scene = scene.spec(json!({"identity": {"federatedCredential": null}, "access": null}));
    let plan = turn(&mut scene, &mut world);
    assert!(world.trusts(SUBJECT), "another binding uses it");
    assert!(world.assignments.as_ref().unwrap().is_empty());
    assert!(plan.status.azure.is_empty());

    let retain = json!({
        "identity": {"federatedCredential": {"deletionPolicy": "Retain"}},
        "access": {"roleAssignment": {"deletionPolicy": "Retain"}},
    });
    let (mut scene, mut world) = (both().spec(retain), World::new());
    turn(&mut scene, &mut world);
    scene = scene.spec(json!({"identity": {"federatedCredential": null}, "access": null}));
    let plan = turn(&mut scene, &mut world);
    assert!(plan.status.azure.is_empty() && world.trusts(SUBJECT));
    assert_eq!(world.assignments.as_ref().unwrap().len(), 1);
}

#[test]
fn a_status_that_is_lost_is_found_again_by_the_names() {
    let (mut scene, mut world) = (both(), World::new());
    turn(&mut scene, &mut world);
    scene.binding.status = None;
    let plan = turn(&mut scene, &mut world);
    assert_eq!(
        ledger(&plan),
        [
            "FederatedCredential Ready false",
            "RoleAssignment Ready false"
        ]
    );
    assert!(plan.azure.steps.is_empty(), "nothing is made twice");
}

#[test]
fn an_operator_that_was_stopped_after_it_made_something_goes_on() {
    let (mut scene, mut world) = (both(), World::new());
    // It stood in the status and was made; the answer was lost.
    let wanted = super::super::super::wanted(&scene.binding, &scene.cluster);
    let mut seen = world.look(wanted.as_ref(), scene.now);
    scene.cluster.azure = Some(seen.clone());
    scene.answers = Answers::So(Answer::NotAsked);
    let plan = scene.step();
    world.carry(plan.azure.steps.first().unwrap(), &mut seen, scene.now);
    scene.now += MINUTE;
    scene.answers = no_credential();
    let plan = turn(&mut scene, &mut world);
    // Nobody knows how old it is, so it gets its whole time.
    assert_eq!(plan.condition("IdentityReady"), "Unknown Propagating");
    assert_eq!(world.credentials.as_ref().unwrap().len(), 1);
    assert_eq!(world.assignments.as_ref().unwrap().len(), 1);
}

#[test]
fn what_somebody_changed_or_removed_comes_back() {
    let (mut scene, mut world) = (both(), World::new());
    turn(&mut scene, &mut world);
    let all = world.credentials.as_mut().unwrap();
    all.first_mut().unwrap().issuer = "https://elsewhere.example/".to_owned();
    world.assignments.as_mut().unwrap().clear();
    scene.now += MINUTE;
    turn(&mut scene, &mut world);
    assert!(world.trusts(SUBJECT));
    assert_eq!(world.credentials.as_ref().unwrap().len(), 1);
    assert_eq!(world.assignments.as_ref().unwrap().len(), 1);
}

#[test]
fn at_object_scope_a_certificate_gets_its_secret_too() {
    let scene = Scene::new("[{name: db}, {name: tls, type: Certificate}, {name: leaf, type: Certificate, parts: [Leaf]}, {name: sign, type: Key}]")
        .has(secret("db"), &[version(1)])
        .class(&json!({"identities": [IDENTITY]}))
        .spec(json!({"access": {"roleAssignment": {
            "vaultResourceID": VAULT, "scope": "Object", "deletionPolicy": "Delete", "identityResourceID": IDENTITY,
        }}}));
    let wanted = super::super::super::wanted(&scene.binding, &scene.cluster).unwrap();
    let roles = wanted.roles.unwrap();
    let pairs: Vec<(&str, &str)> = (roles.assignments.iter())
        .map(|one| (one.scope.strip_prefix(VAULT).unwrap(), one.role.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("/secrets/db", "Key Vault Secrets User"),
            ("/certificates/tls", "Key Vault Certificate User"),
            ("/secrets/tls", "Key Vault Certificate User"),
            ("/certificates/leaf", "Key Vault Reader"),
            ("/keys/sign", "Key Vault Reader"),
        ]
    );
    assert!(wanted.credential.is_none());
}

#[test]
fn with_the_policy_plan_nothing_is_written_down_and_all_is_said() {
    let (mut scene, mut world) = (
        both().spec(json!({"reconcilePolicy": "Plan"})),
        World::new(),
    );
    let wanted = super::super::super::wanted(&scene.binding, &scene.cluster);
    scene.cluster.azure = Some(world.look(wanted.as_ref(), scene.now));
    let plan = scene.plan();
    assert!(plan.status.azure.is_empty());
    let planned: Vec<String> = (plan.status.plan.iter())
        .map(|one| format!("{:?} {} {}", one.action, one.kind, one.name))
        .collect();
    assert!(
        planned.contains(&format!("Create FederatedCredential {}", ours())),
        "{planned:?}"
    );
    assert!(
        planned.contains(&"Create RoleAssignment Key Vault Secrets User on kv-payments".to_owned()),
        "{planned:?}"
    );
    assert_eq!(own_assignment(VAULT, "Key Vault Secrets User").len(), 36);
    world.refuses = None;
}
