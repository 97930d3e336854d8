//! What is told of bindings, as a text for people. Bindings that were asked for by name are told in full;
//! of all the others, those that are well have a line each.

use std::fmt::Write as _;

use vaultbind_crds::status::{
    AzureState, ConditionType, ObjectState, PlannedChange, PodCount, SecretState,
};

use super::report::{BindingReport, ConditionReport, ObjectReport, StatusReport};
use crate::exit::Exit;
use crate::output::{Look, Output};
use crate::table::{Table, plain, toned};
use crate::terminal::Tone;
use crate::times;

/// So much of a version's id is enough to tell versions of one object apart.
const SHORT: usize = 8;

impl Output for StatusReport {
    fn text(&self, look: &Look) -> String {
        let mut text = String::new();
        let in_full = |binding: &&BindingReport| self.named || look.wide || !binding.is_well();
        if self.bindings.is_empty() {
            // Writing to a text cannot fail, here and below.
            let _ = writeln!(text, "No VaultBindings in {}.", self.place);
        } else if !self.named {
            text.push_str(&overview(&self.bindings, look));
        }
        for binding in self.bindings.iter().filter(in_full) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&of_binding(binding, look));
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{} {note}", look.paint.tone(Tone::Warning, "Note:"));
        }
        text
    }

    fn exit(&self) -> Exit {
        if self.bindings.iter().all(BindingReport::is_well) {
            Exit::Fine
        } else {
            Exit::Wrong
        }
    }
}

/// A line for each binding.
fn overview(bindings: &[BindingReport], look: &Look) -> String {
    let mut table = Table::new(
        look.paint,
        &[
            "NAMESPACE",
            "NAME",
            "READY",
            "REASON",
            "OBJECTS",
            "PODS",
            "EXPIRES",
        ],
    );
    for binding in bindings {
        let reason = binding
            .condition(ConditionType::Ready)
            .map_or("", |ready| ready.reason.as_str());
        let pinned = binding
            .objects
            .iter()
            .filter(|object| object.pinned.is_some());
        let expires = binding.objects.iter().filter_map(|object| object.expires);
        table.row([
            plain(&binding.namespace),
            plain(&binding.name),
            toned(tone_of(&binding.ready), &binding.ready),
            plain(if binding.observed {
                reason
            } else {
                "NotObserved"
            }),
            plain(format!("{}/{}", pinned.count(), binding.objects.len())),
            pods(binding.pod_count),
            plain(
                expires
                    .min()
                    .map_or(String::new(), |at| times::relative(at, look.now)),
            ),
        ]);
    }
    table.text("")
}

fn of_binding(binding: &BindingReport, look: &Look) -> String {
    let mut text = format!(
        "{}\n",
        look.paint.tone(
            Tone::Strong,
            &format!("{}/{}", binding.namespace, binding.name)
        )
    );
    let mut line = |word: &str, rest: &str| {
        let _ = writeln!(text, "  {word:<17}{rest}");
    };
    if !binding.observed && !binding.conditions.is_empty() {
        let late =
            "the operator has not looked at the last change yet; what follows is of the one before";
        line("Note", &look.paint.tone(Tone::Warning, late));
    }
    if binding.conditions.is_empty() {
        let unseen = "Unknown: the operator has said nothing yet; see whether it runs";
        line("Ready", &look.paint.tone(Tone::Warning, unseen));
    }
    for condition in telling(&binding.conditions, look.wide) {
        line(
            &condition.type_,
            &said(condition, &binding.conditions, look),
        );
    }
    line("Vault", &binding.vault);
    line("Identity", &identity(binding, look));
    if let Some(next) = next(binding, look) {
        line("Next", &next);
    }
    for (heading, table) in [
        ("Objects", objects(binding, look)),
        ("Secrets", secrets(binding, look)),
        ("Azure", azure(binding, look)),
        ("Pods", pods_of(binding, look)),
        ("Planned", planned(&binding.plan, look)),
    ] {
        if let Some(table) = table {
            let _ = writeln!(text, "  {heading}");
            text.push_str(&table.text("    "));
        }
    }
    if binding.pods.as_ref().is_some_and(Vec::is_empty) {
        let _ = writeln!(text, "  No pod mounts it.");
    }
    text
}

/// The conditions that matter: `Ready`, and those that are not as they should be; or all.
pub(crate) fn telling(
    conditions: &[ConditionReport],
    all: bool,
) -> impl Iterator<Item = &ConditionReport> {
    conditions.iter().filter(move |condition| {
        all || condition.type_ == ConditionType::Ready.as_str()
            || only_while_true(condition)
            || condition.status != "True"
    })
}

fn only_while_true(condition: &ConditionReport) -> bool {
    let mut types = ConditionType::ALL.iter();
    types.any(|of| of.as_str() == condition.type_ && of.only_while_true())
}

/// What a condition of these says. What `Ready` says already is not said again.
pub(crate) fn what(condition: &ConditionReport, all: &[ConditionReport], look: &Look) -> String {
    let tone = if only_while_true(condition) {
        Tone::Warning
    } else {
        tone_of(&condition.status)
    };
    let ready = |one: &&ConditionReport| one.type_ == ConditionType::Ready.as_str();
    let message = match all.iter().find(ready) {
        Some(ready) if ready.type_ != condition.type_ && !ready.message.is_empty() => {
            condition.message.replace(&ready.message, "see Ready")
        }
        _ => condition.message.clone(),
    };
    format!(
        "{} {}: {message}",
        look.paint.tone(tone, &condition.status),
        condition.reason,
    )
}

fn said(condition: &ConditionReport, all: &[ConditionReport], look: &Look) -> String {
    let since = times::span(look.now.as_second() - condition.since.as_second());
    let since = look.paint.tone(Tone::Faint, &format!("(for {since})"));
    format!("{} {since}", what(condition, all, look))
}

fn tone_of(status: &str) -> Tone {
    match status {
        "True" => Tone::Good,
        "False" => Tone::Bad,
        _ => Tone::Warning,
    }
}

fn identity(binding: &BindingReport, look: &Look) -> String {
    let mut text = binding.client_id.clone();
    let Some(identity) = &binding.identity else {
        return text;
    };
    if let Some(subject) = &identity.subject {
        let _ = write!(text, " as {subject}");
    }
    match &identity.last_verified {
        Some(at) => {
            let _ = write!(text, ", verified {}", times::relative(at.0, look.now));
        }
        None => text.push_str(", not verified"),
    }
    if look.wide {
        for (word, what) in [
            ("issuer", &identity.issuer),
            ("audience", &identity.audience),
        ] {
            if let Some(what) = what {
                let _ = write!(text, ", {word} {what}");
            }
        }
    }
    text
}

fn next(binding: &BindingReport, look: &Look) -> Option<String> {
    let next = binding.next.clone()?;
    let at = |word: &str, time| {
        let relative = times::relative(time, look.now);
        format!(", {word} {relative}")
    };
    // The status is not written at each check, so a time that has passed says nothing.
    let coming = binding.next_check.filter(|time| *time > look.now);
    let coming = coming.map(|time| at("the next", time));
    let promoted = binding
        .last_promotion
        .map(|time| at("a version last moved", time));
    Some(next + &coming.unwrap_or_default() + &promoted.unwrap_or_default())
}

fn objects(binding: &BindingReport, look: &Look) -> Option<Table> {
    if binding.objects.is_empty() {
        return None;
    }
    let mut heading = vec!["NAME", "IN THE VAULT", "TYPE", "STATE", "PINNED", "LATEST"];
    if look.wide {
        heading.push("PREVIOUS");
    }
    heading.extend(["EXPIRES", "PODS"]);
    let mut table = Table::new(look.paint, &heading);
    for object in &binding.objects {
        let mut cells = vec![
            plain(&object.name),
            plain(&object.object_name),
            plain(word(&object.type_)),
            toned(tone_of_state(object.state), word(&object.state)),
            plain(version(object.pinned.as_ref(), look)),
            plain(version(object.latest.as_ref(), look)),
        ];
        if look.wide {
            cells.push(plain(version(object.previous.as_ref(), look)));
        }
        cells.extend([expires(object, look), pods(object.pods)]);
        table.row(cells);
    }
    Some(table)
}

fn secrets(binding: &BindingReport, look: &Look) -> Option<Table> {
    if binding.secrets.is_empty() {
        return None;
    }
    let mut table = Table::new(look.paint, &["NAME", "TYPE", "STATE", "WRITTEN"]);
    for secret in &binding.secrets {
        let tone = match secret.state {
            SecretState::Synced => Tone::Good,
            SecretState::Waiting | SecretState::Removing | SecretState::Unknown => Tone::Warning,
            SecretState::Outdated
            | SecretState::Missing
            | SecretState::Conflict
            | SecretState::NotAllowed => Tone::Bad,
        };
        let written = secret.written.as_ref();
        table.row([
            plain(&secret.name),
            plain(secret.type_.as_str()),
            toned(tone, word(&secret.state)),
            plain(written.map_or(String::new(), |at| times::relative(at.0, look.now))),
        ]);
    }
    Some(table)
}

fn azure(binding: &BindingReport, look: &Look) -> Option<Table> {
    if binding.azure.is_empty() {
        return None;
    }
    let mut table = Table::new(look.paint, &["KIND", "STATE", "MADE", "ID"]);
    for resource in &binding.azure {
        let tone = match resource.state {
            AzureState::Ready => Tone::Good,
            AzureState::Creating | AzureState::Propagating | AzureState::Removing => Tone::Warning,
        };
        let made = match &resource.since {
            Some(at) => times::relative(at.0, look.now),
            None if resource.found => "found".to_owned(),
            None => String::new(),
        };
        table.row([
            plain(resource.kind.as_str()),
            toned(tone, word(&resource.state)),
            plain(made),
            plain(&resource.id),
        ]);
    }
    Some(table)
}

fn pods_of(binding: &BindingReport, look: &Look) -> Option<Table> {
    let pods = binding.pods.as_ref().filter(|pods| !pods.is_empty())?;
    let mut table = Table::new(look.paint, &["NAME", "VERSIONS"]);
    for pod in pods {
        table.row([
            plain(&pod.name),
            if pod.current {
                toned(Tone::Good, "as pinned")
            } else {
                toned(
                    Tone::Warning,
                    format!("others of {}", pod.behind.join(", ")),
                )
            },
        ]);
    }
    Some(table)
}

/// Changes that would be made.
pub(crate) fn planned(plan: &[PlannedChange], look: &Look) -> Option<Table> {
    if plan.is_empty() {
        return None;
    }
    let mut table = Table::new(look.paint, &["ACTION", "KIND", "NAME", "FROM", "TO"]);
    for change in plan {
        table.row([
            plain(word(&change.action)),
            plain(&change.kind),
            plain(&change.name),
            plain(version(change.from.as_ref(), look)),
            plain(version(change.to.as_ref(), look)),
        ]);
    }
    Some(table)
}

/// The word that an enum has in the API.
fn word(of: &impl std::fmt::Debug) -> String {
    format!("{of:?}")
}

fn tone_of_state(state: ObjectState) -> Tone {
    match state {
        ObjectState::Current => Tone::Good,
        ObjectState::Behind | ObjectState::NotYetValid | ObjectState::Unknown => Tone::Warning,
        ObjectState::Missing | ObjectState::Disabled | ObjectState::Expired => Tone::Bad,
    }
}

fn version(id: Option<&String>, look: &Look) -> String {
    let id = id.map(String::as_str).unwrap_or_default();
    if look.wide {
        id.to_owned()
    } else {
        id.chars().take(SHORT).collect()
    }
}

fn expires(object: &ObjectReport, look: &Look) -> (String, Option<Tone>) {
    let Some(at) = object.expires else {
        return plain("");
    };
    let day = at.to_string();
    let day = day.split('T').next().unwrap_or_default();
    let text = format!("{} ({day})", times::relative(at, look.now));
    if at <= look.now {
        toned(Tone::Bad, text)
    } else {
        plain(text)
    }
}

fn pods(count: Option<PodCount>) -> (String, Option<Tone>) {
    match count {
        None => plain(""),
        Some(PodCount { current, total }) => {
            let text = format!("{current}/{total}");
            if current == total {
                plain(text)
            } else {
                toned(Tone::Warning, text)
            }
        }
    }
}
