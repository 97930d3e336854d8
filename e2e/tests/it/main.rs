//! The provider against the emulated Azure: real sockets, real TLS, the real SDKs in between.
//!
//! All logs of these tests, at the highest verbosity, and all values they use go to one folder, which
//! the `leaks` test searches afterwards.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod bad_input;
mod cache;
mod connections;
mod endpoints;
mod identities;
mod judges;
mod lost_requests;
mod mounts;
mod optional;
mod process;
mod support;
mod throttling;
mod vault_uri;
