//! The operator: from a `VaultBinding` to a SecretProviderClass with exact versions, and to a status that
//! says what is.
//!
//! What is there is [`observed`], what the vault says is an [`answer`](observed::Answer), and
//! [`plan`] makes of both what is wanted. It does no I/O and takes the time as an argument;
//! [`resolve`] asks vaults, and what runs around them acts: [`cluster`] watches, [`queue`] says whose turn it
//! is, [`reconcile`] is one turn, [`apply`] writes, [`secrets`] brings Kubernetes Secrets up to date,
//! [`azure`] is asked and changed by [`provision`],
//! [`lease`] decides which replica does, and
//! [`controller`] is the whole, built from [`args`].

mod apply;
pub mod args;
pub mod azure;
mod cluster;
pub mod controller;
#[cfg(test)]
mod docs;
mod events;
mod health;
pub mod lease;
pub mod metrics;
pub mod observed;
pub mod plan;
mod provision;
pub mod queue;
mod reconcile;
pub mod resolve;
mod secrets;
pub mod secrets_store;
pub mod surroundings;

/// Threads of the program. It mostly waits.
pub const WORKERS: usize = 2;
