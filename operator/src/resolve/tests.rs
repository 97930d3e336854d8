//! What is wanted, what is asked for and what is told, without a vault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use vaultbind_keyvault::error::{FetchProblem, Forbidden};
use vaultbind_keyvault::metadata::{Attributes, List, ListError, Listed, Listing, Version};
use vaultbind_keyvault::{Cloud, ObjectType, Validity, VaultHost, VersionId};

use super::shelf::{Age, Moment, Pattern, State, Wants};

const CREATED: i64 = 1_700_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A shelf and its clock.
struct Bench {
    state: State,
    at: Instant,
    time: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self {
            state: State::default(),
            at: Instant::now(),
            time: Timestamp::from_second(CREATED + 1_000_000).unwrap(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.at += time;
        self.time = self.time.checked_add(time).unwrap();
    }

    fn moment(&self) -> Moment {
        Moment {
            at: self.at,
            time: self.time,
        }
    }

    /// Whether a question is answered from memory.
    fn knows(&mut self, wants: &Wants, max_age: Duration) -> bool {
        let age = Age {
            max: max_age,
            arrived: self.at,
            now: self.at,
        };
        self.state.look(wants, age).is_some()
    }

    /// Looks at everything by the versions of each object; says which were asked for.
    fn look(&mut self, wants: &Wants, versions: &[Version]) -> BTreeSet<String> {
        assert!(!self.knows(wants, Duration::ZERO));
        let order = self.state.order(self.at, 100);
        assert_eq!(order.list_pages, None);
        let names = State::unlisted(order);
        let moment = self.moment();
        for name in &names {
            self.state.store(name, moment, Ok(versions.to_vec()));
        }
        names
    }

    /// Looks by the list of objects; says whose versions are still to be asked for.
    fn look_by_list(&mut self, items: &[Listed], complete: bool) -> BTreeSet<String> {
        let order = self.state.order(self.at, 100);
        assert!(order.list_pages.is_some());
        let listing = Listing {
            items: items.to_vec(),
            unreadable: 0,
            pages: 1,
            complete,
        };
        let too_long = Arc::new(error(FetchProblem::Failing(500)));
        let moment = self.moment();
        self.state.listed(order, listing, &too_long, moment).0
    }
}

fn error(problem: FetchProblem) -> ListError {
    let vault = VaultHost::new(Cloud::Public, &"kv-pay".parse().unwrap());
    ListError::new(
        &vault,
        "client",
        &List::Objects(ObjectType::Secret),
        problem,
    )
}

fn attributes(created: i64) -> Attributes {
    Attributes {
        enabled: true,
        created: Some(created),
        updated: Some(created),
        validity: Validity::default(),
    }
}

fn id(n: usize) -> VersionId {
    format!("{n:032x}").parse().unwrap()
}

/// So many versions, a second apart, newest first.
fn versions(count: usize) -> Vec<Version> {
    let version = |n: usize| Version {
        id: id(n),
        attributes: attributes(CREATED + i64::try_from(n).unwrap()),
    };
    (0..count).rev().map(version).collect()
}

fn item(name: &str, created: i64) -> Listed {
    Listed {
        name: name.parse().unwrap(),
        attributes: attributes(created),
        tags: BTreeMap::new(),
        managed: false,
    }
}

fn wants(names: &[&str]) -> Wants {
    Wants {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Wants::default()
    }
}

fn holding(names: &[&str], held: &[(&str, usize)]) -> Wants {
    let mut wants = wants(names);
    for (name, n) in held {
        let held = wants.held.entry((*name).to_owned()).or_default();
        held.insert(id(*n));
    }
    wants
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn only_what_is_not_new_enough_is_asked_for() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.look(&wants(&["a", "b"]), &versions(1)),
        set(&["a", "b"])
    );
    bench.pass(MINUTE);
    assert!(bench.knows(&wants(&["a"]), MINUTE));
    assert!(!bench.knows(&wants(&["a", "c"]), MINUTE));
    let order = bench.state.order(bench.at, 100);
    assert_eq!(State::unlisted(order), set(&["c"]));
    assert!(!bench.knows(&wants(&["a"]), MINUTE / 2));
}

#[test]
fn those_who_wait_are_looked_for_together() {
    let mut bench = Bench::new();
    for name in ["a", "b", "c"] {
        assert!(!bench.knows(&wants(&[name]), MINUTE));
    }
    let order = bench.state.order(bench.at, 100);
    assert_eq!(State::unlisted(order), set(&["a", "b", "c"]));
    // Whoever takes the order looks for all of it.
    let order = bench.state.order(bench.at, 100);
    assert_eq!(State::unlisted(order), set(&[]));
}

#[test]
fn the_list_tells_what_is_unchanged_new_and_gone() {
    let mut bench = Bench::new();
    let all = wants(&["a", "b", "c", "d"]);
    bench.look(&all, &versions(1));
    bench.pass(MINUTE);
    assert!(!bench.knows(&all, Duration::ZERO));
    // `c` has a new version, `d` is gone, and somebody else's `x` is new.
    let items = [
        item("A", CREATED),
        item("b", CREATED),
        item("c", CREATED + 9),
        item("x", CREATED),
    ];
    assert_eq!(bench.look_by_list(&items, true), set(&["c", "d"]));
    assert!(bench.knows(&wants(&["a", "b"]), Duration::ZERO));
    assert!(!bench.knows(&wants(&["c"]), Duration::ZERO));
}

#[test]
fn a_part_of_the_list_says_nothing_of_what_is_not_in_it() {
    let mut bench = Bench::new();
    let all = wants(&["a", "b", "new"]);
    bench.look(&all, &versions(1));
    bench.pass(MINUTE);
    assert!(!bench.knows(&all, Duration::ZERO));
    let asked = bench.look_by_list(&[item("a", CREATED)], false);
    assert_eq!(asked, set(&["b", "new"]));
}

#[test]
fn a_version_made_a_moment_before_is_not_taken_for_the_last_of_its_second() {
    let mut bench = Bench::new();
    let all = wants(&["a", "b", "c"]);
    let mut young = versions(1);
    young[0].attributes = attributes(bench.time.as_second() - 2);
    bench.look(&all, &young);
    bench.pass(MINUTE / 60);
    // None can be told unchanged by the list, so it is not asked for.
    assert_eq!(bench.look(&all, &young), all.names);
    bench.pass(2 * MINUTE);
    assert_eq!(bench.look(&all, &young), all.names);
    bench.pass(MINUTE);
    assert!(!bench.knows(&all, Duration::ZERO));
    let items = ["a", "b", "c"].map(|name| Listed {
        attributes: young[0].attributes,
        ..item(name, 0)
    });
    assert_eq!(bench.look_by_list(&items, true), set(&[]));
}

#[test]
fn an_object_with_a_held_version_that_is_not_the_newest_is_not_told_by_the_list() {
    let mut bench = Bench::new();
    let held = holding(&["a", "b", "c"], &[("a", 1), ("b", 0), ("c", 77)]);
    bench.look(&held, &versions(2));
    bench.pass(MINUTE);
    assert!(!bench.knows(&held, Duration::ZERO));
    let items = ["a", "b", "c"].map(|name| item(name, CREATED + 1));
    // The newest of `a` is held, and the one held of `c` does not exist.
    assert_eq!(bench.look_by_list(&items, true), set(&["b"]));
}

#[test]
fn the_newest_and_the_held_versions_are_kept() {
    let mut bench = Bench::new();
    let held = holding(&["a"], &[("a", 3)]);
    bench.look(&held, &versions(500));
    let told = bench.state.tell(&held);
    let kept = told.versions["a"].as_ref().unwrap();
    assert_eq!(kept.len(), 26);
    assert_eq!((&kept[0].id, &kept[25].id), (&id(499), &id(3)));
    // What was left out has to be looked for; what was not found then does not exist.
    for (n, known) in [(3, true), (480, true), (4, false)] {
        assert_eq!(
            bench.knows(&holding(&["a"], &[("a", n)]), MINUTE),
            known,
            "{n}"
        );
    }
    bench.look(&holding(&["a"], &[("a", 9999)]), &versions(500));
    assert!(bench.knows(&holding(&["a"], &[("a", 9999)]), MINUTE));
}

#[test]
fn what_was_known_before_an_outage_is_confirmed_by_the_list_after_it() {
    let mut bench = Bench::new();
    let all = wants(&["a", "b", "c"]);
    bench.look(&all, &versions(1));
    let outage = Arc::new(error(FetchProblem::Failing(503)));
    let moment = bench.moment();
    bench
        .state
        .fail(ObjectType::Secret, &all.names, &outage, moment);
    let told = bench.state.tell(&all);
    let failed = told.versions["a"].as_ref().unwrap_err();
    assert_eq!(failed.list.to_string(), "versions of secret a");
    // A failure is told to those who come soon, and not for as long as knowledge is.
    let hour = 60 * MINUTE;
    assert!(bench.knows(&all, hour));
    bench.pass(MINUTE);
    assert!(!bench.knows(&all, hour));
    let items = ["a", "b", "c"].map(|name| item(name, CREATED));
    assert_eq!(bench.look_by_list(&items, true), set(&[]));
    assert!(bench.state.tell(&all).versions["a"].is_ok());
}

#[test]
fn a_refused_list_leaves_the_versions_of_named_objects_to_be_asked_for() {
    for (problem, left) in [
        (FetchProblem::Forbidden(Forbidden::Role), set(&["a"])),
        (FetchProblem::Forbidden(Forbidden::AccessPolicy), set(&[])),
        (FetchProblem::Failing(500), set(&[])),
    ] {
        let mut bench = Bench::new();
        let mut wants = wants(&["a"]);
        wants.patterns.insert(Pattern {
            prefix: "a".to_owned(),
            tags: BTreeMap::new(),
            max: 5,
        });
        assert!(!bench.knows(&wants, Duration::ZERO));
        let order = bench.state.order(bench.at, 100);
        let (error, moment) = (Arc::new(error(problem)), bench.moment());
        let names = bench
            .state
            .not_listed(order, ObjectType::Secret, &error, moment);
        assert_eq!(names, left, "{error}");
        let told = bench.state.tell(&wants);
        assert!(told.selected.values().all(Result::is_err));
        assert_eq!(told.versions.contains_key("a"), left.is_empty());
    }
}

#[test]
fn what_nobody_asks_for_is_forgotten() {
    let mut bench = Bench::new();
    bench.look(&wants(&["a", "b"]), &versions(1));
    bench.pass(MINUTE);
    assert!(bench.knows(&wants(&["b"]), 60 * MINUTE));
    let since = bench.at;
    assert!(bench.state.tidy(since));
    assert!(bench.knows(&wants(&["b"]), 60 * MINUTE));
    assert!(!bench.knows(&wants(&["a"]), 60 * MINUTE));
    bench.pass(MINUTE);
    assert!(!bench.state.tidy(bench.at));
}
