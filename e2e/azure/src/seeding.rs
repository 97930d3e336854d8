//! Adding a seed to what there is: all of it, or nothing.

use crate::arm::ArmSeedError;
use crate::directory::DirectoryError;
use crate::issuers::{IssuerError, IssuerMap};
use crate::seed::Seed;
use crate::state::State;
use crate::vault::{SeedError, Vaults};

/// Why nothing of a seed was added.
#[derive(Debug, thiserror::Error)]
pub enum SeedingError {
    /// Tenants or identities.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Issuers.
    #[error(transparent)]
    Issuers(#[from] IssuerError),
    /// Vaults.
    #[error(transparent)]
    Vaults(#[from] SeedError),
    /// What Resource Manager is told.
    #[error(transparent)]
    Arm(#[from] ArmSeedError),
    /// The name of a vault is taken.
    #[error(
        "vaults: {0}: name: there is a vault of this name already, and they are unique in all clouds"
    )]
    VaultExists(String),
}

impl SeedingError {
    /// Whether the seed says otherwise than what is there already.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::VaultExists(_) | Self::Issuers(IssuerError::Exists(_)) => true,
            Self::Directory(error) => matches!(
                error,
                DirectoryError::DuplicateClient { .. }
                    | DirectoryError::DuplicateResource(_)
                    | DirectoryError::DuplicateDomain(_)
                    | DirectoryError::OtherCloud(_)
            ),
            Self::Arm(error) => error.is_conflict(),
            Self::Issuers(_) | Self::Vaults(_) => false,
        }
    }
}

impl State {
    /// Adds a seed. Generates keys, which takes a moment.
    pub(crate) fn seed(&self, seed: &Seed, now: i64) -> Result<(), SeedingError> {
        // Before keys are made in vain; it is looked at once more below.
        for vault in &seed.vaults {
            if self.vaults.has(&vault.name) {
                return Err(SeedingError::VaultExists(vault.name.clone()));
            }
        }
        // What takes long is done before the locks are held, what may fail before anything changes.
        let new_vaults = Vaults::load(&seed.vaults, now)?;
        let new_issuers = IssuerMap::from_seed(&seed.issuers)?;

        let mut arm = self.arm.lock();
        let mut directory = self.directory.write();
        let mut issuers = self.issuers.write();
        let mut vaults = self.vaults.write();
        let entries = directory.with(seed)?;
        issuers.check(&new_issuers)?;
        if let Some(name) = new_vaults.keys().find(|name| vaults.contains_key(*name)) {
            return Err(SeedingError::VaultExists(name.clone()));
        }
        let fresh = Vaults::resources_of(&new_vaults);
        let addition = arm.check(&seed.arm, &entries)?;
        *directory = entries;
        issuers.merge(new_issuers);
        vaults.extend(new_vaults);
        drop((directory, issuers, vaults));
        for vault in fresh {
            arm.forget_scope(&vault);
        }
        arm.add(addition, &self.directory, &self.vaults);
        Ok(())
    }
}
