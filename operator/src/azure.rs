//! Azure Resource Manager, as far as the operator uses it.
//!
//! [`Client`] asks for managed identities, federated credentials, vaults, role assignments and identity bindings
//! of AKS clusters, and has them made and deleted; each error names the [permission](actions) that it takes. [`ResourceId`] is a resource id
//! taken apart, [`names`] says what the operator calls what it makes, and [`roles`] knows the ids of built-in
//! roles. Nothing here decides what is made or removed.

pub mod actions;
pub(crate) mod book;
mod cause;
mod client;
mod id;
mod model;
pub mod names;
pub mod roles;

pub use client::Client;
pub use id::{NotAnId, ResourceId};
