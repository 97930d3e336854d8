use vaultbind_crds::status::ObjectState;

use super::super::tests::{NOW, at, disabled, expiring, from, id, version};
use super::*;

fn chosen(pinned: Option<u32>, versions: &[Version]) -> (Option<u32>, ObjectState) {
    let pinned = pinned.map(|number| id(number).parse().unwrap());
    let choice = latest(pinned.as_ref(), versions, at(NOW));
    let number = |id: VersionId| u32::from_str_radix(&id.as_str()[..8], 16).unwrap();
    (choice.pin.map(number), choice.state)
}

#[test]
fn the_newest_usable_version_is_wanted() {
    use ObjectState::{Current, Disabled, Expired, Missing, NotYetValid};
    for (pinned, versions, expected) in [
        (None, vec![], (None, Missing)),
        (None, vec![version(1)], (Some(1), Current)),
        (None, vec![version(2), version(1)], (Some(2), Current)),
        (Some(1), vec![version(2), version(1)], (Some(2), Current)),
        // An older one never replaces a newer one that can be used.
        (Some(2), vec![version(2), version(1)], (Some(2), Current)),
        (
            Some(2),
            vec![disabled(version(2)), version(1)],
            (Some(1), Current),
        ),
        (Some(2), vec![version(1)], (Some(1), Current)),
        (
            Some(2),
            vec![expiring(version(2), 0), version(1)],
            (Some(1), Current),
        ),
        (
            Some(2),
            vec![expiring(version(2), 1), version(1)],
            (Some(2), Current),
        ),
        (
            Some(1),
            vec![version(1), from(version(2), 1)],
            (Some(1), Current),
        ),
        (
            Some(1),
            vec![version(1), from(version(2), 0)],
            (Some(2), Current),
        ),
        // Without any the pin stays.
        (Some(1), vec![], (Some(1), Missing)),
        (Some(1), vec![disabled(version(1))], (Some(1), Disabled)),
        (
            Some(1),
            vec![expiring(version(1), 0), disabled(version(2))],
            (Some(1), Expired),
        ),
        (
            None,
            vec![expiring(version(1), 0), from(version(2), 9)],
            (None, NotYetValid),
        ),
    ] {
        assert_eq!(
            chosen(pinned, &versions),
            expected,
            "{pinned:?} {versions:?}"
        );
    }
}

#[test]
fn a_version_whose_age_is_not_told_is_older_than_any() {
    let mut ageless = version(9);
    ageless.attributes.created = None;
    assert_eq!(chosen(None, &[ageless.clone(), version(1)]).0, Some(1));
    assert_eq!(chosen(Some(1), &[ageless.clone(), version(1)]).0, Some(1));
    assert_eq!(chosen(None, &[ageless]).0, Some(9));
}

#[test]
fn it_is_looked_at_when_the_next_becomes_active_or_the_pinned_one_ends() {
    let turns = |versions: &[Version]| {
        latest(None, versions, at(NOW))
            .turns
            .map(|at| at.as_second() - NOW)
    };
    assert_eq!(turns(&[version(1)]), None);
    assert_eq!(turns(&[expiring(version(1), 70)]), Some(70));
    assert_eq!(
        turns(&[expiring(version(1), 70), from(version(2), 30)]),
        Some(30)
    );
    assert_eq!(turns(&[version(1), disabled(from(version(2), 30))]), None);
    assert_eq!(turns(&[expiring(version(1), -70)]), None);
}
