//! What the kernel says about a process.

use std::fs;
use std::io;
use std::time::Duration;

/// The memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Most that ever was.
    pub peak: u64,
}

/// Time on a processor since the start, in user and system mode, without children that ended.
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    cpu_of_stat(&text, rustix::param::clock_ticks_per_second()).ok_or_else(|| odd(&text))
}

/// # Errors
/// When the process is gone.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let text = status(pid)?;
    let bytes = |name| field(&text, name).map(|kib| kib * 1024);
    match (bytes("VmRSS"), bytes("VmHWM")) {
        (Some(resident), Some(peak)) => Ok(Memory { resident, peak }),
        _ => Err(odd(&text)),
    }
}

/// # Errors
/// When the process is gone.
pub fn threads(pid: u32) -> io::Result<u64> {
    let text = status(pid)?;
    field(&text, "Threads").ok_or_else(|| odd(&text))
}

/// Open file descriptors.
///
/// # Errors
/// When the process is gone.
pub fn descriptors(pid: u32) -> io::Result<u64> {
    let count = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    Ok(count.try_into().unwrap_or(u64::MAX))
}

fn status(pid: u32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/status"))
}

fn cpu_of_stat(text: &str, ticks_per_second: u64) -> Option<Duration> {
    // The name in parentheses may hold anything, so fields are counted from behind it.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let micros = (user + system).checked_mul(1_000_000)? / ticks_per_second.max(1);
    Some(Duration::from_micros(micros))
}

fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        value.split_ascii_whitespace().next()?.parse().ok()
    })
}

fn odd(text: &str) -> io::Error {
    io::Error::other(format!("not what /proc says: {}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194560 900 0 1 0 150 50 7 9 20 0 4 0 100 1 2";
        assert_eq!(cpu_of_stat(stat, 100), Some(Duration::from_secs(2)));
        assert_eq!(cpu_of_stat("42 (a", 100), None);
        assert_eq!(cpu_of_stat("42 (a) S 1", 100), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        assert!(threads(pid).unwrap() > 0);
        assert!(descriptors(pid).unwrap() > 2);
        cpu(pid).unwrap();
    }
}
