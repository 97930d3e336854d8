//! Kubernetes Secrets of a binding, brought to what the plan wants.
//!
//! Each is looked at in every turn of the binding. Values are read only for one that has to be written, all
//! of its keys, as the workload, and are gone with the request that carries them.

mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tracing::{info, warn};
use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_keyvault::text::printable;

use crate::apply::{Looked, WriteError, Writer, difference, is_forbidden, is_of_other_type};
use crate::cluster::Name;
use crate::observed::{Question, SecretCause, SecretSeen, SecretTrouble, Written};
use crate::plan::{self, SecretTask, WantedSecret};
use crate::resolve::Resolver;

/// Longest text of the API server that is told on.
const LONGEST_REFUSAL: usize = 400;

/// Looks at Secrets and writes them.
#[derive(Clone)]
pub(crate) struct Secrets {
    writer: Writer,
    resolver: Arc<Resolver>,
}

/// One binding's turn.
struct Bringing<'a> {
    secrets: &'a Secrets,
    question: &'a Question,
    labels: BTreeMap<String, String>,
    /// Whether anything is done about what is seen.
    acts: bool,
}

impl Secrets {
    pub(crate) fn new(writer: Writer, resolver: Arc<Resolver>) -> Self {
        Self { writer, resolver }
    }

    /// Looks at all Secrets that are to be or to go, and unless the binding only plans does what is wanted.
    pub(crate) async fn bring(
        &self,
        binding: &VaultBinding,
        question: &Question,
        tasks: &[SecretTask],
    ) -> BTreeMap<String, SecretSeen> {
        let acts = binding.spec.reconcile_policy == ReconcilePolicy::Apply;
        self.all(binding, question, tasks, acts).await
    }

    /// Looks at all of them and does nothing.
    pub(crate) async fn look(
        &self,
        binding: &VaultBinding,
        question: &Question,
        tasks: &[SecretTask],
    ) -> BTreeMap<String, SecretSeen> {
        self.all(binding, question, tasks, false).await
    }

    async fn all(
        &self,
        binding: &VaultBinding,
        question: &Question,
        tasks: &[SecretTask],
        acts: bool,
    ) -> BTreeMap<String, SecretSeen> {
        let bringing = Bringing {
            secrets: self,
            question,
            labels: plan::labels(binding),
            acts,
        };
        let mut all = BTreeMap::new();
        let mut silence = Silence::default();
        for task in tasks {
            let name = Name {
                namespace: binding.metadata.namespace.clone().unwrap_or_default(),
                name: task.name().to_owned(),
            };
            let mut seen = bringing.one(&name, task, &mut silence).await;
            if let Err((_, WriteError::Conflict(_))) = seen {
                // Somebody else was faster: what is there now decides.
                seen = bringing.one(&name, task, &mut silence).await;
            }
            let seen = seen.unwrap_or_else(|(there, error)| {
                warn!(secret = %name, binding = %Name::of(&binding.metadata), %error, "a Secret is not as wanted");
                SecretSeen::Failed(trouble(there, &error))
            });
            all.insert(name.name, seen);
        }
        all
    }
}

/// Who gave no answer in this turn. Nobody is waited for again for each further Secret: a turn would not end
/// in its time, and its status would never be told.
#[derive(Debug, Default)]
struct Silence {
    api_server: bool,
    /// What the vault's silence means for a value.
    vault: Option<SecretCause>,
}

/// Whether it is there, and what went wrong.
type Failure = (Option<bool>, WriteError);

impl Bringing<'_> {
    async fn one(
        &self,
        name: &Name,
        task: &SecretTask,
        silence: &mut Silence,
    ) -> Result<SecretSeen, Failure> {
        if silence.api_server {
            return Err((None, WriteError::Timeout));
        }
        let writer = &self.secrets.writer;
        let looked = writer.look_at_secret(name, &self.labels).await;
        silence.api_server = matches!(looked, Err(WriteError::Timeout));
        let looked = looked.map_err(|error| (None, error))?;
        match task {
            SecretTask::Keep(wanted) => self.keep(name, wanted, &looked, silence).await,
            SecretTask::Remove(_) => self.remove(name, &looked).await,
        }
    }

    async fn remove(&self, name: &Name, looked: &Looked) -> Result<SecretSeen, Failure> {
        let metadata = match looked {
            Looked::Absent => return Ok(SecretSeen::Absent),
            Looked::Foreign => return Ok(SecretSeen::Foreign { labelled: false }),
            Looked::HandedOver(_) => return Ok(SecretSeen::Foreign { labelled: true }),
            Looked::Own(_) if !self.acts => return Ok(SecretSeen::Outdated),
            Looked::Own(metadata) => metadata,
        };
        let deleted = self.secrets.writer.delete_secret(name, metadata).await;
        deleted.map_err(|error| (Some(true), error))?;
        info!(secret = %name, "Secret deleted");
        Ok(SecretSeen::Deleted)
    }

    async fn keep(
        &self,
        name: &Name,
        wanted: &WantedSecret,
        looked: &Looked,
        silence: &mut Silence,
    ) -> Result<SecretSeen, Failure> {
        let (found, why) = match looked {
            Looked::Absent => (None, Written::Created),
            Looked::Own(metadata) => match difference(metadata, wanted) {
                None => return Ok(SecretSeen::AsWanted),
                Some(why) => (Some(metadata.as_ref()), why),
            },
            Looked::HandedOver(metadata) if wanted.adopt => {
                (Some(metadata.as_ref()), Written::Adopted)
            }
            Looked::HandedOver(_) => return Ok(SecretSeen::Foreign { labelled: true }),
            Looked::Foreign => return Ok(SecretSeen::Foreign { labelled: false }),
        };
        if !self.acts {
            return Ok(match looked {
                Looked::HandedOver(_) => SecretSeen::Foreign { labelled: true },
                Looked::Absent => SecretSeen::Absent,
                Looked::Own(_) | Looked::Foreign => SecretSeen::Outdated,
            });
        }
        let data = match self.data(wanted, silence).await {
            Ok(data) => data,
            Err(cause) => {
                let there = Some(found.is_some());
                return Ok(SecretSeen::Failed(SecretTrouble { there, cause }));
            }
        };
        let writer = &self.secrets.writer;
        let written = writer.secret(wanted, data.clone(), found).await;
        let why = match (written, found) {
            (Ok(()), _) => why,
            (Err(error), Some(found)) if is_of_other_type(&error) => {
                self.replace(name, wanted, data, found).await?;
                Written::Replaced
            }
            (Err(error), found) => return Err((Some(found.is_some()), error)),
        };
        info!(secret = %name, why = ?why, "Secret written");
        Ok(SecretSeen::Written(why))
    }

    /// The values, unless the vault was silent before.
    async fn data(
        &self,
        wanted: &WantedSecret,
        silence: &mut Silence,
    ) -> Result<values::Data, SecretCause> {
        if let Some(cause) = &silence.vault {
            return Err(cause.clone());
        }
        let data = values::read(&self.secrets.resolver, self.question, wanted).await;
        if let Err(cause) = &data
            && cause.is_outage()
        {
            silence.vault = Some(cause.clone());
        }
        data
    }

    /// Kubernetes does not let a type change.
    async fn replace(
        &self,
        name: &Name,
        wanted: &WantedSecret,
        data: values::Data,
        found: &ObjectMeta,
    ) -> Result<(), Failure> {
        let writer = &self.secrets.writer;
        let deleted = writer.delete_secret(name, found).await;
        deleted.map_err(|error| (Some(true), error))?;
        let written = writer.secret(wanted, data, None).await;
        written.map_err(|error| (Some(false), error))
    }
}

fn trouble(there: Option<bool>, error: &WriteError) -> SecretTrouble {
    let cause = match error {
        error if is_forbidden(error) => SecretCause::Forbidden,
        WriteError::Refused(kube::Error::Api(status))
        | WriteError::Conflict(kube::Error::Api(status)) => {
            SecretCause::Refused(printable(&status.message, LONGEST_REFUSAL))
        }
        WriteError::Gone => SecretCause::Refused("its namespace is gone".to_owned()),
        WriteError::NotLeading
        | WriteError::Timeout
        | WriteError::Conflict(_)
        | WriteError::Refused(_) => SecretCause::Silent,
    };
    SecretTrouble { there, cause }
}
