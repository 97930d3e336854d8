//! What holds of every plan, over histories of a vault: versions come, are disabled, expire and go,
//! the vault falls silent, somebody deletes the class or loses the status.

use proptest::prelude::*;
use vaultbind_keyvault::VersionId;
use vaultbind_keyvault::error::{FetchProblem, Forbidden};
use vaultbind_keyvault::metadata::NoProof;

use super::*;

/// What happens between two looks.
#[derive(Debug, Clone)]
enum Happens {
    Versions(usize, Vec<Version>),
    Outage(FetchProblem),
    Recovery,
    ClassDeleted,
    StatusLost,
    Time(i64),
    Text(String),
}

fn versions() -> impl Strategy<Value = Vec<Version>> {
    // Most can be used, and few numbers make versions meet again.
    let one = (
        1..10_u32,
        prop::bool::weighted(0.8),
        prop::option::weighted(0.4, -500..5_000_i64),
        prop::option::weighted(0.3, -500..2_000_i64),
    )
        .prop_map(|(number, enabled, expires, not_before)| {
            let mut version = version(number);
            version.attributes.enabled = enabled;
            // Several of one second.
            version.attributes.created = Some(NOW - 10_000 + i64::from(number / 2));
            version.attributes.validity = Validity {
                expires: expires.map(|after| NOW + after),
                not_before: not_before.map(|after| NOW + after),
            };
            version
        });
    prop::collection::vec(one, 0..6).prop_map(|mut versions| {
        versions.sort_by(|one, other| one.id.cmp(&other.id));
        versions.dedup_by(|one, other| one.id == other.id);
        versions
    })
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..3_usize, versions()).prop_map(|(at, versions)| Happens::Versions(at, versions)),
        1 => prop_oneof![
            Just(FetchProblem::Throttled),
            Just(FetchProblem::Failing(503)),
            Just(FetchProblem::Forbidden(Forbidden::Role)),
        ].prop_map(Happens::Outage),
        2 => Just(Happens::Recovery),
        1 => Just(Happens::ClassDeleted),
        1 => Just(Happens::StatusLost),
        2 => (1..2_000_i64).prop_map(Happens::Time),
        1 => ".{0,40}".prop_map(Happens::Text),
    ]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn scene(optional: bool) -> Scene {
    Scene::new(&format!(
        "[{{name: a}}, {{name: b, optional: {optional}}}, {{name: c}}]"
    ))
    .has(secret("a"), &[version(1)])
    .has(secret("b"), &[version(1)])
    .has(secret("c"), &[version(1)])
}

/// Whether a version can be used now.
fn usable(version: &Version, now: i64) -> bool {
    let validity = version.attributes.validity;
    version.attributes.enabled
        && validity.not_before.is_none_or(|at| at <= now)
        && validity.expires.is_none_or(|at| at > now)
}

fn pinned(plan: &Plan, name: &str) -> Option<VersionId> {
    plan.object(name)
        .pinned
        .as_ref()
        .map(|pinned| pinned.parse().unwrap())
}

fn within_bounds(plan: &Plan) -> Result<(), TestCaseError> {
    let status = &plan.status;
    prop_assert!(status.conditions.len() <= 16);
    for condition in &status.conditions {
        prop_assert!(
            condition.message.chars().count() <= 1_024,
            "{}",
            condition.message
        );
        prop_assert!(!condition.reason.is_empty());
        let known = super::super::Reason::ALL
            .iter()
            .find(|reason| reason.as_str() == condition.reason);
        prop_assert!(known.is_some(), "{}", condition.reason);
    }
    prop_assert!(
        status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Ready")
    );
    prop_assert!(status.objects.len() <= 500 && status.plan.len() <= 500);
    let summary = status.summary.clone().unwrap_or_default();
    for (text, longest) in [
        (&summary.vault, 259),
        (&summary.objects, 32),
        (&summary.pods, 32),
        (&summary.expires, 64),
        (&summary.next, 64),
    ] {
        prop_assert!(text.as_ref().is_none_or(|text| text.len() <= longest));
    }
    for note in &plan.notes {
        prop_assert!(note.message.chars().count() <= 1_024);
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_pins_are_kept_and_only_move_forward(
        optional in any::<bool>(), story in prop::collection::vec(happens(), 1..25)
    ) {
        let mut scene = scene(optional);
        scene.step();
        for happens in story {
            let both_lost = |scene: &Scene| scene.cluster.target.is_none() || scene.binding.status.is_none();
            let mut foreign_text = false;
            match happens {
                Happens::Versions(which, versions) => scene.set(secret(NAMES[which]), &versions),
                Happens::Outage(problem) => scene.answers = Answers::So(scene.all_refused(&problem)),
                Happens::Recovery => scene.answers = Answers::Well,
                Happens::ClassDeleted if !both_lost(&scene) => scene.cluster.target = None,
                Happens::StatusLost if !both_lost(&scene) => scene.binding.status = None,
                Happens::ClassDeleted | Happens::StatusLost => {}
                Happens::Time(seconds) => scene.now += seconds,
                Happens::Text(text) => if !both_lost(&scene) && scene.cluster.target.is_some() {
                    let mut class = (**scene.cluster.target.as_ref().unwrap()).clone();
                    class.spec.parameters.insert("objects".to_owned(), text);
                    scene.cluster.target = Some(Arc::new(class));
                    foreign_text = true;
                },
            }
            let silent = matches!(scene.answers, Answers::So(_));
            let before: Vec<_> = NAMES.iter().map(|name| pinned(&scene.plan(), name)).collect();
            let had = scene.clone();
            let plan = scene.step();
            within_bounds(&plan)?;
            prop_assert!(plan.next > at(had.now));

            // Once more without any change: nothing is done and nothing is told.
            let again = scene.plan();
            let settled = foreign_text && silent;
            prop_assert!(settled || again.target == Target::Keep, "{:#?}", again.target);
            prop_assert_eq!(&again.notes, &[]);
            prop_assert_eq!(&again.status.objects, &plan.status.objects);

            // In any order the vault lists them.
            let mut shuffled = had.clone();
            for versions in shuffled.vault.versions.values_mut().flatten() {
                versions.reverse();
            }
            prop_assert_eq!(&shuffled.plan(), &plan);

            let old = had.binding.status.clone();
            for (name, was) in NAMES.iter().zip(before) {
                let now = pinned(&plan, name);
                prop_assert_eq!(&was, &now);
                let status = old.iter().flat_map(|status| &status.objects);
                let mut status = status.filter(|object| object.object_name == *name);
                let Some(was) = status.next().and_then(|object| object.pinned.clone()) else {
                    continue;
                };
                let was: VersionId = was.parse().unwrap();
                let Some(now) = now else {
                    // Only what is optional and gone is dropped.
                    let known = had.vault.versions[&secret(name)].as_ref().unwrap();
                    prop_assert!(optional && *name == "b" && known.is_empty() && !silent);
                    continue;
                };
                if now == was {
                    continue;
                }
                prop_assert!(!silent, "{} moved while the vault was silent", name);
                let listed = had.vault.versions[&secret(name)].as_ref().unwrap();
                let of = |id: &VersionId| listed.iter().find(|version| version.id == *id);
                let new = of(&now).unwrap();
                prop_assert!(usable(new, had.now));
                if let Some(old) = of(&was).filter(|old| usable(old, had.now)) {
                    prop_assert!(new.attributes.created > old.attributes.created);
                }
            }
        }
    }

    #[test]
    fn no_text_of_a_class_makes_it_panic(
        text in prop_oneof![
            "(- |\n|  |objectName|objectAlias|objectVersion|:|\"|'|a|[|]|\\||[0-9a-f]{32}){0,40}",
            "\\PC{0,300}",
            ".{0,300}",
        ],
        annotation in prop_oneof!["\\PC{0,60}", "\\{(\"[a-z/]{0,5}\":(\"[0-9a-f]{32}\"|1|null|\\[\\]),?){0,4}\\}"],
        vault in ".{0,30}",
    ) {
        let mut scene = two();
        scene.step();
        let mut class = (**scene.cluster.target.as_ref().unwrap()).clone();
        class.spec.parameters.insert("objects".to_owned(), text);
        class.spec.parameters.insert("keyvaultName".to_owned(), vault);
        class.metadata.annotations =
            Some(BTreeMap::from([(super::super::PREVIOUS_ANNOTATION.to_owned(), annotation)]));
        scene.cluster.target = Some(Arc::new(class));
        within_bounds(&scene.plan())?;
        scene.step();
        // It is put right, and stays so.
        prop_assert_eq!(scene.plan().target, Target::Keep);
        prop_assert_eq!(scene.plan().object("db").pinned.clone(), Some(id(1)));
        scene.binding.status = None;
        within_bounds(&scene.plan())?;
    }

    #[test]
    fn long_names_stay_within_the_bounds_of_the_status(
        name in "[a-z]{1,127}", object_name in "[a-zA-Z0-9-]{100,127}", count in 1..100_usize, fails in any::<bool>()
    ) {
        let objects: Vec<Value> = (0..count).map(|number| {
            let own: String = format!("{number}{name}").chars().take(127).collect();
            let vault: String = format!("{object_name}{number}").chars().rev().take(127).collect();
            serde_json::json!({"name": own, "objectName": vault})
        }).collect();
        let mut scene = Scene::new("[]").spec(serde_json::json!({"objects": objects}));
        for object in scene.binding.spec.objects.clone() {
            let key = secret(&object.object_name().unwrap().to_ascii_lowercase());
            scene.set(key, &[expiring(version(1), 5)]);
        }
        if fails {
            scene.answers = Answers::So(Answer::NoServiceAccountToken(NoProof::passing(name.repeat(30))));
        }
        within_bounds(&scene.step())?;
        for versions in scene.vault.versions.values_mut() {
            *versions = Ok(vec![disabled(version(1))]);
        }
        within_bounds(&scene.step())?;
    }
}
