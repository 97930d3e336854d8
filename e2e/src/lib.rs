//! Plays the CSI driver against the real provider and an emulated Azure.
//!
//! [`driver`] is what the Secrets Store CSI driver does, [`stage`] an emulated Azure and a provider in
//! this process, [`admin`] the administration of an emulated Azure anywhere, [`operator`] the operator's
//! program, [`leaks`] looks for secrets where none may be, [`memory`] in the memory of processes,
//! [`random`] is chance that can be repeated, [`demo`] shows a mount to people.

pub mod admin;
pub mod demo;
pub mod driver;
pub mod leaks;
pub mod memory;
pub mod operator;
pub mod random;
pub mod stage;
