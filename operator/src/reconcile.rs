//! One binding's turn: look, ask the vault, plan, write, say so.

mod farewell;
mod provision;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{debug, info, warn};
use vaultbind_crds::binding::ReconcilePolicy;
use vaultbind_crds::status::ConditionType;
use vaultbind_crds::{VaultBinding, VaultBindingStatus};

use crate::apply::{WriteError, Writer};
use crate::cluster::{Name, View};
use crate::events::Events;
use crate::metrics::Ended;
use crate::observed::{Answer, Cluster, Question};
use crate::plan::{self, Input, Note, Plan, Stall, Target};
use crate::provision::Provision;
use crate::queue::{Class, Outcome};
use crate::resolve::Resolver;
use crate::secrets::Secrets;

/// Bindings that came at the same time share an answer, however pressing they are.
const SHARED: Duration = Duration::from_secs(2);

/// A plan whose time has come already is not made in a circle.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a turn needs.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) view: Arc<View>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) writer: Writer,
    /// Absent if the operator writes no Kubernetes Secrets.
    pub(crate) secrets: Option<Secrets>,
    pub(crate) provision: Provision,
    /// The operator's own namespace.
    pub(crate) namespace: String,
    /// How long a deleted binding waits for what it made in Azure to be removed.
    pub(crate) deletion_timeout: Duration,
    pub(crate) events: Events,
}

/// Why a turn failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {source}")]
pub(crate) struct ReconcileError {
    what: &'static str,
    #[source]
    source: WriteError,
}

impl ReconcileError {
    fn of(what: &'static str) -> impl FnOnce(WriteError) -> Self {
        move |source| Self { what, source }
    }

    /// How the turn ended.
    pub(crate) fn ended(&self) -> Ended {
        match self.source {
            WriteError::Conflict(_) => Ended::Conflict,
            WriteError::Gone => Ended::Gone,
            WriteError::NotLeading | WriteError::Timeout | WriteError::Refused(_) => Ended::Failed,
        }
    }
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) ended: Ended,
    pub(crate) outcome: Outcome,
}

impl Reconciler {
    /// One binding's turn, in which `class` says why.
    pub(crate) async fn turn(&self, name: &Name, class: Class) -> Result<Turn, ReconcileError> {
        let gone = Turn {
            ended: Ended::Gone,
            outcome: Outcome::Gone,
        };
        let Some(mut binding) = self.view.bindings.get(name) else {
            return Ok(gone);
        };
        if binding.metadata.deletion_timestamp.is_some() {
            return self.farewell(name, &binding).await;
        }
        let Some(mut cluster) = self.view.around(&binding) else {
            // The namespace goes, or is not known yet: the change of it is another turn.
            return Ok(gone);
        };
        let acts = binding.spec.reconcile_policy == ReconcilePolicy::Apply;
        let has_kinds = self.view.has_driver_kinds();
        if acts && has_kinds && cluster.target.is_none() {
            // The watch shows what carries our labels only; the name may be somebody else's.
            let found = self.writer.find(name).await;
            let found = found.map_err(ReconcileError::of("look for the SecretProviderClass"))?;
            cluster.target = found.map(Arc::new);
        }
        cluster.writes_secrets = self.secrets.is_some();
        let question = plan::question(&binding, &cluster);
        if question.is_ok() {
            binding = self.provide(name, binding, &mut cluster, class).await?;
        }
        let answer = match &question {
            Ok(_) if is_unfit_to_ask(&binding, &cluster) => Ok(Answer::NotAsked),
            Ok(question) => Ok(self.ask(&binding, &cluster, question, class).await),
            Err(stall) => Err(stall.clone()),
        };
        let mut plan = planned(&binding, &cluster, &answer);
        let mut written = false;
        // Without the driver there is no kind to write.
        if has_kinds && let Target::Apply(wanted) = &plan.target {
            let found = cluster.target.as_deref();
            match self.writer.class(wanted.as_ref().clone(), found).await {
                Ok(class) => {
                    info!(binding = %name, "SecretProviderClass applied");
                    self.view.targets.put(class);
                    written = true;
                }
                Err(error) => return self.refused(&binding, plan, error).await,
            }
        }
        if self.tidy(&binding, &mut cluster, &plan).await {
            plan = planned(&binding, &cluster, &answer);
        }
        // Pods have the new versions to mount first: what a Secret lacks keeps none of them waiting.
        if let (Some(secrets), Ok(question)) = (&self.secrets, &question)
            && !plan.secrets.is_empty()
        {
            cluster.secrets = secrets.bring(&binding, question, &plan.secrets).await;
            plan = planned(&binding, &cluster, &answer);
        }
        let said = self.say(&binding, &plan.status).await;
        // What was done is told even if the status is told later.
        if written || said.is_ok() {
            for Note {
                warning,
                reason,
                message,
            } in &plan.notes
            {
                self.events
                    .publish(&binding, *warning, reason, message)
                    .await;
            }
        }
        written |= said?;
        self.let_go(name, &binding, &plan).await?;
        let ended = if written {
            Ended::Written
        } else {
            Ended::Unchanged
        };
        Ok(Turn {
            ended,
            outcome: again(&plan, Timestamp::now()),
        })
    }

    /// Asks the vault, or takes what it said not long ago.
    async fn ask(
        &self,
        binding: &VaultBinding,
        cluster: &Cluster,
        question: &Question,
        class: Class,
    ) -> Answer {
        let interval = plan::check_interval(binding, cluster);
        let max_age = max_age(class, binding.status.is_none(), interval);
        self.resolver.resolve(question, max_age).await
    }

    /// Writes a status if it is worth it.
    async fn say(
        &self,
        binding: &VaultBinding,
        status: &VaultBindingStatus,
    ) -> Result<bool, ReconcileError> {
        if !plan::worth_writing(binding.status.as_ref(), status) {
            return Ok(false);
        }
        let mut written = self.writer.status(binding, status).await;
        if let Err(WriteError::Conflict(_)) = written
            && let Some(now) = self.annotated(binding)
        {
            written = self.writer.status(&now, status).await;
        }
        let binding = written.map_err(ReconcileError::of("write the status"))?;
        debug!(binding = %Name::of(&binding.metadata), "status written");
        self.view.bindings.put(binding);
        Ok(true)
    }

    /// The binding as it is now, if nothing has changed that the status is about: whoever asks for checks all
    /// the time does not keep it from being told.
    fn annotated(&self, binding: &VaultBinding) -> Option<Arc<VaultBinding>> {
        let now = self.view.bindings.get(&Name::of(&binding.metadata))?;
        let same = now.metadata.uid == binding.metadata.uid
            && now.metadata.generation == binding.metadata.generation
            && now.metadata.deletion_timestamp.is_none()
            && now.status == binding.status;
        same.then_some(now)
    }

    /// The SecretProviderClass could not be written. If the API server does not want it, the status must not
    /// hide that; whatever else it is passes.
    async fn refused(
        &self,
        binding: &VaultBinding,
        plan: Plan,
        error: WriteError,
    ) -> Result<Turn, ReconcileError> {
        if let WriteError::Refused(kube::Error::Api(refusal)) = &error {
            let status = not_applied(plan.status, binding, &refusal.message);
            if let Err(error) = self.say(binding, &status).await {
                warn!(binding = %Name::of(&binding.metadata), %error, "the status could not be written");
            }
        }
        Err(ReconcileError::of("write the SecretProviderClass")(error))
    }
}

/// A status of a binding whose SecretProviderClass the API server refused.
fn not_applied(
    mut status: VaultBindingStatus,
    binding: &VaultBinding,
    refusal: &str,
) -> VaultBindingStatus {
    let ready = ConditionType::Ready.as_str();
    let before = binding.status.iter().flat_map(|status| &status.conditions);
    let since = before
        .filter(|condition| condition.type_ == ready && condition.status == "False")
        .map(|condition| condition.last_transition_time.clone())
        .next();
    for condition in &mut status.conditions {
        if condition.type_ == ready {
            condition.status = "False".to_owned();
            condition.reason = plan::Reason::NotApplied.as_str().to_owned();
            condition.message = format!(
                "the API server refused the SecretProviderClass: {refusal}; the operator tries on"
            );
            if let Some(since) = &since {
                condition.last_transition_time = since.clone();
            }
        }
    }
    status
}

/// Whether Entra would refuse for a reason that is known.
fn is_unfit_to_ask(binding: &VaultBinding, cluster: &Cluster) -> bool {
    cluster.azure.is_some() && {
        let unasked = Ok(Answer::NotAsked);
        planned(binding, cluster, &unasked).azure.unfit_to_ask
    }
}

fn planned(binding: &VaultBinding, cluster: &Cluster, answer: &Result<Answer, Stall>) -> Plan {
    plan::plan(&Input {
        binding,
        cluster,
        answer,
        now: Timestamp::now(),
    })
}

/// How old an answer may be. `first`: the binding has not had a turn yet.
fn max_age(class: Class, first: bool, interval: Duration) -> Duration {
    match class {
        Class::NeverReady if first => SHARED,
        // What was missing may be there by now. Whoever asks for a check of a binding that was never ready
        // comes as such.
        Class::Asked | Class::NeverReady => Duration::ZERO,
        // Something else has changed than the vault.
        Class::Deadline => interval,
        Class::Periodic => plan::shared_for(interval),
    }
}

/// When it is the binding's turn again.
fn again(plan: &Plan, now: Timestamp) -> Outcome {
    let after = Duration::try_from(now.until(plan.next).map_or_else(
        |_| jiff::SignedDuration::ZERO,
        |span| jiff::SignedDuration::try_from(span).unwrap_or_default(),
    ));
    let class = if is_served(&plan.status) {
        Class::Periodic
    } else {
        Class::NeverReady
    };
    Outcome::Again {
        class,
        after: after.unwrap_or_default().max(SHORTEST),
    }
}

/// Whether pods can start, or could at some time: something is pinned, or the binding is ready.
pub(crate) fn is_served(status: &VaultBindingStatus) -> bool {
    let ready = ConditionType::Ready.as_str();
    let mut conditions = status.conditions.iter();
    conditions.any(|condition| condition.type_ == ready && condition.status == "True")
        || status.objects.iter().any(|object| object.pinned.is_some())
}
