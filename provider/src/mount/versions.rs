//! The object versions that the driver records and compares.

use std::collections::HashSet;
use std::sync::Arc;

use vaultbind_keyvault::Fetched;
use vaultbind_proto::{MountResponse, ObjectVersion};

use crate::request::Object;

/// One version for each object: `type/name` and the vault's version. The driver folds them into a
/// map, so an object that is mounted a second time carries its path, too.
pub(super) fn of(objects: &[Object], fetched: &[Arc<Fetched>]) -> Vec<ObjectVersion> {
    let mut seen = HashSet::new();
    objects
        .iter()
        .zip(fetched)
        .map(|(object, fetched)| {
            let (object_type, name) = (object.object_type.as_str(), object.name.as_str());
            // Joined in one piece each: this is done for every object of every mount.
            let id = if seen.insert((object_type, name)) {
                [object_type, "/", name].concat()
            } else {
                [object_type, "/", name, "@", object.path.as_str()].concat()
            };
            ObjectVersion {
                id,
                version: fetched.version.as_str().to_owned(),
            }
        })
        .collect()
}

/// The answer to a class without objects. The driver takes an answer without versions for a fault.
pub(super) fn empty() -> MountResponse {
    let version = ObjectVersion {
        id: "no-objects".to_owned(),
        version: "0".to_owned(),
    };
    MountResponse {
        object_version: vec![version],
        ..MountResponse::default()
    }
}
