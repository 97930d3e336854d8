//! What a provider understands of a binding.
//!
//! The dialect `Azure` is what the Go provider for Azure does with its own parameters. A binding that
//! needs more is refused as a whole: what that provider does not know it passes over in silence.

use vaultbind_crds::VaultBinding;
use vaultbind_crds::binding::{Audience, Dialect, Object, Part};

use super::reading::Reading;
use super::reason::{Reason, Stall};
use crate::observed::VaultRef;

/// Refuses what the provider does not understand.
pub(super) fn check(binding: &VaultBinding, reading: &Reading<'_>) -> Result<(), Stall> {
    let azure = binding.spec.provider.dialect == Dialect::Azure;
    audience(azure, reading)?;
    if !azure {
        return Ok(());
    }
    if let VaultRef::Host(host) = &reading.vault {
        return Err(unsupported(
            "spec.vault.uri",
            &format!(
                "{host} is no vault of the cloud: the Azure provider knows vaults by name only"
            ),
        ));
    }
    reading
        .wishes
        .iter()
        .try_for_each(|wish| object(wish.object))
}

/// The Azure provider only knows the public cloud's audience, vaultbind's that of the vault's cloud and
/// the public one. Both know the token proxy's.
fn audience(azure: bool, reading: &Reading<'_>) -> Result<(), Stall> {
    let own = reading.cloud.federation_audience();
    let audience = reading.audience;
    if matches!(audience, Audience::Public | Audience::TokenProxy)
        || (!azure && audience.as_str() == own)
    {
        return Ok(());
    }
    let known = if azure || own == Audience::Public.as_str() {
        Audience::Public.as_str().to_owned()
    } else {
        format!("{own} or {}", Audience::Public.as_str())
    };
    Err(Stall::new(
        Reason::UnsupportedByProvider,
        format!(
            "spec.identity.audience: the provider proves the identity with a token for {known}, not for {}: \
             set that audience here and in the federated identity credential",
            audience.as_str()
        ),
    ))
}

fn object(object: &Object) -> Result<(), Stall> {
    let field = |field: &str| format!("spec.objects[{}].{field}", object.name);
    if object.optional {
        return Err(unsupported(
            &field("optional"),
            "the Azure provider mounts nothing while one object is missing: remove it",
        ));
    }
    for part in object.parts() {
        let what = match part {
            Part::Leaf | Part::PFX => continue,
            Part::FullChain => "FullChain",
            Part::PrivateKey => "PrivateKey",
            Part::CA => "CA",
        };
        return Err(unsupported(
            &field("parts"),
            &format!(
                "the Azure provider cannot make {what} of a certificate: set parts to Leaf or PFX, or use \
                 type: Secret for key and chain in one file"
            ),
        ));
    }
    if object.path().contains("..") {
        return Err(unsupported(
            &field("file.path"),
            "the Azure provider refuses paths with two dots in a row: use another path",
        ));
    }
    Ok(())
}

/// What the Azure provider does not understand.
fn unsupported(field: &str, problem: &str) -> Stall {
    Stall::new(
        Reason::UnsupportedByProvider,
        format!("{field}: {problem}; otherwise set spec.provider to vaultbind's own"),
    )
}
