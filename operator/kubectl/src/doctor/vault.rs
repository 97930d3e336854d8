//! What the operator says of identity, network, access, objects and Secrets, in its own words.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::ConditionType;
use vaultbind_operator::plan::Reason;
use vaultbind_operator::resolve::missing_account;

use super::diagnosis::{Check, Finding, Step};
use super::snapshot::{Look, Snapshot};

pub(super) fn condition<'a>(binding: &'a VaultBinding, type_: &str) -> Option<&'a Condition> {
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .find(|condition| condition.type_ == type_)
}

/// The step that a reason of a condition belongs to.
fn step(type_: ConditionType, reason: &str) -> Step {
    match (type_, Reason::parse(reason)) {
        (
            ConditionType::IdentityReady | ConditionType::AccessReady,
            Some(
                Reason::Unreachable
                | Reason::TooManyRequests
                | Reason::Firewall
                | Reason::PrivateOnly
                | Reason::VaultNotFound
                | Reason::VaultFailing,
            ),
        ) => Step::Network,
        (ConditionType::IdentityReady, _) => Step::Identity,
        (ConditionType::AccessReady, Some(Reason::OperatorIdentity)) => Step::Identity,
        (ConditionType::AccessReady, _) => Step::Access,
        (ConditionType::ObjectsResolved | ConditionType::ExpiringSoon, _) => Step::Objects,
        (ConditionType::DriverReady, _) => Step::Driver,
        (ConditionType::Throttled, _) => Step::Network,
        _ => Step::Binding,
    }
}

/// What a condition that does not hold says, with the command that its message names.
pub(super) fn finding(binding: &VaultBinding, step: Step, condition: &Condition) -> Finding {
    let mut finding = Finding::new(step, &condition.reason, &condition.message).seen(format!(
        "condition {} is {} since {}",
        condition.type_, condition.status, condition.last_transition_time.0
    ));
    finding.commands.extend(command(&condition.message));
    let asked_again = matches!(
        step,
        Step::Identity | Step::Network | Step::Access | Step::Objects
    );
    if asked_again {
        finding.commands.push(ask_now(binding));
    }
    finding
}

/// Opens the binding in an editor.
pub(super) fn edit(binding: &VaultBinding) -> String {
    format!(
        "kubectl edit vaultbinding {} -n {}",
        binding.name_any(),
        binding.namespace().unwrap_or_default()
    )
}

/// Has the vault asked without waiting for the next check.
pub(super) fn ask_now(binding: &VaultBinding) -> String {
    format!(
        "kubectl annotate vaultbinding {} -n {} --overwrite vaultbind.dev/check-requested-at=\"$(date -u \
         +%FT%TZ)\"",
        binding.name_any(),
        binding.namespace().unwrap_or_default()
    )
}

/// The first command in a message, up to where the sentence goes on.
pub(super) fn command(message: &str) -> Option<String> {
    let starts = ["kubectl ", "az ", "helm "].into_iter().flat_map(|tool| {
        let found = message.match_indices(tool).map(|(at, _)| at);
        found.filter(|at| *at == 0 || message.get(..*at).is_some_and(|text| text.ends_with(' ')))
    });
    let rest = message.get(starts.min()?..)?;
    let mut quote = None;
    let mut before = ' ';
    let mut end = rest.len();
    for (at, character) in rest.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, ' ') if matches!(before, ',' | ';' | '.') => {
                end = at - 1;
                break;
            }
            _ => {}
        }
        before = character;
    }
    rest.get(..end).map(str::to_owned)
}

/// The steps from the identity to the objects.
pub(super) fn checks(snapshot: &Snapshot, binding: &VaultBinding, wanted: Step) -> Vec<Check> {
    let mut checks = Vec::new();
    if wanted == Step::Identity {
        checks.extend(account(snapshot, binding));
    }
    let types: &[ConditionType] = match wanted {
        Step::Identity => &[ConditionType::IdentityReady, ConditionType::AccessReady],
        Step::Network => &[ConditionType::IdentityReady, ConditionType::AccessReady],
        Step::Access => &[ConditionType::AccessReady],
        Step::Objects => &[ConditionType::ObjectsResolved, ConditionType::ExpiringSoon],
        _ => &[],
    };
    // A ServiceAccount that is missing is told once.
    let told = checks.iter().any(|check| matches!(check, Check::Failed(_)));
    for type_ in types {
        let Some(condition) = condition(binding, type_.as_str()) else {
            continue;
        };
        if told && condition.reason == Reason::NoServiceAccount.as_str() {
            continue;
        }
        if let Some(check) = check(binding, wanted, *type_, condition) {
            checks.push(check);
        }
    }
    // A refusal is an answer, too.
    let reached = condition(binding, ConditionType::AccessReady.as_str()).is_some_and(|access| {
        access.status == "True"
            || access.status == "False"
                && step(ConditionType::AccessReady, &access.reason) == Step::Access
    });
    if wanted == Step::Network && checks.is_empty() && reached {
        checks.push(Check::passed("Entra and the vault answer"));
    }
    if checks.is_empty() {
        checks.push(Check::not_looked(
            wanted.as_str(),
            "the operator has not said anything of it",
        ));
    }
    checks
}

fn check(
    binding: &VaultBinding,
    wanted: Step,
    type_: ConditionType,
    condition: &Condition,
) -> Option<Check> {
    let reason = Reason::parse(&condition.reason);
    let bad_if_true = type_.only_while_true();
    let own = match type_ {
        ConditionType::IdentityReady => Step::Identity,
        ConditionType::AccessReady => Step::Access,
        _ => Step::Objects,
    };
    if condition.status == "True" && bad_if_true {
        return Some(Check::Warned(finding(binding, wanted, condition)));
    }
    if condition.status == "True" {
        return (wanted == own).then(|| Check::passed(&condition.message));
    }
    if matches!(reason, Some(Reason::NotAsked | Reason::NotVerified)) {
        return (wanted == own)
            .then(|| Check::not_looked(condition.type_.as_str(), &condition.message));
    }
    (step(type_, &condition.reason) == wanted)
        .then(|| Check::Failed(finding(binding, wanted, condition)))
}

/// Whether the ServiceAccount is there, as it is now.
fn account(snapshot: &Snapshot, binding: &VaultBinding) -> Option<Check> {
    let name = &binding.spec.identity.service_account_name;
    let namespace = &snapshot.namespace;
    let accounts = match &snapshot.accounts {
        Look::Seen(accounts) => accounts,
        Look::Not(why) => return Some(Check::not_looked("ServiceAccounts", why)),
    };
    if accounts.iter().any(|account| account.name_any() == *name) {
        return Some(Check::passed(format!(
            "ServiceAccount {namespace}/{name} is there"
        )));
    }
    let message = missing_account(namespace, name);
    let mut finding = Finding::new(Step::Identity, Reason::NoServiceAccount.as_str(), &message);
    finding.commands.extend(command(&message));
    let pods = super::pods::volumes(snapshot)
        .filter(|volume| volume.class() == Some(binding.name_any().as_str()));
    let others: std::collections::BTreeSet<&str> = pods.map(|volume| volume.account()).collect();
    if !others.is_empty() {
        let others: Vec<&str> = others.into_iter().collect();
        finding = finding.seen(format!("pods that mount it run as {}", others.join(", ")));
    }
    Some(Check::Failed(finding))
}

/// Whether the Kubernetes Secrets are made.
pub(super) fn secrets(binding: &VaultBinding) -> Vec<Check> {
    let type_ = ConditionType::SecretsSynced.as_str();
    let Some(condition) = condition(binding, type_) else {
        return Vec::new();
    };
    let unknown = matches!(
        Reason::parse(&condition.reason),
        Some(Reason::NotAsked | Reason::Planned)
    );
    vec![match condition.status.as_str() {
        "True" => Check::passed(&condition.message),
        _ if unknown => Check::not_looked(type_, &condition.message),
        _ => {
            let mut finding = finding(binding, Step::Secrets, condition);
            if finding.commands.is_empty() {
                finding.commands.push(edit(binding));
            }
            Check::Failed(finding)
        }
    }]
}
