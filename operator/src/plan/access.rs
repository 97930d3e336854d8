//! What the vault said to whoever asked it.

use std::collections::BTreeSet;
use std::sync::Arc;

use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{ObjectType, Part};
use vaultbind_keyvault::error::{FetchProblem, Forbidden};
use vaultbind_keyvault::metadata::{List, ListError};
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::transport::Unreachable;

use super::azure;
use super::finding::{Finding, LONGEST_MESSAGE};
use super::reading::Reading;
use super::reason::Reason;
use crate::observed::{Answer, Cluster, VaultAnswer};

pub(super) fn finding(
    binding: &VaultBinding,
    reading: &Reading<'_>,
    cluster: &Cluster,
    answer: &Answer,
    as_operator: bool,
) -> Finding {
    match answer {
        Answer::NotAsked => Finding::unknown(
            Reason::NotAsked,
            format!("the vault {} was not asked yet", reading.host),
        ),
        Answer::NoToken(error, _) if as_operator => Finding::passing(
            Reason::OperatorIdentity,
            format!(
                "the class has detection: Operator, and the operator gets no token of its own: {}",
                printable(&error.to_string(), 500)
            ),
        ),
        Answer::NoServiceAccountToken(problem) if as_operator => {
            if problem.lasting {
                Finding::no(Reason::OperatorIdentity, &problem.text)
            } else {
                Finding::passing(Reason::OperatorIdentity, &problem.text)
            }
        }
        Answer::NoServiceAccountToken(_) | Answer::NoToken(..) => Finding::unknown(
            Reason::NotAsked,
            format!(
                "the vault {} cannot be asked without a token: see IdentityReady",
                reading.host
            ),
        ),
        Answer::Vault(answer) => {
            let subject = Subject {
                binding,
                reading,
                cluster,
                answer,
                as_operator,
            };
            subject.finding()
        }
    }
}

struct Subject<'a> {
    binding: &'a VaultBinding,
    reading: &'a Reading<'a>,
    cluster: &'a Cluster,
    answer: &'a VaultAnswer,
    as_operator: bool,
}

impl Subject<'_> {
    fn finding(&self) -> Finding {
        let lists = self.answer.versions.values().filter_map(error);
        let selections = self.answer.selected.values().filter_map(error);
        let (lists, selections): (Vec<_>, Vec<_>) = (lists.collect(), selections.collect());
        let mut findings: Vec<Finding> = lists
            .iter()
            .map(|error| self.of(error, false))
            .chain(
                selections
                    .iter()
                    .map(|error| self.of(error, lists.is_empty())),
            )
            .collect();
        // A refusal goes before an outage, and the first of a kind speaks for all of it.
        findings.sort_by_key(|finding| finding.transient);
        let Some(worst) = findings.first() else {
            return Finding::yes(
                Reason::Listed,
                format!("the vault {} told all versions", self.reading.host),
            );
        };
        let more = findings.len() - 1;
        let mut worst = worst.clone();
        if more > 0 {
            let end = format!(" (and {more} more)");
            worst.message = printable(&worst.message, LONGEST_MESSAGE - end.len());
            worst.message.push_str(&end);
        }
        worst
    }

    /// `lists_pass`: a list of all objects was refused while versions are told.
    fn of(&self, error: &ListError, lists_pass: bool) -> Finding {
        let host = &self.reading.host;
        let what = what(&error.list);
        let caller = if self.as_operator {
            &error.identity
        } else {
            self.reading.client.as_str()
        };
        let vault = host.split('.').next().unwrap_or(host);
        match &error.problem {
            FetchProblem::Forbidden(Forbidden::Role) => self.role(caller, vault, &what, lists_pass),
            FetchProblem::Forbidden(Forbidden::AccessPolicy) => self.policy(caller, vault, &what),
            FetchProblem::Forbidden(Forbidden::Firewall) => Finding::no(
                Reason::Firewall,
                format!(
                    "the firewall of {host} does not admit the cluster: az keyvault network-rule add --name \
                     {vault} --ip-address ADDRESS, with the address that the cluster's traffic leaves from, \
                     or use a private endpoint"
                ),
            ),
            FetchProblem::Forbidden(Forbidden::PrivateOnly) => Finding::no(
                Reason::PrivateOnly,
                format!(
                    "{host} admits private endpoints only: make one in the cluster's network and link its \
                     private DNS zone"
                ),
            ),
            FetchProblem::Forbidden(Forbidden::Other) => Finding::no(
                Reason::AccessRefused,
                format!("{host} refuses {caller} {what} (HTTP 403): see the operator's log"),
            ),
            FetchProblem::TokenRejected { other_tenant: true } => Finding::no(
                Reason::TenantMismatch,
                format!(
                    "{host} belongs to another tenant than {}: set spec.vault.tenantID to az keyvault show \
                     --name {vault} --query properties.tenantId -o tsv",
                    self.reading.tenant
                ),
            ),
            FetchProblem::TokenRejected {
                other_tenant: false,
            } => Finding::no(
                Reason::TokenRejected,
                format!(
                    "{host} does not accept the token of {caller} (HTTP 401): check that the vault's tenant \
                     and cloud are those of spec.vault"
                ),
            ),
            FetchProblem::Throttled => Finding::passing(
                Reason::TooManyRequests,
                format!("{host} holds back requests (HTTP 429); it is asked again"),
            ),
            FetchProblem::Failing(status) => Finding::passing(
                Reason::VaultFailing,
                format!("{host} fails (HTTP {status}); it is asked again"),
            ),
            FetchProblem::Unreachable(unreachable @ Unreachable::Name { .. }) => Finding::passing(
                Reason::VaultNotFound,
                format!(
                    "{unreachable}: check spec.vault, and with a private endpoint that its DNS zone is linked: \
                     az keyvault show --name {vault} --query properties.vaultUri"
                ),
            ),
            FetchProblem::Unreachable(unreachable) => Finding::passing(
                Reason::Unreachable,
                format!("{unreachable}; it is tried again"),
            ),
            FetchProblem::Refused { status, code } => Finding::no(
                Reason::VaultRefused,
                format!(
                    "{host} refuses {what} (HTTP {status}, {}): see the operator's log",
                    printable(code, 60)
                ),
            ),
            FetchProblem::BadAnswer { what: problem } => Finding::passing(
                Reason::VaultRefused,
                format!(
                    "the answer of {host} {problem}: check for a proxy that answers in its place"
                ),
            ),
            // Not of lists.
            FetchProblem::NotFound
            | FetchProblem::Disabled
            | FetchProblem::NotIssued
            | FetchProblem::UnsupportedKey { .. } => Finding::passing(
                Reason::VaultRefused,
                format!("{host} refuses {what}; it is asked again"),
            ),
        }
    }

    fn role(&self, caller: &str, vault: &str, what: &str, lists_pass: bool) -> Finding {
        if lists_pass && !self.answer.versions.is_empty() {
            return Finding::no(
                Reason::ListDenied,
                format!(
                    "{caller} may not {what} in {vault}, as select needs; roles of single objects do not \
                     allow it: assign a role on the whole vault, or name the objects. {}",
                    self.assignment(caller, vault)
                ),
            );
        }
        Finding::no(
            Reason::RoleMissing,
            format!(
                "no role lets {caller} {what} in {vault}: {}; a new assignment takes some minutes",
                self.assignment(caller, vault)
            ),
        )
    }

    /// The commands that assign what is missing: as the binding wants it, if it says so.
    fn assignment(&self, caller: &str, vault: &str) -> String {
        let wanted = azure::wanted(self.binding, self.reading, self.cluster);
        let wanted = wanted.ok().flatten().and_then(|wanted| wanted.roles);
        if let (Some(roles), false) = (wanted, self.as_operator) {
            let commands = roles.assignments.iter().map(|one| {
                format!(
                    "az role assignment create --assignee {caller} --role \"{}\" --scope {}",
                    one.role, one.scope
                )
            });
            return commands.collect::<Vec<_>>().join(" && ");
        }
        self.roles()
            .into_iter()
            .map(|role| {
                format!(
                    "az role assignment create --assignee {caller} --role \"{role}\" --scope $(az keyvault \
                     show --name {vault} --query id -o tsv)"
                )
            })
            .collect::<Vec<_>>()
            .join(" && ")
    }

    /// The least built-in roles for what the binding has, or for listing as the operator.
    fn roles(&self) -> BTreeSet<&'static str> {
        if self.as_operator {
            return BTreeSet::from(["Key Vault Reader"]);
        }
        let objects = self.binding.spec.objects.iter();
        objects.map(azure::least_role).collect()
    }

    /// Pods that mount prove that the identity may get.
    fn policy(&self, caller: &str, vault: &str, what: &str) -> Finding {
        let mounts = self.cluster.mounts.iter();
        let may_get = !self.as_operator && mounts.clone().any(|mount| !mount.objects.is_empty());
        let permissions = policy_permissions(self.binding);
        let remedy = format!("az keyvault set-policy --name {vault} --spn {caller} {permissions}");
        if may_get {
            Finding::no(
                Reason::ListDenied,
                format!(
                    "{caller} may get but not {what} in {vault}, and vaultbind reads no value to learn a \
                     version: {remedy}"
                ),
            )
        } else {
            Finding::no(
                Reason::VaultUsesAccessPolicies,
                format!("{vault} uses access policies, and none lets {caller} {what}: {remedy}"),
            )
        }
    }
}

/// What an access policy must permit for the objects of a binding.
pub(super) fn policy_permissions(binding: &VaultBinding) -> String {
    let kinds: BTreeSet<_> = (binding.spec.objects.iter())
        .flat_map(|object| match object.type_ {
            ObjectType::Secret => &["--secret-permissions get list"][..],
            ObjectType::Key => &["--key-permissions get list"][..],
            ObjectType::Certificate if object.parts() == [Part::Leaf] => {
                &["--certificate-permissions get list"][..]
            }
            ObjectType::Certificate => &[
                "--certificate-permissions get list",
                "--secret-permissions get list",
            ][..],
        })
        .copied()
        .collect();
    kinds.into_iter().collect::<Vec<_>>().join(" ")
}

fn error<T>(result: &Result<T, Arc<ListError>>) -> Option<&ListError> {
    let error = result.as_ref().err()?;
    (error.problem != FetchProblem::NotFound).then_some(error)
}

fn what(list: &List) -> String {
    match list {
        List::Objects(type_) => format!("list {}", type_.collection()),
        List::Versions(type_, name) => format!("list the versions of {type_} {name}"),
    }
}
