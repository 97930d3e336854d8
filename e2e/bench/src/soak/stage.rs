//! Vaults, identities and volumes of a soak.

use vaultbind_azure::vault::SetSecret;
use vaultbind_e2e::random::Random;
use vaultbind_proto::MountRequest;

use super::ledger::{Ledger, Object, value};
use crate::azure::Azure;
use crate::cast::{Seed, Tokens, Wanted, volume};

const IDENTITIES: usize = 25;
const VAULTS: usize = 5;
/// Secrets that one identity's volumes read.
const OWN: usize = 8;
/// Secrets of a vault that all its identities' volumes read.
const COMMON: usize = 6;
/// Certificates of a vault: the first is read as a certificate, the second with its key.
const CERTIFICATES: [(&str, &str); 2] = [("tls-public", "cert"), ("tls-whole", "secret")];
/// One in so many volumes has the certificates, too.
const WITH_CERTIFICATES: usize = 10;

/// What one volume has.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The pod's name.
    pub pod: String,
    identity: usize,
    vault: String,
    /// Each object with the file it becomes.
    pub objects: Vec<(Object, Wanted)>,
}

impl Plan {
    /// What the driver asks for it.
    ///
    /// # Errors
    /// When there is no token.
    pub async fn request(&self, tokens: &Tokens) -> anyhow::Result<MountRequest> {
        let wanted: Vec<_> = self
            .objects
            .iter()
            .map(|(_, wanted)| wanted.clone())
            .collect();
        volume(tokens, &self.pod, self.identity, &self.vault, &wanted).await
    }
}

/// The volumes, whose identities take turns; their numbers of objects follow from chance.
pub(crate) fn volumes(count: usize, random: &mut Random) -> Vec<Plan> {
    let one = |number: usize| {
        let identity = number % IDENTITIES;
        let vault = vault_of(identity);
        let wants = *random.pick(&[1, 2, 3, 5, 10]).unwrap_or(&1);
        let mut names: Vec<String> = (0..OWN)
            .map(|n| own(identity, n))
            .chain((0..COMMON).map(common))
            .collect();
        let mut objects = Vec::new();
        for _ in 0..wants {
            let name = names.swap_remove(random.below(names.len()));
            objects.push(object(&vault, &name, "secret", false));
        }
        if number.is_multiple_of(WITH_CERTIFICATES) {
            let certificates = CERTIFICATES.iter();
            objects.extend(certificates.map(|(name, kind)| object(&vault, name, kind, true)));
        }
        Plan {
            pod: format!("soak-{number}"),
            identity,
            vault,
            objects,
        }
    };
    (0..count).map(one).collect()
}

fn object(vault: &str, name: &str, kind: &'static str, certificate: bool) -> (Object, Wanted) {
    let object = Object {
        vault: vault.to_owned(),
        name: name.to_owned(),
        certificate,
    };
    let wanted = Wanted {
        name: name.to_owned(),
        kind,
        file: format!("files/{name}"),
    };
    (object, wanted)
}

fn vault_of(identity: usize) -> String {
    vault_name(identity % VAULTS)
}

fn vault_name(number: usize) -> String {
    format!("kv-soak-{number}")
}

fn own(identity: usize, number: usize) -> String {
    format!("of-{identity:02}-{number}")
}

fn common(number: usize) -> String {
    format!("common-{number}")
}

/// The seed: vaults without secrets, as the emulated Azure chooses the ids of these.
pub(crate) fn seed() -> String {
    let mut seed = Seed::default();
    seed.identities(0..IDENTITIES);
    for number in 0..VAULTS {
        let name = vault_name(number);
        let readers = (0..IDENTITIES).filter(|identity| identity % VAULTS == number);
        let certificates = CERTIFICATES.iter().map(|(certificate, _)| {
            let (object, _) = object(&name, certificate, "cert", true);
            (object.name.clone(), format!("CN={}", object.common_name()))
        });
        seed.vault(&name, readers, [], certificates);
    }
    seed.text()
}

/// Every object that can rotate.
pub(crate) fn objects() -> Vec<Object> {
    let mut all = Vec::new();
    for number in 0..VAULTS {
        let vault = vault_name(number);
        let own_names = (0..IDENTITIES)
            .filter(|identity| identity % VAULTS == number)
            .flat_map(|identity| (0..OWN).map(move |n| own(identity, n)));
        let secrets = own_names.chain((0..COMMON).map(common));
        all.extend(secrets.map(|name| object(&vault, &name, "secret", false).0));
        let certificates = CERTIFICATES.iter();
        all.extend(certificates.map(|(name, kind)| object(&vault, name, kind, true).0));
    }
    all
}

/// Gives every secret its first value.
pub(crate) async fn fill(azure: &Azure) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::default();
    for object in objects() {
        let id = match object.certificate {
            true => None,
            false => {
                let value = secret(value(&object, 0));
                let admin = azure.admin;
                Some(
                    admin
                        .set_secret(&object.vault, &object.name, &value)
                        .await?,
                )
            }
        };
        ledger.add(object, id);
    }
    Ok(ledger)
}

/// A secret with nothing but its value.
pub(crate) fn secret(value: String) -> SetSecret {
    SetSecret {
        value,
        content_type: None,
        enabled: true,
        not_before: None,
        expires: None,
        tags: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn volumes_differ_and_read_what_is_there() {
        let volumes = volumes(250, &mut Random::new(1));
        let objects = objects();
        let mut sizes = BTreeSet::new();
        for volume in &volumes {
            let names: BTreeSet<_> = volume.objects.iter().map(|(one, _)| &one.name).collect();
            assert_eq!(names.len(), volume.objects.len(), "an object twice");
            sizes.insert(names.len());
            for (object, _) in &volume.objects {
                assert!(objects.contains(object), "{object:?}");
            }
        }
        assert!(sizes.len() >= 5, "{sizes:?}");
        let certificates = volumes.iter().filter(|volume| {
            let mut objects = volume.objects.iter();
            objects.any(|(object, _)| object.certificate)
        });
        assert_eq!(certificates.count(), 25);
    }
}
