//! A real API server for tests: [`ApiServer`] starts etcd and kube-apiserver as plain processes on
//! loopback, without root, and removes them and their folder when it is dropped or its process ends in
//! any way.
//!
//! There is no kubelet, scheduler or controller manager: pods stay as they were written, a deleted
//! namespace stays in its deletion, owned objects are not collected, and ServiceAccounts exist only if
//! somebody creates them. Tokens for them are issued, signed and discoverable as on any cluster. A test
//! that needs some of the controllers starts [`Controllers`].

pub mod audit;
mod chart;
mod controllers;
mod install;
mod policies;
mod programs;
mod server;

pub use audit::Audit;
pub use chart::{chart, combinations, helm, rendered, rendered_combination};
pub use controllers::Controllers;
pub use install::{apply, driver, folder, install, manifest, operator_rights, pod_monitors};
pub use policies::{enforced, policies, taken_up};
pub use programs::programs;
pub use server::{ApiServer, ISSUER};
