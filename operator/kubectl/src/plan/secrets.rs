//! What dry runs show of Secrets, and what would be there afterwards.

use std::collections::BTreeMap;

use vaultbind_operator::observed::{SecretCause, SecretSeen, Written};
use vaultbind_operator::plan::SecretTask;

/// What was seen of Secrets, without those that the user may not look at.
pub(super) fn seen(
    mut seen: BTreeMap<String, SecretSeen>,
    notes: &mut Vec<String>,
) -> BTreeMap<String, SecretSeen> {
    let before = seen.len();
    seen.retain(|_, seen| {
        !matches!(seen, SecretSeen::Failed(trouble) if trouble.cause == SecretCause::Forbidden)
    });
    if seen.len() < before {
        notes.push(
            "Secrets were not looked at: that takes the right to patch secrets, for a dry run that \
             tells metadata only"
                .to_owned(),
        );
    }
    seen
}

/// What would be seen of them once it is done what can be.
pub(super) fn once_done(
    seen: &BTreeMap<String, SecretSeen>,
    tasks: &[SecretTask],
) -> BTreeMap<String, SecretSeen> {
    let done = |name: &String, seen: &SecretSeen| {
        let task = tasks.iter().find(|task| task.name() == name)?;
        Some(match (task, seen) {
            (SecretTask::Keep(_), SecretSeen::Absent) => SecretSeen::Written(Written::Created),
            (SecretTask::Keep(_), SecretSeen::Outdated) => SecretSeen::Written(Written::Updated),
            (SecretTask::Keep(wanted), SecretSeen::Foreign { labelled: true }) if wanted.adopt => {
                SecretSeen::Written(Written::Adopted)
            }
            (SecretTask::Remove(_), SecretSeen::Outdated) => SecretSeen::Deleted,
            (_, seen) => seen.clone(),
        })
    };
    seen.iter()
        .map(|(name, seen)| {
            let done = done(name, seen).unwrap_or_else(|| seen.clone());
            (name.clone(), done)
        })
        .collect()
}
