//! Faults that come and go, and when they were there.

use std::sync::Arc;
use std::time::Duration;

use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_e2e::random::Random;

use super::{Shared, lock};
use crate::bench::tell;

/// How long after a fault mounts may still suffer from it: back-off, open circuits, remembered
/// failures, and above all calls that a fault left without an answer, for which the provider waits
/// 30 s.
pub const GRACE: Duration = Duration::from_secs(40);
/// Faults between two long times without any.
const IN_A_ROW: usize = 5;
/// Such a time, in milliseconds: a good part of it must lie behind the grace.
const CALM: (u64, u64) = (65_000, 80_000);

/// When there were faults, as times since the start.
#[derive(Debug, Default)]
pub struct Weather(Vec<(Duration, Option<Duration>)>);

impl Weather {
    /// A fault begins.
    pub fn strike(&mut self, now: Duration) {
        self.0.push((now, None));
    }

    /// No fault is left.
    pub fn clear(&mut self, now: Duration) {
        for (_, end) in &mut self.0 {
            end.get_or_insert(now);
        }
    }

    /// Whether no fault was there, nor one that just went, at any moment between two times.
    pub fn calm(&self, from: Duration, to: Duration) -> bool {
        self.0
            .iter()
            .all(|(begin, end)| *begin > to || end.is_some_and(|end| end + GRACE < from))
    }

    /// How many faults there were.
    pub fn faults(&self) -> usize {
        self.0.len()
    }
}

/// Switches faults on and off until the end, when none is left.
///
/// # Errors
/// When the emulated Azure cannot be reached.
pub(crate) async fn run(shared: Arc<Shared>, seed: u64) -> anyhow::Result<()> {
    let mut random = Random::new(seed);
    // Everybody has been served before the first.
    shared.sleep(random.millis(5_000, 8_000)).await;
    let mut left = IN_A_ROW;
    while !shared.ending() {
        let (name, fault) = one(&mut random);
        tell(&format!("{:>5} s: {name}", shared.now().as_secs()));
        // Before it is there and after it is gone: what happens in between counts as under it.
        lock(&shared.weather).strike(shared.now());
        shared.azure.admin.add_fault(&fault).await?;
        shared.sleep(random.millis(2_000, 7_000)).await;
        shared.azure.admin.clear_faults().await?;
        lock(&shared.weather).clear(shared.now());
        left -= 1;
        let pause = match left {
            0 => CALM,
            _ => (500, 4_000),
        };
        if left == 0 {
            left = IN_A_ROW;
        }
        shared.sleep(random.millis(pause.0, pause.1)).await;
    }
    Ok(())
}

fn one(random: &mut Random) -> (&'static str, Fault) {
    let of = |service, action| {
        let matches = Match {
            service: Some(service),
            ..Match::default()
        };
        Fault::new(matches, action)
    };
    let status = |code, retry_after| Action::Status {
        code,
        retry_after,
        retry_after_millis: None,
    };
    match random.below(9) {
        0 => (
            "vaults throttle 3 of 10",
            of(Service::Vault, status(429, Some(1))).share(0.3),
        ),
        1 => (
            "vaults throttle without a word",
            of(Service::Vault, status(429, None)).share(0.5),
        ),
        2 => (
            "vaults fail, 4 of 10",
            of(Service::Vault, status(500, None)).share(0.4),
        ),
        3 => ("vaults fail", of(Service::Vault, status(503, None))),
        4 => (
            "vaults never answer 1 of 20",
            of(Service::Vault, Action::Hang).share(0.05),
        ),
        5 => (
            "vaults drop 1 of 20",
            of(Service::Vault, Action::Drop).share(0.05),
        ),
        6 => ("Entra fails", of(Service::Entra, status(503, None))),
        7 => ("Entra never answers", of(Service::Entra, Action::Hang)),
        _ => (
            "vaults are slow",
            of(Service::Vault, Action::Delay { millis: 300 }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_calm_when_no_fault_touches_the_time() {
        let seconds = Duration::from_secs;
        let mut weather = Weather::default();
        assert!(weather.calm(seconds(0), seconds(9)));
        weather.strike(seconds(10));
        assert!(weather.calm(seconds(0), seconds(9)));
        assert!(!weather.calm(seconds(0), seconds(10)));
        assert!(!weather.calm(seconds(500), seconds(501)), "it lasts");
        weather.clear(seconds(15));
        let (gone, end) = (seconds(15) + GRACE, seconds(80));
        assert!(!weather.calm(gone, end), "it has just gone");
        assert!(weather.calm(gone + seconds(1), end));
        assert!(!weather.calm(seconds(5), end));
        weather.strike(seconds(90));
        weather.clear(seconds(91));
        assert!(weather.calm(gone + seconds(1), end));
    }
}
