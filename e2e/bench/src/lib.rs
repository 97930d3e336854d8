//! Drives provider programs over their socket, as the CSI driver does, against the emulated Azure.
//!
//! [`bench`] measures and [`soak`] lets a provider run for long under rotation and faults. Both know
//! a provider only as a program: what its command line takes and what its socket answers. [`operator`]
//! measures the operator's program with many bindings on a real API server. Around
//! them: [`azure`] and [`provider`] are the programs that run, [`relay`] the distance between them,
//! [`cast`] who mounts what, [`drive`] the mounts, [`record`] and [`table`] the figures, [`page`]
//! the page of documentation made of them.

pub mod azure;
pub mod bench;
pub mod cast;
pub mod cgroup;
pub mod cli;
pub mod drive;
pub mod operator;
pub mod page;
pub mod process;
pub mod provider;
pub mod record;
pub mod relay;
pub mod scrape;
pub mod soak;
pub mod stats;
pub mod table;
