//! Plays the CSI driver against the real provider and an emulated Azure.
//!
//! [`driver`] is what the Secrets Store CSI driver does, [`stage`] an emulated Azure and a provider in
//! this process, [`admin`] the administration of an emulated Azure anywhere, [`leaks`] looks for
//! secrets where none may be, [`memory`] in the memory of processes, [`demo`] shows a mount to people.

pub mod admin;
pub mod demo;
pub mod driver;
pub mod leaks;
pub mod memory;
pub mod stage;
