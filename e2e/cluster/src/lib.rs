//! What the scenarios on a real cluster share.
//!
//! [`Cluster`] is the cluster as `make e2e` started it, with the driver, the provider, the operator and the
//! emulated Azure in it. A scenario has a [`Site`] of its own in it: a namespace, a ServiceAccount, a tenant with
//! an identity, and a vault, so that scenarios run beside each other.

mod binding;
mod cluster;
mod manifest;
mod site;
mod wait;

pub use binding::{condition, object_status};
pub use cluster::{Cluster, DriverVersion, secrets_store};
pub use manifest::{PodSpec, class};
pub use site::{Site, uuid};
pub use wait::{eventually, within};
