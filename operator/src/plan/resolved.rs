//! Whether each object has a version that can be used, and for how long.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vaultbind_crds::binding::{ObjectType, VersionRef};
use vaultbind_crds::status::ObjectState;

use super::finding::{Finding, LONGEST_MESSAGE};
use super::objects::{Gap, Item, Objects, Why};
use super::outcome::Shown;
use super::reason::Reason;

/// `ObjectsResolved`. `vault` is the vault's name, for commands.
pub(super) fn finding(objects: &Objects<'_>, vault: &str) -> Finding {
    let gaps = objects.gaps.iter().map(gap);
    let items = objects.items.iter().filter_map(|item| problem(item, vault));
    let mut problems: Vec<_> = gaps.chain(items).collect();
    // What is certain goes before what is not known.
    problems.sort_by_key(|(reason, _)| *reason == Reason::NotAsked);
    let Some((reason, _)) = problems.first() else {
        return Finding::yes(
            Reason::Resolved,
            "each object has a version that can be used",
        );
    };
    let reason = *reason;
    let message = joined(problems.into_iter().map(|(_, text)| text));
    if reason == Reason::NotAsked {
        Finding::unknown(reason, message)
    } else {
        Finding::no(reason, message)
    }
}

fn gap(gap: &Gap<'_>) -> (Reason, String) {
    let name = &gap.object.name;
    match gap.why {
        Why::TooMany => (Reason::TooManySelected, too_many(gap)),
        Why::Empty => (
            Reason::NotFound,
            format!(
                "selection {name} finds nothing: correct select, or set optional: true if that is meant"
            ),
        ),
        Why::Unknown => (
            Reason::NotAsked,
            format!("what selection {name} finds is not known: see AccessReady"),
        ),
    }
}

pub(super) fn too_many(gap: &Gap<'_>) -> String {
    let max = gap.object.select.as_ref().map_or(0, |select| select.max);
    format!(
        "selection {} finds more than {max} objects, so nothing is changed: raise select.max, at most 100, or \
         narrow the selection",
        gap.object.name
    )
}

fn problem(item: &Item<'_>, vault: &str) -> Option<(Reason, String)> {
    let object = item.object;
    let (what, name) = (words(object.type_), &item.name);
    let command =
        |rest: &str| format!("az keyvault {what} {rest} --vault-name {vault} --name {name}");
    if !item.known {
        let text = format!("the versions of {what} {name} are not known: see AccessReady");
        return item.is_blocked().then_some((Reason::NotAsked, text));
    }
    if object.optional && item.choice.pin.is_none() {
        return None;
    }
    let exact = match &object.version {
        VersionRef::Latest => None,
        VersionRef::Exact(id) => Some(id),
    };
    let leave = "or set optional: true";
    Some(match (item.choice.state, exact) {
        (ObjectState::Missing, Some(id)) if item.exists => (
            Reason::VersionNotFound,
            format!(
                "{what} {name} has no version {id}: see {}, and correct spec.objects[{}].version",
                command("list-versions"),
                object.name
            ),
        ),
        (ObjectState::Missing, _) => (
            Reason::NotFound,
            format!(
                "the vault {vault} has no {what} {name}: create it, recover it with {}, correct \
                 spec.objects[{}].objectName, {leave}",
                command("recover"),
                object.name
            ),
        ),
        (ObjectState::Disabled, Some(id)) => (
            Reason::Disabled,
            format!(
                "version {id} of {what} {name} is disabled: {} --version {id} --enabled true, or name another",
                command("set-attributes")
            ),
        ),
        (ObjectState::Disabled, None) => (
            Reason::Disabled,
            format!(
                "no version of {what} {name} is enabled: {} --enabled true, {leave}",
                command("set-attributes")
            ),
        ),
        // Whoever names a version wants it as it is.
        (_, Some(_)) => return None,
        (ObjectState::NotYetValid, None) => (
            Reason::NotYetValid,
            format!(
                "no version of {what} {name} is active yet: wait, or set its activation date earlier with {}",
                command("set-attributes --not-before TIME")
            ),
        ),
        (ObjectState::Expired, None) => (
            Reason::Expired,
            format!(
                "every version of {what} {name} has expired: make a new one, or {}",
                command("set-attributes --expires TIME")
            ),
        ),
        (ObjectState::Current | ObjectState::Behind | ObjectState::Unknown, None) => return None,
    })
}

/// `ExpiringSoon`, if it is so.
pub(super) fn expiring(objects: &Objects<'_>, shown: &[Shown], now: Timestamp) -> Option<Finding> {
    let mut soon: Vec<(Timestamp, String)> = Vec::new();
    for (item, shown) in objects.items.iter().zip(shown) {
        let (Some(version), Some(expires)) = (&shown.pinned, shown.expires) else {
            continue;
        };
        if warns_at(item, expires) > now {
            continue;
        }
        let verb = if expires <= now { "expired" } else { "expires" };
        let what = words(item.object.type_);
        let date = expires.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d");
        soon.push((
            expires,
            format!(
                "the pinned version {} of {what} {} {verb} on {date}",
                short(version.as_str()),
                item.name
            ),
        ));
    }
    soon.sort();
    let (first, _) = soon.first()?;
    let reason = if *first <= now {
        Reason::Expired
    } else {
        Reason::Expires
    };
    let texts = joined(soon.into_iter().map(|(_, text)| text));
    Some(Finding::yes(
        reason,
        format!("{texts}: make a new version in the vault"),
    ))
}

/// When `ExpiringSoon` begins.
pub(super) fn warns_at(item: &Item<'_>, expires: Timestamp) -> Timestamp {
    let before = item.object.expiry.warn_before.get();
    expires.saturating_sub(before).unwrap_or(expires)
}

/// The first characters of a version's id.
pub(super) fn short(version: &str) -> &str {
    version.get(..8).unwrap_or(version)
}

/// As many texts as a message holds, and how many more there are.
pub(super) fn joined(texts: impl Iterator<Item = String>) -> String {
    const END: usize = 80;
    let mut all = String::new();
    let mut more = 0;
    for text in texts {
        if all.is_empty() {
            all = text;
        } else if more == 0 && all.len() + 2 + text.len() + END <= LONGEST_MESSAGE {
            all.push_str("; ");
            all.push_str(&text);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        all.push_str(&format!("; and {more} more"));
    }
    all
}

fn words(type_: ObjectType) -> &'static str {
    match type_ {
        ObjectType::Secret => "secret",
        ObjectType::Key => "key",
        ObjectType::Certificate => "certificate",
    }
}
