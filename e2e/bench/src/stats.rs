//! What a row of durations says.

use std::time::Duration;

/// Durations in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Sorts.
    pub fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest one that at least `percent` of a hundred do not exceed (nearest rank); none of
    /// nothing.
    pub fn percentile(&self, percent: u32) -> Option<Duration> {
        let count = self.0.len();
        let rank = (count * percent.min(100) as usize).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }

    /// The one in the middle.
    pub fn median(&self) -> Option<Duration> {
        self.percentile(50)
    }

    /// The largest.
    pub fn longest(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}

/// The mean; none of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    // A count of samples fits a double exactly.
    #[allow(clippy::cast_precision_loss)]
    let count = values.len() as f64;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(values: &[u64]) -> Samples {
        Samples::new(values.iter().copied().map(Duration::from_millis).collect())
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred = millis(&(1..=100).rev().collect::<Vec<_>>());
        for (percent, expected) in [(0, 1), (1, 1), (50, 50), (90, 90), (99, 99), (100, 100)] {
            assert_eq!(
                hundred.percentile(percent),
                Some(Duration::from_millis(expected)),
                "{percent}"
            );
        }
        let three = millis(&[30, 10, 20]);
        assert_eq!(three.median(), Some(Duration::from_millis(20)));
        assert_eq!(three.percentile(99), Some(Duration::from_millis(30)));
        assert_eq!(three.longest(), three.percentile(100));
        assert_eq!(millis(&[7]).percentile(1), Some(Duration::from_millis(7)));
        assert_eq!(millis(&[]).median(), None);
    }

    #[test]
    fn nothing_has_no_mean() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
    }
}
