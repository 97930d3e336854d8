use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn object(name: &str) -> Object {
    Object {
        vault: "kv-a".to_owned(),
        name: name.to_owned(),
        certificate: false,
    }
}

/// One object with three versions: from the start, since 10 s and since 20 s.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.add(object("db"), Some("id-0".to_owned()));
    for serial in 1..3 {
        assert_eq!(ledger.begin(&object("db")), serial);
        let id = format!("id-{serial}");
        let at = 10 * SECOND * u32::try_from(serial).unwrap();
        ledger.finish(&object("db"), serial, &id, at).unwrap();
    }
    ledger
}

fn served<'a>(contents: &'a str, version: &'a str, asked: u64) -> Served<'a> {
    Served {
        contents: contents.as_bytes(),
        version,
        asked: Duration::from_secs(asked),
    }
}

fn check(contents: &str, version: &str, asked: u64, last: usize) -> Result<usize, Wrong> {
    let served = served(contents, version, asked);
    ledger().check(&object("db"), served, last, |_| 5 * SECOND)
}

#[test]
fn what_the_vault_has_is_right() {
    let text = |serial| value(&object("db"), serial);
    assert_eq!(check(&text(2), "id-2", 25, 0), Ok(2));
    assert_eq!(check(&text(0), "id-0", 9, 0), Ok(0));
    // Replaced at 20 s, asked for within the five that are allowed.
    assert_eq!(check(&text(1), "id-1", 25, 1), Ok(1));
}

#[test]
fn a_single_wrong_byte_is_seen() {
    let good = value(&object("db"), 2);
    for position in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[position] ^= 1;
        let served = Served {
            contents: &bytes,
            version: "id-2",
            asked: 25 * SECOND,
        };
        let result = ledger().check(&object("db"), served, 0, |_| SECOND);
        assert!(result.is_err(), "byte {position}: {result:?}");
    }
    let lost = &good[..good.len() - 1];
    assert!(matches!(
        check(lost, "id-2", 25, 0),
        Err(Wrong::Damaged { .. })
    ));
    assert!(matches!(
        check("", "id-2", 25, 0),
        Err(Wrong::Foreign { .. })
    ));
}

#[test]
fn another_object_or_version_is_seen() {
    let foreign = value(&object("other"), 2);
    assert!(matches!(
        check(&foreign, "id-2", 25, 0),
        Err(Wrong::Foreign { .. })
    ));
    let of_another_vault = value(
        &Object {
            vault: "kv-b".to_owned(),
            ..object("db")
        },
        2,
    );
    let result = check(&of_another_vault, "id-2", 25, 0);
    assert!(matches!(result, Err(Wrong::Foreign { .. })));
    let future = value(&object("db"), 3);
    assert!(matches!(
        check(&future, "id-3", 25, 0),
        Err(Wrong::NoSuchVersion { .. })
    ));
    let named_wrong = check(&value(&object("db"), 2), "id-1", 25, 0);
    assert!(matches!(named_wrong, Err(Wrong::WrongVersion { .. })));
}

#[test]
fn a_volume_never_goes_back_and_nothing_is_too_old() {
    let old = value(&object("db"), 1);
    assert_eq!(
        check(&old, "id-1", 21, 2),
        Err(Wrong::WentBack {
            object: "db".to_owned(),
            from: 2,
            to: 1
        })
    );
    assert_eq!(
        check(&old, "id-1", 26, 1),
        Err(Wrong::TooOld {
            object: "db".to_owned(),
            serial: 1,
            age: 6 * SECOND,
            allowed: 5 * SECOND
        })
    );
}

#[test]
fn a_version_may_be_served_before_the_vault_has_answered() {
    let mut ledger = ledger();
    let serial = ledger.begin(&object("db"));
    let text = value(&object("db"), serial);
    let early = ledger.check(&object("db"), served(&text, "id-3", 30), 2, |_| SECOND);
    assert_eq!(early, Ok(serial));
    // The one before is not replaced before the vault says so.
    let before = value(&object("db"), 2);
    let result = ledger.check(&object("db"), served(&before, "id-2", 99), 2, |_| SECOND);
    assert_eq!(result, Ok(2));
    assert_eq!(
        ledger.finish(&object("db"), serial, "id-3", 30 * SECOND),
        Ok(())
    );

    let serial = ledger.begin(&object("db"));
    let text = value(&object("db"), serial);
    let early = ledger.check(&object("db"), served(&text, "id-x", 31), 3, |_| SECOND);
    assert_eq!(early, Ok(serial));
    let finished = ledger.finish(&object("db"), serial, "id-4", 31 * SECOND);
    assert!(matches!(finished, Err(Wrong::WrongVersion { .. })));
}

#[test]
fn values_differ_in_length() {
    let lengths: std::collections::BTreeSet<usize> = (0..50)
        .map(|serial| value(&object("db"), serial).len())
        .collect();
    assert!(lengths.len() > 20, "{lengths:?}");
    assert!(lengths.iter().all(|length| *length < 25_000));
}

#[test]
fn a_certificate_is_known_by_its_subject_and_version() {
    // Of a vault `v` with a certificate `c`: CN=c.v.
    let text = include_str!("certificate.pem");
    let object = Object {
        vault: "v".to_owned(),
        name: "c".to_owned(),
        certificate: true,
    };
    let mut ledger = Ledger::default();
    ledger.add(object.clone(), None);
    let mut check = |object: &Object, text: &str, version: &str| {
        ledger.check(object, served(text, version, 1), 0, |_| SECOND)
    };
    assert_eq!(check(&object, text, "id-0"), Ok(0));
    assert_eq!(check(&object, text, "id-0"), Ok(0));
    assert!(matches!(
        check(&object, text, "id-1"),
        Err(Wrong::NoSuchVersion { .. })
    ));
    let more = format!("{text}\n");
    assert!(matches!(
        check(&object, &more, "id-0"),
        Err(Wrong::Damaged { .. })
    ));
    let other = Object {
        name: "d".to_owned(),
        ..object.clone()
    };
    assert!(matches!(
        check(&other, text, "id-0"),
        Err(Wrong::Foreign { .. })
    ));
    assert!(matches!(
        check(&object, "x", "id-0"),
        Err(Wrong::Foreign { .. })
    ));
}
