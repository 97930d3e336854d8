//! What a real API server makes of the admission policies: each refuses what it is there for, says what to do,
//! and stands in nobody's way. Those who try are who they would be on a cluster: the operator with its
//! ServiceAccount's token and the chart's rights, an editor of a namespace, and somebody who may look.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod actor;
mod bindings;
mod classes;
mod costs;
mod definitions;
mod identities;
mod limits;
mod mounts;
mod order;
mod patterns;
mod site;
mod tokens;
mod types;
mod uses;
mod warning;
mod workloads;
mod writes;
