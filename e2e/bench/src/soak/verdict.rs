//! What held and what did not, one line for each.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::volumes::Tally;
use super::watch::{Sample, Watched};
use crate::cast::{client_id, service_account};
use crate::stats::mean;

/// Statuses after which kubelet may start a pod on an empty volume.
const UNCERTAIN: [&str; 5] = [
    "ABORTED",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
];
/// Of this many mounts at least one must be in calm: what no mount was asked for proves nothing.
const MOUNTS_FOR_ONE_IN_CALM: u64 = 10;
/// By how much of itself a mean may grow from the third quarter to the fourth.
const GROWTH: f64 = 0.05;
/// Growth of memory that means nothing, in bytes: one arena of an allocator.
const MEMORY_NOISE: f64 = 512.0 * 1024.0;
/// The same in a run too short to tell a leak from the burst after a fault.
const SHORT_MEMORY_NOISE: f64 = 16.0 * 1024.0 * 1024.0;
/// Shorter runs are short.
const LONG: Duration = Duration::from_secs(600);
/// Growth of descriptors that means nothing: connections that faults cut and that come again.
const DESCRIPTOR_NOISE: f64 = 5.0;
/// New threads that mean nothing: the runtime's pool for blocking work grows and shrinks.
const THREAD_NOISE: f64 = 2.0;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it holds.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

/// The result of a soak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was done.
    pub done: String,
    /// What must hold.
    pub checks: Vec<Check>,
    /// The first findings in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Judges what was counted and measured; `outdated` volumes had not the newest versions at the
    /// end.
    pub fn new(tally: &Tally, watched: &Watched, outdated: usize, length: Duration) -> Self {
        let mounts: u64 = tally.codes.values().sum();
        let memory_noise = match length >= LONG {
            true => MEMORY_NOISE,
            false => SHORT_MEMORY_NOISE,
        };
        let done = format!(
            "{mounts} mounts in {} s, {} rotations, {} faults, {:.1} s of CPU, the longest mount {} ms",
            length.as_secs(),
            tally.rotations,
            watched.faults,
            watched.cpu.as_secs_f64(),
            tally.longest_millis,
        );
        Self {
            done,
            checks: vec![
                bytes(tally),
                codes(tally),
                calm(tally),
                check(
                    "all volumes have the newest versions at the end",
                    outdated == 0,
                    format!("{outdated} have not"),
                ),
                flat(
                    "resident memory is flat",
                    watched,
                    |one| one.resident,
                    memory_noise,
                    1024.0 * 1024.0,
                    "MiB",
                ),
                flat(
                    "file descriptors are flat",
                    watched,
                    |one| one.descriptors,
                    DESCRIPTOR_NOISE,
                    1.0,
                    "open",
                ),
                flat(
                    "threads are flat",
                    watched,
                    |one| one.threads,
                    THREAD_NOISE,
                    1.0,
                    "threads",
                ),
                series(&watched.series_at_half, &watched.series_at_end),
            ],
            examples: tally.examples.clone(),
        }
    }

    /// Whether all holds.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.done)?;
        for check in &self.checks {
            let word = if check.passed { "ok  " } else { "FAIL" };
            writeln!(f, "{word} {}: {}", check.name, check.found)?;
        }
        for example in &self.examples {
            writeln!(f, "     {example}")?;
        }
        Ok(())
    }
}

fn check(name: &'static str, passed: bool, found: String) -> Check {
    Check {
        name,
        passed,
        found,
    }
}

fn bytes(tally: &Tally) -> Check {
    let found = format!("{} of {} files are wrong", tally.wrong, tally.files);
    let passed = tally.wrong == 0 && tally.files > 0;
    check("no mixed-up, lost or outdated byte", passed, found)
}

fn codes(tally: &Tally) -> Check {
    let counts = tally
        .codes
        .iter()
        .map(|(code, count)| format!("{code} {count}"));
    let found = counts.collect::<Vec<_>>().join(", ");
    let passed = !UNCERTAIN.iter().any(|code| tally.codes.contains_key(code));
    check("every status is final", passed, found)
}

fn calm(tally: &Tally) -> Check {
    let (failed, calm) = (tally.failed_in_calm, tally.calm);
    let mounts: u64 = tally.codes.values().sum();
    let enough = calm > 0 && calm >= mounts / MOUNTS_FOR_ONE_IN_CALM;
    let found = match enough {
        true => format!("{failed} of {calm} failed"),
        false => format!("{failed} of {calm} failed; of {mounts} mounts that is too few"),
    };
    check(
        "no mount fails without a fault",
        failed == 0 && enough,
        found,
    )
}

/// Compares the mean of the last quarter with that of the one before.
fn flat(
    name: &'static str,
    watched: &Watched,
    value: impl Fn(&Sample) -> f64,
    noise: f64,
    scale: f64,
    unit: &str,
) -> Check {
    let values: Vec<f64> = watched.samples.iter().map(value).collect();
    let count = values.len();
    let quarter = |from, to| {
        mean(
            values
                .get(count * from / 4..count * to / 4)
                .unwrap_or_default(),
        )
    };
    let (Some(third), Some(fourth)) = (quarter(2, 3), quarter(3, 4)) else {
        return check(name, false, "too few samples".to_owned());
    };
    let passed = fourth <= third + (third * GROWTH).max(noise);
    let found = format!(
        "{:.1} {unit} in the third quarter of the time, {:.1} in the fourth",
        third / scale,
        fourth / scale
    );
    check(name, passed, found)
}

/// Series may still come, as statuses are first seen, but not with labels that have no end.
fn series(half: &BTreeSet<String>, end: &BTreeSet<String>) -> Check {
    let name = "metrics have closed sets of labels";
    let new: Vec<&String> = end.difference(half).collect();
    let unbounded = end.iter().find(|series| has_unbounded_label(series));
    let found = format!(
        "{} series at half-time, {} at the end",
        half.len(),
        end.len()
    );
    if let Some(series) = unbounded {
        return check(name, false, format!("{found}; {series}"));
    }
    let passed = !half.is_empty() && new.len() <= half.len() / 5 + 5;
    check(name, passed, found)
}

/// Whether a label holds a pod, an identity, a ServiceAccount or an object of a soak, or a sentence.
fn has_unbounded_label(series: &str) -> bool {
    let client = client_id(0);
    let account = service_account(0);
    let beginnings = [
        client.get(..24).unwrap_or(&client),
        account.trim_end_matches('0'),
        "soak-",
        "of-",
        "common-",
        "tls-",
    ];
    let values = series.split('"').skip(1).step_by(2);
    let mut values = values.map(|value| value.rsplit('/').next().unwrap_or(value));
    values.any(|value| value.len() > 100 || beginnings.iter().any(|begin| value.starts_with(begin)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::ledger::Wrong;

    fn watched(resident: impl Fn(usize) -> f64) -> Watched {
        let samples = (0..40).map(|number| Sample {
            resident: resident(number),
            descriptors: 20.0,
            threads: 4.0,
        });
        Watched {
            samples: samples.collect(),
            series_at_half: ["a{code=\"OK\"}".to_owned()].into(),
            series_at_end: ["a{code=\"OK\"}".to_owned()].into(),
            ..Watched::default()
        }
    }

    fn tally() -> Tally {
        Tally {
            codes: [("OK", 10), ("UNKNOWN", 1)].into(),
            files: 20,
            calm: 5,
            ..Tally::default()
        }
    }

    fn failed(tally: &Tally, watched: &Watched, outdated: usize) -> Vec<&'static str> {
        let verdict = Verdict::new(tally, watched, outdated, LONG);
        assert_eq!(
            verdict.passed(),
            verdict.checks.iter().all(|check| check.passed)
        );
        let failed = verdict.checks.iter().filter(|check| !check.passed);
        failed.map(|check| check.name).collect()
    }

    const MIB: f64 = 1024.0 * 1024.0;

    #[test]
    fn a_good_run_passes() {
        // Growth at the start is no leak.
        let warm = watched(|n| if n < 15 { 8.0 * MIB } else { 20.0 * MIB });
        assert_eq!(failed(&tally(), &warm, 0), [""; 0]);
    }

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn every_check_can_fail() {
        let flat = watched(|_| 20.0 * MIB);
        let with = |change: fn(&mut Tally)| {
            let mut tally = tally();
            change(&mut tally);
            tally
        };
        let wrong = with(|tally| tally.wrong(&Wrong::Missing("x".to_owned())));
        assert_eq!(
            failed(&wrong, &flat, 0),
            ["no mixed-up, lost or outdated byte"]
        );
        let nothing = with(|tally| tally.files = 0);
        assert_eq!(
            failed(&nothing, &flat, 0),
            ["no mixed-up, lost or outdated byte"]
        );
        let uncertain = with(|tally| *tally.codes.entry("DEADLINE_EXCEEDED").or_default() += 1);
        assert_eq!(failed(&uncertain, &flat, 0), ["every status is final"]);
        let in_calm = with(|tally| tally.failed_in_calm = 1);
        assert_eq!(
            failed(&in_calm, &flat, 0),
            ["no mount fails without a fault"]
        );
        let hardly_calm = with(|tally| {
            *tally.codes.entry("OK").or_default() += 90;
        });
        assert_eq!(
            failed(&hardly_calm, &flat, 0),
            ["no mount fails without a fault"]
        );
        assert_eq!(
            failed(&tally(), &flat, 1),
            ["all volumes have the newest versions at the end"]
        );
        let leak = watched(|n| (20.0 + n as f64 * 0.2) * MIB);
        assert_eq!(failed(&tally(), &leak, 0), ["resident memory is flat"]);
        let short = |growth: f64| {
            let watched = watched(|n| {
                if n < 30 {
                    20.0 * MIB
                } else {
                    (20.0 + growth) * MIB
                }
            });
            Verdict::new(&tally(), &watched, 0, LONG / 5).passed()
        };
        assert!(short(15.0) && !short(17.0));
        assert_eq!(failed(&tally(), &Watched::default(), 0).len(), 4);
    }

    #[test]
    fn descriptors_threads_and_series_that_grow_fail() {
        let mut watched = watched(|_| 20.0 * MIB);
        for (number, sample) in watched.samples.iter_mut().enumerate() {
            if number >= 30 {
                (sample.descriptors, sample.threads) = (40.0, 8.0);
            }
        }
        watched.series_at_end = (0..50).map(|n| format!("a{{code=\"{n}\"}}")).collect();
        assert_eq!(
            failed(&tally(), &watched, 0),
            [
                "file descriptors are flat",
                "threads are flat",
                "metrics have closed sets of labels"
            ]
        );
    }

    #[test]
    fn labels_without_end_are_known() {
        for (series, unbounded) in [
            ("a_total{code=\"OK\",operation=\"GetSecret\"}", false),
            ("a_total{vault=\"kv-soak-1\"}", false),
            ("a_total{object=\"of-07-3\"}", true),
            ("a_total{object=\"secret/common-3\"}", true),
            ("a_total{pod=\"soak-12\"}", true),
            (
                "a_total{client=\"c0000000-0000-4000-8000-00000000000a\"}",
                true,
            ),
        ] {
            assert_eq!(has_unbounded_label(series), unbounded, "{series}");
        }
    }
}
