//! Which pods have which versions.

use vaultbind_crds::binding::ObjectType;
use vaultbind_crds::status::PodCount;

use super::objects::Item;
use super::outcome::Shown;
use super::render::word;
use crate::observed::{Cluster, Mount};

/// For each item the pods that have its pinned version, and of all pods those that have them all.
pub(super) fn count(
    items: &[Item<'_>],
    shown: &[Shown],
    cluster: &Cluster,
) -> (Vec<Option<PodCount>>, PodCount) {
    let total = bounded(cluster.mounts.len());
    let mut all = vec![true; cluster.mounts.len()];
    let counts = items
        .iter()
        .zip(shown)
        .map(|(item, shown)| {
            let pinned = shown.pinned.as_ref()?;
            let mut current = 0;
            for (mount, all) in cluster.mounts.iter().zip(&mut all) {
                if mounts_version(
                    mount,
                    item.object.type_,
                    item.name.as_str(),
                    pinned.as_str(),
                ) {
                    current += 1;
                } else {
                    *all = false;
                }
            }
            Some(PodCount { current, total })
        })
        .collect();
    let current = bounded(all.into_iter().filter(|has| *has).count());
    (counts, PodCount { current, total })
}

fn bounded(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Whether a pod's volume has a version of an object of the vault.
///
/// The provider tells the driver `type/name`, with `@` and a path if an object is mounted a second
/// time, and the version, with a dot and more if it becomes several files.
pub fn mounts_version(mount: &Mount, type_: ObjectType, name: &str, version: &str) -> bool {
    mount.objects.iter().any(|object| {
        let id = object.id.split('@').next().unwrap_or_default();
        let mounted = object.version.split('.').next().unwrap_or_default();
        let Some((word_of, name_of)) = id.split_once('/') else {
            return false;
        };
        // The Azure provider mounts a certificate's PFX as its secret.
        let same_type =
            word_of == word(type_) || (type_ == ObjectType::Certificate && word_of == "secret");
        same_type && name_of.eq_ignore_ascii_case(name) && mounted.eq_ignore_ascii_case(version)
    })
}
