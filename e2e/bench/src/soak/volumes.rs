//! The volumes: published again and again, every file of every answer judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vaultbind_e2e::driver::Provider;
use vaultbind_e2e::random::Random;
use vaultbind_proto::{MountRequest, MountResponse};

use super::ledger::{Object, Served, Wrong};
use super::stage::Plan;
use super::{Shared, lock};
use crate::drive::{KUBELET, name};

/// For how long after its replacement a value may be on its way through a busy machine.
const SLACK: Duration = Duration::from_secs(3);
/// Findings that are kept word by word.
const EXAMPLES: usize = 20;

/// What happened to all volumes.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Mounts by status.
    pub codes: BTreeMap<&'static str, u64>,
    /// Files that were judged.
    pub files: u64,
    /// Files and answers that were wrong.
    pub wrong: u64,
    /// Versions that came to be.
    pub rotations: u64,
    /// Failures while nothing was wrong with Azure.
    pub failed_in_calm: u64,
    /// Mounts that began and ended while nothing was wrong.
    pub calm: u64,
    /// The first findings in words.
    pub examples: Vec<String>,
    /// The longest that a mount took, in milliseconds.
    pub longest_millis: u128,
}

impl Tally {
    /// Something that must not be.
    pub fn wrong(&mut self, wrong: &Wrong) {
        self.wrong += 1;
        self.example(format!("wrong: {wrong}"));
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text);
        }
    }
}

/// One volume.
pub(crate) struct Volume {
    plan: Plan,
    request: MountRequest,
    driver: Provider,
    shared: Arc<Shared>,
    /// The serial that the volume has of each object.
    serials: Vec<usize>,
}

impl Volume {
    pub(crate) fn new(
        plan: Plan,
        request: MountRequest,
        driver: Provider,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            serials: vec![0; plan.objects.len()],
            plan,
            request,
            driver,
            shared,
        }
    }

    /// Publishes it until the end.
    pub(crate) async fn publish(mut self, tick: Duration, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let millis = u64::try_from(tick.as_millis()).unwrap_or(u64::MAX).max(2);
        // Not all at once, as kubelet does not either.
        self.shared.sleep(random.millis(0, millis)).await;
        while !self.shared.ending() {
            self.mount().await;
            let pause = random.millis(millis * 4 / 5, millis * 6 / 5);
            self.shared.sleep(pause).await;
        }
        self
    }

    /// Publishes it once more and says whether it now has the newest versions.
    pub(crate) async fn last(mut self) -> bool {
        let mounted = self.mount().await;
        let ledger = lock(&self.shared.ledger);
        let mut objects = self.plan.objects.iter().zip(&self.serials);
        mounted && objects.all(|((object, _), serial)| ledger.newest(object) == *serial)
    }

    async fn mount(&mut self) -> bool {
        let asked = self.shared.now();
        let started = Instant::now();
        let answer = self
            .driver
            .mount_within(self.request.clone(), KUBELET)
            .await;
        let took = started.elapsed().as_millis();
        let answered = self.shared.now();
        let calm = lock(&self.shared.weather).calm(asked, answered);
        if let Ok(answer) = &answer {
            self.judge(answer, asked, answered);
        }
        let code = answer
            .as_ref()
            .map_or_else(|status| name(status.code()), |_| "OK");
        let mut tally = lock(&self.shared.tally);
        *tally.codes.entry(code).or_default() += 1;
        tally.longest_millis = tally.longest_millis.max(took);
        tally.calm += u64::from(calm);
        if let (true, Err(status)) = (calm, &answer) {
            tally.failed_in_calm += 1;
            let (pod, text) = (&self.plan.pod, status.message());
            tally.example(format!("without a fault: {pod}: {code} {text}"));
        }
        answer.is_ok()
    }

    fn judge(&mut self, answer: &MountResponse, asked: Duration, answered: Duration) {
        let allowed = |replaced: Duration| {
            let calm = lock(&self.shared.weather).calm(replaced, answered);
            let bound = if calm {
                self.shared.fresh
            } else {
                self.shared.stale.max(self.shared.fresh)
            };
            bound + SLACK
        };
        let found = judge(
            &self.plan.objects,
            &mut self.serials,
            answer,
            |object, contents, version, last| {
                let served = Served {
                    contents,
                    version,
                    asked,
                };
                lock(&self.shared.ledger).check(object, served, last, allowed)
            },
        );
        let mut tally = lock(&self.shared.tally);
        tally.files += u64::try_from(answer.files.len()).unwrap_or(0);
        for wrong in found {
            tally.wrong(&wrong);
        }
    }
}

/// What is wrong with an answer, file by file; `serials` becomes what the volume has now.
fn judge(
    objects: &[(Object, crate::cast::Wanted)],
    serials: &mut [usize],
    answer: &MountResponse,
    check: impl Fn(&Object, &[u8], &str, usize) -> Result<usize, Wrong>,
) -> Vec<Wrong> {
    let mut found = Vec::new();
    for ((object, wanted), serial) in objects.iter().zip(serials) {
        let file = answer.files.iter().find(|file| file.path == wanted.file);
        let id = format!("{}/{}", wanted.kind, wanted.name);
        let version = answer.object_version.iter().find(|one| one.id == id);
        let (Some(file), Some(version)) = (file, version) else {
            found.push(Wrong::Missing(wanted.file.clone()));
            continue;
        };
        match check(object, &file.contents, &version.version, *serial) {
            Ok(now) => *serial = now,
            Err(wrong) => found.push(wrong),
        }
    }
    let asked_for = |path: &str| objects.iter().any(|(_, wanted)| wanted.file == path);
    let extra = answer.files.iter().filter(|file| !asked_for(&file.path));
    found.extend(extra.map(|file| Wrong::Extra(file.path.clone())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::ledger::{Ledger, value};
    use crate::soak::stage;
    use std::sync::Mutex;
    use vaultbind_proto::{File, ObjectVersion};

    /// An answer with the first versions of all objects of a volume, and its judge.
    struct Case {
        objects: Vec<(Object, crate::cast::Wanted)>,
        ledger: Mutex<Ledger>,
        answer: MountResponse,
    }

    impl Case {
        fn new() -> Self {
            let plans = stage::volumes(50, &mut Random::new(3));
            let fits = |plan: &&Plan| {
                let mut objects = plan.objects.iter();
                plan.objects.len() == 3 && objects.all(|(object, _)| !object.certificate)
            };
            let objects = plans.iter().find(fits).unwrap().objects.clone();
            let mut ledger = Ledger::default();
            let mut answer = MountResponse::default();
            for (object, wanted) in &objects {
                ledger.add(object.clone(), Some(format!("v-{}", object.name)));
                answer.files.push(File {
                    path: wanted.file.clone(),
                    mode: 420,
                    contents: value(object, 0).into_bytes().into(),
                });
                answer.object_version.push(ObjectVersion {
                    id: format!("secret/{}", object.name),
                    version: format!("v-{}", object.name),
                });
            }
            Self {
                objects,
                ledger: Mutex::new(ledger),
                answer,
            }
        }

        fn judge(&self) -> Vec<Wrong> {
            let mut serials = vec![0; self.objects.len()];
            judge(
                &self.objects,
                &mut serials,
                &self.answer,
                |object, contents, version, last| {
                    let served = Served {
                        contents,
                        version,
                        asked: Duration::ZERO,
                    };
                    lock(&self.ledger).check(object, served, last, |_| Duration::ZERO)
                },
            )
        }
    }

    #[test]
    fn a_good_answer_is_good() {
        assert_eq!(Case::new().judge(), []);
    }

    #[test]
    fn a_planted_byte_fails() {
        let mut case = Case::new();
        let mut bytes = case.answer.files[1].contents.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        case.answer.files[1].contents = bytes.into();
        let found = case.judge();
        assert!(
            matches!(found[..], [Wrong::Damaged { .. } | Wrong::Foreign { .. }]),
            "{found:?}"
        );
    }

    #[test]
    fn swapped_files_fail_both() {
        let mut case = Case::new();
        let first = case.answer.files[0].contents.clone();
        case.answer.files[0].contents = case.answer.files[1].contents.clone();
        case.answer.files[1].contents = first;
        let found = case.judge();
        assert!(
            matches!(found[..], [Wrong::Foreign { .. }, Wrong::Foreign { .. }]),
            "{found:?}"
        );
    }

    #[test]
    fn missing_and_extra_files_fail() {
        let mut case = Case::new();
        case.answer.files[2].path = "files/stray".to_owned();
        let found = case.judge();
        assert!(
            matches!(found[..], [Wrong::Missing(_), Wrong::Extra(_)]),
            "{found:?}"
        );
        let mut case = Case::new();
        case.answer.object_version.pop();
        assert!(matches!(case.judge()[..], [Wrong::Missing(_)]));
    }
}
