//! Figures as a machine reads them: one JSON file for each run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::provider::Identity;

/// One figure of one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What was done.
    pub name: String,
    /// In which of its forms.
    pub params: BTreeMap<String, String>,
    /// Who did it.
    pub provider: String,
    /// What was measured.
    pub metric: String,
    /// How much.
    pub value: Value,
    /// Of what; empty for counts and words.
    pub unit: String,
}

/// A figure, or words where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A figure.
    Number(f64),
    /// Words.
    Text(String),
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `full` or `short`.
    pub form: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Where it ran.
    pub machine: Machine,
    /// Who took part, in the order of the table's columns.
    pub providers: Vec<Identity>,
    /// The figures, in the order of the table's rows.
    pub records: Vec<Record>,
}

/// Where a run took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// Processors that programs here may use.
    pub processors: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
            memory: kib.unwrap_or_default() * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// Takes the figures of one provider.
#[derive(Debug)]
pub struct Recorder {
    provider: String,
    records: Vec<Record>,
}

impl Recorder {
    /// For a provider.
    pub fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            records: Vec::new(),
        }
    }

    /// Takes over what another one recorded.
    pub fn take(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
    }

    /// What was recorded.
    pub fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// A case to record figures of.
    pub fn case<'a>(&'a mut self, name: &'a str, params: &[(&str, String)]) -> Case<'a> {
        Case {
            recorder: self,
            name,
            params: params
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        }
    }
}

/// One line's case, whose figures are recorded.
#[derive(Debug)]
pub struct Case<'a> {
    recorder: &'a mut Recorder,
    name: &'a str,
    params: BTreeMap<String, String>,
}

impl Case<'_> {
    /// A number with its unit.
    pub fn number(&mut self, metric: &str, value: f64, unit: &str) -> &mut Self {
        self.value(metric, Value::Number(value), unit)
    }

    /// A count.
    // Counts here are far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    pub fn count(&mut self, metric: &str, value: usize) -> &mut Self {
        self.number(metric, value as f64, "")
    }

    /// Bytes, written as MiB.
    #[allow(clippy::cast_precision_loss)]
    pub fn mebibytes(&mut self, metric: &str, bytes: u64) -> &mut Self {
        self.number(metric, bytes as f64 / 1024.0 / 1024.0, "MiB")
    }

    /// A time, in milliseconds; words if there is none.
    pub fn millis(&mut self, metric: &str, time: Option<Duration>) -> &mut Self {
        match time {
            Some(time) => self.number(metric, time.as_secs_f64() * 1000.0, "ms"),
            None => self.text(metric, "none"),
        }
    }

    /// A time, in seconds.
    pub fn seconds(&mut self, metric: &str, time: Duration) -> &mut Self {
        self.number(metric, time.as_secs_f64(), "s")
    }

    /// Words.
    pub fn text(&mut self, metric: &str, value: &str) -> &mut Self {
        self.value(metric, Value::Text(value.to_owned()), "")
    }

    fn value(&mut self, metric: &str, value: Value, unit: &str) -> &mut Self {
        self.recorder.records.push(Record {
            name: self.name.to_owned(),
            params: self.params.clone(),
            provider: self.recorder.provider.clone(),
            metric: metric.to_owned(),
            value,
            unit: unit.to_owned(),
        });
        self
    }
}

/// Writes a result into a folder under a name of its own, and returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn keep(folder: &Path, kind: &str, result: &impl Serialize) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let path = folder.join(format!("{kind}-{time}-{}.json", std::process::id()));
    let mut text = serde_json::to_string_pretty(result)?;
    text.push('\n');
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Reads a run.
///
/// # Errors
/// When the file holds none.
pub fn read(path: &Path) -> anyhow::Result<Run> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("no run in {}", path.display()))
}

/// The newest run of a kind in a folder.
///
/// # Errors
/// When there is none.
pub fn newest(folder: &Path, kind: &str) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let runs = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let run = name.to_str()?.strip_prefix(kind)?.strip_prefix('-')?;
        let run = run.strip_suffix(".json");
        run.is_some().then(|| entry.path())
    });
    let newest = runs.max();
    newest.with_context(|| format!("no result in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new("ours");
        recorder
            .case("mount", &[("rtt", "5 ms".to_owned())])
            .millis("median", Some(Duration::from_micros(1500)))
            .millis("p99", None)
            .mebibytes("memory", 3 << 19);
        let run = Run {
            form: "short".to_owned(),
            began: "2026-01-01T00:00:00Z".to_owned(),
            seconds: 1,
            machine: Machine::this(),
            providers: Vec::new(),
            records: recorder.into_records(),
        };
        assert_eq!(
            run.records
                .iter()
                .map(|r| r.value.clone())
                .collect::<Vec<_>>(),
            [
                Value::Number(1.5),
                Value::Text("none".to_owned()),
                Value::Number(1.5)
            ]
        );
        let path = keep(folder.path(), "bench", &run).unwrap();
        assert_eq!(newest(folder.path(), "bench").unwrap(), path);
        assert_eq!(read(&path).unwrap(), run);
    }

    #[test]
    fn the_shape_of_a_record_is_fixed() {
        let text = r#"{"name":"a","params":{"rtt":"5 ms"},"provider":"p","metric":"m","value":2.0,"unit":"ms"}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
    }
}
