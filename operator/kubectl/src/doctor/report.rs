//! What is shown: the first thing that is wrong and what mends it, then in short the rest.

use std::fmt::Write as _;

use serde::Serialize;

use super::diagnosis::{Check, Diagnosis, Finding, State, Step};
use crate::exit::Exit;
use crate::output::{Look, Output};
use crate::terminal::Tone;

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is wrong with each binding, the worst first.
    pub items: Vec<Diagnosis>,
    #[serde(skip)]
    all: bool,
}

impl Report {
    /// `all` shows every finding.
    pub fn new(items: Vec<Diagnosis>, all: bool) -> Self {
        Self { items, all }
    }
}

impl Output for Report {
    fn text(&self, look: &Look) -> String {
        let texts: Vec<String> = self.items.iter().map(|item| self.one(item, look)).collect();
        texts.join("\n")
    }

    fn exit(&self) -> Exit {
        let any = |state| self.items.iter().any(|item| item.state == state);
        if any(State::Failed) {
            Exit::Wrong
        } else if any(State::NotLooked) {
            Exit::NotAsked
        } else {
            Exit::Fine
        }
    }
}

impl Report {
    fn one(&self, item: &Diagnosis, look: &Look) -> String {
        let mut text = String::new();
        let name = if item.kind == "Namespace" {
            item.name.clone()
        } else {
            format!("{}/{}", item.namespace, item.name)
        };
        let subject = look
            .paint
            .tone(Tone::Strong, &format!("{} {name}", item.kind));
        let findings = item.findings();
        let shown = if self.all {
            findings.len()
        } else {
            findings.len().min(1)
        };
        if findings.is_empty() {
            let said = match item.state {
                State::NotLooked => look.paint.tone(Tone::Warning, "it could not be looked at"),
                _ => look.paint.tone(Tone::Good, "nothing is wrong"),
            };
            line(&mut text, &format!("{subject}: {said}"));
        }
        for (at, (step, finding, state)) in findings.iter().take(shown).enumerate() {
            let tone = if *state == State::Failed {
                Tone::Bad
            } else {
                Tone::Warning
            };
            let verb = if *state == State::Failed {
                "fails"
            } else {
                "should be better"
            };
            let word = look.paint.tone(tone, &format!("{step} {verb}"));
            let head = format!("{word} ({})", finding.reason);
            if at == 0 {
                line(&mut text, &format!("{subject}: {head}"));
            } else {
                line(&mut text, &format!("\nbehind it: {head}"));
            }
            one_finding(&mut text, finding);
        }
        summary(&mut text, item, look, findings.len() - shown);
        text
    }
}

fn line(text: &mut String, line: &str) {
    // Into memory, which does not fail.
    let _ = writeln!(text, "{line}");
}

fn field(text: &mut String, name: &str, values: &[String]) {
    for (at, value) in values.iter().enumerate() {
        let name = if at == 0 { name } else { "" };
        line(text, &format!("  {name:<8} {value}"));
    }
}

fn one_finding(text: &mut String, finding: &Finding) {
    let mut what = finding.what.clone();
    for command in &finding.commands {
        // It is shown below.
        what = what.replace(&format!(": {command}"), "");
    }
    field(text, "What", &[what]);
    field(text, "Seen", &finding.evidence);
    field(text, "Why", std::slice::from_ref(&finding.why));
    let mend: Vec<String> = finding
        .remedy
        .iter()
        .chain(&finding.commands)
        .cloned()
        .collect();
    field(text, "Mend", &mend);
}

/// What was well, what could not be looked at, and how much more there is.
fn summary(text: &mut String, item: &Diagnosis, look: &Look, more: usize) {
    let until = item.first().filter(|(_, _, state)| *state == State::Failed);
    let until = until.map_or(Step::Mounts, |(step, _, _)| step);
    let mut well = Vec::new();
    let mut not_looked = Vec::new();
    for walked in &item.steps {
        let passed = walked
            .checks
            .iter()
            .any(|check| matches!(check, Check::Passed { .. }));
        let bad = walked
            .checks
            .iter()
            .any(|check| matches!(check, Check::Failed(_)));
        if passed && !bad && walked.step <= until {
            well.push(walked.step.as_str());
        }
        for check in &walked.checks {
            if let Check::NotLooked { what, why } = check {
                let told = format!("{what}: {why}");
                if walked.step <= until && !not_looked.contains(&told) {
                    not_looked.push(told);
                }
            }
        }
    }
    if !well.is_empty() {
        let steps = look.paint.tone(Tone::Good, &well.join(", "));
        field(text, "Well", &[steps]);
    }
    let faint: Vec<String> = not_looked
        .iter()
        .map(|told| look.paint.tone(Tone::Faint, told))
        .collect();
    field(text, "Not seen", &faint);
    if more > 0 {
        let findings = if more == 1 { "finding" } else { "findings" };
        field(
            text,
            "More",
            &[format!("{more} {findings} behind it: --all shows them")],
        );
    }
}
