//! Questions to an emulated Azure, over real sockets: what they cost, and what is told of failures.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod azure;
mod bound;
mod failures;
mod hostile;
mod identities;
mod looks;
mod same_bytes;
mod selections;
mod stage;
mod values;
