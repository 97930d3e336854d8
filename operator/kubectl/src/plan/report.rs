//! What a plan tells.

use std::fmt::Write as _;

use kube::ResourceExt as _;
use serde::Serialize;
use vaultbind_crds::VaultBinding;
use vaultbind_crds::status::{ConditionType, PlannedChange};
use vaultbind_operator::observed::Cluster;
use vaultbind_operator::plan::{PREVIOUS_ANNOTATION, Plan, Target};
use vaultbind_operator::secrets_store::SecretProviderClass;

use super::changes::hunks;
use crate::exit::Exit;
use crate::lint::Finding;
use crate::output::{Look, Output};
use crate::status::{ConditionReport, text};
use crate::table::Table;
use crate::terminal::Tone;

/// Lines of a class that are shown around those that change.
const AROUND: usize = 3;

/// Of all bindings that were asked about.
#[derive(Debug, Default, Serialize)]
pub struct PlanReport {
    /// One for each.
    pub bindings: Vec<BindingPlan>,
}

/// Of one binding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingPlan {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is in the cluster.
    pub exists: bool,
    /// Why the binding itself would be refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Finding>,
    /// What would be done, as in `status.plan`.
    pub changes: Vec<PlannedChange>,
    /// The SecretProviderClass, changed lines with `-` and `+` in front.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_diff: Vec<String>,
    /// The conditions that would hold then.
    pub conditions: Vec<ConditionReport>,
    /// What could not be seen, and what that means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl BindingPlan {
    /// Of a binding that the API server does not take.
    pub(super) fn refused(namespace: &str, name: &str, refused: Vec<Finding>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            exists: false,
            refused,
            changes: Vec::new(),
            class_diff: Vec::new(),
            conditions: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn of(
        binding: &VaultBinding,
        exists: bool,
        cluster: &Cluster,
        plan: &Plan,
        changes: Vec<PlannedChange>,
        notes: Vec<String>,
    ) -> Self {
        let class_diff = match &plan.target {
            Target::Keep => Vec::new(),
            Target::Apply(wanted) => {
                let found = cluster.target.as_deref();
                let old = found.map_or_else(String::new, |found| shown(found, wanted));
                hunks(&old, &shown(wanted, wanted), AROUND)
            }
        };
        Self {
            namespace: binding.namespace().unwrap_or_default(),
            name: binding.name_any(),
            exists,
            refused: Vec::new(),
            changes,
            class_diff,
            conditions: plan
                .status
                .conditions
                .iter()
                .map(ConditionReport::of)
                .collect(),
            notes,
        }
    }

    /// Whether the binding would be ready.
    pub fn is_well(&self) -> bool {
        let ready = ConditionType::Ready.as_str();
        let mut conditions = self.conditions.iter();
        self.refused.is_empty()
            && conditions.any(|condition| condition.type_ == ready && condition.status == "True")
    }
}

/// The parts of a class that the operator writes, as YAML.
fn shown(class: &SecretProviderClass, wanted: &SecretProviderClass) -> String {
    let mut shown = SecretProviderClass::new(&wanted.name_any(), class.spec.clone());
    let own = |label: &String| wanted.labels().contains_key(label);
    shown.metadata.labels = Some(
        (class.labels().iter())
            .filter(|(label, _)| own(label))
            .map(|(label, value)| (label.clone(), value.clone()))
            .collect(),
    );
    shown.metadata.annotations = class
        .annotations()
        .get_key_value(PREVIOUS_ANNOTATION)
        .map(|(name, value)| [(name.clone(), value.clone())].into());
    // What comes from JSON can be YAML.
    serde_yaml::to_string(&shown).unwrap_or_default()
}

impl Output for PlanReport {
    fn text(&self, look: &Look) -> String {
        let texts: Vec<_> = self.bindings.iter().map(|plan| one(plan, look)).collect();
        texts.join("\n")
    }

    fn exit(&self) -> Exit {
        if self.bindings.iter().all(BindingPlan::is_well) {
            Exit::Fine
        } else {
            Exit::Wrong
        }
    }
}

fn one(plan: &BindingPlan, look: &Look) -> String {
    let paint = look.paint;
    let title = format!("{}/{}", plan.namespace, plan.name);
    let mut text = format!("{}\n", paint.tone(Tone::Strong, &title));
    for Finding { field, message } in &plan.refused {
        // Writing to a text cannot fail, here and below.
        let _ = writeln!(
            text,
            "  {} {field}{}{message}",
            paint.tone(Tone::Bad, "Refused"),
            if field.is_empty() { "" } else { ": " }
        );
    }
    if plan.refused.is_empty() {
        changes(&mut text, plan, look);
        text.push_str("  Then\n");
        for condition in text::telling(&plan.conditions, look.wide) {
            let said = text::what(condition, &plan.conditions, look);
            let _ = writeln!(text, "    {:<17}{said}", condition.type_);
        }
    }
    for note in &plan.notes {
        let _ = writeln!(text, "  {} {note}", paint.tone(Tone::Warning, "Note:"));
    }
    text
}

fn changes(text: &mut String, plan: &BindingPlan, look: &Look) {
    let Some(table) = text::planned(&plan.changes, look) else {
        text.push_str("  Nothing would change.\n");
        return;
    };
    let _ = writeln!(
        text,
        "  Changes\n{}",
        Table::text(&table, "    ").trim_end()
    );
    if !plan.class_diff.is_empty() {
        text.push_str("  SecretProviderClass\n");
    }
    for line in &plan.class_diff {
        let tone = match line.chars().next() {
            Some('-') => Some(Tone::Bad),
            Some('+') => Some(Tone::Good),
            _ => None,
        };
        let line = tone.map_or_else(|| line.clone(), |tone| look.paint.tone(tone, line));
        let _ = writeln!(text, "    {line}");
    }
}
