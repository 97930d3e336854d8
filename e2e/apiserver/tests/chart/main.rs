//! What a real API server makes of the Helm chart: it takes every object of every combination of values that the
//! chart's snapshots are of, admits the operator's pods at the Pod Security level restricted, and has a default class
//! after helm's first install.

// Tests fail by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod default_class;
mod dry_run;
mod orphans;
mod pod_security;
mod site;
