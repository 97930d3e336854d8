//! What came of looking: for each step what was found.

use std::fmt;

use serde::Serialize;

/// Parts of the way from a binding to a pod's files, in the order in which things happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Step {
    /// The API server has the kinds.
    Api,
    /// An operator runs, and looks at the binding.
    Operator,
    /// The CSI driver and the provider are where pods need them.
    Driver,
    /// The binding is one that can be acted on.
    Binding,
    /// Entra takes the workload's token.
    Identity,
    /// Entra and the vault can be reached.
    Network,
    /// The vault answers the workload.
    Access,
    /// Each object has a version.
    Objects,
    /// Kubernetes Secrets are made of them.
    Secrets,
    /// Pods get the files.
    Mounts,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 10] = [
        Self::Api,
        Self::Operator,
        Self::Driver,
        Self::Binding,
        Self::Identity,
        Self::Network,
        Self::Access,
        Self::Objects,
        Self::Secrets,
        Self::Mounts,
    ];

    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "Api",
            Self::Operator => "Operator",
            Self::Driver => "Driver",
            Self::Binding => "Binding",
            Self::Identity => "Identity",
            Self::Network => "Network",
            Self::Access => "Access",
            Self::Objects => "Objects",
            Self::Secrets => "Secrets",
            Self::Mounts => "Mounts",
        }
    }

    /// Why it matters when it fails.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Api => "Without the kinds nothing can be asked for, and nothing is delivered.",
            Self::Operator => {
                "Without it no version is pinned and no new one is seen; pods that run keep their files."
            }
            Self::Driver => {
                "Kubelet mounts the files through it, so pods stay in ContainerCreating without it."
            }
            Self::Binding => "Nothing is asked of the vault and nothing is changed until then.",
            Self::Identity => "Files are read as the workload, and Entra does not know it.",
            Self::Network => "Nobody can be asked, so no new version is seen.",
            Self::Access => "The vault knows the workload and refuses it.",
            Self::Objects => "Pods get all objects or none.",
            Self::Secrets => "What reads the Kubernetes Secret gets an old value, or none.",
            Self::Mounts => "A pod starts when all of its volumes are mounted.",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state")]
pub enum Check {
    /// It is well.
    Passed {
        /// What was seen.
        what: String,
    },
    /// It is wrong.
    Failed(Finding),
    /// It works, and should be different.
    Warned(Finding),
    /// It could not be looked at.
    NotLooked {
        /// What.
        what: String,
        /// Why not.
        why: String,
    },
}

impl Check {
    pub(super) fn passed(what: impl Into<String>) -> Self {
        Self::Passed { what: what.into() }
    }

    pub(super) fn not_looked(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::NotLooked {
            what: what.into(),
            why: why.into(),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One word for programs; the operator's where it is the operator that says so.
    pub reason: String,
    /// What is wrong.
    pub what: String,
    /// What was seen that shows it.
    pub evidence: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do, if a command alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Commands that mend it, or show what is needed to mend it.
    pub commands: Vec<String>,
}

impl Finding {
    pub(super) fn new(step: Step, reason: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            what: what.into(),
            evidence: Vec::new(),
            why: step.why().to_owned(),
            remedy: None,
            commands: Vec::new(),
        }
    }

    pub(super) fn why(mut self, why: &str) -> Self {
        why.clone_into(&mut self.why);
        self
    }

    pub(super) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }
}

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Walked {
    /// The step.
    pub step: Step,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// How all of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// Something is wrong.
    Failed,
    /// It could not be looked at.
    NotLooked,
    /// It works, and something should be different.
    Warned,
    /// What could be looked at is well.
    Healthy,
}

/// What is wrong with one binding, or with a pod that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Kind of what was looked at: `VaultBinding` or `Pod`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// Step of the first thing that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Reason of the first thing that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// All steps, in their order.
    pub steps: Vec<Walked>,
}

impl Diagnosis {
    pub(super) fn new(kind: &'static str, namespace: &str, name: &str, steps: Vec<Walked>) -> Self {
        let mut diagnosis = Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            state: State::Healthy,
            step: None,
            reason: None,
            steps,
        };
        let first = diagnosis
            .first()
            .map(|(step, finding, state)| (step, finding.reason.clone(), state));
        if let Some((step, reason, state)) = first {
            diagnosis.state = state;
            diagnosis.step = Some(step);
            diagnosis.reason = Some(reason);
        }
        diagnosis
    }

    /// That what was asked about could not be looked at.
    pub(super) fn not_looked(mut self) -> Self {
        if self.state != State::Failed {
            self.state = State::NotLooked;
        }
        self
    }

    /// Everything that is wrong, in its order; what only should be different comes after it.
    pub fn findings(&self) -> Vec<(Step, &Finding, State)> {
        let all = |wanted: State| {
            self.steps.iter().flat_map(move |walked| {
                walked.checks.iter().filter_map(move |check| match check {
                    Check::Failed(finding) if wanted == State::Failed => {
                        Some((walked.step, finding, wanted))
                    }
                    Check::Warned(finding) if wanted == State::Warned => {
                        Some((walked.step, finding, wanted))
                    }
                    _ => None,
                })
            })
        };
        all(State::Failed).chain(all(State::Warned)).collect()
    }

    /// The first thing that is wrong.
    pub fn first(&self) -> Option<(Step, &Finding, State)> {
        self.findings().into_iter().next()
    }
}
