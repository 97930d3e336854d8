//! Calls to an emulated Resource Manager, over real sockets: what is sent how often, and what is told.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod calls;
mod failures;
mod stage;
mod throttling;
mod tokens;
