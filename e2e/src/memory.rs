//! Looks for bytes in the memory of another process: in its heap, its other anonymous mappings and
//! its stacks, as a debugger would.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;

use aho_corasick::AhoCorasick;

/// Read at a time.
const CHUNK: usize = 1024 * 1024;

/// The kinds of writable memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Region {
    /// What the allocator has asked for: the heap proper and anonymous mappings.
    Heap,
    /// The stack of a thread, as far as it was ever used.
    Stack,
    /// Variables of the program and its libraries.
    Data,
}

/// A place where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The kind of memory.
    pub region: Region,
    /// Where in the process.
    pub address: u64,
    /// What stands around it, with the bytes themselves left out, to tell what holds them.
    pub around: String,
}

/// Finds all copies of `needle` in the memory that the process can write.
///
/// # Errors
/// When the process is not there, or may not be looked into: that takes the right to trace it.
pub fn search(pid: u32, needle: &[u8]) -> io::Result<Vec<Copy>> {
    let searcher = AhoCorasick::new([needle]).map_err(io::Error::other)?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let stacks = stack_pointers(pid);
    let mut copies = Vec::new();
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let Some(mapping) = Mapping::parse(line, &stacks) else {
            continue;
        };
        // Chunks overlap, so that a copy across their border is seen; once.
        let overlap = needle.len().saturating_sub(1);
        let mut at = mapping.start;
        while at < mapping.end {
            let left = usize::try_from(mapping.end - at).unwrap_or(CHUNK);
            let mut chunk = vec![0; left.min(CHUNK + overlap)];
            // A mapping may have gone since, or be a guard: then there is nothing in it.
            let Ok(read) = memory.read_at(&mut chunk, at) else {
                break;
            };
            chunk.truncate(read);
            copies.extend(searcher.find_iter(&chunk).map(|found| Copy {
                region: mapping.region,
                address: at + found.start() as u64,
                around: around(&chunk, found.start(), found.end()),
            }));
            if read <= overlap {
                break;
            }
            at += (read - overlap) as u64;
        }
    }
    copies.dedup_by_key(|copy| copy.address);
    Ok(copies)
}

struct Mapping {
    start: u64,
    end: u64,
    region: Region,
}

impl Mapping {
    /// A line of `/proc/<pid>/maps`, if the memory can be read and written.
    fn parse(line: &str, stacks: &[u64]) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        let permissions = fields.next()?;
        let name = fields.nth(3).unwrap_or_default();
        if !permissions.starts_with("rw") {
            return None;
        }
        let region = if name == "[stack]" || stacks.iter().any(|sp| (start..end).contains(sp)) {
            Region::Stack
        } else if name.is_empty() || name.starts_with('[') {
            Region::Heap
        } else {
            Region::Data
        };
        Some(Self { start, end, region })
    }
}

/// Where the threads' stacks are, of those that wait for something.
fn stack_pointers(pid: u32) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let pointer = |task: fs::DirEntry| {
        let call = fs::read_to_string(task.path().join("syscall")).ok()?;
        let pointer = call.split_whitespace().rev().nth(1)?;
        u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
    };
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(pointer)
        .collect()
}

fn around(chunk: &[u8], start: usize, end: usize) -> String {
    const SHOWN: usize = 48;
    let shown = |bytes: &[u8]| -> String {
        bytes
            .iter()
            .map(|&byte| match byte {
                b' '..=b'~' => char::from(byte),
                _ => '.',
            })
            .collect()
    };
    let before = chunk.get(start.saturating_sub(SHOWN)..start);
    let after = chunk.get(end..(end + SHOWN).min(chunk.len()));
    format!(
        "{}<found>{}",
        shown(before.unwrap_or_default()),
        shown(after.unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::stage::random;

    /// A shell that holds one value in a variable and another in its environment.
    fn shell(variable: &str, environment: &str) -> Child {
        let mut shell = Command::new("sh")
            .args(["-c", "read value; echo ready; read end"])
            .env("PLANTED", environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.as_ref().unwrap();
        writeln!(input, "{variable}").unwrap();
        let mut line = String::new();
        let output = shell.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        shell
    }

    #[cfg_attr(no_trace, ignore = "processes may not be looked into here")]
    #[test]
    fn planted_values_are_found_where_they_are_and_others_are_not() {
        let (variable, environment) = (random("variable"), random("environment"));
        let mut shell = shell(&variable, &environment);
        let regions = |needle: &str| {
            let copies = search(shell.id(), needle.as_bytes()).unwrap();
            let mut regions: Vec<_> = copies.iter().map(|copy| copy.region).collect();
            regions.dedup();
            regions
        };
        assert!(regions(&variable).contains(&Region::Heap));
        assert!(regions(&environment).contains(&Region::Stack));
        assert_eq!(regions(&random("absent")), []);
        shell.kill().unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn mappings_that_cannot_be_written_are_passed_over() {
        let region = |line: &str| Mapping::parse(line, &[0x7f02]).map(|mapping| mapping.region);
        for (line, expected) in [
            (
                "1000-2000 rw-p 00000000 00:00 0    [heap]",
                Some(Region::Heap),
            ),
            ("1000-2000 rw-p 00000000 00:00 0 ", Some(Region::Heap)),
            ("7f00-7f10 rw-p 00000000 00:00 0 ", Some(Region::Stack)),
            (
                "1000-2000 rw-p 00000000 00:00 0    [stack]",
                Some(Region::Stack),
            ),
            (
                "1000-2000 rw-p 00000000 08:01 7    /bin/sh",
                Some(Region::Data),
            ),
            ("1000-2000 r-xp 00000000 08:01 7    /bin/sh", None),
            ("1000-2000 ---p 00000000 00:00 0 ", None),
            ("", None),
        ] {
            assert_eq!(region(line), expected, "{line}");
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(search(u32::MAX, b"needle").is_err());
    }
}
