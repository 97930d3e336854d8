//! Plans as texts, and what the status knows in place of a vault.

use serde_json::json;
use vaultbind_crds::VaultClass;
use vaultbind_crds::status::ConditionType;
use vaultbind_operator::observed::ClassChoice;
use vaultbind_operator::plan::Target;

use super::*;
use crate::exit::Exit;
use crate::lint::Finding;
use crate::output::{Look, Output as _};
use crate::terminal::Paint;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

fn now() -> Timestamp {
    "2027-01-15T08:00:00Z".parse().unwrap()
}

fn look() -> Look {
    Look {
        paint: Paint::PLAIN,
        wide: false,
        now: now(),
    }
}

/// A binding whose status pins the old version and knows the new one.
fn binding() -> VaultBinding {
    serde_json::from_value(json!({
        "apiVersion": "vaultbind.dev/v1alpha1",
        "kind": "VaultBinding",
        "metadata": {"name": "db", "namespace": "payments", "uid": "1", "generation": 1},
        "spec": {
            "vault": {"name": "kv-payments", "tenantID": "11111111-2222-3333-4444-555555555555"},
            "identity": {"clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "serviceAccountName": "api"},
            "objects": [{"name": "db"}, {"name": "flags", "select": {"prefix": "flag-"}}],
        },
        "status": {
            "observedGeneration": 1,
            "objects": [
                {"name": "db", "objectName": "db", "type": "Secret", "state": "Behind",
                 "pinned": OLD, "latest": NEW, "expires": "2027-04-15T08:00:00Z"},
                {"name": "flags", "objectName": "flag-a", "type": "Secret", "state": "Current",
                 "pinned": OLD, "latest": OLD},
            ],
            "summary": {"vault": "kv-payments.vault.azure.net"},
        },
    }))
    .unwrap()
}

fn around() -> Around {
    let surroundings = vaultbind_operator::surroundings::Surroundings {
        namespace: serde_json::from_value(json!({"metadata": {"name": "payments"}})).unwrap(),
        driver: Some(gather::assumed("api://AzureADTokenExchange")),
        ..Default::default()
    };
    surroundings.of(&binding()).unwrap()
}

/// A plan with what the status knows.
fn planned(binding: &VaultBinding, cluster: &Around) -> Plan {
    let question = question(binding, cluster).unwrap();
    let answer = vault::known(&question, binding, now()).unwrap();
    plan(&Input {
        binding,
        cluster,
        answer: &Ok(answer),
        now: now(),
    })
}

fn report(binding: &VaultBinding, cluster: &Around) -> BindingPlan {
    let plan = planned(binding, cluster);
    let mut listing = binding.clone();
    listing.spec.reconcile_policy = ReconcilePolicy::Plan;
    let listed = planned(&listing, cluster).status.plan;
    BindingPlan::of(binding, true, cluster, &plan, listed, Vec::new())
}

#[test]
fn what_the_status_knows_moves_pins_as_the_vault_would() {
    let (mut binding, mut cluster) = (binding(), around());
    let Target::Apply(class) = planned(&binding, &cluster).target else {
        panic!("nothing is applied");
    };
    let objects = &class.spec.parameters["objects"];
    assert!(
        objects.contains(NEW) && objects.contains("flag-a"),
        "{objects}"
    );

    // With the old pins in the cluster, only one line changes.
    binding.status.as_mut().unwrap().objects[0].latest = Some(OLD.to_owned());
    let Target::Apply(before) = planned(&binding, &cluster).target else {
        panic!("nothing is applied");
    };
    binding.status.as_mut().unwrap().objects[0].latest = Some(NEW.to_owned());
    cluster.target = Some(Arc::from(before));
    let report = PlanReport {
        bindings: vec![report(&binding, &cluster)],
    };
    assert_eq!(report.exit(), Exit::Fine);
    let text = report.text(&look());
    for part in [
        "Update   SecretProviderClass   db     -          -",
        "Pin      Secret                db     01234567   fedcba98",
        &format!("-         objectVersion: \"{OLD}\""),
        &format!("+         objectVersion: \"{NEW}\""),
        "Ready            True Pinned:",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(text.matches("+         objectVersion").count(), 1, "{text}");
}

#[test]
fn of_an_object_that_the_status_does_not_know_nothing_is_made_up() {
    let (mut binding, cluster) = (binding(), around());
    binding.status.as_mut().unwrap().objects.remove(0);
    let question = question(&binding, &cluster).unwrap();
    assert!(vault::known(&question, &binding, now()).is_none());
    binding.status = None;
    assert!(vault::known(&question, &binding, now()).is_none());
}

#[test]
fn limits_of_the_class_stall_the_plan() {
    let mut class = VaultClass::new("prod", Default::default());
    class.spec.vaults = Some(vec!["kv-other".to_owned()]);
    let mut cluster = around();
    cluster.class = ClassChoice::Chosen(Arc::new(class));
    let stall = question(&binding(), &cluster).unwrap_err();
    let plan = plan(&Input {
        binding: &binding(),
        cluster: &cluster,
        answer: &Err(stall),
        now: now(),
    });
    let report = BindingPlan::of(&binding(), true, &cluster, &plan, Vec::new(), Vec::new());
    assert!(!report.is_well());
    let stalled = ConditionType::Stalled.as_str();
    assert!(
        report
            .conditions
            .iter()
            .any(|condition| condition.type_ == stalled)
    );
    let text = PlanReport {
        bindings: vec![report],
    }
    .text(&look());
    assert!(
        text.contains("Nothing would change.") && text.contains("VaultNotAllowed"),
        "{text}"
    );
}

#[test]
fn a_refused_binding_is_told_with_its_fields() {
    let finding = Finding {
        field: "spec.vault".to_owned(),
        message: "exactly one".to_owned(),
    };
    let report = PlanReport {
        bindings: vec![BindingPlan::refused("payments", "db", vec![finding])],
    };
    assert_eq!(report.exit(), Exit::Wrong);
    assert_eq!(
        report.text(&look()),
        "payments/db\n  Refused spec.vault: exactly one\n"
    );
}
