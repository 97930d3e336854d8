//! What is said when Azure, the class or the binding itself stands in the way.

use super::*;

#[test]
fn the_limit_is_counted_before_anything_is_written() {
    let mut world = World::new();
    for number in 0..20 {
        let subject = format!("system:serviceaccount:other:{number}");
        world = world.credential(&format!("other-{number}"), &subject, AUDIENCE);
    }
    let mut scene = both();
    scene.answers = no_credential();
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("IdentityReady"), "False LimitReached");
    let said = plan.message("IdentityReady");
    assert!(
        said.contains(
            "az identity federated-credential list --identity-name shop-api --resource-group shop"
        ),
        "{said}"
    );
    assert_eq!(world.credentials.as_ref().unwrap().len(), 20);
    assert!(
        plan.azure
            .steps
            .iter()
            .all(|step| matches!(step, AzureStep::PutAssignment { .. }))
    );
    // Somebody makes room.
    world.credentials.as_mut().unwrap().pop();
    scene.answers = Answers::Well;
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("Ready"), "True Pinned");
}

#[test]
fn every_trouble_with_azure_has_its_reason_and_a_remedy() {
    type Change = fn(&mut World);
    let forbidden = || AzureCause::Forbidden {
        code: "AuthorizationFailed".to_owned(),
    };
    let table: Vec<(&str, Change, &str, &str, &str)> = vec![
        (
            "no right to look",
            |world| {
                world.identity = Err(error(AzureCause::Forbidden {
                    code: "AuthorizationFailed".to_owned(),
                }));
            },
            "IdentityReady",
            "False AzureForbidden",
            "az role assignment create --assignee OPERATOR --role \"vaultbind identities\" --scope /subscriptions",
        ),
        (
            "no identity",
            |world| {
                world.identity = Err(error(AzureCause::NotFound {
                    code: "ResourceNotFound".to_owned(),
                }));
            },
            "IdentityReady",
            "False IdentityNotFound",
            "az identity list",
        ),
        (
            "other client",
            |world| {
                world.identity.as_mut().unwrap().client_id =
                    "00000000-1111-2222-3333-444444444444".to_owned();
            },
            "IdentityReady",
            "False ClientMismatch",
            "correct one of them",
        ),
        (
            "other tenant",
            |world| {
                world.identity.as_mut().unwrap().tenant_id =
                    "00000000-1111-2222-3333-444444444444".to_owned();
            },
            "IdentityReady",
            "False TenantMismatch",
            "own tenant",
        ),
        (
            "no token",
            |world| {
                world.identity = Err(error(AzureCause::NoToken {
                    text: "set operator.azure.clientID".to_owned(),
                    lasting: true,
                }));
            },
            "IdentityReady",
            "False OperatorIdentity",
            "set operator.azure.clientID",
        ),
        (
            "no answer",
            |world| {
                world.identity = Err(error(AzureCause::Silent {
                    text: "management.azure.com does not answer".to_owned(),
                }));
            },
            "IdentityReady",
            "Unknown Unreachable",
            "tried again",
        ),
        (
            "throttled",
            |world| {
                world.credentials = Err(error(AzureCause::Busy {
                    status: 429,
                    code: "TooManyRequests".to_owned(),
                    retry_after: None,
                }));
            },
            "IdentityReady",
            "Unknown Provisioning",
            "tried again",
        ),
        (
            "private issuer",
            |world| world.issuer = Ok("https://kubernetes.default.svc.cluster.local".to_owned()),
            "IdentityReady",
            "False IssuerNotPublic",
            "--service-account-issuer",
        ),
        (
            "unknown issuer",
            |world| world.issuer = Err("the API server does not answer".to_owned()),
            "IdentityReady",
            "Unknown Provisioning",
            "does not answer",
        ),
        (
            "other audience",
            |world| *world = World::new().credential("by-hand", SUBJECT, "api://else"),
            "IdentityReady",
            "False AudienceMismatch",
            "az identity federated-credential update --name by-hand",
        ),
        (
            "no vault",
            |world| {
                world.vault = Err(error(AzureCause::NotFound {
                    code: "ResourceNotFound".to_owned(),
                }));
            },
            "AccessReady",
            "False VaultNotFound",
            "az keyvault list-deleted",
        ),
        (
            "access policies",
            |world| world.vault.as_mut().unwrap().uses_roles = false,
            "AccessReady",
            "False VaultUsesAccessPolicies",
            "az keyvault set-policy --name kv-payments --object-id 99999999-0000-4000-8000-000000000001 --secret-permissions get list",
        ),
        (
            "other vault",
            |world| {
                world.vault.as_mut().unwrap().uri = "https://kv-other.vault.azure.net".to_owned();
            },
            "AccessReady",
            "False VaultMismatch",
            "kv-other.vault.azure.net",
        ),
        (
            "no right to the assignments",
            |world| {
                world.assignments = Err(error(AzureCause::Forbidden {
                    code: "AuthorizationFailed".to_owned(),
                }));
            },
            "AccessReady",
            "False AzureForbidden",
            "az role assignment create",
        ),
    ];
    for (what, change, condition, expected, remedy) in table {
        let (mut scene, mut world) = (both(), World::new());
        change(&mut world);
        scene.answers = if condition == "IdentityReady" {
            no_credential()
        } else {
            no_role(&scene)
        };
        let plan = turn(&mut scene, &mut world);
        assert_eq!(plan.condition(condition), expected, "{what}");
        let said = plan.message(condition);
        assert!(said.contains(remedy), "{what}: {said}");
        // The same text from turn to turn.
        scene.now += 1;
        assert_eq!(
            turn(&mut scene, &mut world).message(condition),
            said,
            "{what}"
        );
    }
    let (mut scene, mut world) = (both(), World::new());
    world.refuses = Some(forbidden());
    scene.answers = no_credential();
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("IdentityReady"), "False AzureForbidden");
    assert_eq!(
        plan.status.azure.len(),
        2,
        "it may have been made all the same"
    );
}

#[test]
fn a_workload_that_is_let_in_is_ready_whatever_azure_says() {
    let (mut scene, mut world) = (both(), World::new());
    turn(&mut scene, &mut world);
    let kept = scene.binding.status.clone().unwrap().azure;
    for cause in [
        AzureCause::Forbidden {
            code: String::new(),
        },
        AzureCause::Silent {
            text: String::new(),
        },
    ] {
        world.identity = Err(error(cause));
        let plan = turn(&mut scene, &mut world);
        assert_eq!(plan.condition("Ready"), "True Pinned");
        assert_eq!(plan.status.azure, kept, "nothing is forgotten");
        assert!(plan.azure.removals.is_empty());
    }
}

#[test]
fn an_outage_is_not_explained_by_a_missing_role() {
    let (mut scene, mut world) = (both(), World::new());
    world.vault.as_mut().unwrap().uses_roles = false;
    scene.answers = Answers::So(scene.all_refused(&FetchProblem::Forbidden(Forbidden::Firewall)));
    let plan = turn(&mut scene, &mut world);
    assert_eq!(plan.condition("AccessReady"), "False Firewall");
}

#[test]
fn the_class_decides_for_whom_and_with_what() {
    let wants = |class: Option<Value>| {
        let mut scene = both();
        scene.cluster.class = crate::observed::ClassChoice::None;
        if let Some(class) = class {
            scene = scene.class(&class);
        }
        scene
    };
    for (class, reason) in [
        (None, "IdentityNotAllowed"),
        (Some(json!({})), "IdentityNotAllowed"),
        (Some(json!({"identities": []})), "IdentityNotAllowed"),
        (
            Some(json!({"identities": [IDENTITY.replace("shop-api", "other-*")]})),
            "IdentityNotAllowed",
        ),
        (
            Some(json!({"identities": [IDENTITY], "roleNames": ["Key Vault Reader"]})),
            "RoleNotAllowed",
        ),
    ] {
        let plan = wants(class.clone()).plan();
        assert_eq!(
            plan.condition("Stalled"),
            format!("True {reason}"),
            "{class:?}"
        );
        assert!(plan.azure.steps.is_empty());
    }
    let upper = wants(Some(
        json!({"identities": [IDENTITY.to_uppercase()], "roleNames": ["key vault secrets user"]}),
    ));
    assert_eq!(upper.plan().condition("Stalled"), "");
}

#[test]
fn who_waits_for_its_turn_has_nothing_written_down() {
    let (mut scene, world) = (both(), World::new());
    let wanted = super::super::super::wanted(&scene.binding, &scene.cluster);
    let mut seen = world.look(wanted.as_ref(), scene.now);
    seen.waits_until = Some(at(scene.now + 40));
    scene.cluster.azure = Some(seen);
    scene.answers = Answers::So(Answer::NotAsked);
    let plan = scene.plan();
    assert_eq!(ledger(&plan), ["RoleAssignment Creating false"]);
    assert_eq!(plan.condition("IdentityReady"), "Unknown Provisioning");
    assert_eq!(plan.next, at(scene.now + 40));
    let _ = (AzureKind::FederatedCredential, AzureState::Creating);
}
