//! Finds out whether this user may look into the memory of processes that it starts. Where it may
//! not, the tests that need it are ignored, and so counted and named among those skipped.

use std::fs::File;
use std::process::{Command, Stdio};

const RULE: &str = "/proc/sys/kernel/yama/ptrace_scope";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(no_trace)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={RULE}");
    if !may_trace() {
        println!("cargo::rustc-cfg=no_trace");
    }
}

fn may_trace() -> bool {
    let Ok(mut child) = Command::new("cat").stdin(Stdio::piped()).spawn() else {
        return false;
    };
    let may = File::open(format!("/proc/{}/mem", child.id())).is_ok();
    let _ = child.kill();
    let _ = child.wait();
    may
}
