//! Pods on a real node mount through the real CSI driver. `make e2e` starts the cluster and runs these.
//!
//! Scenarios run beside each other, each at its own site; those named `alone_` change what others use and
//! run one after another, after them. Those in `reboot` are the two halves of one, with the node's
//! restart between them; those in `defaults` want a cluster whose driver is as it comes.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod alone;
mod bindings;
mod chart;
mod defaults;
mod failures;
mod identities;
mod limits;
mod mounts;
mod operator;
mod provisioned;
mod reboot;
mod rotation;
mod secrets;
mod support;
mod sync;
