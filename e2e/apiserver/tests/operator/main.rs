//! The operator from end to end: its program, a real API server, the emulated Azure and the provider.
//!
//! `site` is what runs, once for most tests; `scene` is what one test has of it: a namespace, an
//! identity and a vault of its own, and what must hold at the end of every test.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod audit;
mod azure;
mod bound;
mod doctor;
mod leaders;
mod pins;
mod plugin;
mod policies;
mod scene;
mod secrets;
mod site;
mod trouble;
