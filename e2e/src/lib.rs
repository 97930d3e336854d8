//! Plays the CSI driver against the real provider and an emulated Azure.

pub mod driver;
