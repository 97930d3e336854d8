//! Gives objects new versions, all the time.

use std::sync::Arc;

use vaultbind_azure::CertificateVersion;
use vaultbind_e2e::random::Random;

use super::ledger::value;
use super::{Shared, lock, stage};

/// Rotates one object after the other until the end.
///
/// # Errors
/// When the emulated Azure does not do it: then nothing can be judged any more.
pub(crate) async fn run(shared: Arc<Shared>, seed: u64) -> anyhow::Result<()> {
    let mut random = Random::new(seed);
    let objects = stage::objects();
    while !shared.ending() {
        shared.sleep(random.millis(100, 1000)).await;
        let Some(object) = random.pick(&objects) else {
            break;
        };
        let serial = lock(&shared.ledger).begin(object);
        let admin = shared.azure.admin;
        let (vault, name) = (&object.vault, &object.name);
        let id = match object.certificate {
            true => {
                let next = CertificateVersion::default();
                admin.add_certificate_version(vault, name, &next).await?
            }
            false => {
                let value = stage::secret(value(object, serial));
                admin.set_secret(vault, name, &value).await?
            }
        };
        let finished = lock(&shared.ledger).finish(object, serial, &id, shared.now());
        lock(&shared.tally).rotations += 1;
        if let Err(wrong) = finished {
            shared.wrong(&wrong);
        }
    }
    Ok(())
}
