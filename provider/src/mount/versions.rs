//! The object versions that the driver records and compares.

use std::collections::HashSet;

use vaultbind_keyvault::cache::Served;
use vaultbind_proto::{MountResponse, ObjectVersion};

use crate::request::Object;

/// The version of an object that was left out: none of a vault's.
const ABSENT: &str = "absent";

/// One version for each object: `type/name` and the vault's version, or that it was left out, so that
/// its coming is a change for the driver. The driver folds them into a map, so an object that is
/// mounted a second time carries its path, too. A version of parts has an end of its own, so that a
/// change of `parts` is a change.
pub(super) fn of(objects: &[Object], served: &[Option<Served>]) -> Vec<ObjectVersion> {
    let mut seen = HashSet::new();
    objects
        .iter()
        .zip(served)
        .map(|(object, served)| {
            let (object_type, name) = (object.object_type.as_str(), object.name.as_str());
            // Joined in one piece each: this is done for every object of every mount.
            let id = if seen.insert((object_type, name)) {
                [object_type, "/", name].concat()
            } else {
                // Entries may share a folder, but no file.
                let path = object.files().next().unwrap_or_default();
                [object_type, "/", name, "@", &path].concat()
            };
            let version = match served {
                Some(served) if object.parts.is_empty() => served.fetched.version.to_string(),
                Some(served) => format!("{}.{}", served.fetched.version, object.parts.tag()),
                None => ABSENT.to_owned(),
            };
            ObjectVersion { id, version }
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
