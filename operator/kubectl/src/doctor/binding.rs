//! Whether the binding is one that can be acted on.

use kube::ResourceExt;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::status::ConditionType;
use vaultbind_operator::plan::Reason;

use super::diagnosis::{Check, Finding, Step};
use super::snapshot::Snapshot;
use super::vault::{condition, edit, finding};

pub(super) fn checks(snapshot: &Snapshot, binding: &VaultBinding) -> Vec<Check> {
    let (name, namespace) = (binding.name_any(), &snapshot.namespace);
    let mut checks = Vec::new();
    if let Some(at) = &binding.metadata.deletion_timestamp {
        checks.push(Check::Failed(
            Finding::new(
                Step::Binding,
                "Deleting",
                format!("{name} is being deleted"),
            )
            .why("Its SecretProviderClass goes with it, and no new pod can start then.")
            .seen(format!("deleted at {}", at.0))
            .command(format!(
                "kubectl get vaultbinding {name} -n {namespace} -o yaml"
            )),
        ));
    }
    checks.extend(policy(snapshot, binding));
    let stalled = condition(binding, ConditionType::Stalled.as_str());
    let stalled = stalled.filter(|stalled| stalled.status == "True");
    if let Some(stalled) = stalled {
        let mut finding = finding(binding, Step::Binding, stalled);
        if finding.commands.is_empty() {
            finding.commands.extend(remedy(binding, &stalled.reason));
        }
        checks.push(Check::Failed(finding));
    }
    let ready = condition(binding, ConditionType::Ready.as_str());
    let refused =
        ready.filter(|ready| ready.status != "True" && ready.reason == Reason::NotApplied.as_str());
    if let Some(refused) = refused {
        checks.push(Check::Failed(finding(binding, Step::Binding, refused).why(
            "Pods mount what the SecretProviderClass says, and it cannot be written.",
        )));
    }
    if checks.is_empty() {
        checks.push(match ready {
            Some(_) => Check::passed(format!("{name} is one that the operator acts on")),
            None => Check::not_looked("conditions", "the operator has not said anything of it"),
        });
    }
    checks
}

fn policy(snapshot: &Snapshot, binding: &VaultBinding) -> Option<Check> {
    let (name, namespace) = (binding.name_any(), &snapshot.namespace);
    let (reason, what) = match binding.spec.reconcile_policy {
        ReconcilePolicy::Apply => return None,
        ReconcilePolicy::Suspend => (
            Reason::Suspended,
            "spec.reconcilePolicy is Suspend: nothing is asked and nothing is changed",
        ),
        ReconcilePolicy::Plan => (
            Reason::Planned,
            "spec.reconcilePolicy is Plan: status.plan says what would be done, and it is not done",
        ),
    };
    let patch = r#"{"spec":{"reconcilePolicy":"Apply"}}"#;
    let finding = Finding::new(Step::Binding, reason.as_str(), what).command(format!(
        "kubectl patch vaultbinding {name} -n {namespace} --type merge -p '{patch}'"
    ));
    let classes = snapshot.classes.seen()?;
    let there = classes.iter().any(|class| class.name_any() == name);
    Some(if there {
        Check::Warned(
            finding.why("Pods get the versions that were pinned before, and no newer ones."),
        )
    } else {
        Check::Failed(
            finding
                .seen(format!("there is no SecretProviderClass {name}"))
                .why("Pods that mount it cannot start."),
        )
    })
}

/// What helps where the message has no command of its own.
fn remedy(binding: &VaultBinding, reason: &str) -> Option<String> {
    let namespace = binding.namespace().unwrap_or_default();
    let class = binding.spec.vault_class_name.as_deref();
    Some(match Reason::parse(reason)? {
        Reason::SeveralDefaultClasses => "kubectl get vaultclasses".to_owned(),
        Reason::NamespaceNotAllowed => match class {
            Some(class) => {
                format!("kubectl get vaultclass {class} -o jsonpath='{{.spec.namespaceSelector}}'")
            }
            None => "kubectl get vaultclasses -o yaml".to_owned(),
        },
        Reason::TooManyBindings => format!(
            "kubectl get vaultbindings -n {namespace} --sort-by .metadata.creationTimestamp"
        ),
        _ => edit(binding),
    })
}

/// That there is no binding of a name.
pub(super) fn missing(snapshot: &Snapshot, name: &str) -> Check {
    let namespace = &snapshot.namespace;
    let names: Vec<String> = snapshot
        .bindings
        .all()
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    let seen = if names.is_empty() {
        format!("namespace {namespace} has no bindings")
    } else {
        format!(
            "namespace {namespace} has the bindings {}",
            names.join(", ")
        )
    };
    Check::Failed(
        Finding::new(
            Step::Binding,
            "BindingMissing",
            format!("there is no VaultBinding {name} in namespace {namespace}"),
        )
        .why("A SecretProviderClass is made of a binding.")
        .seen(seen)
        .command(format!(
            "kubectl get vaultbindings -A --field-selector metadata.name={name}"
        )),
    )
}
