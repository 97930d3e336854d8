//! Judges the writes of operators by the API server's own log: every change of an object that was there
//! must have carried the version that it was decided on, which must have been the last.

use std::collections::BTreeMap;

use serde_json::Value;
use vaultbind_apiserver::audit::{Event, ObjectRef};

/// What the operators wrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Objects made.
    pub(crate) created: usize,
    /// Changes of a SecretProviderClass, a status and a Lease.
    pub(crate) changed: BTreeMap<String, usize>,
    /// Writes that changed nothing.
    pub(crate) unchanged: usize,
    /// Writes that were refused because the object had changed.
    pub(crate) conflicts: usize,
    /// Writes whose writer was killed before the answer: the API server does not say what came of them.
    pub(crate) unanswered: usize,
    /// Of those, the ones that were done, as the next write of the object shows.
    pub(crate) unanswered_done: usize,
    /// Successful writes by somebody who did not hold the Lease any more when they were made: what was on its
    /// way when another one took over. That nothing was lost by them is because of the versions.
    pub(crate) by_others: usize,
    /// Terms of leaders.
    pub(crate) terms: usize,
    /// What may not be.
    pub(crate) faults: Vec<String>,
}

/// A successful write, and the version it left behind: a number that grows over all objects.
struct Write<'a> {
    event: &'a Event,
    version: u64,
}

/// What was done to one object.
#[derive(Default)]
struct History<'a> {
    writes: Vec<Write<'a>>,
    /// Versions that writes without an answer were decided on; none for those that make the object.
    unanswered: Vec<Option<u64>>,
}

/// Looks through all writes of resources of which every change by anybody is in the log.
pub(crate) fn judge(events: &[Event], is_operator: impl Fn(&str) -> bool) -> Report {
    let mut report = Report::default();
    let mut objects: BTreeMap<ObjectRef, History<'_>> = BTreeMap::new();
    for event in events
        .iter()
        .filter(|event| event.stage == "ResponseComplete")
    {
        let Some(object) = &event.object_ref else {
            continue;
        };
        let conflict = event.code() == 409 && is_operator(event.username());
        report.conflicts += usize::from(conflict);
        let object = ObjectRef {
            subresource: String::new(),
            ..object.clone()
        };
        if event.code() >= 500 {
            report.unanswered += 1;
            objects
                .entry(object)
                .or_default()
                .unanswered
                .push(sent(event));
            continue;
        }
        if !event.succeeded() {
            continue;
        }
        let answer = event.response_object.as_ref();
        let name = answer.and_then(|object| object.pointer("/metadata/name")?.as_str());
        let (Some(version), Some(name)) = (answer.and_then(version), name) else {
            report
                .faults
                .push(format!("no object in the answer: {event:?}"));
            continue;
        };
        let object = ObjectRef {
            name: name.to_owned(),
            ..object
        };
        let history = objects.entry(object).or_default();
        history.writes.push(Write { event, version });
    }
    for history in objects.values_mut() {
        // The log is in the order of answers, versions in that of writes.
        history.writes.sort_by_key(|write| write.version);
        judge_object(history, &is_operator, &mut report);
    }
    judge_leaders(&objects, &is_operator, &mut report);
    report
}

fn judge_object(
    history: &mut History<'_>,
    is_operator: &impl Fn(&str) -> bool,
    report: &mut Report,
) {
    let History { writes, unanswered } = history;
    let mut before = None;
    for Write {
        event,
        version: after,
    } in writes.iter()
    {
        let mut last = before.replace(*after);
        if !is_operator(event.username()) {
            continue;
        }
        if event.code() == 201 {
            report.created += 1;
            continue;
        }
        let sent = sent(event);
        // A write without an answer that was decided on the last version may have been the last.
        let unknown = unanswered.iter().position(|on| *on == last);
        if let Some(unknown) = unknown.filter(|_| sent > last && sent < Some(*after)) {
            unanswered.swap_remove(unknown);
            report.unanswered_done += 1;
            last = sent;
        }
        if sent.is_none() || sent != last {
            report.faults.push(format!(
                "{} {} {:?}: decided on version {sent:?}, the last was {last:?}",
                event.username(),
                event.verb,
                event.object_ref
            ));
        }
        if last == Some(*after) {
            report.unchanged += 1;
            continue;
        }
        let kind = event
            .object_ref
            .as_ref()
            .map(|object| match object.subresource.as_str() {
                "" => object.resource.clone(),
                part => format!("{}/{part}", object.resource),
            });
        *report.changed.entry(kind.unwrap_or_default()).or_default() += 1;
    }
}

fn version(object: &Value) -> Option<u64> {
    let version = object.pointer("/metadata/resourceVersion")?;
    version.as_str()?.parse().ok()
}

/// The version that a write was decided on.
fn sent(event: &Event) -> Option<u64> {
    event.request_object.as_ref().and_then(version)
}

fn judge_leaders(
    objects: &BTreeMap<ObjectRef, History<'_>>,
    is_operator: &impl Fn(&str) -> bool,
    report: &mut Report,
) {
    let is_lease = |object: &ObjectRef| object.resource == "leases";
    let leases = objects.iter().filter(|(object, _)| is_lease(object));
    let holder = |write: &Write<'_>| {
        let spec = write.event.response_object.as_ref()?.get("spec")?;
        Some(spec.get("holderIdentity")?.as_str()?.to_owned())
    };
    let leases = leases.flat_map(|(_, history)| &history.writes);
    // The API server has a Lease of its own.
    let leases = leases.filter(|write| is_operator(write.event.username()));
    let terms: BTreeMap<u64, Option<String>> =
        leases.map(|write| (write.version, holder(write))).collect();
    let mut holders: Vec<_> = terms
        .values()
        .flatten()
        .filter(|name| !name.is_empty())
        .collect();
    holders.dedup();
    report.terms = holders.len();
    let others = objects.iter().filter(|(object, _)| !is_lease(object));
    for write in others.flat_map(|(_, history)| &history.writes) {
        let name = write.event.username();
        if !is_operator(name) {
            continue;
        }
        let lease = terms.range(..=write.version).next_back();
        let held = lease.and_then(|(_, holder)| holder.as_deref());
        let own = held.is_some_and(|holder| is_of(holder, name));
        report.by_others += usize::from(!own);
    }
}

/// Whether the holder of a Lease is the program of a name, to which it may add something of its own.
pub(crate) fn is_of(holder: &str, name: &str) -> bool {
    let more = holder.strip_prefix(name);
    more.is_some_and(|more| more.is_empty() || more.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(by: &str, resource: &str, code: u16, sent: Option<&str>, after: &str) -> Event {
        let spec = json!({"holderIdentity": after.parse::<u64>().map(|_| by).unwrap_or_default()});
        serde_json::from_value(json!({
            "stage": "ResponseComplete",
            "verb": "patch",
            "user": {"username": "admin"},
            "impersonatedUser": {"username": by},
            "objectRef": {"resource": resource, "namespace": "n", "name": "a"},
            "responseStatus": {"code": code},
            "requestObject": {"metadata": {"resourceVersion": sent}},
            "responseObject": {"metadata": {"name": "a", "resourceVersion": after}, "spec": spec},
            "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
            "stageTimestamp": "2026-01-01T00:00:00.000000Z",
        }))
        .unwrap()
    }

    fn judged(events: &[Event]) -> Report {
        judge(events, |name| name.starts_with("op"))
    }

    #[test]
    fn a_change_decided_on_the_last_version_is_right() {
        let lease = write("op-1", "leases", 201, None, "1");
        let report = judged(&[
            lease,
            write("op-1", "vaultbindings", 200, Some("3"), "7"),
            write("team", "vaultbindings", 201, None, "2"),
            // Answers may come in another order than writes were made.
            write("team", "vaultbindings", 200, None, "3"),
            write("op-1", "secretproviderclasses", 201, None, "5"),
            write("op-1", "secretproviderclasses", 409, Some("4"), "5"),
            write("op-1", "secretproviderclasses", 200, Some("5"), "5"),
        ]);
        assert_eq!(report.faults, Vec::<String>::new());
        assert_eq!(
            (report.created, report.unchanged, report.conflicts),
            (2, 1, 1)
        );
        assert_eq!(
            report.changed,
            BTreeMap::from([("vaultbindings".to_owned(), 1)])
        );
        assert_eq!((report.terms, report.by_others), (1, 0));
    }

    #[test]
    fn a_change_without_a_version_or_with_an_old_one_is_a_fault() {
        for sent in [None, Some("2")] {
            let report = judged(&[
                write("team", "vaultbindings", 201, None, "2"),
                write("team", "vaultbindings", 200, None, "3"),
                write("op-1", "vaultbindings", 200, sent, "4"),
            ]);
            assert_eq!(report.faults.len(), 1, "{sent:?}: {:?}", report.faults);
        }
    }

    #[test]
    fn a_write_without_an_answer_may_have_been_done() {
        let unanswered = |sent| write("op-1", "vaultbindings", 504, sent, "0");
        let next = |sent| write("op-2", "vaultbindings", 200, Some(sent), "9");
        let made = write("team", "vaultbindings", 201, None, "2");
        for (killed, sent, done, faults) in [
            (Some(Some("2")), "5", 1, 0),
            (Some(Some("2")), "2", 0, 0),
            // Not on the last version, so it cannot have been done.
            (Some(Some("1")), "5", 0, 1),
            (None, "5", 0, 1),
        ] {
            let killed = killed.map(unanswered);
            let events: Vec<Event> = [made.clone()]
                .into_iter()
                .chain(killed)
                .chain([next(sent)])
                .collect();
            let report = judged(&events);
            assert_eq!(
                (report.unanswered_done, report.faults.len()),
                (done, faults),
                "{report:?}"
            );
        }
    }

    #[test]
    fn a_write_by_who_is_not_the_leader_is_counted() {
        let report = judged(&[
            write("op-1", "leases", 201, None, "1"),
            write("op-2", "leases", 200, Some("1"), "5"),
            write("apiserver", "leases", 200, Some("5"), "7"),
            write("op-1", "secretproviderclasses", 201, None, "4"),
            write("op-1", "secretproviderclasses", 200, Some("4"), "6"),
        ]);
        assert_eq!((report.terms, report.by_others), (2, 1));
    }
}
