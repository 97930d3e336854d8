//! Plans for Azure: a world of credentials and assignments, and bindings that want some of it.

mod lifecycle;
mod troubles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use vaultbind_crds::status::{AzureKind, AzureState};
use vaultbind_keyvault::TokenError;
use vaultbind_keyvault::error::{FetchProblem, Forbidden, TokenProblem};

use super::super::Plan;
use super::super::tests::{Answers, CLIENT, Scene, TENANT, at, secret, two, version};
use super::{AzureStep, Wanted};
use crate::azure::{names, roles};
use crate::observed::{
    Answer, Assignment, AzureCause, AzureError, AzureSeen, Credential, ManagedIdentity, Seen,
    Subject, VaultResource,
};

const ISSUER: &str = "https://oidc.example.com/cluster/";
const SUBJECT: &str = "system:serviceaccount:shop:api";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const IDENTITY: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop-api";
const VAULT: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shop/providers/Microsoft.KeyVault/vaults/kv-payments";
const PRINCIPAL: &str = "99999999-0000-4000-8000-000000000001";

/// Azure, as far as one identity and one vault go.
#[derive(Debug, Clone)]
struct World {
    issuer: Result<String, String>,
    identity: Seen<ManagedIdentity>,
    credentials: Seen<Vec<Credential>>,
    vault: Seen<VaultResource>,
    assignments: Seen<Vec<Assignment>>,
    /// What refuses a step.
    refuses: Option<AzureCause>,
}

impl World {
    fn new() -> Self {
        Self {
            issuer: Ok(ISSUER.to_owned()),
            identity: Ok(ManagedIdentity {
                client_id: CLIENT.to_uppercase(),
                principal_id: PRINCIPAL.to_owned(),
                tenant_id: TENANT.to_owned(),
            }),
            credentials: Ok(Vec::new()),
            vault: Ok(VaultResource {
                uri: "https://KV-payments.vault.azure.net/".to_owned(),
                tenant_id: TENANT.to_owned(),
                uses_roles: true,
            }),
            assignments: Ok(Vec::new()),
            refuses: None,
        }
    }

    fn credential(mut self, name: &str, subject: &str, audience: &str) -> Self {
        self.credentials.as_mut().unwrap().push(Credential {
            name: name.to_owned(),
            issuer: ISSUER.to_owned(),
            subject: Some(subject.to_owned()),
            audiences: vec![audience.to_owned()],
        });
        self
    }

    fn assignment(mut self, name: &str, scope: &str, role: &str) -> Self {
        self.assignments.as_mut().unwrap().push(Assignment {
            id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"),
            role: roles::built_in(role).unwrap().to_owned(),
            principal: PRINCIPAL.to_owned(),
            scope: scope.to_owned(),
            conditional: false,
            description: None,
        });
        self
    }

    fn look(&self, wanted: Option<&Wanted>, now: i64) -> AzureSeen {
        let roles = wanted.and_then(|wanted| wanted.roles.as_ref());
        AzureSeen {
            at: at(now),
            issuer: self.issuer.clone(),
            identity: wanted.map(|_| self.identity.clone()),
            credentials: (wanted.and_then(|wanted| wanted.credential.as_ref()))
                .map(|_| self.credentials.clone()),
            vault: roles.map(|_| self.vault.clone()),
            assignments: roles.map(|_| self.assignments.clone()),
            roles: (roles.iter().flat_map(|roles| &roles.assignments))
                .map(|role| {
                    let id = roles::built_in(&role.role).map(str::to_owned);
                    let unknown = || {
                        error(AzureCause::NotFound {
                            code: String::new(),
                        })
                    };
                    (role.role.clone(), id.ok_or_else(unknown))
                })
                .collect(),
            made: BTreeMap::new(),
            removed: BTreeSet::new(),
            failed: BTreeMap::new(),
            waits_until: None,
        }
    }

    /// Does a step, as Azure would.
    fn carry(&mut self, step: &AzureStep, seen: &mut AzureSeen, now: i64) -> bool {
        let key = step.id().to_ascii_lowercase();
        if let Some(cause) = &self.refuses {
            seen.failed.insert(key, error(cause.clone()));
            return false;
        }
        match step {
            AzureStep::PutCredential {
                name,
                issuer,
                subject,
                audience,
                ..
            } => {
                let all = self.credentials.as_mut().unwrap();
                all.retain(|one| one.name != *name);
                all.push(Credential {
                    name: name.clone(),
                    issuer: issuer.clone(),
                    subject: Some(subject.clone()),
                    audiences: vec![audience.clone()],
                });
                assert!(all.len() <= 20, "Azure refuses the 21st");
                seen.credentials = Some(self.credentials.clone());
                seen.made.insert(key, at(now));
            }
            AzureStep::PutAssignment {
                id,
                scope,
                role_id,
                principal,
                ..
            } => {
                let all = self.assignments.as_mut().unwrap();
                all.push(Assignment {
                    id: id.clone(),
                    role: role_id.clone(),
                    principal: principal.clone(),
                    scope: scope.clone(),
                    conditional: false,
                    description: None,
                });
                seen.assignments = Some(self.assignments.clone());
                seen.made.insert(key, at(now));
            }
            AzureStep::Remove { id, .. } => {
                let name = id.rsplit('/').next().unwrap();
                if let Ok(all) = &mut self.credentials {
                    all.retain(|one| one.name != name);
                }
                if let Ok(all) = &mut self.assignments {
                    all.retain(|one| !one.id.eq_ignore_ascii_case(id));
                }
                seen.removed.insert(key);
            }
        }
        true
    }

    /// Whether Entra would take the workload's token.
    fn trusts(&self, subject: &str) -> bool {
        self.credentials.as_ref().is_ok_and(|all| {
            all.iter().any(|one| {
                one.issuer == ISSUER
                    && one.subject.as_deref() == Some(subject)
                    && one.audiences == [AUDIENCE]
            })
        })
    }
}

fn error(cause: AzureCause) -> Arc<AzureError> {
    Arc::new(AzureError {
        action: "Microsoft.ManagedIdentity/userAssignedIdentities/read",
        id: IDENTITY.to_owned(),
        cause,
    })
}

/// A binding that wants both, in a class that admits it.
fn both() -> Scene {
    two()
        .class(&json!({"identities": ["/subscriptions/*/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{namespace}-*"]}))
        .spec(json!({
            "identity": {"federatedCredential": {"identityResourceID": IDENTITY, "deletionPolicy": "Delete"}},
            "access": {"roleAssignment": {
                "vaultResourceID": VAULT, "scope": "Vault", "deletionPolicy": "Delete",
            }},
        }))
}

/// One turn of the operator, as it would go: look, write down, make, ask, tidy, say.
fn turn(scene: &mut Scene, world: &mut World) -> Plan {
    let wanted = super::super::wanted(&scene.binding, &scene.cluster);
    let seen = world.look(wanted.as_ref(), scene.now);
    scene.cluster.azure = Some(seen);
    let answers = std::mem::replace(&mut scene.answers, Answers::So(Answer::NotAsked));
    let before = scene.plan();
    scene.answers = answers;
    if !before.azure.steps.is_empty() {
        scene.done(&before);
        let mut seen = scene.cluster.azure.take().unwrap();
        for step in &before.azure.steps {
            if !world.carry(step, &mut seen, scene.now) {
                break;
            }
        }
        scene.cluster.azure = Some(seen);
    }
    let mut plan = scene.plan();
    if !plan.azure.removals.is_empty() {
        let mut seen = scene.cluster.azure.take().unwrap();
        for step in &plan.azure.removals {
            world.carry(step, &mut seen, scene.now);
        }
        scene.cluster.azure = Some(seen);
        plan = scene.plan();
    }
    scene.done(&plan);
    plan
}

/// Entra refuses the ServiceAccount.
fn no_credential() -> Answers {
    let error = TokenError {
        problem: TokenProblem::NoFederatedCredential {
            code: 700_213,
            mismatch: String::new(),
        },
        identity: CLIENT.to_owned(),
        tenant: Some(TENANT.to_owned()),
        host: "login.microsoftonline.com".to_owned(),
        status: Some(401),
        request_id: None,
        detail: String::new(),
    };
    let subject = Subject {
        issuer: ISSUER.to_owned(),
        subject: SUBJECT.to_owned(),
        audience: AUDIENCE.to_owned(),
    };
    Answers::So(Answer::NoToken(Arc::new(error), subject))
}

/// The vault refuses the identity.
fn no_role(scene: &Scene) -> Answers {
    Answers::So(scene.all_refused(&FetchProblem::Forbidden(Forbidden::Role)))
}

/// `kind state found` of what the status has.
fn ledger(plan: &Plan) -> Vec<String> {
    let all = plan.status.azure.iter();
    all.map(|one| format!("{:?} {:?} {}", one.kind, one.state, one.found))
        .collect()
}

fn ours() -> String {
    names::credential_name(ISSUER, SUBJECT)
}

fn own_assignment(scope: &str, role: &str) -> String {
    let role = roles::built_in(role).unwrap();
    names::assignment_name(ISSUER, "shop", scope, role, PRINCIPAL).to_string()
}
