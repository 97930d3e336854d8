//! A control group that limits processor and memory, made for one provider and removed with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The period in which a limited process may use its share, the kernel's and kubelet's default.
const PERIOD_MICROS: u64 = 100_000;

/// What a container may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Thousandths of a processor.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory: u64,
}

/// The limits in the Go provider's chart.
pub const CHART: Limits = Limits {
    cpu_millis: 50,
    memory: 100 * 1024 * 1024,
};

/// A control group, in one hierarchy (version 2) or one for each controller (version 1).
#[derive(Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes a group below this process's own.
    ///
    /// # Errors
    /// When this process may not, or the kernel does not offer both controllers.
    pub fn make(limits: Limits) -> anyhow::Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let name = format!("vaultbind-bench-{}", std::process::id());
        let quota = PERIOD_MICROS * limits.cpu_millis / 1000;
        let memory = limits.memory.to_string();
        let mut group = Self {
            folders: Vec::new(),
        };
        let one = |controller| parent(&own, &mounts, controller);
        if let (Some(cpu), Some(memory_parent)) = (one("cpu"), one("memory")) {
            let cpu = group.add(&cpu, &name)?;
            set(&cpu, "cpu.cfs_period_us", &PERIOD_MICROS.to_string())?;
            set(&cpu, "cpu.cfs_quota_us", &quota.to_string())?;
            let folder = group.add(&memory_parent, &name)?;
            set(&folder, "memory.limit_in_bytes", &memory)?;
        } else if let Some(parent) = unified(&own, &mounts) {
            // Already on in most places; where it may not be switched on, the settings below fail.
            let _ = fs::write(parent.join("cgroup.subtree_control"), "+cpu +memory");
            let folder = group.add(&parent, &name)?;
            set(&folder, "cpu.max", &format!("{quota} {PERIOD_MICROS}"))?;
            set(&folder, "memory.max", &memory)?;
        } else {
            bail!("no control groups for cpu and memory are mounted");
        }
        Ok(group)
    }

    /// The files that a process writes its id to so as to join.
    pub fn joins(&self) -> Vec<PathBuf> {
        let folders = self.folders.iter();
        folders.map(|folder| folder.join("cgroup.procs")).collect()
    }

    fn add(&mut self, parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let folder = parent.join(name);
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        self.folders.push(folder.clone());
        Ok(folder)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // Busy until the kernel is through with the last process.
            for _ in 0..100 {
                match fs::remove_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                    _ => break,
                }
            }
        }
    }
}

fn set(folder: &Path, file: &str, value: &str) -> anyhow::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value).with_context(|| format!("cannot write {value} to {}", path.display()))
}

/// This process's group in the version 1 hierarchy of a controller.
fn parent(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|one| one == controller);
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        has(parts.next()?).then_some(parts.next()?)
    })?;
    below(mounts, "cgroup", group, |options| has(options))
}

/// This process's group in the version 2 hierarchy.
fn unified(own: &str, mounts: &str) -> Option<PathBuf> {
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    below(mounts, "cgroup2", group, |_| true)
}

fn below(mounts: &str, kind: &str, group: &str, fits: impl Fn(&str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let options = right.nth(2)?;
        let of_kind = line.split_once(" - ")?.1.split(' ').next()? == kind;
        // In a container the hierarchy may be mounted from the group down.
        let inside = group.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
        (of_kind && fits(options)).then(|| Path::new(point).join(inside.trim_start_matches('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 24 0:27 /pods/a /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn groups_are_found_in_both_versions() {
        let own = "4:memory:/pods/a/b\n1:cpu,cpuacct:/x\n0::/y\n";
        let one = |controller| parent(own, MOUNTS, controller);
        assert_eq!(one("cpu"), Some("/sys/fs/cgroup/cpu/x".into()));
        assert_eq!(one("memory"), Some("/sys/fs/cgroup/memory/b".into()));
        assert_eq!(one("pids"), None);
        assert_eq!(
            unified(own, MOUNTS),
            Some("/sys/fs/cgroup/unified/y".into())
        );
        assert_eq!(unified("1:cpu:/x\n", MOUNTS), None);
    }
}
