//! Who asks which vault, from how a question says it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use jiff::Timestamp;
use vaultbind_keyvault::cache::ServiceAccount;
use vaultbind_keyvault::error::{FetchProblem, TokenError, TokenProblem};
use vaultbind_keyvault::metadata::{Caller, IdentitySource, List, ListError, NoProof, Whose};
use vaultbind_keyvault::transport::Unreachable;
use vaultbind_keyvault::{AllowedHost, VaultHost};
use vaultbind_keyvault::{ObjectName, VaultName};

use super::service_account::Workload;
use super::{Memory, Resolver, sweep};
use crate::observed::{self, Answer, Asker, Question, Subject, VaultAnswer, VaultRef};

/// Who asks which vault.
pub(super) struct Who {
    pub(super) caller: Caller,
    pub(super) source: Arc<dyn IdentitySource>,
    /// Absent for the operator itself.
    workload: Option<Arc<Workload>>,
    pub(super) vault: VaultHost,
    pub(super) requests_per_second: u32,
}

impl Who {
    /// Whose token is in use.
    pub(super) fn subject(&self) -> Option<Subject> {
        self.workload.as_ref()?.subject()
    }
}

/// Why nobody can ask.
pub(super) enum Nobody {
    /// There is nothing to prove who asks.
    NoProof(NoProof),
    /// There can be no such identity.
    NoIdentity(Arc<TokenError>),
    /// No token may go to the host.
    Host(NotAllowed),
}

/// A host to which no token may go.
pub(super) struct NotAllowed {
    pub(super) host: String,
    pub(super) identity: String,
    expected: String,
}

impl NotAllowed {
    pub(super) fn problem(&self) -> FetchProblem {
        FetchProblem::Unreachable(Unreachable::WrongHost {
            host: self.host.clone(),
            expected: self.expected.clone(),
        })
    }
}

impl Nobody {
    /// What a question is told.
    pub(super) fn answer(self, question: &Question) -> Answer {
        match self {
            Self::NoProof(missing) => Answer::NoServiceAccountToken(missing),
            Self::NoIdentity(error) => Answer::NoToken(error, Subject::default()),
            Self::Host(host) => not_allowed(question, &host),
        }
    }
}

impl Resolver {
    /// Who asks, with the smallest budget of those who ask there.
    pub(super) fn who(
        &self,
        asker: &Asker,
        requests_per_second: u32,
        now: Instant,
    ) -> Result<Who, Nobody> {
        let cloud = asker.cloud;
        let vault = self.vault(asker)?;
        let mut memory = self.memory();
        let requests_per_second = memory.budget(vault.host(), requests_per_second, now);
        let (whose, source, workload): (_, Arc<dyn IdentitySource>, _) = match &asker.caller {
            observed::Caller::Operator => {
                let own = self.own.clone().ok_or_else(|| {
                    Nobody::NoProof(NoProof::lasting(
                        "the class wants the operator to ask as itself (detection: Operator), but \
                         it has no identity: give it one by operator.azure.clientID and \
                         operator.azure.tenantID, or set detection: Workload",
                    ))
                })?;
                (Whose::Own, own, None)
            }
            observed::Caller::Workload { .. } => {
                let whose = whose(asker)?;
                let caller = Caller {
                    cloud,
                    whose: whose.clone(),
                };
                let workload = self.workload(&mut memory, &caller, now);
                let workload =
                    workload.ok_or_else(|| unknown(asker, TokenProblem::UnknownClient))?;
                (whose, Arc::clone(&workload) as _, Some(workload))
            }
        };
        Ok(Who {
            caller: Caller { cloud, whose },
            source,
            workload,
            vault,
            requests_per_second,
        })
    }

    fn workload(
        &self,
        memory: &mut Memory,
        caller: &Caller,
        now: Instant,
    ) -> Option<Arc<Workload>> {
        let Whose::Workload {
            tenant,
            client,
            service_account,
            audience,
        } = &caller.whose
        else {
            return None;
        };
        let (workload, used) = memory.workloads.entry(caller.clone()).or_insert_with(|| {
            let workload = Workload {
                tokens: Arc::clone(&self.tokens),
                tenant: tenant.clone(),
                client: client.clone(),
                namespace: service_account.namespace.clone(),
                service_account: service_account.name.clone(),
                audience: audience.clone(),
                subject: Mutex::default(),
            };
            (Arc::new(workload), now)
        });
        *used = now;
        Some(Arc::clone(workload))
    }

    /// The one place where a vault's name or host becomes the host that is asked.
    fn vault(&self, asker: &Asker) -> Result<VaultHost, Nobody> {
        let Asker { cloud, vault, .. } = asker;
        let (host, known) = match vault {
            VaultRef::Name(name) => {
                let host = format!("{name}.{}", cloud.vault_suffix());
                (host, name.parse::<VaultName>().ok())
            }
            VaultRef::Host(host) => {
                let name = host.strip_suffix(cloud.vault_suffix());
                let name = name.and_then(|name| name.strip_suffix('.'));
                (host.clone(), name.and_then(|name| name.parse().ok()))
            }
        };
        if let Some(name) = known {
            return Ok(VaultHost::new(*cloud, &name));
        }
        let allowed = host
            .parse::<AllowedHost>()
            .ok()
            .filter(|host| self.options.allowed_hosts.contains(host));
        allowed.map(|host| VaultHost::from(&host)).ok_or_else(|| {
            Nobody::Host(NotAllowed {
                host,
                identity: identity(asker),
                expected: format!(
                    "vaults of {} and hosts that the operator allows",
                    cloud.vault_suffix()
                ),
            })
        })
    }
}

fn whose(asker: &Asker) -> Result<Whose, Nobody> {
    let observed::Caller::Workload {
        client,
        namespace,
        service_account,
        audience,
    } = &asker.caller
    else {
        return Ok(Whose::Own);
    };
    let tenant = asker.tenant.parse();
    Ok(Whose::Workload {
        tenant: tenant.map_err(|_| unknown(asker, TokenProblem::UnknownTenant))?,
        client: client
            .parse()
            .map_err(|_| unknown(asker, TokenProblem::UnknownClient))?,
        service_account: ServiceAccount {
            namespace: namespace.clone(),
            name: service_account.clone(),
        },
        audience: audience.clone(),
    })
}

/// What Entra would say of a tenant or client that cannot be one.
fn unknown(asker: &Asker, problem: TokenProblem) -> Nobody {
    let error = TokenError {
        problem,
        identity: identity(asker),
        tenant: Some(asker.tenant.clone()),
        host: asker.cloud.login_host().to_owned(),
        status: None,
        request_id: None,
        detail: String::new(),
    };
    Nobody::NoIdentity(Arc::new(error))
}

/// The client id, as the binding has it.
fn identity(asker: &Asker) -> String {
    match &asker.caller {
        observed::Caller::Workload { client, .. } => client.clone(),
        observed::Caller::Operator => String::new(),
    }
}

/// Nothing is asked, and every object says so.
fn not_allowed(question: &Question, host: &NotAllowed) -> Answer {
    let error = |list| {
        Arc::new(ListError {
            problem: host.problem(),
            list,
            host: host.host.clone(),
            identity: host.identity.clone(),
            status: None,
            code: None,
            request_id: None,
        })
    };
    let versions = question.objects.iter().map(|key| {
        let object_type = sweep::object_type(key.type_);
        let list = match key.name.parse::<ObjectName>() {
            Ok(name) => List::Versions(object_type, name),
            Err(_) => List::Objects(object_type),
        };
        (key.clone(), Err(error(list)))
    });
    let selected = question.selections.iter().map(|selection| {
        let list = List::Objects(sweep::object_type(selection.type_));
        (selection.name.clone(), Err(error(list)))
    });
    Answer::Vault(VaultAnswer {
        at: Timestamp::now(),
        subject: None,
        versions: versions.collect(),
        selected: selected.collect(),
    })
}
