//! What the figures would be with more bindings: straight lines through what was measured. The Lease is
//! renewed as often with many bindings as with few.

use crate::record::Recorder;

/// For how many.
const MANY: usize = 10_000;

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Bindings, and resident memory in bytes with so many.
    pub rows: Vec<(usize, u64)>,
    /// Bindings of what follows.
    pub bindings: usize,
    /// Calls to the API server in a minute, but for the Lease.
    pub api_calls: f64,
    /// Those for the Lease.
    pub lease_calls: f64,
    /// Calls to vaults in a minute.
    pub vault_calls: f64,
    /// Calls to Entra in a minute.
    pub entra_calls: f64,
    /// Seconds of processor time in a minute.
    pub cpu: f64,
}

/// Records the projection.
pub fn record(recorder: &mut Recorder, measured: &Measured) {
    let case = [("bindings", format!("{MANY} bindings"))];
    let mut case = recorder.case("projection", &case);
    match slope(&measured.rows) {
        Some((of_one, none)) => {
            let mebibytes = (none + of_one * count(MANY)) / 1024.0 / 1024.0;
            case.number("resident", mebibytes, "MiB");
            case.number("memory of one binding", of_one / 1024.0, "KiB");
        }
        None => {
            case.text("resident", "none");
        }
    }
    let times = count(MANY) / count(measured.bindings.max(1));
    let api = measured.api_calls * times + measured.lease_calls;
    case.number("API calls", api, "per minute")
        .number("vault calls", measured.vault_calls * times, "per minute")
        .number("Entra calls", measured.entra_calls * times, "per minute")
        .number("CPU", measured.cpu * times, "s per minute");
}

/// The line of least squares through the points: what one more adds, and where it begins.
fn slope(rows: &[(usize, u64)]) -> Option<(f64, f64)> {
    let points: Vec<(f64, f64)> = rows.iter().map(|&(x, y)| (count(x), bytes(y))).collect();
    let n = count(points.len());
    let mean = |values: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(values).sum::<f64>() / n;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let common: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    (spread > 0.0).then(|| (common / spread, y - common / spread * x))
}

#[allow(clippy::cast_precision_loss)]
fn count(value: usize) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss)]
fn bytes(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_points_that_lie_on_one() {
        let (of_one, none) = slope(&[(0, 1000), (10, 1200), (20, 1400)]).unwrap();
        assert!((of_one - 20.0).abs() < 1e-9 && (none - 1000.0).abs() < 1e-6);
        assert_eq!(slope(&[(5, 1)]), None);
        assert_eq!(slope(&[]), None);
    }
}
