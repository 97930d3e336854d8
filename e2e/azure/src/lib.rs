//! An emulated Azure: Entra's token endpoint, the managed identity endpoint and Key Vault.

pub mod vault;
