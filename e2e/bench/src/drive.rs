//! Mounts: one, or many at a time, and what became of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use tonic::Code;
use vaultbind_e2e::driver::Provider;
use vaultbind_proto::{MountRequest, MountResponse};

use crate::stats::Samples;

/// How long kubelet waits for the driver, and so the driver for a provider.
pub const KUBELET: Duration = Duration::from_secs(120);

/// A mount to make.
#[derive(Debug, Clone)]
pub struct Job {
    /// The driver's request.
    pub request: MountRequest,
    /// How many files the answer must have.
    pub files: usize,
}

/// What became of a mount.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status, `WRONG` for an answer without the files asked for.
    pub code: &'static str,
    /// The status' message; empty for success.
    pub message: String,
    /// From the call to the answer.
    pub took: Duration,
}

impl Outcome {
    /// Whether the volume has its files.
    pub fn mounted(&self) -> bool {
        self.code == "OK"
    }
}

/// Mounts one volume.
pub async fn mount(driver: &Provider, job: Job, deadline: Duration) -> Outcome {
    let started = Instant::now();
    let answer = driver.mount_within(job.request, deadline).await;
    let took = started.elapsed();
    let (code, message) = match answer {
        Ok(answer) if complete(&answer, job.files) => ("OK", String::new()),
        Ok(_) => ("WRONG", "files are missing or empty".to_owned()),
        Err(status) => (name(status.code()), status.message().to_owned()),
    };
    Outcome {
        code,
        message,
        took,
    }
}

fn complete(answer: &MountResponse, files: usize) -> bool {
    answer.files.len() == files
        && !answer.object_version.is_empty()
        && answer.files.iter().all(|file| !file.contents.is_empty())
}

/// Mounts volumes, so many at a time, and returns in no particular order.
pub async fn many(
    driver: &Provider,
    jobs: Vec<Job>,
    at_a_time: usize,
    deadline: Duration,
) -> Outcomes {
    let started = Instant::now();
    let outcomes = stream::iter(jobs)
        .map(|job| {
            let driver = driver.clone();
            tokio::spawn(async move { mount(&driver, job, deadline).await })
        })
        .buffer_unordered(at_a_time.max(1))
        .filter_map(async |outcome| outcome.ok())
        .collect()
        .await;
    Outcomes {
        outcomes,
        took: started.elapsed(),
    }
}

/// What became of many mounts.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    /// Each of them.
    pub outcomes: Vec<Outcome>,
    /// From the first call to the last answer.
    pub took: Duration,
}

impl Outcomes {
    /// How many failed.
    pub fn failures(&self) -> usize {
        let failed = self.outcomes.iter().filter(|outcome| !outcome.mounted());
        failed.count()
    }

    /// How long they took.
    pub fn samples(&self) -> Samples {
        Samples::new(self.outcomes.iter().map(|outcome| outcome.took).collect())
    }

    /// How many had which status, the commonest first: `OK 18, UNKNOWN 2`.
    pub fn codes(&self) -> String {
        let mut counts = BTreeMap::<_, usize>::new();
        for outcome in &self.outcomes {
            *counts.entry(outcome.code).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        let counts = counts.iter().map(|(code, count)| format!("{code} {count}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// The name of a status as the protocol writes it.
pub fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaultbind_proto::{File, ObjectVersion};

    #[test]
    fn an_answer_must_have_all_files_and_versions() {
        let file = |contents: &[u8]| File {
            path: "a".to_owned(),
            mode: 420,
            contents: contents.to_vec().into(),
        };
        let mut answer = MountResponse {
            files: vec![file(b"x"), file(b"y")],
            object_version: vec![ObjectVersion::default()],
            error: None,
        };
        assert!(complete(&answer, 2));
        assert!(!complete(&answer, 3));
        answer.files[1] = file(b"");
        assert!(!complete(&answer, 2));
        answer.files[1] = file(b"y");
        answer.object_version.clear();
        assert!(!complete(&answer, 2));
    }

    #[test]
    fn codes_are_summed_up_the_commonest_first() {
        let outcome = |code| Outcome {
            code,
            message: String::new(),
            took: Duration::ZERO,
        };
        let outcomes = Outcomes {
            outcomes: ["UNKNOWN", "OK", "OK", "INTERNAL"].map(outcome).to_vec(),
            took: Duration::ZERO,
        };
        assert_eq!(outcomes.codes(), "OK 2, INTERNAL 1, UNKNOWN 1");
        assert_eq!(outcomes.failures(), 2);
    }
}
