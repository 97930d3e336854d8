//! The operator: from a `VaultBinding` to a SecretProviderClass with exact versions, and to a status that
//! says what is.
//!
//! What is there is [`observed`], what the vault says is an [`answer`](observed::Answer), and
//! the plan makes of both what is wanted. It does no I/O and takes the time as an argument;
//! [`resolve`] asks vaults, and what runs around them acts.

pub mod observed;
pub mod resolve;
pub mod plan;
pub mod secrets_store;
