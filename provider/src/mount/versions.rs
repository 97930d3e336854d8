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
            let mut id = format!("{}/{}", object.object_type, object.name);
            if !seen.insert(id.clone()) {
                id = format!("{id}@{}", object.path);
                seen.insert(id.clone());
            }
            ObjectVersion {
                id,
                version: fetched.version.to_string(),
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
