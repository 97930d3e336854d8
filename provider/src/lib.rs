//! Azure Key Vault provider for the Secrets Store CSI driver.
//!
//! The way of one Mount, each step a module with a type at its border: [`request`] decodes what the
//! driver sends, [`mount`] gets access and fetches, [`render`] makes files of what the vault served,
//! [`service`] answers. Around it: [`serve`] is the socket, [`server`] the whole, built from
//! [`args`].

pub mod args;
mod debug;
#[cfg(test)]
mod docs;
mod http;
mod lru;
pub mod metrics;
pub mod mount;
mod probe;
pub mod render;
pub mod request;
pub mod serve;
pub mod server;
pub mod service;
pub mod status;

/// Threads that serve mounts, and as many for PFX files. A node's provider has fractions of a
/// processor; more threads only cost memory.
pub const WORKERS: usize = 2;
